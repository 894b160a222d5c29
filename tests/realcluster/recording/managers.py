"""Objects that controllers, other appliers and people write, too; and what our entry hides."""

from __future__ import annotations

from tests.realcluster.recording.kinds import body, case, with_
from tests.realcluster.recording.steps import Body, Case, Step, apply, create, json_patch, merge

_DEPLOYMENT = "Deployment"
_POLICY = "NetworkPolicy without protocol"


def _spec(**spec: object) -> Body:
    return {"spec": spec}


def _replicas(count: int, manager: str) -> Step:
    return merge(_spec(replicas=count), manager, sub="scale")


def _without_replicas() -> Body:
    return with_(_DEPLOYMENT, replicas=None)


def _pod(of: str, **changes: object) -> Body:
    """A workload with fields of its pod changed."""
    content = body(of)[1]
    template = content["spec"]["template"]
    pod = {**template["spec"], **changes}
    return with_(of, template={**template, "spec": {k: v for k, v in pod.items() if v is not None}})


_KUBECTLS_OWN = {
    # what kubectl leaves when it turns its own older entry into an applied one under our name
    "op": "replace",
    "path": "/metadata/managedFields",
    "value": [
        {
            "manager": "clusterform",
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:data": {".": {}, "f:a": {}, "f:b": {}},
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            },
        }
    ],
}

_MD = "MachineDeployment"
_KCP = "KubeadmControlPlane"

CASES: tuple[Case, ...] = (
    # ------------------------------------------------- what our entry does not tell apart
    case(
        "an atomic map, then {}: a NetworkPolicy for every pod",
        _POLICY,
        apply(),
        wanted=with_(_POLICY, podSelector={}),
    ),
    case(
        "an atomic map {}, then a value",
        "NetworkPolicy",
        apply(),
        wanted=with_("NetworkPolicy", podSelector={"matchLabels": {"a": "b"}}),
    ),
    case(
        "nodeSelector, then {}",
        _DEPLOYMENT,
        apply(),
        wanted=_pod(_DEPLOYMENT, nodeSelector={}),
    ),
    case(
        "strategy {}, filled with defaults, applied twice",
        _DEPLOYMENT,
        apply(with_(_DEPLOYMENT, strategy={})),
        wanted=with_(_DEPLOYMENT, strategy={}),
    ),
    case(
        "strategy {}, then its defaults stated",
        _DEPLOYMENT,
        apply(with_(_DEPLOYMENT, strategy={})),
        wanted=with_(
            _DEPLOYMENT,
            strategy={
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
        ),
    ),
    case(
        "an empty selector of a MachineDeployment after one with labels",
        _MD,
        apply(),
        wanted=with_(_MD, selector={}),
    ),
    case(
        "an entry under our name that an update made",
        "ConfigMap",
        create(),
        json_patch([_KUBECTLS_OWN], "kubectl"),
    ),
    # ------------------------------------------------- built-in kinds, edited
    case("scaled by an autoscaler, replicas in Git", _DEPLOYMENT, apply(), _replicas(7, "hpa")),
    case(
        "scaled by an autoscaler, replicas left to it",
        _DEPLOYMENT,
        apply(_without_replicas()),
        _replicas(7, "hpa"),
        wanted=_without_replicas(),
    ),
    case(
        "replicas dropped from Git after an autoscaler took them",
        _DEPLOYMENT,
        apply(),
        _replicas(7, "hpa"),
        wanted=_without_replicas(),
    ),
    case(
        "replicas dropped from Git, nobody else has them",
        _DEPLOYMENT,
        apply(),
        wanted=_without_replicas(),
    ),
    case(
        "a controller adds an annotation",
        _DEPLOYMENT,
        apply(),
        merge({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}, "kcm"),
    ),
    case(
        "status written by a controller",
        _DEPLOYMENT,
        apply(),
        merge({"status": {"observedGeneration": 1, "replicas": 2}}, "kcm", sub="status"),
    ),
    case(
        "quantities in another spelling",
        _DEPLOYMENT,
        apply(),
        wanted=_pod(
            _DEPLOYMENT,
            containers=[
                {
                    **body(_DEPLOYMENT)[1]["spec"]["template"]["spec"]["containers"][0],
                    "resources": {"requests": {"cpu": "0.1", "memory": "131072Ki"}},
                }
            ],
        ),
    ),
    case(
        "the caBundle of a webhook is injected",
        "ValidatingWebhookConfiguration",
        apply(),
        json_patch(
            [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "YQ=="}],
            "cainjector",
        ),
    ),
    case(
        "a data key of a ConfigMap added by another applier",
        "ConfigMap",
        apply(),
        apply({"data": {"c": "3"}}, "other"),
    ),
    case(
        "a data key of a ConfigMap that is no longer wanted",
        "ConfigMap",
        apply(),
        wanted={"data": {"a": "1"}},
    ),
    case("a Secret edited", "Secret", apply(), merge({"data": {"a": "eHg="}}, "kubectl-edit")),
    case(
        "rules of an aggregated ClusterRole filled by its controller",
        "ClusterRole with aggregation",
        apply(),
        merge(
            {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
            "clusterrole-aggregation-controller",
        ),
    ),
    case(
        "a NetworkPolicy made by another applier with the same words",
        "NetworkPolicy",
        apply(None, "other"),
    ),
    case(
        "both applied the same NetworkPolicy",
        "NetworkPolicy",
        apply(),
        apply(None, "other"),
    ),
    # ------------------------------------------------- Cluster API's kinds, edited
    case("a MachineDeployment scaled by the autoscaler", _MD, apply(), _replicas(9, "ca")),
    case(
        "a MachineDeployment paused by hand",
        _MD,
        apply(),
        merge(
            {"metadata": {"annotations": {"cluster.x-k8s.io/paused": "true"}}}, "kubectl-annotate"
        ),
    ),
    case(
        "a KubeadmControlPlane upgraded by hand",
        _KCP,
        apply(),
        merge(_spec(version="v1.36.0"), "kubectl-edit"),
    ),
    case(
        "a KubeadmControlPlane upgraded in Git",
        _KCP,
        apply(),
        wanted=with_(_KCP, version="v1.36.0"),
    ),
    case(
        "a Cluster with finalizer, owner and status of its controller",
        "Cluster",
        apply(),
        merge({"metadata": {"finalizers": ["cluster.cluster.x-k8s.io"]}}, "manager"),
        merge({"status": {"phase": "Provisioned"}}, "manager", sub="status"),
    ),
    case(
        "the endpoint of a Cluster written by its controller",
        "Cluster",
        apply(),
        merge(_spec(controlPlaneEndpoint={"host": "10.0.0.9", "port": 6443}), "manager"),
    ),
    case(
        "a Cluster made by clusterctl move",
        "Cluster",
        create(None, "clusterctl"),
    ),
    case(
        "a Cluster applied in v1beta1 before",
        "Cluster with topology",
        apply(
            _spec(topology={"class": "x", "version": "v1.35.0"}),
            version="cluster.x-k8s.io/v1beta1",
        ),
        wanted=_spec(topology={"classRef": {"name": "x"}, "version": "v1.35.0"}),
    ),
    case(
        "files of a bootstrap template reordered",
        "KubeadmConfigTemplate",
        apply(),
        wanted={
            "spec": {
                "template": {
                    "spec": {
                        **body("KubeadmConfigTemplate")[1]["spec"]["template"]["spec"],
                        "preKubeadmCommands": ["b", "a"],
                    }
                }
            }
        },
    ),
    case(
        "an infrastructure cluster that its controller fills",
        "DockerCluster",
        apply(),
        merge(_spec(controlPlaneEndpoint={"host": "10.0.0.9", "port": 6443}), "manager"),
    ),
    case(
        "an atomic list with a default, applied by another, too",
        _POLICY,
        apply(),
        apply(None, "other", force=True),
    ),
)
