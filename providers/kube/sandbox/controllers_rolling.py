"""How a rollout moves replicas from old MachineSets to the new one, step by step.

Sources: cluster-api v1.14 `core/reconcilers/machinedeployment/machinedeployment_rolling.go`,
`mdutil`; docs/cluster-api.md, "The arithmetic".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from providers.kube.sandbox.controllers_machinesets import NO_CREATE, machines_of
from providers.kube.sandbox.controllers_objects import holds, key_of
from providers.kube.sandbox.controllers_subject import Subject, deleting
from state.resource import JsonObject

MAKER = "capi-machinedeployment"


HASH = "machine-template-hash"


def on_delete(deployment: Subject) -> bool:
    """Outdated machines wait until somebody deletes them."""
    return bool(strategy_of(deployment).get("type") == "OnDelete")


def strategy_of(deployment: Subject) -> JsonObject:
    """How the deployment rolls."""
    return (deployment.spec.get("rollout") or {}).get("strategy") or {}


def roll(deployment: Subject, current: JsonObject, old: list[JsonObject]) -> None:
    """One step towards as many up-to-date machines as wanted."""
    chosen = Subject(deployment.world, key_of(current), current, MAKER)
    _refresh(deployment, chosen)
    wanted = deployment.spec.get("replicas", 1)
    if on_delete(deployment):
        _let_go(deployment, old)
        kept = sum(_size(s) for s in old)
        chosen.spec["replicas"] = max(0, wanted - kept)
    else:
        surge, unavailable = limits(wanted, strategy_of(deployment))
        _grow(chosen, old, wanted, surge)
        _shrink(deployment, chosen, old, wanted - unavailable)
    chosen.save()
    for machine_set in old:
        if not _size(machine_set) and not deleting(machine_set):
            deployment.world.delete(*key_of(machine_set))


def _refresh(deployment: Subject, chosen: Subject) -> None:
    """The set carries what never replaces a machine; its old labels stay the selector's."""
    template = deployment.spec["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    ending = chosen.metadata["labels"][HASH]
    inner = {**(template.get("metadata") or {}), "labels": {**labels, HASH: ending}}
    chosen.spec["template"] = {"metadata": inner, "spec": template["spec"]}
    chosen.metadata["annotations"][NO_CREATE] = "false"
    if deployment.spec.get("deletion"):
        chosen.spec["deletion"] = deployment.spec["deletion"]
    else:
        chosen.spec.pop("deletion", None)


def _size(machine_set: JsonObject) -> int:
    """Machines of a set, wanted or still there."""
    have = (machine_set.get("status") or {}).get("replicas", 0)
    return max(int(machine_set["spec"].get("replicas", 0)), int(have))


def _let_go(deployment: Subject, old: list[JsonObject]) -> None:
    """OnDelete: an outdated machine that somebody deleted is not made again."""
    for machine_set in old:
        found = Subject(deployment.world, key_of(machine_set), machine_set, MAKER)
        machines = machines_of(deployment.world, machine_set)
        found.metadata["annotations"][NO_CREATE] = "true"
        found.spec["replicas"] = sum(1 for m in machines if not deleting(m))
        found.save()


def _grow(chosen: Subject, old: Sequence[JsonObject], wanted: int, surge: int) -> None:
    have = chosen.spec.get("replicas", 0)
    room = wanted + surge - _size(chosen.value) - sum(_size(s) for s in old)
    if have > wanted or not old or not any(_size(s) for s in old):
        chosen.spec["replicas"] = wanted
    else:
        chosen.spec["replicas"] = have + max(0, min(room, wanted - have))


def _shrink(deployment: Subject, chosen: Subject, old: Sequence[JsonObject], least: int) -> None:
    """Outdated machines go while enough others are available; unavailable ones go first."""
    counts = [_available(deployment, s) for s in old]
    spare = _available(deployment, chosen.value) + sum(counts) - least
    for machine_set, available in zip(old, counts, strict=True):
        found = Subject(deployment.world, key_of(machine_set), machine_set, MAKER)
        found.metadata["annotations"][NO_CREATE] = "true"
        healthy = min(available, max(0, available - max(0, spare)))
        spare -= available - healthy
        found.spec["replicas"] = min(found.spec.get("replicas", 0), healthy)
        found.save()


def _available(deployment: Subject, machine_set: JsonObject) -> int:
    machines = machines_of(deployment.world, machine_set)
    return sum(1 for m in machines if holds(m, "Available") and not deleting(m))


def limits(replicas: int, strategy: JsonObject) -> tuple[int, int]:
    """(surge, unavailable): percentages round up and down; both 0 means 1 unavailable."""
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", 1), replicas, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", 0), replicas, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _share(limit: Any, replicas: int, rounding: Callable[[float], int]) -> int:
    if isinstance(limit, str) and limit.endswith("%"):
        return rounding(int(limit[:-1]) * replicas / 100)
    return int(limit)
