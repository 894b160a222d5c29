"""Deleting: finalizers, garbage collection by ownerReferences, namespaces and CRDs that empty.

What a real cluster's controllers do within a second happens here in the same transaction, so that
the order is the same every time. Rules: apiserver `registry/generic/registry/store.go`,
`pkg/controller/{garbagecollector,namespace}`.
"""

from __future__ import annotations

from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.session import CRD_GROUP, CRDS, Session
from providers.kube.sandbox.store import Row, Where
from state.resource import JsonObject

FOREGROUND = "foregroundDeletion"

_EMPTYING = frozenset((("", "namespaces"), (CRD_GROUP, CRDS)))
"""Deleting one of these deletes what it contains first."""


def finished(kind: Kind, value: JsonObject) -> bool:
    """Marked for deletion, and no finalizer holds it. What empties itself goes on its own."""
    metadata = value["metadata"]
    marked = bool(metadata.get("deletionTimestamp")) and not metadata.get("finalizers")
    return marked and (kind.group, kind.plural) not in _EMPTYING


def delete(session: Session, kind: Kind, value: JsonObject, policy: str = "Background") -> bool:
    """Delete or mark an object; True if it is gone."""
    metadata = value["metadata"]
    uid, marked = metadata["uid"], bool(metadata.get("deletionTimestamp"))
    dependents = session.data.dependents(session.server, uid)
    if policy == "Orphan":
        _orphan(session, dependents, uid)
    finalizers = list(metadata.get("finalizers") or ())
    if policy == "Foreground" and dependents and FOREGROUND not in finalizers:
        finalizers.append(FOREGROUND)
    emptying = (kind.group, kind.plural) in _EMPTYING
    contents = _contents(session, kind, value) if emptying else []
    namespace_held = kind.plural == "namespaces" and kind.group == ""
    if not finalizers and not contents:
        erase(session, kind, value)
        return True
    if not marked or finalizers != (metadata.get("finalizers") or []):
        value = _marked(session, kind, value, finalizers, terminating=namespace_held)
    for place in contents:
        _delete_at(session, place)
    if policy == "Foreground":
        for place in dependents:
            _delete_at(session, place, policy)
    return _settle(session, kind, value)


def _marked(
    session: Session, kind: Kind, value: JsonObject, finalizers: list[str], *, terminating: bool
) -> JsonObject:
    metadata = {**value["metadata"], "finalizers": finalizers}
    metadata.setdefault("deletionTimestamp", session.time)
    metadata.setdefault("deletionGracePeriodSeconds", 0)
    if not finalizers:
        del metadata["finalizers"]
    if kind.generation:
        metadata["generation"] = metadata.get("generation", 0) + 1
    changed = {**value, "metadata": metadata}
    if terminating:
        changed["status"] = {**(value.get("status") or {}), "phase": "Terminating"}
    return session.store(kind, changed, value)


def _settle(session: Session, kind: Kind, value: JsonObject) -> bool:
    """Remove what only waited for its contents or its dependents; True if it is gone."""
    name, namespace = value["metadata"]["name"], value["metadata"].get("namespace", "")
    current = session.get(kind, namespace, name)
    if current is None or not current["metadata"].get("deletionTimestamp"):
        return current is None
    if (kind.group, kind.plural) in _EMPTYING:
        held = current["metadata"].get("finalizers")
        if not held and _emptied(session, kind, current):
            erase(session, kind, current)
            return True
        return False
    waiting = session.data.dependents(session.server, current["metadata"]["uid"])
    finalizers = [f for f in current["metadata"].get("finalizers") or () if f != FOREGROUND]
    if waiting or finalizers == (current["metadata"].get("finalizers") or []):
        return False
    if finalizers:
        metadata = {**current["metadata"], "finalizers": finalizers}
        session.store(kind, {**current, "metadata": metadata}, current)
        return False
    erase(session, kind, current)
    return True


def _emptied(session: Session, kind: Kind, value: JsonObject) -> bool:
    if kind.plural == "namespaces":
        return session.data.empty(session.server, value["metadata"]["name"])
    return not _contents(session, kind, value)


def _contents(session: Session, kind: Kind, value: JsonObject) -> list[Where]:
    """Objects in a namespace, or of a CRD."""
    rows: list[Row]
    if kind.plural == CRDS:
        spec = value["spec"]
        rows = session.data.rows_of(session.server, spec["group"], spec["names"]["plural"])
    else:
        rows = session.data.rows(session.server, value["metadata"]["name"])
    return [(r.group, r.plural, r.namespace, r.name) for r in rows]


def _delete_at(session: Session, place: Where, policy: str = "Background") -> None:
    kind = session.at(place)
    value = session.get(kind, *place[2:]) if kind else None
    if kind and value and not (value["metadata"].get("deletionTimestamp")):
        delete(session, kind, value, policy)


def erase(session: Session, kind: Kind, value: JsonObject) -> None:
    """Remove an object for good, and what follows from that."""
    session.erase(kind, value)
    _after_removal(session, kind, value)


def _after_removal(session: Session, kind: Kind, value: JsonObject) -> None:
    """Dependents without any owner left go too; whoever waited for this object may be done."""
    metadata = value["metadata"]
    for place in session.data.dependents(session.server, metadata["uid"]):
        if not _owned(session, place):
            _delete_at(session, place)
    for owner in metadata.get("ownerReferences") or ():
        _settle_uid(session, owner.get("uid", ""), metadata.get("namespace", ""), owner)
    namespace = metadata.get("namespace")
    holder = session.kind_of("", "Namespace")
    if namespace and holder:
        _settle_named(session, holder, namespace)
    definition = session.kind_of(CRD_GROUP, "CustomResourceDefinition")
    if kind.custom and definition:
        _settle_named(session, definition, f"{kind.plural}.{kind.group}")


def _settle_named(session: Session, kind: Kind, name: str) -> None:
    value = session.get(kind, "", name)
    if value is not None and value["metadata"].get("deletionTimestamp"):
        _settle(session, kind, value)


def _settle_uid(session: Session, uid: str, namespace: str, owner: JsonObject) -> None:
    """An owner deleted in the foreground waits for its dependents."""
    if not session.data.exists(session.server, uid):
        return
    group = owner["apiVersion"].rpartition("/")[0]
    kind = session.kind_of(group, owner["kind"])
    if kind is None:
        return
    value = session.get(kind, namespace if kind.namespaced else "", owner["name"])
    if value is not None and value["metadata"].get("deletionTimestamp"):
        _settle(session, kind, value)


def _owned(session: Session, place: Where) -> bool:
    kind = session.at(place)
    value = session.get(kind, *place[2:]) if kind else None
    owners = ((value or {}).get("metadata") or {}).get("ownerReferences") or ()
    return any(session.data.exists(session.server, owner.get("uid", "")) for owner in owners)


def _orphan(session: Session, dependents: list[Where], uid: str) -> None:
    for place in dependents:
        kind = session.at(place)
        value = session.get(kind, *place[2:]) if kind else None
        if kind is None or value is None:
            continue
        metadata = dict(value["metadata"])
        left = [o for o in metadata.get("ownerReferences") or () if o.get("uid") != uid]
        metadata["ownerReferences"] = left
        if not left:
            del metadata["ownerReferences"]
        session.store(kind, {**value, "metadata": metadata}, value)
