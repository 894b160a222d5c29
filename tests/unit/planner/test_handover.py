"""What a profile is handed over as: keys, sizes, Secrets, and what a set cannot hold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from planner.expand import handover
from planner.expand.rendered import Part
from state.desired import Profile
from state.errors import ClusterformError
from state.resource import Hook

PROFILE = Profile(
    name="base",
    selector=(("env", "prod"),),
    through="clusterResourceSet",
    strategy="Reconcile",
)


def config(name: str, size: int = 1, kind: str = "ConfigMap", **metadata: str) -> dict[str, Any]:
    content = {"data": {"x": "y" * size}}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}, **content}


def handed(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    made = handover.resource_set(PROFILE, [Part(body=b) for b in bodies], "profiles/base")
    return [part.body for part in made]


def refused(*parts: Part) -> str:
    with pytest.raises(ClusterformError) as caught:
        handover.resource_set(PROFILE, parts, "profiles/base")
    return caught.value.brief


def test_each_object_is_a_key_and_what_others_need_comes_first() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "logging"}}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:logs", "namespace": "odd"},
    }
    held, resources = handed(role, config("fluent", namespace="logging"), namespace)
    assert [key[: len("9-ClusterRole-system_logs-")] for key in held["data"]] == [
        "0-Namespace-logging.json",
        "4-ConfigMap-logging-fluent",
        "9-ClusterRole-system_logs-",
    ]
    assert resources["spec"]["resources"] == [
        {"kind": "ConfigMap", "name": held["metadata"]["name"]}
    ]
    inner = [msgspec.json.decode(text) for text in held["data"].values()]
    assert inner[0] == namespace
    assert "namespace" not in inner[2]["metadata"]


def test_an_object_is_sent_as_it_would_be_applied_here() -> None:
    body = config("a")
    body["status"] = {"seen": True}
    body["metadata"]["labels"] = {}
    held, _ = handed(body)
    (text,) = held["data"].values()
    assert msgspec.json.decode(text) == config("a", namespace="default")


def test_a_namespaced_kind_of_a_crd_beside_it_gets_a_namespace() -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "pools.example.org"},
        "spec": {"group": "example.org", "names": {"kind": "Pool"}, "scope": "Namespaced"},
    }
    pool = {"apiVersion": "example.org/v1", "kind": "Pool", "metadata": {"name": "p"}}
    held, _ = handed(pool, crd)
    assert list(held["data"]) == [
        "1-CustomResourceDefinition-pools.example.org.json",
        "9-Pool-default-p.json",
    ]


def test_secrets_and_what_holds_sensitive_values_go_into_a_secret_of_the_type() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    secret["stringData"] = {"k": "hush"}
    talos = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2",
        "kind": "TalosConfig",
        "metadata": {"name": "t", "namespace": "n"},
        "spec": {"data": "hush"},
    }
    plain, hidden, _ = handed(config("a"), secret, talos)
    assert "hush" not in str(plain)
    assert hidden["type"] == "addons.cluster.x-k8s.io/resource-set"
    first, second = map(msgspec.json.decode, hidden["stringData"].values())
    assert first["data"] == {"k": "aHVzaA=="}
    assert second["spec"] == {"data": "hush"}


def test_more_than_a_config_map_holds_is_split_the_same_way_each_time() -> None:
    bodies = [config(f"c{i}", 400_000) for i in range(5)]
    made = handed(*bodies)
    assert made == handed(*reversed(bodies))
    *held, resources = made
    assert [len(h["data"]) for h in held] == [2, 2, 1]
    assert all(sum(map(len, h["data"].values())) <= handover.LIMIT for h in held)
    assert [r["name"] for r in resources["spec"]["resources"]] == [
        h["metadata"]["name"] for h in held
    ]


SEALED = {**config("s"), "sops": {"mac": "x", "version": "3"}}
ELSEWHERE = config("e")
ELSEWHERE["metadata"]["annotations"] = {"clusterform.dev/cluster": "team-a/c1"}
CANNOT = {
    "too large": (
        Part(body=config("big", 2_000_000)),
        "cannot be handed to a ClusterResourceSet: ConfigMap big has 2,000,",
    ),
    "a hook": (
        Part(body=config("h"), by="chart base 1.0", hook=Hook(("pre-install",))),
        "cannot be handed to a ClusterResourceSet: chart base 1.0 is a Helm hook",
    ),
    "encrypted": (
        Part(body=SEALED),
        "cannot be handed to a ClusterResourceSet: ConfigMap s is encrypted by SOPS",
    ),
    "of another cluster": (
        Part(body=ELSEWHERE),
        "cannot be handed to a ClusterResourceSet: ConfigMap e names a cluster of its own",
    ),
    "without a name": (
        Part(body={"apiVersion": "v1", "kind": "ConfigMap"}),
        "cannot be handed to a ClusterResourceSet: ConfigMap: metadata.name is missing",
    ),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_a_set_cannot_hold_is_refused(name: str) -> None:
    part, expected = CANNOT[name]
    assert refused(part).startswith(expected)


def test_nothing_to_apply_is_refused() -> None:
    assert refused().endswith("there is nothing to apply")


def test_values_of_a_chart_are_no_template() -> None:
    profile = Profile(
        name="base",
        chart="base",
        repository="https://r.example.org",
        version="1.2.3",
        namespace="logging",
        values=b'{"format":"{{ .Cluster.metadata.name }}","deep":{"a":{"b":"{{{"}}}',
        selector=(),
        through="helmChartProxy",
        strategy="Continuous",
    )
    (part,) = handover.chart_proxy(profile)
    template = part.body["spec"].pop("valuesTemplate")
    assert '"{{ "{{" }} .Cluster.metadata.name }}"' in template
    assert '"{{ "{{" }}{"' in template
    assert template.replace('{{ "{{" }}', "").count("{{") == 0
    assert part.body["metadata"] == {"name": "base"}
    assert part.body["spec"] == {
        "clusterSelector": {"matchLabels": {}},
        "chartName": "base",
        "repoURL": "https://r.example.org",
        "releaseName": "base",
        "namespace": "logging",
        "reconcileStrategy": "Continuous",
        "version": "1.2.3",
    }
