"""A plan as JSON for other programs: what is done and why, without the bodies and any secret.

Sorted and deterministic. `verb`, `cause`, `code` and `kind` are open: readers tolerate new names.
Everything that is not ASCII is escaped, so no consumer's terminal or page can be steered by it.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from planner.changes import ActionId, Change, Edge, FieldChange, Gate, Plan, Verb
from planner.views.counts import Counts, counts
from providers.base import Impact, Milestone
from state.resource import JsonObject, canonical, path_text

_ACTIONS = {
    Verb.CREATE: ["create"],
    Verb.UPDATE: ["update"],
    Verb.REPLACE: ["delete", "create"],
    Verb.ROTATE: ["create"],
    Verb.ADOPT: ["update"],
    Verb.SUSPEND: ["update"],
    Verb.DELETE: ["delete"],
    Verb.PRUNE: ["delete"],
    Verb.FORGET: ["forget"],
}


def plan_json(plan: Plan) -> str:
    """The document, ending in a line end. Shape: docs/plan-json.md."""
    found = counts(plan)
    document = {
        "format_version": plan.format_version,
        "mode": plan.mode,
        "applyable": plan.applyable,
        "complete": plan.complete,
        "errored": any(f.kind == "error" for f in plan.findings),
        "basis": msgspec.to_builtins(plan.basis),
        "digest": plan.digest,
        "summary": _summary(plan, found),
        "units": [_unit(u) for u in plan.units],
        "changes": [_change(c) for c in plan.changes],
        "findings": [msgspec.to_builtins(f) for f in plan.findings],
        "refusals": [msgspec.to_builtins(r) for r in plan.refusals],
        "graph": {
            "gates": [_gate(g) for g in plan.graph.gates],
            "edges": [_edge(e) for e in plan.graph.edges],
        },
    }
    return _ascii(msgspec.json.format(canonical(document), indent=2).decode()) + "\n"


def _ascii(text: str) -> str:
    """JSON with everything beyond ASCII as `\\uXXXX`; only strings can hold such characters."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)


def _summary(plan: Plan, found: Counts) -> JsonObject:
    touched = found.machines
    return {
        "changes": {verb.value: found.of(verb) for verb in Verb},
        "ownership_only": found.ownership_only,
        "confidence": found.confidence,
        "clusters": {"touched": found.touched, "total": found.clusters},
        "machines": {
            "replaced": touched.replaced,
            "added": touched.added,
            "removed": touched.removed,
            "destroyed": touched.destroyed,
            "unknown": touched.unknown,
            "at_most": touched.at_most,
        },
        "resources": plan.totals.resources,
        "unreadable": plan.totals.unreadable,
        "unproven": plan.totals.unproven,
        "ignored_fields": plan.totals.ignored,
    }


def _unit(unit: Any) -> JsonObject:
    return {
        "key": unit.key,
        "digest": unit.digest,
        "machines": unit.machines,
        "complete": unit.complete,
        "why_not": list(unit.why_not),
        "cleared": len(unit.cleared),
    }


def _change(change: Change) -> JsonObject:
    id_ = change.id
    return {
        "id": _node(change.action),
        "cluster": id_.cluster,
        "group": id_.group,
        "version": change.version,
        "kind": id_.kind,
        "namespace": id_.namespace,
        "name": id_.name,
        "step": change.action.step,
        "steps": change.steps,
        "unit": change.unit,
        "verb": change.verb.value,
        "actions": _ACTIONS.get(change.verb, [change.verb.value]),
        "cause": change.cause.value,
        "reason": change.reason,
        "confidence": change.confidence.value,
        "ownership_only": change.ownership_only,
        "impact": _impact(change.impact),
        "fields": [_field(f) for f in change.fields],
        "takes": [{"path": path_text(t.path), "manager": t.manager} for t in change.takes],
        "releases": list(change.releases),
        "secret_fields": sorted(path_text(path) for path, _ in change.secrets),
        "origin": str(change.origin) if change.origin else "",
        "logical": change.logical,
        "predecessor": change.predecessor,
        "cascade": list(change.cascade),
        "survives": list(change.survives),
        "depends_on": [i.text for i in change.depends_on],
    }


def _impact(impact: Impact) -> JsonObject:
    return {
        "owner": impact.owner,
        "parts": [_impact(part) for part in impact.parts],
        "effect": impact.effect.value,
        "replaced": impact.replaced,
        "added": impact.added,
        "removed": impact.removed,
        "destroyed": impact.destroyed,
        "live": impact.live,
        "total": impact.total,
        "peak": impact.peak,
        "floor": impact.floor,
        "because": impact.because,
        "note": impact.note,
    }


def _field(field: FieldChange) -> JsonObject:
    """Values only where they may be shown and are there: a missing key means not set."""
    shown: JsonObject = {
        "path": path_text(field.path),
        "cause": field.cause.value,
        "by": field.by,
        "origin": field.origin,
        "sensitive": field.sensitive,
        "known": field.known,
    }
    if not field.sensitive and field.before is not msgspec.UNSET:
        shown["before"] = field.before
    if not field.sensitive and field.known and field.after is not msgspec.UNSET:
        shown["after"] = field.after
    return shown


def _node(node: ActionId | str) -> str:
    """An action as `cluster/group/Kind/namespace/name#step`, or a gate's name."""
    return node if isinstance(node, str) else f"{node.resource.text}#{node.step}"


def _milestone(milestone: Milestone) -> JsonObject:
    shown: JsonObject = {"name": milestone.name, "deadline_seconds": milestone.deadline}
    if milestone.cluster:
        shown["cluster"] = milestone.cluster
    return shown


def _gate(gate: Gate) -> JsonObject:
    return {
        "name": gate.name,
        "unit": gate.unit,
        "awaits": [{"resource": i.text, "until": _milestone(m)} for i, m in gate.awaits],
    }


def _edge(edge: Edge) -> JsonObject:
    return {
        "before": _node(edge.before),
        "after": _node(edge.after),
        "until": _milestone(edge.until),
        "reason": edge.reason,
    }
