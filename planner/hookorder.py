"""Helm hooks in the order of a plan: before or after everything else of their release.

By weight and one after the other, each waited for until it is complete.
Source: helm/helm v4.2, pkg/action/hooks.go; docs/gitops.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import msgspec

from planner.changes import Change
from planner.expansions import release_key
from providers.base import APPLIED, references
from providers.management import COMPLETE, CRD, NAMESPACE
from providers.registry import rules
from state.resource import ResourceId


def order_hooks(
    writes: Mapping[ResourceId, list[Change]],
    gate: Callable[..., str],
    edge: Callable[..., None],
) -> None:
    """Edges and gates that put the hooks of each release before or after its objects."""
    members: dict[str, list[Change]] = {}
    for id_, changes in writes.items():
        last = changes[-1]
        if last.release is not None and last.recorded:
            members.setdefault(release_key(id_.cluster, last.release), []).append(last)
    for key, found in sorted(members.items()):
        if any(c.hook for c in found):
            _order(key, found, gate, edge)


def _order(
    key: str, found: list[Change], gate: Callable[..., str], edge: Callable[..., None]
) -> None:
    before = [c for c in found if c.hook and "pre-" in c.reason]
    after = [c for c in found if c.hook and "post-" in c.reason]
    objects = [c for c in found if not c.hook]
    for hooks in (before, after):
        hooks.sort(key=lambda c: (c.hook.weight if c.hook else 0, c.id))
        for earlier, later in itertools.pairwise(hooks):
            edge(earlier.action, later.action, "hooks run one after the other", COMPLETE)
    if before:
        needed = {target for hook in before for target in _needed(hook)}
        for change in objects:
            if change.id.group_kind not in (NAMESPACE, CRD) and change.id not in needed:
                edge(before[-1].action, change.action, "the hook comes first", COMPLETE)
    if after:
        name = gate(f"{key} applied", (), after[0].unit)
        for change in objects:
            until = rules(change.id.group, change.id.kind).ready or APPLIED
            edge(change.action, name, "the hook comes last", until)
        edge(name, after[0].action, "the hook comes last", APPLIED)
    last = (after or before)[-1]
    done = gate(f"{key} hooks done", ((last.id, COMPLETE),), last.unit)
    edge(last.action, done, "a hook runs to its end", APPLIED)


def _needed(change: Change) -> set[ResourceId]:
    """What a hook refers to: in the release, it comes before the hook all the same."""

    body = msgspec.json.decode(change.body)
    kind_rules = rules(change.id.group, change.id.kind)
    return {r.target for r in references(body, change.id, kind_rules)}
