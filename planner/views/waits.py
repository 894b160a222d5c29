"""What waits for what, in words: milestones, and one line for each unit."""

from __future__ import annotations

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
    "control-plane-initialized": "control plane initialized",
    "infrastructure-provisioned": "infrastructure provisioned",
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
    return _WORDS.get(milestone.name) or clean(milestone.name.replace("-", " "))


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
    edges: dict[str, list[Edge]] = {}
    for edge in plan.graph.edges:
        after = changes.get(edge.after)
        if after is not None and (edge.until.name != "applied" or edge.before in gates):
            edges.setdefault(after.unit, []).append(edge)
    return {unit: _line(found, changes, gates) for unit, found in edges.items()}


def _line(
    edges: Iterable[Edge], changes: dict[ActionId | str, Change], gates: dict[str, Gate]
) -> str:
    """Phrases by their distance from the start, each once, joined by arrows."""
    after: dict[ActionId | str, list[Edge]] = {}
    for edge in edges:
        after.setdefault(edge.after, []).append(edge)
    depths: dict[ActionId | str, int] = {}

    def depth(node: ActionId | str) -> int:
        found = depths.get(node)
        if found is None:
            depths[node] = 0
            found = max((depth(e.before) + 1 for e in after.get(node, ())), default=0)
            depths[node] = found
        return found

    steps: dict[int, dict[str, None]] = {}
    waited = set()
    for found in after.values():
        for edge in found:
            waited.add(edge.before)
            words = _phrase(edge, changes, gates)
            steps.setdefault(depth(edge.before), {})[words] = None
    for node in sorted(after, key=str):
        if node not in waited:
            steps.setdefault(depth(node), {})[_last(changes[node])] = None
    stages = [", ".join(_few(list(steps[level]))) for level in sorted(steps)]
    return " → ".join(_few(stages))


def _few(texts: list[str]) -> list[str]:
    if len(texts) <= _STEPS:
        return texts
    return [*texts[: _STEPS - 1], f"{len(texts) - _STEPS + 1} more"]


def _phrase(edge: Edge, changes: dict[ActionId | str, Change], gates: dict[str, Gate]) -> str:
    if isinstance(edge.before, str):
        gate = gates.get(edge.before)
        return " and ".join(_few(_awaited(gate))) if gate else clean(edge.before)
    return f"{noun(edge.before.resource)} {milestone_words(edge.until)}"


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
    return "template" if rules(id_.group, id_.kind).template else clean(id_.kind)


def _last(change: Change) -> str:
    if change.verb is Verb.PRUNE:
        return "old template pruned"
    word = "add-ons" if "/" in change.id.cluster else noun(change.id)
    return f"{word} deleted" if change.deletes else word
