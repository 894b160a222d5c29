"""How far a ClusterResourceSet is, by the bindings of the clusters that it selects."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import Health
from providers.readiness import RESOURCE_SET, SHOWN, Relatives, check
from providers.resourcesets import Reach, content_hash

NOW = {"kind": "ConfigMap", "metadata": {"name": "cni"}, "data": {"b": "2", "a": "1"}}
# printf 12 | sha256sum
HASH = "sha256:6b51d431df5d7f141cbececcf79edf3dd861c3b4069f0b11661a3eefacbba918"


def resource_set(strategy: str = "Reconcile") -> dict[str, Any]:
    return {
        "kind": "ClusterResourceSet",
        "metadata": {"name": "cni"},
        "spec": {
            "clusterSelector": {"matchLabels": {"env": "prod"}},
            "strategy": strategy,
            "resources": [{"kind": "ConfigMap", "name": "cni"}],
        },
        "status": {
            "conditions": [{"type": "ResourcesApplied", "status": "True", "reason": "Applied"}]
        },
    }


def cluster(name: str, env: str = "prod", **metadata: str) -> dict[str, Any]:
    return {"kind": "Cluster", "metadata": {"name": name, "labels": {"env": env}, **metadata}}


def binding(name: str, applied: bool = True, hashed: str = HASH) -> dict[str, Any]:
    resource = {"kind": "ConfigMap", "name": "cni", "applied": applied, "hash": hashed}
    entry = {"clusterResourceSetName": "cni", "resources": [resource]}
    return {"metadata": {"name": name}, "spec": {"bindings": [entry]}}


def state(strategy: str = "Reconcile", **around: Any) -> str:
    around.setdefault("sources", {("ConfigMap", "cni"): NOW})
    relatives = Relatives(reach=Reach(**around))
    found = check(SHOWN[RESOURCE_SET], resource_set(strategy), relatives)
    return "" if found.health is Health.REACHED else found.message


def test_a_hash_is_that_of_the_values_in_the_order_of_their_keys() -> None:
    assert content_hash(NOW) == HASH
    secret = {"kind": "Secret", "data": {"b": "Mg==", "a": "MQ=="}}
    assert content_hash(secret) == HASH


C1 = [cluster("c1")]
STATES = {
    "nobody is selected": ({"clusters": [cluster("c1", "dev")]}, ""),
    "not bound": ({"clusters": C1}, "not in c1 yet"),
    "bound": ({"clusters": C1, "bindings": [binding("c1")]}, ""),
    "failed": ({"clusters": C1, "bindings": [binding("c1", applied=False)]}, "not in c1 yet"),
    "an edit that was not seen": (
        {"clusters": C1, "bindings": [binding("c1", hashed="sha256:0")]},
        "not in c1 yet",
    ),
    "an edit that need not be seen": (
        {"strategy": "ApplyOnce", "clusters": C1, "bindings": [binding("c1", hashed="sha256:0")]},
        "",
    ),
    "a source that is passed over": (
        {"clusters": C1, "bindings": [{"metadata": {"name": "c1"}, "spec": {}}], "sources": {}},
        "",
    ),
    "one that leaves": ({"clusters": [cluster("c1", deletionTimestamp="2026-01-01")]}, ""),
    "many": (
        {"clusters": [cluster(f"c{i}") for i in range(5)], "bindings": [binding("c1")]},
        "not in c0, c2, c3 and 1 more yet",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_set_is_done_when_its_clusters_have_it(name: str) -> None:
    around, expected = STATES[name]
    assert state(**around) == expected


def test_without_the_clusters_its_own_word_has_to_do() -> None:
    assert check(SHOWN[RESOURCE_SET], resource_set(), Relatives()).health is Health.REACHED


@pytest.mark.parametrize("wrong", [3, "ab", {"a": 1}, [3, "x", {"name": "y"}], None])
def test_what_is_no_list_of_resources_names_none(wrong: object) -> None:
    body = resource_set()
    body["spec"]["resources"] = wrong
    odd = {"metadata": {"name": "c1"}, "spec": {"bindings": wrong}}
    relatives = Relatives(reach=Reach(clusters=C1, bindings=[odd]))
    assert check(SHOWN[RESOURCE_SET], body, relatives).health is Health.REACHED
