"""What those who applied an object before us still own of it, field by field, and letting go.

A field that another manager owns too stays when Git no longer has it: an object that `kubectl
apply`, Helm or Flux made would keep it for ever. So those who are done with the object lose the
fields that we send, and keep all others: nothing is lost. Source: structured-merge-diff
merge/update.go (a field is pruned only when no other manager owns it); client-go's csaupgrade does
the same between kubectl's own two managers.
"""

from __future__ import annotations

import msgspec

from planner.ssa import peoples_tool, same
from state.fields import Trie, own_entry, owned_as, owns_below, sent_paths, step, trie, value_at
from state.live import ManagerEntry, Present
from state.resource import FieldPath, JsonObject
from state.writer import MANAGER

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT_SIDE = "kubectl-client-side-apply"
BEFORE_FIRST = "before-first-apply"
_DEPLOYERS = frozenset(("helm", "kustomize-controller", "helm-controller", "flux", "kapp"))
"""Managers that apply whole objects. Whether one is still at work is `planner.keepers`' to say."""


def settled(manager: str) -> bool:
    """A manager whose hold on a field ends when the object is ours: tools, not controllers."""
    return peoples_tool(manager) or manager in _DEPLOYERS


def leftovers(body: JsonObject, live: Present, manager: str = MANAGER) -> tuple[str, ...]:
    """Managers that would own fields of `body` beside us once it is applied; sorted names.

    `body` is what will be sent: what is left to a controller is out of it already.
    """
    if not live.managers:
        return (BEFORE_FIRST,)  # the server's name for who made an object without any entry
    others = [e for e in live.managers if _is_settled(e, manager)]
    if not others:
        return ()
    paths = list(sent_paths(body, live))
    found = {e.manager for e in others if any(_shares(live, trie(e), path, body) for path in paths)}
    return tuple(sorted(found))


def _shares(live: Present, fields: Trie, path: FieldPath, body: JsonObject) -> bool:
    """They own the field, or an atomic value around it, and would go on owning it beside us.

    One with another value is taken by force, which leaves it to nobody but us. What they own in a
    map that we send empty is theirs.
    """
    held = owned_as(live, fields, path)
    if held is None or (value_at(body, held) == {} and owns_below(fields, held)):
        return False
    return same(value_at(body, held), value_at(live.body, held))


def _is_settled(entry: ManagerEntry, manager: str) -> bool:
    if entry.manager == manager and entry.operation == "Apply":
        return False
    return entry.subresource != "status" and settled(entry.manager)


def without(live: Present, managers: tuple[str, ...]) -> list[JsonObject] | None:
    """`managedFields` with our fields taken out of the named managers'; None: nothing to do."""
    own = own_entry(live)
    if own is None:
        return None
    ours = trie(own)
    entries: list[JsonObject] = live.body["metadata"]["managedFields"]
    changed = False
    kept: list[JsonObject] = []
    for entry, raw in zip(live.managers, entries, strict=True):
        if entry.manager not in managers or not _is_settled(entry, MANAGER):
            kept.append(raw)
            continue
        rest = _less(trie(entry), ours)
        changed = changed or rest != trie(entry)
        if any(key != "." for key in rest):
            kept.append({**raw, "fieldsV1": rest})
    return kept if changed else None


def _less(theirs: Trie, ours: Trie) -> Trie:
    """Their set without what is in ours; containers that hold nothing more go, too."""
    rest: Trie = {}
    for element, below in theirs.items():
        if element == ".":
            continue
        mine = step(ours, element)
        if mine is None:
            rest[element] = below
            continue
        if not any(key != "." for key in below):
            continue
        if not any(key != "." for key in mine):
            mine = {}  # a map that we sent empty: fields in it are theirs, items and values ours
            below = {key: value for key, value in below.items() if key[0] == "f"}
        remaining = _less(below, mine)
        if remaining:
            rest[element] = remaining
    return rest


def letting_go(live: Present, managers: tuple[str, ...]) -> bytes | None:
    """The JSON patch (RFC 6902) that does it to exactly this object; None: nothing to do.

    It tests the uid and carries the resourceVersion, so that it fails on any other state.
    """
    rest = without(live, managers)
    annotated = CLIENT_SIDE in managers and LAST_APPLIED in live.annotations
    if rest is None and not annotated:
        return None
    steps: list[JsonObject] = [
        {"op": "test", "path": "/metadata/uid", "value": live.uid},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version},
    ]
    if rest is not None:
        steps.append({"op": "replace", "path": "/metadata/managedFields", "value": rest})
    if annotated:
        name = LAST_APPLIED.replace("/", "~1")
        steps.append({"op": "remove", "path": f"/metadata/annotations/{name}"})
    return msgspec.json.encode(steps)
