"""What waits for what, in words: milestones, and one line for each unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from planner.changes import ActionId, Change, Edge, Gate, Plan, Verb
from planner.views.clean import clean
from providers.base import Milestone
from providers.capi import CLUSTER, MACHINE_DEPLOYMENT, MACHINE_POOL
from providers.controlplane import KUBEADM
from providers.management import CRD
from providers.registry import rules
from state.resource import GroupKind, ResourceId

_WORDS = {
    "applied": "written",
    "absent": "gone",
    "exists": "there",
    "rolled-out": "rolled out",
    "control-plane-ready": "ready",
    "control-plane-initialized": "control plane initialized",
    "infrastructure-provisioned": "infrastructure provisioned",
    "resources-applied": "applied",
    "releases-ready": "releases ready",
}
_NOUNS: dict[GroupKind, str] = {
    KUBEADM: "control plane",
    MACHINE_DEPLOYMENT: "workers",
    MACHINE_POOL: "workers",
    CRD: "kinds",
    CLUSTER: "cluster",
}
_STEPS = 6


def milestone_words(milestone: Milestone) -> str:
    """`rolled out`, `gone`: a milestone's name for people."""
    where = f" in {milestone.cluster}" if milestone.cluster else ""
    return clean((_WORDS.get(milestone.name) or milestone.name.replace("-", " ")) + where)


def deadline_words(seconds: int) -> str:
    """`within 60 min`; `""` where nothing is waited for."""
    if not seconds:
        return ""
    return f"within {seconds // 60} min" if seconds >= 120 else f"within {seconds} s"


def waits_by_unit(plan: Plan) -> dict[str, str]:
    """Unit → `control plane rolled out → workers rolled out → old template pruned`.

    Only edges that wait for more than the write count, and gates that something of the unit needs.
    """
    changes: dict[ActionId | str, Change] = {c.action: c for c in plan.changes}
    gates = {g.name: g for g in plan.graph.gates}
    depths = _depths(plan.graph.edges, gates)
    edges: dict[str, list[Edge]] = {}
    for edge in plan.graph.edges:
        after = changes.get(edge.after)
        if after is not None and _waits(edge, gates):
            edges.setdefault(after.unit, []).append(edge)
    return {unit: _line(found, changes, gates, depths) for unit, found in edges.items()}


def _waits(edge: Edge, gates: dict[str, Gate]) -> bool:
    """More is waited for than a write."""
    return edge.until.name != "applied" or edge.before in gates


def _depths(edges: Iterable[Edge], gates: dict[str, Gate]) -> dict[ActionId | str, int]:
    """How many waits lie before each node, at most; Kahn's order, so linear and not recursive."""
    following: dict[ActionId | str, list[Edge]] = {}
    missing: Counter[ActionId | str] = Counter()
    for edge in edges:
        following.setdefault(edge.before, []).append(edge)
        missing[edge.after] += 1
    depths: dict[ActionId | str, int] = {}
    ready = [node for node in following if not missing[node]]
    while ready:
        node = ready.pop()
        depth = depths.setdefault(node, 0)
        for edge in following.get(node, ()):
            reached = depth + _waits(edge, gates)
            depths[edge.after] = max(depths.get(edge.after, 0), reached)
            missing[edge.after] -= 1
            if not missing[edge.after]:
                ready.append(edge.after)
    return depths


def _line(
    edges: list[Edge],
    changes: dict[ActionId | str, Change],
    gates: dict[str, Gate],
    depths: dict[ActionId | str, int],
) -> str:
    """Phrases by their distance from the start, each once, joined by arrows."""
    steps: dict[int, dict[str, None]] = {}
    waited = {edge.before for edge in edges}
    for edge in edges:
        level = steps.setdefault(depths.get(edge.before, 0), {})
        level.update(dict.fromkeys(_phrases(edge, changes, gates)))
    for node in dict.fromkeys(edge.after for edge in edges):
        if node not in waited:
            steps.setdefault(depths.get(node, 0), {})[_last(changes[node])] = None
    stages = [", ".join(_few(list(steps[level]), 3)) for level in sorted(steps)]
    return " → ".join(_few(stages, _STEPS))


def _few(texts: list[str], limit: int) -> list[str]:
    if len(texts) <= limit:
        return texts
    return [*texts[: limit - 1], f"{len(texts) - limit + 1} more"]


def _phrases(
    edge: Edge, changes: dict[ActionId | str, Change], gates: dict[str, Gate]
) -> list[str]:
    if isinstance(edge.before, str):
        gate = gates.get(edge.before)
        return _awaited(gate) if gate else [clean(edge.before)]
    what = noun(edge.before.resource) + _step(changes.get(edge.before))
    return [f"{what} {milestone_words(edge.until)}"]


def _awaited(gate: Gate) -> list[str]:
    texts: dict[str, None] = {}
    for id_, milestone in gate.awaits:
        texts[_reached(id_, milestone)] = None
    return list(texts)


def _reached(id_: ResourceId, milestone: Milestone) -> str:
    words = milestone_words(milestone)
    if id_.kind == "Secret" and id_.name.endswith("-kubeconfig"):
        return "kubeconfig there"
    return words if milestone.name == "control-plane-initialized" else f"{noun(id_)} {words}"


def noun(id_: ResourceId) -> str:
    """`control plane`, `workers`, `template`; a kind without a word of its own stays as it is."""
    known = _NOUNS.get(id_.group_kind)
    if known:
        return known
    known_rules = rules(id_.group, id_.kind)
    if known_rules.control_plane:
        return "control plane"
    return "template" if known_rules.template else clean(id_.kind)


def _last(change: Change) -> str:
    if change.verb is Verb.PRUNE:
        return "old template pruned"
    word = "add-ons" if "/" in change.id.cluster else noun(change.id)
    return f"{word} deleted" if change.deletes else word + _step(change)


def _step(change: Change | None) -> str:
    return f" step {change.action.step + 1}" if change is not None and change.steps > 1 else ""
