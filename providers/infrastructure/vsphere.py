"""vSphere: clusters on virtual machines, with credentials of a vCenter or through Supervisor.

Source: kubernetes-sigs/cluster-api-provider-vsphere 111a1ba (1.17) — config/default/crd/bases,
config/supervisor/crd/bases, webhooks, docs/identity_management.md, test/e2e/config.
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import INFRASTRUCTURE, Durations, Kind, Provider, Role, kinds

_SUPERVISOR = "vmware.infrastructure.cluster.x-k8s.io"
_LOGIN = ("username", "password")
_DURATIONS = Durations(
    infrastructure=300, control_plane=1200, workers=1200, rollout=3600, removal=1200
)
_MACHINE = """
{0}.template                          string!
{0}.network                           object!
{0}.network.devices                   array!
{0}.network.devices[*].networkName    string!
{0}.network.devices[*].dhcp4          boolean
{0}.network.devices[*].dhcp6          boolean
{0}.server                            string
{0}.datacenter                        string
{0}.datastore                         string
{0}.folder                            string
{0}.resourcePool                      string
{0}.storagePolicyName                 string
{0}.cloneMode                         fullClone|linkedClone
{0}.numCPUs                           integer
{0}.memoryMiB                         integer
{0}.diskGiB                           integer
{0}.powerOffMode                      hard|soft|trySoft
"""

PROVIDERS = (
    Provider(
        name="vsphere",
        title="vSphere",
        source="cluster-api-provider-vsphere 1.17",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        durations=_DURATIONS,
        kinds=kinds(
            VSphereCluster=Kind(
                role=Role.CLUSTER,
                references=(
                    RefRule(
                        path="spec.identityRef",
                        targets=(
                            Target(kind="Secret", keys=_LOGIN),
                            Target(
                                kind="VSphereClusterIdentity",
                                group=INFRASTRUCTURE,
                                namespaced=False,
                            ),
                        ),
                        reason="uses its credentials",
                    ),
                ),
                written=("spec.clusterModules",),
                fields="""
spec.server                             string!
spec.thumbprint                         string
spec.identityRef                        object
spec.identityRef.kind                   VSphereClusterIdentity|Secret!
spec.identityRef.name                   string!
spec.controlPlaneEndpoint               object
spec.controlPlaneEndpoint.host          string
spec.controlPlaneEndpoint.port          integer
spec.failureDomainSelector              object
spec.disableClusterModule               boolean
""",
            ),
            VSphereClusterTemplate=Kind(role=Role.TEMPLATE),
            VSphereMachine=Kind(role=Role.MACHINE, fields=_MACHINE.format("spec")),
            VSphereMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields="spec.template object!\nspec.template.spec object"
                + _MACHINE.format("spec.template.spec"),
            ),
            VSphereVM=Kind(role=Role.PART),
            VSphereClusterIdentity=Kind(
                role=Role.IDENTITY,
                namespaced=False,
                references=(
                    RefRule(
                        path="spec.secretName",
                        name="",
                        targets=(
                            Target(
                                kind="Secret",
                                namespace="capv-system",  # the controllers' own
                                keys=_LOGIN,
                            ),
                        ),
                        reason="takes its credentials from it",
                    ),
                ),
                fields="""
spec.secretName                         string!
spec.allowedNamespaces                  object
spec.allowedNamespaces.selector         object
""",
            ),
            VSphereDeploymentZone=Kind(
                role=Role.PLACE,
                namespaced=False,
                references=(
                    RefRule(
                        path="spec.failureDomain",
                        name="",
                        targets=(
                            Target(
                                kind="VSphereFailureDomain", group=INFRASTRUCTURE, namespaced=False
                            ),
                        ),
                        reason="lies in it",
                    ),
                ),
                fields="""
spec.failureDomain                      string!
spec.server                             string
spec.controlPlane                       boolean
spec.placementConstraint                object
""",
            ),
            VSphereFailureDomain=Kind(
                role=Role.PLACE,
                namespaced=False,
                immutable=("spec",),
                fields="""
spec.region                             object!
spec.region.name                        string!
spec.region.type                        Datacenter|ComputeCluster|HostGroup!
spec.region.tagCategory                 string!
spec.zone                               object!
spec.zone.name                          string!
spec.zone.type                          Datacenter|ComputeCluster|HostGroup!
spec.zone.tagCategory                   string!
spec.topology                           object!
spec.topology.datacenter                string!
spec.topology.computeCluster            string
spec.topology.datastore                 string
spec.topology.networks                  array
""",
            ),
        ),
    ),
    Provider(
        name="vsphere-supervisor",
        title="vSphere Supervisor",
        source="cluster-api-provider-vsphere 1.17",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        durations=_DURATIONS,
        kinds=kinds(
            _SUPERVISOR,
            VSphereCluster=Kind(role=Role.CLUSTER, written=("spec.controlPlaneEndpoint",)),
            VSphereClusterTemplate=Kind(role=Role.TEMPLATE),
            VSphereMachine=Kind(role=Role.MACHINE),
            VSphereMachineTemplate=Kind(role=Role.TEMPLATE),
            ProviderServiceAccount=Kind(role=Role.PART),
        ),
    ),
)
