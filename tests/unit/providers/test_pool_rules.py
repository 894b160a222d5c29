"""MachineSets that stand alone, and MachinePools, most of which have no Machine objects."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import Effect, Fact
from providers.blueprint import Blueprint, Owner
from providers.capi import MACHINE_POOL, MACHINE_SET
from providers.controlplane import says_outdated
from providers.pools import at_most, live_machines, uncounted_machines
from providers.registry import impact, rules
from providers.topologyimpact import summed, topology_impact

POOL_TOPOLOGY = "topology.cluster.x-k8s.io/pool-name"


def owner(replicas: Any, version: str = "v1.35.0", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p"},
        "spec": {"replicas": replicas, "template": {"spec": {"version": version}}, **spec},
    }


def machines(count: int, **labels: str) -> tuple[dict[str, Any], ...]:
    return tuple({"metadata": {"name": f"m{n}", "labels": labels}} for n in range(count))


# MachineSets


def test_a_new_machine_set_adds_its_machines() -> None:
    made = impact(MACHINE_SET, None, owner(5), Fact())
    assert made is not None
    assert (made.effect, made.added) == (Effect.SCALES, 5)
    assert rules(MACHINE_SET.group, MACHINE_SET.kind).machines


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({}, "any of them"),
        ({"deletion": {"order": "Newest"}}, "newest first"),
        ({"deletePolicy": "Oldest"}, "oldest first"),
    ],
    ids=["default", "v1beta2", "v1beta1"],
)
def test_a_machine_set_scales_down_by_its_deletion_order(spec: Any, note: str) -> None:
    fact = Fact(machines=machines(5))
    found = impact(MACHINE_SET, owner(5, **spec), owner(1, **spec), fact)
    assert found is not None
    assert (found.effect, found.removed, found.total, found.note) == (Effect.SCALES, 4, 1, note)


def test_a_machine_set_keeps_its_machines_when_its_template_changes() -> None:
    fact = Fact(machines=machines(3))
    found = impact(MACHINE_SET, owner(3), owner(3, "v1.36.0"), fact)
    assert found is not None
    assert (found.effect, found.touched) == (Effect.IN_PLACE, 0)
    assert "stay as they are" in found.note


def test_machines_that_could_not_be_read_are_unknown() -> None:
    for kind in (MACHINE_SET, MACHINE_POOL):
        found = impact(kind, owner(3), owner(1), Fact(unreadable="forbidden"))
        assert found is not None
        assert (found.effect, found.because) == (Effect.UNKNOWN, "forbidden")


# MachinePools


@pytest.mark.parametrize(
    ("status", "machine_objects", "expected"),
    [
        ({"replicas": 7}, 0, 7),
        ({}, 0, 3),
        ({"replicas": 2}, 4, 4),
        ({}, 2, 2),
        ({"replicas": 0}, 0, 0),
    ],
    ids=["status", "spec", "machines", "machines-alone", "none-yet"],
)
def test_the_machines_of_a_pool(status: Any, machine_objects: int, expected: int) -> None:
    pool = {**owner(3), "status": status}
    fact = Fact(machines=machines(machine_objects))
    assert live_machines(MACHINE_POOL, pool, fact) == expected


@pytest.mark.parametrize("machine_objects", [0, 3], ids=["none", "machines"])
@pytest.mark.parametrize(("wanted", "added", "removed"), [(5, 2, 0), (0, 0, 3)], ids=["up", "down"])
def test_replicas_alone_scale_a_pool(
    wanted: int, added: int, removed: int, machine_objects: int
) -> None:
    before = {**owner(3), "status": {"replicas": 3}}
    fact = Fact(machines=machines(machine_objects))
    found = impact(MACHINE_POOL, before, owner(wanted), fact)
    assert found is not None
    assert found.effect is Effect.SCALES
    assert (found.live, found.replaced, found.added, found.removed) == (3, 0, added, removed)


def test_a_pools_template_may_replace_every_machine_that_stays() -> None:
    before = {**owner(20), "status": {"replicas": 20}}
    found = impact(MACHINE_POOL, before, owner(15, "v1.36.0"), Fact())
    assert found is not None
    assert (found.effect, found.replaced, found.removed) == (Effect.PROVIDER_DEFINED, 15, 5)
    assert found.because == "spec.template.spec.version"


def test_a_bound_over_a_cluster_counts_machines_of_pools_that_have_no_objects() -> None:
    counted = {"metadata": {"name": "a"}, "spec": {}, "status": {"replicas": 2}}
    uncounted = {"metadata": {"name": "b"}, "spec": {}, "status": {"replicas": 20}}
    own = machines(2, **{"cluster.x-k8s.io/pool-name": "a"})
    plane = machines(1, **{"cluster.x-k8s.io/control-plane": ""})
    assert uncounted_machines((counted, uncounted), (*own, *plane)) == 20
    fact = Fact(machines=(*own, *plane), pools=(counted, uncounted))
    assert at_most("spec.paused", fact).replaced == 23


# Topologies


def blueprint(replicas: int | None, version: str = "v1.35.0", **more: Any) -> Blueprint:
    name = "MachinePool mp-0"
    made = Owner(name=name, version=version, replicas=replicas, content={}, open=b"[]", **more)
    return Blueprint(owners={name: made})


def of_pool(replicas: int) -> Fact:
    labels = {POOL_TOPOLOGY: "mp-0"}
    pool = {
        "metadata": {"name": "c1-mp-0-x7k2p", "labels": labels},
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas},
    }
    return Fact(pools=(pool,))


def test_an_edit_beside_a_topologys_pool_adds_nothing_to_it() -> None:
    found = topology_impact(blueprint(20), blueprint(20), of_pool(20))
    assert (found.effect, found.added, found.live, found.total) == (Effect.NONE, 0, 20, 20)


def test_a_topologys_pool_scales_from_what_is_live() -> None:
    found = topology_impact(blueprint(20), blueprint(2), of_pool(20))
    assert (found.effect, found.added, found.removed) == (Effect.SCALES, 0, 18)


def test_who_else_scaled_a_topologys_pool_is_not_undone_by_another_edit() -> None:
    found = topology_impact(blueprint(20), blueprint(20), of_pool(25))
    assert (found.effect, found.removed, found.total) == (Effect.NONE, 0, 25)


def test_a_topologys_pool_that_is_left_out_is_destroyed_with_its_machines() -> None:
    found = topology_impact(blueprint(20), Blueprint(owners={}), of_pool(20))
    assert (found.effect, found.destroyed) == (Effect.DESTROYS, 20)


def test_a_new_version_may_replace_a_topologys_pool_unless_it_is_deferred() -> None:
    found = topology_impact(blueprint(20), blueprint(20, "v1.36.0"), of_pool(20))
    assert (found.effect, found.replaced) == (Effect.PROVIDER_DEFINED, 20)
    held = topology_impact(blueprint(20), blueprint(20, "v1.36.0", held="defer"), of_pool(20))
    assert (held.touched, held.parts[0].note) == (0, "stays on v1.35.0: defer")


def test_what_is_outdated_until_somebody_deletes_it_stays_in_the_plan() -> None:
    name = "MachineDeployment md-0"

    def one(version: str) -> Blueprint:
        made = Owner(
            name=name,
            version=version,
            replicas=2,
            content={},
            open=b"[]",
            strategy={"type": "OnDelete"},
        )
        return Blueprint(owners={name: made})

    labels = {"topology.cluster.x-k8s.io/deployment-name": "md-0"}
    found = topology_impact(one("v1.35.0"), one("v1.36.0"), Fact(machines=machines(2, **labels)))
    (part,) = summed(found.parts).parts
    assert part.note == "OnDelete: 2 outdated until somebody deletes them"


# What machines say of themselves


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "UpToDate", "status": "False", "reason": "x"}]},
        {
            "conditions": [{"type": "Ready", "status": "True"}],
            "v1beta2": {"conditions": [{"type": "UpToDate", "status": "False", "reason": "x"}]},
        },
    ],
    ids=["v1beta2", "v1beta1"],
)
def test_a_machine_says_that_it_is_outdated_in_either_form(status: Any) -> None:
    assert says_outdated({"metadata": {"name": "m"}, "status": status})
    assert not says_outdated({"metadata": {"name": "m"}, "status": {"conditions": None}})
