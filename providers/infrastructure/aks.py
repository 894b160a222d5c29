"""AKS: control planes that Azure runs, described by resources of Azure Service Operator (ASO).

Source: kubernetes-sigs/cluster-api-provider-azure 69ec3a4 (1.26) — config/crd/bases, docs of
managed clusters; `AzureManaged*` is superseded by `AzureASOManaged*`.
"""

from __future__ import annotations

from providers.descriptor import Durations, Kind, Provider, Role, kinds

_ASO = """
spec.resources                      array
spec.resources[*].apiVersion        string!
spec.resources[*].kind              string!
"""
_OLD = "AzureManaged* is superseded; the way out: AzureASOManaged* of the same provider"

PROVIDERS = (
    Provider(
        name="aks",
        title="Azure AKS",
        source="cluster-api-provider-azure 1.26",
        versions=("v1alpha1", "v1beta1"),
        contract="v1beta1",
        durations=Durations(
            infrastructure=1200, control_plane=1800, workers=1800, rollout=3600, removal=1800
        ),
        kinds=kinds(
            AzureASOManagedCluster=Kind(
                role=Role.CLUSTER,
                written=("spec.controlPlaneEndpoint",),
                fields=_ASO,
            ),
            AzureASOManagedControlPlane=Kind(
                role=Role.CONTROL_PLANE,
                # The version may stand in the embedded ManagedCluster as well.
                rolls=("spec.version", "spec.resources"),
                fields=_ASO + "spec.version string",
            ),
            AzureASOManagedMachinePool=Kind(
                role=Role.POOL,
                written=("spec.providerIDList",),
                rolls=("spec.resources",),
                fields=_ASO,
            ),
            AzureASOManagedClusterTemplate=Kind(role=Role.TEMPLATE),
            AzureASOManagedControlPlaneTemplate=Kind(role=Role.TEMPLATE),
            AzureASOManagedMachinePoolTemplate=Kind(role=Role.TEMPLATE),
            AzureManagedCluster=Kind(role=Role.CLUSTER, versions=("v1beta1",), legacy=_OLD),
            AzureManagedControlPlane=Kind(
                role=Role.CONTROL_PLANE,
                versions=("v1beta1",),
                immutable=("spec.location", "spec.resourceGroupName"),
                rolls=("spec.version",),
                legacy=_OLD,
            ),
            AzureManagedMachinePool=Kind(
                role=Role.POOL, versions=("v1beta1",), rolls=("spec.sku",), legacy=_OLD
            ),
        ),
    ),
)
