"""From live objects to lines of the status tree: states, words, ages. Pure.

The tree has the shape of `clusterctl describe cluster`, which people know: infrastructure, control
plane, workers, add-ons, each with its machines, those alike in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from planner.statustree import Node
from providers.base import Health, Readiness, value
from providers.capi import AUTOSCALER_MAX, AUTOSCALER_MIN, INITIALIZED
from providers.conditions import (
    annotations_of,
    by_name,
    condition,
    conditions,
    has_new_form,
    integer,
    leaving,
    name_of,
)
from providers.contract import Role, done, role_of
from providers.readiness import SHOWN, Relatives, check, externally_managed, held_back
from providers.registry import rules
from providers.rollouts import (
    REPLICAS_MANAGED_BY,
    counter,
    leaving_cause,
    machine_cause,
    wanted_replicas,
)
from state.resource import JsonObject, ResourceId

_SETTLED = ("Available", "Ready", "Initialized")


def object_node(
    id_: ResourceId,
    body: JsonObject,
    relatives: Relatives,
    *,
    role: str = "",
    children: Iterable[Node] = (),
) -> Node:
    """The line of one object: what its milestone says, else what its own conditions say."""
    found, nodes = judged(id_, body, relatives), tuple(children)
    state = state_of(found)
    text = found.message or settled_text(id_, body)
    since = found.since
    if found.health is Health.REACHED:
        since = since or settled_since(body)
    if leaving(body):
        cause = leaving_cause(body)
        state, text, since = "deleting", cause.message, cause.since
    return Node(
        kind=id_.kind,
        name=id_.name,
        state=state,
        text=text,
        since=since,
        role=role,
        children=nodes,
    )


def judged(id_: ResourceId, body: JsonObject, relatives: Relatives) -> Readiness:
    """Its milestone; once that is reached, its own `Ready`, for what broke later."""
    role = role_of(id_.group_kind)
    milestone = rules(id_.group, id_.kind).ready or SHOWN.get(id_.group_kind)
    if milestone is None and role is Role.CONTROL_PLANE:
        milestone = INITIALIZED  # a provider's own, by its contract
    if milestone is not None:
        found = check(milestone, body, relatives)
        if found.health is not Health.REACHED or found.message:
            return _not_provisioned(id_, body, found, relatives)
        if integer(body, "spec.replicas") is not None:
            return found
    else:
        paused = held_back(body)
        if paused:
            return Readiness(Health.BLOCKED, "Paused", paused, condition(body, "Paused").since)
    ready = condition(body, "Ready")
    if ready.status == "False":
        broke = not ready.severity and role is Role.INFRA_CLUSTER
        trouble = ready.severity == "Error" or broke
        return Readiness(Health.WAITING, "Ready", f"Ready: {ready.said}", ready.since, trouble)
    return Readiness(Health.REACHED)


def _not_provisioned(
    id_: ResourceId, body: JsonObject, found: Readiness, relatives: Relatives
) -> Readiness:
    """Externally managed infrastructure is nobody's fault: it is said how far it is."""
    manager, role = externally_managed(body), role_of(id_.group_kind)
    if not manager or role is None or done(role, body, relatives.contract):
        return found
    return Readiness(found.health, found.reason, f"{manager} · not marked as provisioned yet")


def state_of(found: Readiness) -> str:
    """The state of a node."""
    if found.health is Health.REACHED:
        return "ready"
    if found.health is Health.BLOCKED:
        return "blocked"
    return "failing" if found.trouble else "waiting"


def settled_text(id_: ResourceId, body: JsonObject) -> str:
    """What is said of an object that is ready."""
    if isinstance(value(body, "spec.replicas"), int) or REPLICAS_MANAGED_BY in annotations_of(body):
        wanted = wanted_replicas(body)
        return f"{counter(body, 'upToDateReplicas')} of {wanted} up to date{_scaler(body)}"
    role = role_of(id_.group_kind)
    if role is None:
        return ""
    return "initialized" if role is Role.CONTROL_PLANE else "provisioned"


def _scaler(body: JsonObject) -> str:
    found = annotations_of(body)
    low, high = found.get(AUTOSCALER_MIN), found.get(AUTOSCALER_MAX)
    if low is not None and high is not None:
        return f", autoscaled {low} to {high}"
    return ", replicas managed elsewhere" if REPLICAS_MANAGED_BY in found else ""


def settled_since(body: JsonObject) -> str:
    """Since when an object is as it should be."""
    found = conditions(body)
    return next(
        (found[kind].since for kind in _SETTLED if kind in found and found[kind].status == "True"),
        "",
    )


# ---------------------------------------------------------------------- machines


def machine_nodes(machines: Iterable[JsonObject]) -> list[Node]:
    """Machines in trouble first, then those that wait, each with its cause; equals in one line."""
    alike: dict[tuple[str, str], list[JsonObject]] = {}
    for machine in by_name(machines):
        found = machine_state(machine)
        state, text = state_of(found), found.message
        if leaving(machine):
            state = "deleting"
        alike.setdefault((state, text), []).append(machine)
    order = ("failing", "blocked", "waiting", "deleting", "unknown", "ready")
    keys = sorted(alike, key=lambda key: order.index(key[0]))
    return [_machines_node(state, text, alike[state, text]) for state, text in keys]


def _machines_node(state: str, text: str, machines: list[JsonObject]) -> Node:
    names = [name_of(m) for m in machines]
    since = max((_since(m, state) for m in machines), default="")
    if len(names) == 1 and state != "ready":
        return Node(
            kind="Machine", name=names[0], state=state, text=text, since=since, role="machine"
        )
    noun = "machine" if len(names) == 1 else "machines"
    said = f"{text}: {suffixes(names)}" if text else f"ready: {suffixes(names)}"
    return Node(
        kind="", name=f"{len(names)} {noun}", state=state, text=said, since=since, role="machines"
    )


def _since(machine: JsonObject, state: str) -> str:
    return settled_since(machine) if state == "ready" else machine_state(machine).since


def machine_state(machine: JsonObject) -> Readiness:
    """Where a Machine stands: the first failing condition from the cause to its consequences."""
    if leaving(machine):
        return leaving_cause(machine)
    cause = machine_cause(machine)
    if cause is not None:
        return Readiness(
            cause.health, cause.reason, _said(machine, cause), cause.since, cause.trouble
        )
    paused = held_back(machine)
    health = condition(machine, "HealthCheckSucceeded")
    if health.status == "False":
        text = f"unhealthy, to be remediated: {health.said}".rstrip(": ")
        return Readiness(Health.WAITING, "HealthCheckSucceeded", text, health.since, trouble=True)
    ready = condition(machine, "Ready")
    if ready.status == "True" or (
        not has_new_form(machine) and value(machine, "status.phase") == "Running"
    ):
        return Readiness(Health.REACHED)
    if paused:
        return Readiness(Health.BLOCKED, "Paused", f"paused: {paused}")
    if ready.status:
        return Readiness(Health.WAITING, "Ready", f"Ready: {ready.said}", ready.since)
    phase = value(machine, "status.phase")
    return Readiness(Health.WAITING, "Phase", f"phase {phase}" if phase else "no status yet")


def _said(machine: JsonObject, cause: Readiness) -> str:
    said = condition(machine, cause.reason).said
    return f"{cause.reason}: {said}" if said else cause.reason


_SHOWN = 6
_SUFFIX = re.compile(r"-[a-z0-9]+$")


def suffixes(names: list[str]) -> str:
    """`shop-prod-2lq8f, -9xkzw, -x7k2p`: what repeats is left out."""
    first, *rest = names[:_SHOWN]
    stem = _SUFFIX.sub("", first)
    texts = [first]
    texts += [n.removeprefix(stem) if n.startswith(f"{stem}-") else n for n in rest]
    if len(names) > _SHOWN:
        texts.append(f"{len(names) - _SHOWN} more")
    return ", ".join(texts)
