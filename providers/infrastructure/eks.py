"""EKS: control planes that AWS runs.

Source: kubernetes-sigs/cluster-api-provider-aws v2.13.0 — config/crd/bases,
controlplane/eks/webhooks and exp/webhooks (what may not change), test/e2e/data/e2e_eks_conf.yaml.
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.bootstrap import secret_refs
from providers.descriptor import (
    BOOTSTRAP,
    CONTROL_PLANE,
    INFRASTRUCTURE,
    Durations,
    Kind,
    Provider,
    Role,
    kinds,
)

_IDENTITY = RefRule(
    path="spec.identityRef",
    targets=tuple(
        Target(kind=kind, group=INFRASTRUCTURE, namespaced=False)
        for kind in (
            "AWSClusterControllerIdentity",
            "AWSClusterRoleIdentity",
            "AWSClusterStaticIdentity",
        )
    ),
    reason="uses its credentials",
)

PROVIDERS = (
    Provider(
        name="eks",
        title="AWS EKS",
        source="cluster-api-provider-aws v2.13.0",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta1",
        durations=Durations(
            infrastructure=2400, control_plane=2100, workers=1800, rollout=2400, removal=2100
        ),
        kinds={
            **kinds(
                AWSManagedCluster=Kind(
                    role=Role.CLUSTER,
                    versions=("v1beta2",),
                    written=("spec.controlPlaneEndpoint",),
                    fields="""
spec.controlPlaneEndpoint       object
spec.controlPlaneEndpoint.host  string
spec.controlPlaneEndpoint.port  integer
""",
                ),
                AWSManagedClusterTemplate=Kind(role=Role.TEMPLATE, versions=("v1beta2",)),
                AWSManagedMachinePool=Kind(
                    role=Role.POOL,
                    immutable=(
                        "spec.eksNodegroupName",
                        "spec.subnetIDs",
                        "spec.roleName",
                        "spec.diskSize",
                        "spec.amiType",
                        "spec.remoteAccess",
                        "spec.capacityType",
                        "spec.availabilityZones",
                        "spec.availabilityZoneSubnetType",
                    ),
                    written=("spec.providerIDList", "spec.eksNodegroupName", "spec.roleName"),
                    rolls=("spec.amiVersion", "spec.awsLaunchTemplate", "spec.instanceType"),
                    fields="""
spec.eksNodegroupName   string
spec.instanceType       string
spec.amiVersion         string
spec.diskSize           integer
spec.capacityType       onDemand|spot
spec.labels             object
spec.subnetIDs          array
spec.availabilityZones  array
spec.scaling            object
spec.scaling.minSize    integer
spec.scaling.maxSize    integer
spec.updateConfig       object
""",
                ),
            ),
            **kinds(
                CONTROL_PLANE,
                AWSManagedControlPlane=Kind(
                    role=Role.CONTROL_PLANE,
                    references=(_IDENTITY,),
                    immutable=(
                        "spec.eksClusterName",
                        "spec.region",
                        "spec.encryptionConfig.provider",
                    ),
                    written=(
                        "spec.controlPlaneEndpoint",
                        "spec.eksClusterName",
                        "spec.network.subnets",
                        "spec.network.vpc",
                        "spec.roleName",
                    ),
                    rolls=("spec.version",),
                    fields="""
spec.eksClusterName                   string
spec.region                           string
spec.version                          string
spec.roleName                         string
spec.sshKeyName                       string
spec.additionalTags                   object
spec.identityRef                      object
spec.identityRef.kind                 string!
spec.identityRef.name                 string!
spec.associateOIDCProvider            boolean
spec.endpointAccess                   object
spec.endpointAccess.public            boolean
spec.endpointAccess.private           boolean
spec.encryptionConfig                 object
spec.addons                           array
spec.addons[*].name                   string!
spec.addons[*].version                string!
spec.network                          object
""",
                ),
                AWSManagedControlPlaneTemplate=Kind(role=Role.TEMPLATE, versions=("v1beta2",)),
            ),
            **kinds(
                BOOTSTRAP,
                EKSConfig=Kind(role=Role.PART, references=secret_refs("spec")),
                EKSConfigTemplate=Kind(
                    role=Role.TEMPLATE, references=secret_refs("spec.template.spec")
                ),
                NodeadmConfig=Kind(
                    role=Role.PART, versions=("v1beta2",), references=secret_refs("spec")
                ),
                NodeadmConfigTemplate=Kind(
                    role=Role.TEMPLATE,
                    versions=("v1beta2",),
                    references=secret_refs("spec.template.spec"),
                ),
            ),
        },
    ),
)
