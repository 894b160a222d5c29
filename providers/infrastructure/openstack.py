"""OpenStack: clusters on Nova servers.

Source: kubernetes-sigs/cluster-api-provider-openstack e52de58 (0.15) — config/crd/bases,
pkg/webhooks (what may not change, and the exceptions), test/e2e/data/e2e_conf.yaml.
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import INFRASTRUCTURE, Durations, Kind, Provider, Role, kinds

_TARGETS = (
    Target(kind="Secret", keys=("clouds.yaml",)),
    Target(
        kind="OpenStackClusterIdentity",
        group=INFRASTRUCTURE,
        said="ClusterIdentity",
        namespaced=False,
    ),
)


def _identity(at: str) -> RefRule:
    return RefRule(path=f"{at}.identityRef", targets=_TARGETS, reason="uses its credentials")


_REFERENCE = """
{0}.identityRef.type                   Secret|ClusterIdentity
{0}.identityRef.name                   string!
{0}.identityRef.cloudName              string!
{0}.identityRef.region                 string
"""
_MACHINE = (
    """
{0}.flavor                             object!
{0}.flavor.id                          string
{0}.flavor.filter                      object
{0}.image                              object!
{0}.image.id                           string
{0}.image.filter                       object
{0}.image.filter.name                  string
{0}.sshKeyName                         string
{0}.ports                              array
{0}.securityGroups                     array
{0}.rootVolume                         object
{0}.rootVolume.sizeGiB                 integer!
{0}.rootVolume.type                    string
{0}.identityRef                        object
"""
    + _REFERENCE
)

PROVIDERS = (
    Provider(
        name="openstack",
        title="OpenStack",
        source="cluster-api-provider-openstack 0.15",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        durations=Durations(
            infrastructure=1200, control_plane=1800, workers=1800, rollout=3600, removal=1800
        ),
        kinds=kinds(
            OpenStackCluster=Kind(
                role=Role.CLUSTER,
                references=(_identity("spec"),),
                immutable=("spec",),
                mutable=(
                    "spec.identityRef",
                    "spec.bastion",
                    "spec.managedSecurityGroups",
                    "spec.managedSubnets",  # of these, the name servers
                    "spec.apiServer",  # of this, allowed addresses, monitor and floating IP
                    "spec.network",  # a filter may become the id that it found
                    "spec.subnets",
                    "spec.controlPlaneAvailabilityZones",
                    "spec.controlPlaneOmitAvailabilityZone",
                ),
                written=("spec.controlPlaneEndpoint", "spec.apiServer.fixedIP"),
                fields="""
spec.identityRef                          object!
"""
                + _REFERENCE.format("spec")
                + """
spec.controlPlaneEndpoint                 object
spec.externalNetwork                      object
spec.externalNetwork.id                   string
spec.externalNetwork.filter               object
spec.externalNetwork.filter.name          string
spec.managedSecurityGroups                object
spec.managedSecurityGroups.allowAllInClusterTraffic  boolean
spec.managedSubnets                       array
spec.managedSubnets[*].cidr               string!
spec.managedSubnets[*].dnsNameservers     array
spec.network                              object
spec.subnets                              array
spec.tags                                 array
spec.bastion                              object
spec.apiServer                            object
""",
            ),
            OpenStackClusterTemplate=Kind(role=Role.TEMPLATE),
            OpenStackMachine=Kind(
                role=Role.MACHINE, references=(_identity("spec"),), fields=_MACHINE.format("spec")
            ),
            # The webhook lets `ports[].allowedAddressPairs` change in place. Only later machines
            # would have it, and a pool of two sorts is what rotation prevents: no exception.
            OpenStackMachineTemplate=Kind(
                role=Role.TEMPLATE,
                references=(_identity("spec.template.spec"),),
                fields="spec.template object!\nspec.template.spec object!"
                + _MACHINE.format("spec.template.spec"),
            ),
            OpenStackServer=Kind(role=Role.PART, versions=("v1alpha1",)),
            OpenStackFloatingIPPool=Kind(
                role=Role.PART, versions=("v1alpha1",), references=(_identity("spec"),)
            ),
            OpenStackClusterIdentity=Kind(
                role=Role.IDENTITY,
                namespaced=False,
                versions=("v1alpha1",),
                references=(
                    RefRule(
                        path="spec.secretRef",
                        same_namespace=False,
                        targets=(Target(kind="Secret", keys=("clouds.yaml",)),),
                        reason="takes its credentials from it",
                    ),
                ),
                fields="""
spec.secretRef             object!
spec.secretRef.name        string!
spec.secretRef.namespace   string!
spec.namespaceSelector     object
""",
            ),
        ),
    ),
)
