"""A template edited in place in Git: planned as a rotation, and what a naive apply would do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from planner.changes import Verb
from providers.kube.api import APPLY_PATCH, Request, Response
from tests.realcluster import capi
from tests.realcluster.controllers.manifests import (
    Doc,
    deployment,
    doc,
    join_labels,
    machine_template,
    slower,
    text,
)
from tests.realcluster.lab import RealLab
from tests.support.lab import by_verb

_PLURALS = {
    "DevMachineTemplate": "infrastructure.cluster.x-k8s.io/v1beta2/{}/devmachinetemplates",
    "KubeadmConfigTemplate": "bootstrap.cluster.x-k8s.io/v1beta2/{}/kubeadmconfigtemplates",
}


@pytest.fixture
def lab(tmp_path: Path, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> RealLab:
    plane = capi.found(capi.MANAGED_FOLDER)
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    return RealLab(tmp_path, plane, fleet=unique("inplace"))


def _naive(lab: RealLab, body: Doc) -> Response:
    """`kubectl apply --server-side` of the edited manifest."""
    collection = _collection(body["kind"], body["metadata"]["namespace"])
    return lab.server.request(
        Request(
            method="PATCH",
            path=f"{collection}/{body['metadata']['name']}",
            query=(("fieldManager", "kubectl"), ("force", "true")),
            body=msgspec.json.encode(body),
            content_type=APPLY_PATCH,
        )
    )


def test_an_edit_in_place_plans_as_a_rotation_and_naively_is_refused_or_without_effect(
    lab: RealLab,
) -> None:
    namespace = lab.fleet
    config = doc(
        "bootstrap.cluster.x-k8s.io/v1beta2",
        "KubeadmConfigTemplate",
        namespace,
        "c1-md0",
        spec={"template": {"spec": join_labels("a")}},
    )
    machines = machine_template(namespace, "c1-md0")
    pool = deployment(namespace, "c1-md0", replicas=1)
    home = doc("v1", "Namespace", "", namespace)
    docs = {"n": home, "t": machines, "c": config, "d": pool}
    lab.write("clusters/all.yaml", text(docs))
    lab.apply(lab.plan(), wait=False)
    names = {
        kind: [item["metadata"]["name"] for item in lab.list(_collection(kind, namespace))]
        for kind in _PLURALS
    }

    slower(machines, 7)
    registration = config["spec"]["template"]["spec"]["joinConfiguration"]["nodeRegistration"]
    registration["criSocket"] = "unix:///run/other.sock"
    lab.write("clusters/all.yaml", text(docs))
    plan = lab.plan()
    rotated = [c.id.kind for c in plan.changes if c.verb is Verb.ROTATE]
    assert sorted(rotated) == ["DevMachineTemplate", "KubeadmConfigTemplate"], by_verb(plan)

    # What `kubectl apply` of the same edit does to the objects that are there.
    same_name = copy.deepcopy(machines)
    same_name["metadata"]["name"] = names["DevMachineTemplate"][0]
    refused = _naive(lab, same_name)
    assert refused.status == 422
    assert b"field is immutable" in refused.body

    same_name = copy.deepcopy(config)
    same_name["metadata"]["name"] = names["KubeadmConfigTemplate"][0]
    accepted = _naive(lab, same_name)
    assert accepted.status == 200
    generation = msgspec.json.decode(accepted.body)["metadata"]["generation"]
    assert generation == 2, "accepted, and no machine will ever see it"


def _collection(kind: str, namespace: str) -> str:
    return f"/apis/{_PLURALS[kind].format(f'namespaces/{namespace}')}"
