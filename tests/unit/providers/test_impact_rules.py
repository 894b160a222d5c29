"""The arithmetic of rollouts (Cluster API book, MachineDeployment strategy; mdutil)."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import Effect, Fact
from providers.capi import machine_deployment_impact, rolling_limits, scale
from providers.controlplane import kubeadm_impact


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        pytest.param(10, "25%", "10%", (3, 1), id="percentages-round-up-and-down"),
        pytest.param(3, 1, 0, (1, 0), id="defaults"),
        pytest.param(3, 0, 0, (0, 1), id="never-both-zero"),
        pytest.param(1, "10%", "90%", (1, 0), id="one-machine"),
        pytest.param(4, 0, 2, (0, 2), id="in-place-of-surge"),
    ],
)
def test_rolling_limits(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    strategy = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    assert rolling_limits(replicas, strategy) == expected


@pytest.mark.parametrize(
    ("live", "current", "wanted", "expected"),
    [
        pytest.param(3, 0, 3, (3, 0, 0), id="all-outdated"),
        pytest.param(3, 3, 5, (0, 2, 0), id="scale-up"),
        pytest.param(5, 5, 3, (0, 0, 2), id="scale-down"),
        pytest.param(7, 0, 5, (5, 0, 2), id="roll-and-scale-down"),
        pytest.param(3, 0, 5, (3, 2, 0), id="roll-and-scale-up"),
        pytest.param(4, 1, 3, (2, 0, 1), id="half-rolled"),
        pytest.param(4, 3, 3, (0, 0, 1), id="only-the-surplus-is-left"),
        pytest.param(0, 0, 3, (0, 3, 0), id="none-yet"),
    ],
)
def test_scale(live: int, current: int, wanted: int, expected: tuple[int, int, int]) -> None:
    assert scale(live, current, wanted) == expected


def pool(replicas: int, version: str = "v1.35.0", **spec: Any) -> dict[str, Any]:
    machine = {"version": version, "infrastructureRef": {"kind": "T", "name": "t"}}
    return {"spec": {"replicas": replicas, "template": {"spec": machine}, **spec}}


def fact(*machines: tuple[str, str]) -> Fact:
    """Machines as (set, version); each set has the template of its machines."""
    sets = {
        name: {"metadata": {"uid": name}, "spec": pool(0, version)["spec"]}
        for name, version in machines
    }
    return Fact(
        machine_sets=tuple(sets.values()),
        machines=tuple(
            {"metadata": {"name": f"m{n}", "ownerReferences": [{"uid": name}]}}
            for n, (name, _) in enumerate(machines)
        ),
    )


OLD, NEW = ("a", "v1.35.0"), ("b", "v1.36.0")


def test_a_version_rolls_every_machine_and_names_the_field() -> None:
    impact = machine_deployment_impact(pool(3), pool(3, "v1.36.0"), fact(OLD, OLD, OLD))
    assert (impact.effect, impact.replaced, impact.peak, impact.floor) == (Effect.ROLLS, 3, 4, 3)
    assert impact.because == "spec.template.spec.version"


def test_labels_roll_nothing() -> None:
    after = pool(3, deletion={"order": "Oldest"})
    assert machine_deployment_impact(pool(3), after, fact(OLD, OLD, OLD)).effect is Effect.IN_PLACE


def test_going_back_to_a_live_set_keeps_its_machines() -> None:
    impact = machine_deployment_impact(pool(3, "v1.36.0"), pool(3), fact(OLD, OLD, NEW))
    assert (impact.live, impact.replaced) == (3, 1)


def test_on_delete_replaces_nothing_now_and_says_what_is_stale() -> None:
    after = pool(2, "v1.36.0", rollout={"strategy": {"type": "OnDelete"}})
    impact = machine_deployment_impact(pool(2), after, fact(OLD, OLD))
    assert impact.replaced == 0
    assert "2 outdated" in impact.note


def test_unread_facts_make_the_effect_unknown() -> None:
    unread = Fact(unreadable="forbidden")
    impact = machine_deployment_impact(pool(3), pool(4), unread)
    assert (impact.effect, impact.because) == (Effect.UNKNOWN, "forbidden")


def plane(replicas: int = 3, version: str = "v1.35.0", **config: Any) -> dict[str, Any]:
    reference = {"kind": "T", "name": "cp"}
    template = {"spec": {"infrastructureRef": reference}}
    spec = {"replicas": replicas, "version": version, "machineTemplate": template}
    return {"spec": {**spec, "kubeadmConfigSpec": config}}


def plane_fact(count: int, version: str = "v1.35.0", up_to_date: str = "True") -> Fact:
    conditions = [{"type": "UpToDate", "status": up_to_date}]
    return Fact(
        machines=tuple(
            {
                "metadata": {"name": f"m{n}"},
                "spec": {
                    "version": version,
                    "infrastructureRef": {"kind": "M", "name": f"m{n}"},
                    "bootstrap": {"configRef": {"name": f"m{n}"}},
                },
                "status": {"conditions": conditions},
            }
            for n in range(count)
        ),
        infra_machines=tuple(
            {
                "kind": "M",
                "metadata": {
                    "name": f"m{n}",
                    "annotations": {"cluster.x-k8s.io/cloned-from-name": "cp"},
                },
            }
            for n in range(count)
        ),
        configs=tuple(
            {
                "metadata": {"name": f"m{n}"},
                "spec": {"joinConfiguration": {"controlPlane": {}}}
                if n
                else {"clusterConfiguration": {}},
            }
            for n in range(count)
        ),
    )


def test_a_control_plane_rolls_one_at_a_time() -> None:
    impact = kubeadm_impact(plane(), plane(version="v1.36.0"), plane_fact(3))
    assert (impact.replaced, impact.peak, impact.note) == (3, 4, "one at a time")
    assert impact.because == "spec.version"


def test_kubeadm_configuration_rolls_the_control_plane() -> None:
    after = plane(files=[{"path": "/etc/x"}])
    assert kubeadm_impact(plane(), after, plane_fact(3)).replaced == 3


@pytest.mark.parametrize(
    ("config", "replaced"),
    [
        ({"joinConfiguration": {"nodeRegistration": {"name": "x"}}}, 2),
        ({"initConfiguration": {"nodeRegistration": {"name": "x"}}}, 0),
        (
            {
                "initConfiguration": {"nodeRegistration": {"name": "x"}},
                "joinConfiguration": {"nodeRegistration": {"name": "x"}},
            },
            3,
        ),
        ({"joinConfiguration": {"caCertPath": "/x"}}, 0),
        ({"initConfiguration": {"timeouts": {"controlPlaneComponentHealthCheckSeconds": 9}}}, 0),
    ],
    ids=["join", "init", "both", "ca-path", "health-check-timeout"],
)
def test_a_machine_sees_only_how_it_came_into_the_cluster(config: Any, replaced: int) -> None:
    """Of three machines the first one initialized the cluster and the others joined."""
    assert kubeadm_impact(plane(), plane(**config), plane_fact(3)).replaced == replaced


@pytest.mark.parametrize(
    "config",
    [
        {"clusterConfiguration": {"dns": {"imageTag": "v1"}}},
        {"joinConfiguration": {"discovery": {"file": {}}}},
        {"files": []},
    ],
    ids=["dns", "discovery", "empty-is-missing"],
)
def test_what_the_control_plane_does_not_compare_rolls_nothing(config: dict[str, Any]) -> None:
    impact = kubeadm_impact(plane(), plane(**config), plane_fact(3))
    assert (impact.effect, impact.replaced) == (Effect.IN_PLACE, 0)


def test_a_control_plane_left_half_rolled_is_counted_by_its_machines() -> None:
    impact = kubeadm_impact(plane(), plane(replicas=5), plane_fact(3, up_to_date="False"))
    assert (impact.replaced, impact.added) == (3, 2)


@pytest.mark.parametrize("form", ["rollout", "rolloutStrategy"])
@pytest.mark.parametrize(("surge", "peak", "floor"), [(0, 3, 1), (1, 4, 2)])
def test_a_control_planes_surge_is_read_in_both_forms(
    form: str, surge: int, peak: int, floor: int
) -> None:
    limits = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}}
    after = plane(version="v1.36.0")
    after["spec"][form] = {"strategy": limits} if form == "rollout" else limits
    impact = kubeadm_impact(plane(), after, plane_fact(3))
    assert (impact.peak, impact.floor) == (peak, floor)


@pytest.mark.parametrize("replicas", ["3", True, -1, 1.5, [], {}])
def test_replicas_that_are_no_number_make_the_effect_unknown(replicas: Any) -> None:
    for impact in (
        machine_deployment_impact(pool(1), pool(replicas), fact(OLD)),
        kubeadm_impact(plane(), plane(replicas), plane_fact(3)),
    ):
        assert impact.effect is Effect.UNKNOWN
        assert impact.because == "spec.replicas is not a number of machines"
