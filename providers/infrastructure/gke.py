"""GKE: control planes that Google runs, in the group of infrastructure.

Source: kubernetes-sigs/cluster-api-provider-gcp v1.13.1 — config/crd/bases, exp/webhooks (what may
not change), test/e2e/config/gcp-ci.yaml (durations).
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import BOOTSTRAP, Durations, Kind, Provider, Role, kinds

PROVIDERS = (
    Provider(
        name="gke",
        title="Google GKE",
        source="cluster-api-provider-gcp v1.13.1",
        versions=("v1beta1",),
        contract="v1beta1",
        durations=Durations(
            infrastructure=1200, control_plane=1800, workers=1500, rollout=3600, removal=1800
        ),
        kinds={
            **kinds(
                GCPManagedCluster=Kind(
                    role=Role.CLUSTER,
                    references=(
                        RefRule(
                            path="spec.credentialsRef",
                            same_namespace=False,
                            targets=(Target(kind="Secret", keys=("credentials",)),),
                            reason="takes its credentials from it",
                        ),
                    ),
                    immutable=("spec.project", "spec.region", "spec.credentialsRef"),
                    written=("spec.controlPlaneEndpoint",),
                    fields="""
spec.project                       string!
spec.region                        string!
spec.additionalLabels              object
spec.credentialsRef                object
spec.credentialsRef.name           string!
spec.credentialsRef.namespace      string!
spec.network                       object
spec.network.name                  string
""",
                ),
                GCPManagedControlPlane=Kind(
                    role=Role.CONTROL_PLANE,
                    named_elsewhere=True,
                    immutable=(
                        "spec.clusterName",
                        "spec.project",
                        "spec.location",
                        "spec.enableAutopilot",
                    ),
                    written=("spec.endpoint", "spec.clusterName"),
                    rolls=("spec.version", "spec.controlPlaneVersion", "spec.releaseChannel"),
                    fields="""
spec.project          string!
spec.location         string!
spec.clusterName      string
spec.version          string
spec.enableAutopilot  boolean
spec.releaseChannel   rapid|regular|stable|extended
spec.clusterNetwork   object
""",
                ),
                GCPManagedMachinePool=Kind(
                    role=Role.POOL,
                    immutable=(
                        "spec.instanceType",
                        "spec.nodePoolName",
                        "spec.machineType",
                        "spec.diskSizeGb",
                        "spec.diskType",
                        "spec.localSsdCount",
                        "spec.management",
                        "spec.maxPodsPerNode",
                        "spec.nodeNetwork.podRangeName",
                        "spec.nodeNetwork.createPodRange",
                        "spec.nodeNetwork.podRangeCidrBlock",
                        "spec.nodeSecurity",
                        "spec.preemptible",
                        "spec.spot",
                    ),
                    written=("spec.providerIDList", "spec.nodePoolName"),
                    rolls=("spec.imageType",),
                    fields="""
spec.nodePoolName               string
spec.machineType                string
spec.diskSizeGb                 integer
spec.diskType                   pd-standard|pd-ssd|pd-balanced
spec.imageType                  string
spec.kubernetesLabels           object
spec.scaling                    object
spec.scaling.enableAutoscaling  boolean
spec.scaling.minCount           integer
spec.scaling.maxCount           integer
""",
                ),
                GCPManagedClusterTemplate=Kind(role=Role.TEMPLATE),
                GCPManagedControlPlaneTemplate=Kind(role=Role.TEMPLATE),
                GCPManagedMachinePoolTemplate=Kind(role=Role.TEMPLATE),
            ),
            **kinds(
                BOOTSTRAP,
                GKEConfig=Kind(role=Role.PART),
                GKEConfigTemplate=Kind(role=Role.TEMPLATE),
            ),
        },
    ),
)
