"""AWS: clusters and machines on EC2.

Source: kubernetes-sigs/cluster-api-provider-aws v2.13.0 — config/crd/bases, webhooks (what may not
change), pkg/cloud/identity (keys of credentials), test/e2e/data/e2e_conf.yaml (durations).
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import INFRASTRUCTURE, Durations, Kind, Provider, Role, kinds

_IDENTITIES = tuple(
    Target(kind=kind, group=INFRASTRUCTURE, namespaced=False)
    for kind in (
        "AWSClusterControllerIdentity",
        "AWSClusterRoleIdentity",
        "AWSClusterStaticIdentity",
    )
)
_CHOICE = "AWSClusterControllerIdentity|AWSClusterRoleIdentity|AWSClusterStaticIdentity"
_IDENTITY = RefRule(path="spec.identityRef", targets=_IDENTITIES, reason="uses its credentials")

_ALLOWED = """
spec.allowedNamespaces           object
spec.allowedNamespaces.list      array
spec.allowedNamespaces.selector  object
"""
_MACHINE = """
{0}.instanceType             string!
{0}.ami                      object
{0}.ami.id                   string
{0}.iamInstanceProfile       string
{0}.sshKeyName               string
{0}.publicIP                 boolean
{0}.subnet                   object
{0}.rootVolume               object
{0}.rootVolume.size          integer!
{0}.rootVolume.type          string
{0}.tenancy                  default|dedicated|host
{0}.additionalTags           object
"""

PROVIDERS = (
    Provider(
        name="aws",
        title="AWS",
        source="cluster-api-provider-aws v2.13.0",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta1",
        durations=Durations(
            infrastructure=2100, control_plane=2100, workers=1800, rollout=2400, removal=2100
        ),
        kinds=kinds(
            AWSCluster=Kind(
                role=Role.CLUSTER,
                references=(_IDENTITY,),
                immutable=(
                    "spec.region",
                    "spec.controlPlaneEndpoint",
                    "spec.controlPlaneLoadBalancer.name",
                    "spec.controlPlaneLoadBalancer.scheme",
                    "spec.network.vpc.id",
                ),
                # What it finds or makes is written back: ids, and subnets that nobody declared.
                written=(
                    "spec.controlPlaneEndpoint",
                    "spec.network.subnets",
                    "spec.network.vpc",
                    "spec.network.securityGroupOverrides",
                ),
                fields=f"""
spec.region                              string
spec.sshKeyName                          string
spec.partition                           string
spec.additionalTags                      object
spec.identityRef                         object
spec.identityRef.kind                    {_CHOICE}!
spec.identityRef.name                    string!
spec.controlPlaneEndpoint                object
spec.controlPlaneEndpoint.host           string
spec.controlPlaneEndpoint.port           integer
spec.controlPlaneLoadBalancer            object
spec.controlPlaneLoadBalancer.loadBalancerType  classic|elb|alb|nlb|disabled
spec.controlPlaneLoadBalancer.scheme     string
spec.network                             object
spec.network.vpc                         object
spec.network.vpc.cidrBlock               string
spec.network.subnets                     array
spec.network.subnets[*].id               string!
""",
            ),
            AWSClusterTemplate=Kind(role=Role.TEMPLATE),
            AWSMachine=Kind(role=Role.MACHINE, fields=_MACHINE.format("spec")),
            AWSMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields="spec.template object!\nspec.template.spec object!"
                + _MACHINE.format("spec.template.spec"),
            ),
            AWSMachinePool=Kind(role=Role.POOL, rolls=("spec.awsLaunchTemplate",)),
            AWSFargateProfile=Kind(role=Role.POOL),
            AWSClusterControllerIdentity=Kind(
                role=Role.IDENTITY, namespaced=False, immutable=("spec",), fields=_ALLOWED
            ),
            AWSClusterRoleIdentity=Kind(
                role=Role.IDENTITY,
                namespaced=False,
                references=(
                    RefRule(
                        path="spec.sourceIdentityRef",
                        targets=_IDENTITIES,
                        reason="assumes its role from it",
                    ),
                ),
                fields=_ALLOWED
                + f"""
spec.roleARN                 string!
spec.sessionName             string
spec.externalID              string
spec.durationSeconds         integer
spec.sourceIdentityRef       object
spec.sourceIdentityRef.kind  {_CHOICE}!
spec.sourceIdentityRef.name  string!
""",
            ),
            AWSClusterStaticIdentity=Kind(
                role=Role.IDENTITY,
                namespaced=False,
                references=(
                    RefRule(
                        path="spec.secretRef",
                        name="",
                        targets=(
                            Target(
                                kind="Secret",
                                namespace="capa-system",  # the controllers' own
                                keys=("AccessKeyID", "SecretAccessKey"),
                            ),
                        ),
                        reason="takes its credentials from it",
                    ),
                ),
                fields=_ALLOWED + "spec.secretRef string!",
            ),
        ),
    ),
)
