"""Objects that a real kubectl and a real Helm made or changed, and ones applied as Flux does it."""

from __future__ import annotations

from tests.realcluster.recording.kinds import body, case, with_
from tests.realcluster.recording.steps import Body, Case, Step, apply, helm, kubectl

_DEPLOYMENT = "Deployment"


def _given(of: str, *arguments: str, wanted: Body | None = None) -> Step:
    """kubectl with the kind's manifest on stdin."""
    return kubectl(*arguments, "-f", "-", stdin=wanted or body(of)[1])


def _flux(of: str, content: Body | None = None) -> Step:
    """kustomize-controller: applied with force, with the labels of its owner (fluxcd/pkg ssa)."""
    chosen = content or body(of)[1]
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
    metadata = chosen.get("metadata", {})
    merged = {**metadata, "labels": {**metadata.get("labels", {}), **labels}}
    return apply({**chosen, "metadata": merged}, "kustomize-controller", force=True)


CASES: tuple[Case, ...] = (
    # ------------------------------------------------- kubectl makes it
    case("made by kubectl apply", _DEPLOYMENT, _given(_DEPLOYMENT, "apply")),
    case(
        "made by kubectl apply, Git says something else",
        _DEPLOYMENT,
        _given(_DEPLOYMENT, "apply"),
        wanted=with_(_DEPLOYMENT, replicas=5),
    ),
    case(
        "made by kubectl apply, Git says less",
        _DEPLOYMENT,
        _given(_DEPLOYMENT, "apply"),
        wanted=with_(_DEPLOYMENT, replicas=None),
    ),
    case("made by kubectl apply twice", "ConfigMap", *[_given("ConfigMap", "apply")] * 2),
    case(
        "made by kubectl apply, then ours",
        "Service ClusterIP",
        _given("Service ClusterIP", "apply"),
        apply(),
    ),
    case(
        "made by kubectl apply --server-side",
        _DEPLOYMENT,
        _given(_DEPLOYMENT, "apply", "--server-side"),
    ),
    case(
        "made by kubectl apply --server-side, Git says something else",
        "ConfigMap",
        _given("ConfigMap", "apply", "--server-side"),
        wanted={"data": {"a": "2", "b": "x\n"}},
    ),
    case(
        "made by kubectl apply, then --server-side",
        "ConfigMap",
        _given("ConfigMap", "apply"),
        _given("ConfigMap", "apply", "--server-side"),
    ),
    case(
        "made by kubectl apply, then --server-side under our name",
        "ConfigMap",
        _given("ConfigMap", "apply"),
        _given("ConfigMap", "apply", "--server-side", "--field-manager=clusterform"),
    ),
    case("made by kubectl create", "Role", _given("Role", "create")),
    case(
        "made by kubectl create, namespace by hand", "Namespace", kubectl("create", "ns", "{name}")
    ),
    case("a Cluster made by kubectl apply", "Cluster", _given("Cluster", "apply")),
    case(
        "a KubeadmControlPlane made by kubectl apply --server-side",
        "KubeadmControlPlane",
        _given("KubeadmControlPlane", "apply", "--server-side"),
    ),
    # ------------------------------------------------- kubectl changes ours
    case(
        "kubectl scale",
        _DEPLOYMENT,
        apply(),
        kubectl("scale", "deployment", "{name}", "--replicas=4"),
    ),
    case(
        "kubectl scale to what it was",
        _DEPLOYMENT,
        apply(),
        kubectl("scale", "deployment", "{name}", "--replicas=4"),
        kubectl("scale", "deployment", "{name}", "--replicas=2"),
    ),
    case(
        "kubectl scale of a StatefulSet",
        "StatefulSet",
        apply(),
        kubectl("scale", "statefulset", "{name}", "--replicas=3"),
    ),
    case(
        "kubectl scale of a MachineDeployment",
        "MachineDeployment",
        apply(),
        kubectl("scale", "machinedeployments.cluster.x-k8s.io", "{name}", "--replicas=5"),
    ),
    case(
        "kubectl scale of a MachineDeployment to what Git wants",
        "MachineDeployment",
        apply(with_("MachineDeployment", replicas=1)),
        kubectl("scale", "machinedeployments.cluster.x-k8s.io", "{name}", "--replicas=3"),
    ),
    case(
        "kubectl set image",
        "DaemonSet",
        apply(),
        kubectl("set", "image", "daemonset", "{name}", "c=other"),
    ),
    case(
        "kubectl patch, as kubectl edit does",
        "ConfigMap",
        apply(),
        kubectl("patch", "configmap", "{name}", "-p", '{"data":{"a":"9"}}'),
    ),
    case(
        "kubectl patch and back",
        "ConfigMap",
        apply(),
        kubectl("patch", "configmap", "{name}", "-p", '{"data":{"a":"9"}}'),
        kubectl("patch", "configmap", "{name}", "-p", '{"data":{"a":"1"}}'),
    ),
    case(
        "kubectl label, a new one",
        "ServiceAccount",
        apply(),
        kubectl("label", "serviceaccount", "{name}", "team=a"),
    ),
    case(
        "kubectl label --overwrite of ours",
        "ServiceAccount",
        apply(),
        kubectl("label", "--overwrite", "serviceaccount", "{name}", "app=y"),
    ),
    case(
        "kubectl label, ours removed",
        "ServiceAccount",
        apply(),
        kubectl("label", "serviceaccount", "{name}", "app-"),
    ),
    case(
        "kubectl annotate",
        "PodDisruptionBudget",
        apply(),
        kubectl("annotate", "poddisruptionbudget", "{name}", "note=a"),
    ),
    case(
        "kubectl annotate of a Cluster: paused",
        "Cluster",
        apply(),
        kubectl("annotate", "clusters.cluster.x-k8s.io", "{name}", "cluster.x-k8s.io/paused=true"),
    ),
    case(
        "kubectl rollout restart",
        "StatefulSet",
        apply(),
        kubectl("rollout", "restart", "statefulset", "{name}"),
    ),
    case(
        "kubectl replace",
        "Ingress",
        apply(),
        _given("Ingress", "replace"),
    ),
    case(
        "kubectl apply of ours",
        "CronJob",
        apply(),
        _given("CronJob", "apply"),
    ),
    case(
        "taken by kubectl apply --server-side --force-conflicts",
        "ConfigMap",
        apply(),
        _given(
            "ConfigMap",
            "apply",
            "--server-side",
            "--force-conflicts",
            wanted={"data": {"a": "taken"}},
        ),
    ),
    # ------------------------------------------------- Helm
    case("made by Helm", _DEPLOYMENT, helm(body(_DEPLOYMENT)[1])),
    case(
        "made and upgraded by Helm, Git says what it says now",
        _DEPLOYMENT,
        helm(with_(_DEPLOYMENT, replicas=1), body(_DEPLOYMENT)[1]),
    ),
    case(
        "made by Helm, Git says something else",
        "Service ClusterIP",
        helm(body("Service ClusterIP")[1]),
        wanted=with_("Service ClusterIP", selector={"app": "y"}),
    ),
    case("made by Helm, then ours", "RoleBinding", helm(body("RoleBinding")[1]), apply(force=True)),
    case(
        "made by Helm, ours, upgraded by Helm to something else",
        _DEPLOYMENT,
        helm(body(_DEPLOYMENT)[1]),
        apply(force=True),
        helm(with_(_DEPLOYMENT, replicas=6)),
    ),
    case("a Helm chart's ConfigMap", "ConfigMap", helm(body("ConfigMap")[1])),
    # ------------------------------------------------- Flux
    case("made by Flux", _DEPLOYMENT, _flux(_DEPLOYMENT)),
    case(
        "made by Flux, Git says something else",
        _DEPLOYMENT,
        _flux(_DEPLOYMENT),
        wanted=with_(_DEPLOYMENT, replicas=5),
    ),
    case("made by Flux, then ours", "NetworkPolicy", _flux("NetworkPolicy"), apply()),
    case("ours, then Flux the same", "CronJob", apply(), _flux("CronJob")),
    case(
        "ours, then taken by Flux with another value",
        _DEPLOYMENT,
        apply(),
        _flux(_DEPLOYMENT, with_(_DEPLOYMENT, replicas=8)),
    ),
    case("a Cluster made by Flux", "Cluster", _flux("Cluster")),
    case(
        "a KubeadmControlPlane of ours upgraded by Flux",
        "KubeadmControlPlane",
        apply(),
        _flux("KubeadmControlPlane", with_("KubeadmControlPlane", version="v1.36.0")),
    ),
    case("a PriorityClass made by Flux", "PriorityClass", _flux("PriorityClass")),
    case(
        "made by kubectl create, ours, then scaled to what it was",
        _DEPLOYMENT,
        _given(_DEPLOYMENT, "create"),
        apply(force=True),
        kubectl("scale", "deployment", "{name}", "--replicas=2"),
    ),
)
