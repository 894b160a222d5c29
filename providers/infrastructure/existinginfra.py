"""Weave's providers for existing machines: `ExistingInfra*`, and wksctl's specs before them.

Source: weaveworks/cluster-api-provider-existinginfra d2ce040 (v1alpha3, its CRDs look into no
`spec`), weaveworks/wksctl 5b0aff3 (`cluster.k8s.io/v1alpha1` with a `baremetalproviderspec`).
Both are archived: such manifests are read and planned as they are, and nothing is awaited, because
no controller that still runs would answer.
"""

from __future__ import annotations

from providers.descriptor import Kind, Provider, Role, kinds

_WAY_OUT = (
    "the way out: RemoteCluster, RemoteMachineTemplate and a PooledRemoteMachine of k0smotron for"
    " each address, with its SSH key in a Secret under `value`"
)
_PROVIDER_SPEC = """
spec.providerSpec                   object
spec.providerSpec.value             object
spec.providerSpec.value.apiVersion  string!
spec.providerSpec.value.kind        string!
"""

PROVIDERS = (
    Provider(
        name="existinginfra",
        title="Weave existing infrastructure",
        source="cluster-api-provider-existinginfra v0.1.0",
        versions=("v1alpha3",),
        contract="none",
        legacy="cluster.weave.works ended with Cluster API v1alpha3, which no release serves any"
        f" more; {_WAY_OUT}",
        kinds=kinds(
            "cluster.weave.works",
            ExistingInfraCluster=Kind(role=Role.CLUSTER),
            ExistingInfraMachine=Kind(role=Role.MACHINE),
            # Its template writes these in the provider's own group, where no controller takes them.
            MachineDeployment=Kind(role=Role.PART),
        ),
    ),
    Provider(
        name="wksctl",
        title="Weave wksctl",
        source="wksctl 5b0aff3",
        versions=("v1alpha1",),
        contract="none",
        legacy=f"cluster.k8s.io/v1alpha1 was Cluster API before 2019; {_WAY_OUT}",
        kinds=kinds(
            "cluster.k8s.io",
            Cluster=Kind(role=Role.HOST, fields=_PROVIDER_SPEC + "spec.clusterNetwork object"),
            Machine=Kind(role=Role.HOST, fields=_PROVIDER_SPEC + "spec.versions object"),
            MachineDeployment=Kind(role=Role.HOST),
            MachineSet=Kind(role=Role.HOST),
        ),
    ),
)
