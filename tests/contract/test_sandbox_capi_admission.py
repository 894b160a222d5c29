"""What Cluster API's webhooks refuse and fill in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = json.loads(
    (Path(__file__).parent.parent / "data" / "capi-webhook-errors.json").read_bytes()
)
CORE = "cluster.x-k8s.io/v1beta2"
INFRA = "infrastructure.cluster.x-k8s.io/v1beta2"
CONTROL = "controlplane.cluster.x-k8s.io/v1beta2"
BOOTSTRAP = "bootstrap.cluster.x-k8s.io/v1beta2"

CONVERGED = json.loads(
    (Path(__file__).parent.parent / "data" / "capi-converged-noop.json").read_bytes()
)["cases"]

KINDS = {
    "DevCluster": INFRA,
    "Cluster": CORE,
    "ClusterClass": CORE,
    "MachineDeployment": CORE,
    "KubeadmControlPlane": CONTROL,
    "DevMachineTemplate": INFRA,
    "GCPMachineTemplate": INFRA,
    "Metal3MachineTemplate": INFRA,
    "KubeadmConfigTemplate": BOOTSTRAP,
}


_ARGUMENTS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name", "value"],
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    },
}
_TYPES = {str: "string", bool: "boolean", int: "integer"}


def _shape(value: Any) -> Any:
    """A schema that fits `value`: structs and atomic lists, as most of Cluster API's are."""
    if isinstance(value, dict):
        fields = {
            name: _ARGUMENTS if name == "kubeletExtraArgs" else _shape(inner)
            for name, inner in value.items()
        }
        return {"type": "object", "properties": fields}
    if isinstance(value, list):
        return {"type": "array", "items": _shape(value[0])}
    return {"type": _TYPES[type(value)]}


def _definition(kind: str, api_version: str, spec_schema: Any = None) -> Any:
    group, version = api_version.split("/")
    plural = "clusterclasses" if kind == "ClusterClass" else kind.lower() + "s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"spec": spec_schema or anything, "status": anything}
    schema = {"type": "object", "properties": properties}
    served = {"name": version, "served": True, "storage": True}
    served = {**served, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
    names = {"plural": plural, "kind": kind}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [served]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


@pytest.fixture
def capi(client: Any) -> Any:
    for kind, api_version in KINDS.items():
        assert client.apply(_definition(kind, api_version)).status == 201
    return client


def obj(kind: str, name: str, spec: Any, **metadata: Any) -> Any:
    metadata = {"namespace": "plain", "name": name, **metadata}
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": spec}


def template(duration: str, kind: str = "DevMachineTemplate", **metadata: Any) -> Any:
    return obj(kind, "c1-md0-a", {"template": {"spec": {"duration": duration}}}, **metadata)


def deployment(cluster: str = "c1", **parts: Any) -> Any:
    inner = {"clusterName": "c1", "version": "v1.35.0"}
    spec = {"clusterName": cluster, "template": {"spec": inner}, **parts.pop("spec", {})}
    return obj("MachineDeployment", "c1-md0", spec, **parts)


def control_plane(**spec: Any) -> Any:
    return obj("KubeadmControlPlane", "c1-cp", {"version": "v1.35.0", **spec})


def cluster(**spec: Any) -> Any:
    return obj("Cluster", "c1", {"controlPlaneRef": {"name": "c1-cp"}, **spec})


REF = {"name": "c1"}
EDITS = {
    "DevMachineTemplate in-place edit": (template("1s"), template("2s")),
    "MD clusterName immutable": (deployment(), deployment("other")),
    "Cluster infrastructureRef removal": (cluster(infrastructureRef=REF), cluster()),
    "KCP even replicas": (control_plane(replicas=1), control_plane(replicas=2)),
    "KCP skip minor": (control_plane(replicas=1), control_plane(replicas=1, version="v1.37.5")),
}


@pytest.mark.parametrize("dry_run", [{}, {"dryRun": "All"}], ids=["real", "dry-run"])
@pytest.mark.parametrize("name", EDITS)
def test_refusal_is_the_recorded_one(capi: Any, name: str, dry_run: dict[str, str]) -> None:
    before, after = EDITS[name]
    assert capi.apply(before).status == 201
    answer = capi.apply(after, **dry_run)
    wanted = RECORDED[name]["body"]
    assert answer.status == RECORDED[name]["http"]
    assert _facts(answer.body) == _facts(wanted)


def _facts(body: Any) -> Any:
    """Less the object and the Go diff that template refusals quote."""
    begin, _, rest = body["message"].partition("Invalid value: {")
    rest = "spec field is immutable" if "spec field is immutable" in rest else rest
    details = dict(body["details"])
    details["causes"] = [
        {"reason": c["reason"], "field": c["field"]} for c in body["details"]["causes"]
    ]
    return begin, rest, details, body["reason"], body["code"]


def test_control_plane_downgrade_is_accepted(capi: Any) -> None:
    capi.apply(control_plane())
    assert RECORDED["KCP downgrade"]["body"] == "accepted"
    assert capi.apply(control_plane(version="v1.34.0"), dryRun="All").status == 200


@pytest.mark.parametrize("kind", ["KubeadmConfigTemplate", "Metal3MachineTemplate"])
def test_templates_that_upstream_does_not_guard_change(capi: Any, kind: str) -> None:
    capi.apply(template("1s", kind))
    assert capi.apply(template("2s", kind)).metadata["generation"] == 2


@pytest.mark.parametrize(
    ("kind", "status"), [("DevMachineTemplate", 200), ("GCPMachineTemplate", 422)]
)
def test_topology_dry_run_annotation_lets_most_templates_through(
    capi: Any, kind: str, status: int
) -> None:
    capi.apply(template("1s", kind))
    dry = template("2s", kind, annotations={"topology.cluster.x-k8s.io/dry-run": ""})
    assert capi.apply(dry, dryRun="All").status == status


def cluster_class(*workers: str) -> Any:
    classes = [{"class": name} for name in workers]
    return obj("ClusterClass", "quick", {"workers": {"machineDeployments": classes}})


def topology(worker: str = "default-worker", name: str = "quick") -> Any:
    workers = {"machineDeployments": [{"class": worker, "name": "md-0"}]}
    return obj("Cluster", "t1", {"topology": {"classRef": {"name": name}, "workers": workers}})


def test_worker_class_in_use_cannot_go(capi: Any) -> None:
    capi.apply(cluster_class("default-worker"))
    capi.apply(topology())
    answer = capi.apply(cluster_class())
    told = 'ass "default-worker" cannot be deleted because it is used by Cluster "t1"'
    assert (answer.status, told in answer.message) == (422, True)


def test_cluster_class_in_use_cannot_be_deleted(capi: Any) -> None:
    capi.apply(cluster_class("default-worker"))
    capi.apply(topology())
    answer = capi.delete(cluster_class())
    told = "ClusterClass cannot be deleted because it is used by Cluster(s): plain/t1"
    assert (answer.status, told in answer.message) == (403, True)


def test_unknown_worker_class_is_refused(capi: Any) -> None:
    capi.apply(cluster_class("default-worker"))
    answer = capi.apply(topology("nope"))
    told = 'MachineDeploymentClass with name "nope" does not exist in ClusterClass "quick"'
    assert (answer.status, told in answer.message) == (422, True)


def test_missing_cluster_class_is_a_warning(capi: Any) -> None:
    answer = capi.apply(topology(name="later"))
    assert answer.status == 201
    assert "does not exist" in answer.headers["warning"]


def test_machine_deployment_is_defaulted_as_recorded(capi: Any) -> None:
    answer = capi.apply(deployment(spec={"selector": {}}))
    labels = {
        "cluster.x-k8s.io/cluster-name": "c1",
        "cluster.x-k8s.io/deployment-name": "c1-md0",
    }
    spec = answer.body["spec"]
    assert answer.metadata["labels"] == {"cluster.x-k8s.io/cluster-name": "c1"}
    assert spec["selector"] == {"matchLabels": labels}
    assert spec["template"]["metadata"] == {"labels": labels}
    rolling = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}, "type": "RollingUpdate"}
    assert (spec["replicas"], spec["rollout"]["strategy"]) == (1, rolling)


def test_defaults_are_nobodys_and_a_second_apply_is_a_no_op(capi: Any) -> None:
    first = capi.apply(deployment(spec={"selector": {}}))
    assert capi.apply(deployment(spec={"selector": {}})).body == first.body


AUTOSCALER = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-"


@pytest.mark.parametrize(("live", "replicas"), [(None, 3), (1, 3), (4, 4), (9, 5)])
def test_autoscaler_range_decides_replicas_left_out(
    capi: Any, live: int | None, replicas: int
) -> None:
    ranged = {f"{AUTOSCALER}min-size": "3", f"{AUTOSCALER}max-size": "5"}
    if live is not None:
        capi.apply(deployment(spec={"replicas": live}))
    answer = capi.apply(deployment(annotations=ranged))
    assert answer.body["spec"]["replicas"] == replicas


def test_control_plane_gets_one_replica_and_a_strategy(capi: Any) -> None:
    spec = capi.apply(control_plane(version="1.35.0")).body["spec"]
    strategy = {"rollingUpdate": {"maxSurge": 1}, "type": "RollingUpdate"}
    assert spec == {"replicas": 1, "rollout": {"strategy": strategy}, "version": "v1.35.0"}


@pytest.mark.parametrize("case", CONVERGED, ids=lambda case: case["desired"]["kind"])
def test_input_is_a_no_op_on_the_converged_object(capi: Any, case: Any) -> None:
    desired, live = case["desired"], case["live"]
    shape = _shape({"selector": {}, **live["spec"]})
    capi.apply(_definition(desired["kind"], desired["apiVersion"], shape))
    capi.transport.seed(live)
    answer = capi.apply(desired)
    assert (answer.status, answer.body) == (200, live)
