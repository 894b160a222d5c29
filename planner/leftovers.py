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
from state.fields import MANAGER, Trie, own_entry, sent_paths, step, trie, value_at
from state.live import ManagerEntry, Present
from state.resource import FieldPath, JsonObject

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT_SIDE = "kubectl-client-side-apply"
BEFORE_FIRST = "before-first-apply"
_DEPLOYERS = frozenset(("helm", "kustomize-controller", "helm-controller", "flux", "kapp"))
"""Managers that apply whole objects. Whether one is still at work is `planner.keepers`' to say."""


def settled(manager: str) -> bool:
    """A manager whose hold on a field ends when the object is ours: tools, not controllers."""
    return peoples_tool(manager) or manager in _DEPLOYERS


def leftovers(body: JsonObject, live: Present) -> tuple[str, ...]:
    """Managers that would own fields of `body` beside us once it is applied; sorted names."""
    if not live.managers:
        return (BEFORE_FIRST,)  # the server's name for who made an object without any entry
    others = [e for e in live.managers if _is_settled(e)]
    if not others:
        return ()
    # a field with another value is taken by force, which leaves it to nobody but us
    paths = [
        path
        for path in sent_paths(body, live)
        if same(value_at(body, path), value_at(live.body, path))
    ]
    found = {e.manager for e in others if any(_holds(live, trie(e), path) for path in paths)}
    return tuple(sorted(found))


def _is_settled(entry: ManagerEntry) -> bool:
    if entry.manager == MANAGER and entry.operation == "Apply":
        return False
    return entry.subresource != "status" and settled(entry.manager)


def _holds(live: Present, fields: Trie, path: FieldPath) -> bool:
    """The field itself, or an atomic value around it.

    Owning that a map is there is no hold on what is in it. It is written like an atomic value, so
    another manager's fields below it tell the two apart.
    """
    node = fields
    for depth, element in enumerate(path, start=1):
        below = step(node, element)
        if below is None:
            return False
        if not below:
            return depth == len(path) or not _granular(live, path[:depth])
        node = below
    return True


def _granular(live: Present, path: FieldPath) -> bool:
    for entry in live.managers:
        node: Trie | None = trie(entry)
        for element in path:
            node = step(node, element) if node is not None else None
        if node is not None and any(key != "." for key in node):
            return True
    return False


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
        if entry.manager not in managers or not _is_settled(entry):
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
        leaf = not any(key != "." for key in mine)
        if leaf or not any(key != "." for key in below):
            continue
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
