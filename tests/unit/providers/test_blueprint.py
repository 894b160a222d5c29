"""What an edit of a topology, its class or one of its templates does to machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from providers.base import Effect, Fact, Impact
from providers.blueprint import Blueprint, NotKnown, blueprint
from providers.topologyimpact import topology_impact

INFRA, BOOT = "infrastructure.cluster.x-k8s.io", "bootstrap.cluster.x-k8s.io"
PLANE = "controlplane.cluster.x-k8s.io"
NOW = 1_800_000_000.0
YESTERDAY = "2027-01-14T08:00:00Z"
LONG_AGO = "2026-01-01T00:00:00Z"
TOMORROW = "2027-01-16T08:00:00Z"
World = dict[str, Any]
"""`class`, `cluster` and templates by `Kind/name`."""


def ref(group: str, kind: str, name: str) -> dict[str, Any]:
    return {"templateRef": {"apiVersion": f"{group}/v1beta2", "kind": kind, "name": name}}


def template(group: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    body = {"apiVersion": f"{group}/v1beta2", "kind": kind, "metadata": {"name": name}}
    return {**body, "spec": {"template": {"spec": spec}}}


def world() -> World:
    names = {"machineDeploymentClass": {"names": ["*"]}}
    selector = {"apiVersion": f"{INFRA}/v1beta2", "kind": "XTemplate", "matchResources": names}
    size = {"op": "add", "path": "/spec/template/spec/size", "valueFrom": {"variable": "size"}}
    zone = {"op": "add", "path": "/spec/template/spec/zone", "value": "a"}
    worker = {
        "class": "w",
        "bootstrap": ref(BOOT, "KubeadmConfigTemplate", "w"),
        "infrastructure": ref(INFRA, "XTemplate", "w"),
    }
    variable = {"name": "size", "schema": {"openAPIV3Schema": {"default": "small"}}}
    open_ = {"name": "open", "enabledIf": '{{ eq .zoned "yes" }}'}
    return {
        "class": {
            "metadata": {"name": "k", "namespace": "n"},
            "spec": {
                "controlPlane": {
                    **ref(PLANE, "KubeadmControlPlaneTemplate", "cp"),
                    "machineInfrastructure": ref(INFRA, "XTemplate", "cp"),
                },
                "workers": {"machineDeployments": [worker]},
                "variables": [variable, {"name": "zoned", "schema": {}}],
                "patches": [
                    {"name": "p", "definitions": [{"selector": selector, "jsonPatches": [size]}]},
                    {**open_, "definitions": [{"selector": selector, "jsonPatches": [zone]}]},
                ],
            },
        },
        "cluster": {
            "metadata": {"name": "c", "namespace": "n"},
            "spec": {
                "topology": {
                    "classRef": {"name": "k"},
                    "version": "v1.35.0",
                    "controlPlane": {"replicas": 3},
                    "workers": {
                        "machineDeployments": [
                            {"class": "w", "name": "md-0", "replicas": 2},
                            {"class": "w", "name": "md-1", "replicas": 1},
                        ]
                    },
                }
            },
        },
        "KubeadmControlPlaneTemplate/cp": template(
            PLANE, "KubeadmControlPlaneTemplate", "cp", kubeadmConfigSpec={"format": "cloud-config"}
        ),
        "XTemplate/cp": template(INFRA, "XTemplate", "cp", size="big"),
        "XTemplate/w": template(INFRA, "XTemplate", "w", size="none"),
        "KubeadmConfigTemplate/w": template(BOOT, "KubeadmConfigTemplate", "w", verbosity=1),
    }


def fact() -> Fact:
    def machine(name: str, **labels: str) -> dict[str, Any]:
        meta = {
            "name": name,
            "labels": labels,
            "creationTimestamp": LONG_AGO,
            "ownerReferences": [{"uid": f"set-{name[:4]}"}],
        }
        return {"metadata": meta, "spec": {"bootstrap": {"configRef": {"name": name}}}}

    plane = {"cluster.x-k8s.io/control-plane": ""}
    pool = "topology.cluster.x-k8s.io/deployment-name"
    return Fact(
        now=NOW,
        machines=(
            *(machine(f"cp-{n}", **plane) for n in range(3)),
            *(machine(f"md-0-{n}", **{pool: "md-0"}) for n in range(2)),
            machine("md-1-0", **{pool: "md-1"}),
        ),
        machine_sets=tuple(
            {"metadata": {"uid": f"set-md-{n}", "creationTimestamp": LONG_AGO}} for n in range(2)
        ),
        configs=tuple(
            {"metadata": {"name": f"cp-{n}"}, "spec": {"joinConfiguration": {"controlPlane": {}}}}
            for n in range(3)
        ),
    )


def rendered(found: World) -> Blueprint:
    def look(_group: str, kind: str, _namespace: str, name: str) -> Any:
        return found.get(f"{kind}/{name}")

    return blueprint(found["cluster"], found["class"], look)


def impact_of(edit: Callable[[World], object]) -> Impact:
    before, after = world(), world()
    edit(after)
    plans = [rendered(w) for w in (before, after)]
    return topology_impact(plans[0], plans[1], fact())


def put(path: str, value: Any) -> Callable[[World], object]:
    def edit(w: World) -> None:
        *above, last = path.split("|")
        at: Any = w
        for name in above:
            at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
        at[int(last) if isinstance(at, list) else last] = value

    return edit


MD0 = "cluster|spec|topology|workers|machineDeployments|0"
SIZE = [{"name": "size", "value": "large"}]
PAST, COMING = {"after": YESTERDAY}, {"after": TOMORROW}


@pytest.mark.parametrize(
    ("edit", "replaced"),
    [
        pytest.param(len, {}, id="nothing"),
        pytest.param(
            put("XTemplate/w|spec|template|spec|image", "x"),
            {"md-0": 2, "md-1": 1},
            id="a-machine-template",
        ),
        pytest.param(put("XTemplate/w|spec|template|spec|size", "x"), {}, id="patched-away"),
        pytest.param(
            put("XTemplate/w|spec|template|metadata", {"labels": {"a": "b"}}),
            {"md-0": 2, "md-1": 1},
            id="labels-in-a-template",
        ),
        pytest.param(
            put("XTemplate/w|spec|nodeReuse", True),
            {"md-0": 2, "md-1": 1},
            id="beside-the-template",
        ),
        pytest.param(put("XTemplate/w|metadata|labels", {"a": "b"}), {}, id="labels-of-a-template"),
        pytest.param(
            put("KubeadmConfigTemplate/w|apiVersion", "bootstrap.other.io/v1"),
            {"md-0": 2, "md-1": 1},
            id="another-group",
        ),
        pytest.param(put(f"{MD0}|replicas", 5), {}, id="replicas"),
        pytest.param(put(f"{MD0}|failureDomain", "b"), {"md-0": 2}, id="failure-domain"),
        pytest.param(put(f"{MD0}|variables", {"overrides": SIZE}), {"md-0": 2}, id="override"),
        pytest.param(
            put("cluster|spec|topology|variables", SIZE), {"md-0": 2, "md-1": 1}, id="variable"
        ),
        pytest.param(
            put("cluster|spec|topology|variables", [{"name": "size", "value": "small"}]),
            {},
            id="the-default-spelled-out",
        ),
        pytest.param(
            put("cluster|spec|topology|version", "v1.35.1"),
            {"control plane": 3, "md-0": 2, "md-1": 1},
            id="version",
        ),
        pytest.param(
            put("XTemplate/cp|spec|template|spec|size", "x"),
            {"control plane": 3},
            id="control-plane-machines",
        ),
        pytest.param(
            put(
                "KubeadmControlPlaneTemplate/cp|spec|template|spec|kubeadmConfigSpec|files",
                [{"path": "/x"}],
            ),
            {"control plane": 3},
            id="kubeadm",
        ),
        pytest.param(put(f"{MD0}|rollout", PAST), {"md-0": 2}, id="a-rollout-date-that-has-passed"),
        pytest.param(put(f"{MD0}|rollout", COMING), {}, id="a-rollout-date-to-come"),
        pytest.param(
            put("cluster|spec|topology|controlPlane|rollout", PAST),
            {"control plane": 3},
            id="a-rollout-date-of-the-control-plane",
        ),
        pytest.param(
            put("KubeadmControlPlaneTemplate/cp|spec|template|spec|rollout", PAST),
            {"control plane": 3},
            id="a-rollout-date-in-the-template",
        ),
    ],
)
def test_what_an_edit_replaces(edit: Callable[[World], object], replaced: dict[str, int]) -> None:
    found = impact_of(edit)
    parts = {p.owner.removeprefix("MachineDeployment "): p.replaced for p in found.parts}
    assert {owner: count for owner, count in parts.items() if count} == replaced
    assert found.replaced == sum(replaced.values())
    assert found.effect is not Effect.PROVIDER_DEFINED


def test_a_condition_that_only_a_controller_computes_is_an_upper_bound() -> None:
    found = impact_of(put("cluster|spec|topology|variables", [{"name": "zoned", "value": "yes"}]))
    assert (found.effect, found.replaced) == (Effect.PROVIDER_DEFINED, 3)
    assert all("at most" in part.note for part in found.parts)


def test_another_control_plane_provider_decides_itself() -> None:
    def other(w: World) -> None:
        made = template(PLANE, "RKE2ControlPlaneTemplate", "cp", registrationMethod="x")
        w["RKE2ControlPlaneTemplate/cp"] = made
        w["class"]["spec"]["controlPlane"]["templateRef"]["kind"] = made["kind"]

    before, after = world(), world()
    other(before)
    other(after)
    after["RKE2ControlPlaneTemplate/cp"]["spec"]["template"]["spec"]["registrationMethod"] = "y"
    plans = [rendered(w) for w in (before, after)]
    (part,) = topology_impact(plans[0], plans[1], fact()).parts
    assert (part.owner, part.effect, part.replaced) == (
        "control plane",
        Effect.PROVIDER_DEFINED,
        3,
    )


def test_what_cannot_be_rendered_says_why() -> None:
    broken = world()
    del broken["XTemplate/w"]
    with pytest.raises(NotKnown, match="XTemplate n/w of its class does not exist"):
        rendered(broken)


def both(w: World) -> None:
    put("cluster|spec|topology|version", "v1.35.1")(w)
    put("cluster|spec|topology|variables", SIZE)(w)
    put("XTemplate/w|spec|template|spec|image", "x")(w)


def test_a_version_and_templates_in_one_write_are_one_rollout() -> None:
    found = impact_of(both)
    assert {p.owner: p.replaced for p in found.parts} == {
        "control plane": 3,
        "MachineDeployment md-0": 2,
        "MachineDeployment md-1": 1,
    }
    assert "twice" not in found.note + "".join(p.note for p in found.parts)


def test_what_is_held_at_its_version_keeps_its_templates() -> None:
    def held(w: World) -> None:
        both(w)
        defer = {"annotations": {"topology.cluster.x-k8s.io/defer-upgrade": ""}}
        put(f"{MD0}|metadata", defer)(w)

    parts = {p.owner: p for p in impact_of(held).parts}
    assert parts["MachineDeployment md-0"].replaced == 0
    assert "stays on v1.35.0" in parts["MachineDeployment md-0"].note
    assert parts["MachineDeployment md-1"].replaced == 1
