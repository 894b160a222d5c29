"""GCP: clusters on Compute Engine.

Source: kubernetes-sigs/cluster-api-provider-gcp v1.13.1 — config/crd/bases, webhooks (what may not
change), cloud/scope/credentials.go, test/e2e/config/gcp-ci.yaml (durations).
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import Durations, Kind, Provider, Role, kinds

_MACHINE = """
{0}.instanceType           string!
{0}.image                  string
{0}.imageFamily            string
{0}.subnet                 string
{0}.publicIP               boolean
{0}.preemptible            boolean
{0}.rootDeviceSize         integer
{0}.rootDeviceType         string
{0}.serviceAccounts        object
{0}.additionalLabels       object
{0}.additionalNetworkTags  array
"""

PROVIDERS = (
    Provider(
        name="gcp",
        title="GCP",
        source="cluster-api-provider-gcp v1.13.1",
        versions=("v1beta1",),
        contract="v1beta1",
        durations=Durations(
            infrastructure=1200, control_plane=1800, workers=1500, rollout=3600, removal=1800
        ),
        kinds=kinds(
            GCPCluster=Kind(
                role=Role.CLUSTER,
                references=(
                    RefRule(
                        path="spec.credentialsRef",
                        same_namespace=False,
                        targets=(Target(kind="Secret", keys=("credentials",)),),
                        reason="takes its credentials from it",
                    ),
                ),
                immutable=(
                    "spec.project",
                    "spec.region",
                    "spec.credentialsRef",
                    "spec.loadBalancer",
                ),
                written=("spec.controlPlaneEndpoint", "spec.failureDomains"),
                fields="""
spec.project                                string!
spec.region                                 string!
spec.additionalLabels                       object
spec.failureDomains                         array
spec.credentialsRef                         object
spec.credentialsRef.name                    string!
spec.credentialsRef.namespace               string!
spec.network                                object
spec.network.name                           string
spec.network.autoCreateSubnetworks          boolean
spec.network.subnets                        array
spec.network.subnets[*].name                string
spec.network.subnets[*].cidrBlock           string
spec.network.subnets[*].region              string
spec.loadBalancer                           object
spec.loadBalancer.loadBalancerType          string
""",
            ),
            GCPClusterTemplate=Kind(role=Role.TEMPLATE),
            GCPMachine=Kind(role=Role.MACHINE, fields=_MACHINE.format("spec")),
            # Its webhook refuses even a topology dry-run.
            GCPMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields="spec.template object!\nspec.template.spec object!"
                + _MACHINE.format("spec.template.spec"),
            ),
            GCPMachinePool=Kind(role=Role.POOL, rolls=("spec.instanceType", "spec.image")),
        ),
    ),
)
