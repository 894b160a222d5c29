"""Cluster API's defaulting webhooks, as far as converged objects show them.

Sources: cluster-api v1.14 `webhooks/machinedeployment.go`, `webhooks/machinepool.go`,
`controlplane/kubeadm/webhooks/kubeadmcontrolplane.go`; recorded objects in the fixture
`capi-plain-converged.yaml`.
"""

from __future__ import annotations

from collections.abc import Sequence

from providers.kube.sandbox.capi_admission import CONTROL_PLANE, CORE
from providers.kube.sandbox.world import Admission, AdmissionOperation, World
from state.resource import JsonObject, split_api_version

CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"
DEPLOYMENT_NAME = "cluster.x-k8s.io/deployment-name"
_MINIMUM = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
_MAXIMUM = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"


def _complete(
    obj: JsonObject, old: JsonObject | None, operation: AdmissionOperation, _world: World
) -> Sequence[str]:
    """Fill in what the webhook of the object's kind fills in."""
    group, _ = split_api_version(obj["apiVersion"])
    if operation == "DELETE" or not isinstance(obj.get("spec"), dict):
        return ()
    if (group, obj["kind"]) == (CORE, "MachineDeployment"):
        _machine_deployment(obj, old)
    elif (group, obj["kind"]) == (CORE, "MachinePool"):
        _machine_pool(obj)
    elif (group, obj["kind"]) == (CONTROL_PLANE, "KubeadmControlPlane"):
        _control_plane(obj)
    return ()


def _machine_deployment(obj: JsonObject, old: JsonObject | None) -> None:
    spec, metadata = obj["spec"], obj["metadata"]
    if spec.get("replicas") is None:
        spec["replicas"] = _replicas(metadata.get("annotations") or {}, (old or {}).get("spec"))
    strategy = spec.setdefault("rollout", {}).setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", 1)
        rolling.setdefault("maxUnavailable", 0)
    name = spec.get("clusterName", "")
    _labels(metadata, "labels")[CLUSTER_NAME] = name
    selector = spec.setdefault("selector", {})
    matched = _labels(selector, "matchLabels")
    template = spec.setdefault("template", {}).setdefault("metadata", {})
    carried = _labels(template, "labels")
    # A selector of the user's own is kept; without one the deployment selects by its name.
    if not matched and not selector.get("matchExpressions"):
        matched[DEPLOYMENT_NAME] = metadata["name"]
        carried[DEPLOYMENT_NAME] = metadata["name"]
    matched[CLUSTER_NAME] = name
    carried[CLUSTER_NAME] = name
    _prefix_version((spec["template"].get("spec")) or {})


def _machine_pool(obj: JsonObject) -> None:
    """Its label and version; replicas and deletion timeout are left to the controllers here."""
    spec = obj["spec"]
    _labels(obj["metadata"], "labels")[CLUSTER_NAME] = spec.get("clusterName", "")
    _prefix_version((spec.get("template") or {}).get("spec") or {})


def _labels(holder: JsonObject, name: str) -> JsonObject:
    if not isinstance(holder.get(name), dict):
        holder[name] = {}
    labels: JsonObject = holder[name]
    return labels


def _replicas(annotations: JsonObject, before: JsonObject | None) -> int:
    """Replicas left out: the autoscaler's range decides, else 1 (calculateMachineDeploymentReplicas
    of the admission webhook, Cluster API v1.14.0): what there was does not count."""
    current = (before or {}).get("replicas")
    low, high = annotations.get(_MINIMUM), annotations.get(_MAXIMUM)
    if not (low and high):
        return 1
    least, most = int(low), int(high)
    return least if current is None else min(max(current, least), most)


def _control_plane(obj: JsonObject) -> None:
    spec = obj["spec"]
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    strategy = spec.setdefault("rollout", {}).setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("maxSurge", 1)
    _prefix_version(spec)


def _prefix_version(spec: JsonObject) -> None:
    version = spec.get("version")
    if version and not version.startswith("v"):
        spec["version"] = f"v{version}"


DEFAULTS: tuple[Admission, ...] = (_complete,)
