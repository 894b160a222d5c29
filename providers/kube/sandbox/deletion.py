"""Deleting: finalizers, garbage collection by ownerReferences, namespaces and CRDs that empty.

What a real cluster's controllers do within a second happens here in the same transaction, so that
the order is the same every time. Rules: apiserver `registry/generic/registry/store.go`,
`pkg/controller/{garbagecollector,namespace}`.
"""

from __future__ import annotations

from providers.kube.sandbox import ownership
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.ownership import Writer
from providers.kube.sandbox.rows import Row, Where
from providers.kube.sandbox.session import CRD_GROUP, CRDS, Session
from state.resource import JsonObject

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"

_EMPTYING = frozenset((("", "namespaces"), (CRD_GROUP, CRDS)))
"""Deleting one of these deletes what it contains first."""


def finished(kind: Kind, value: JsonObject) -> bool:
    """Marked for deletion, and no finalizer holds it. What empties itself goes on its own."""
    metadata = value["metadata"]
    marked = bool(metadata.get("deletionTimestamp")) and not metadata.get("finalizers")
    return marked and (kind.group, kind.plural) not in _EMPTYING


_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_TERMINATING = {
    "type": "Terminating",
    "status": "True",
    "reason": "InstanceDeletionPending",
    "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin"
    " soon",
}
_POLICY_FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}


def delete(
    session: Session, kind: Kind, value: JsonObject, policy: str = "Background"
) -> JsonObject | None:
    """Delete an object. What it was marked as, if that came first; None if it went at once.

    Marking comes first for what a finalizer holds, that of the garbage collector for a policy
    included, and for what empties itself.
    """
    metadata = value["metadata"]
    finalizers = list(metadata.get("finalizers") or ())
    wanted = _POLICY_FINALIZERS.get(policy, "")
    if wanted and wanted not in finalizers:
        finalizers.append(wanted)
    emptying = (kind.group, kind.plural) in _EMPTYING
    if not finalizers and not emptying:
        erase(session, kind, value)
        return None
    if not metadata.get("deletionTimestamp") or finalizers != (metadata.get("finalizers") or []):
        value = _marked(session, kind, value, finalizers)
    dependents = session.data.dependents(session.server, metadata["uid"])
    for place in _contents(session, kind, value) if emptying else ():
        _delete_at(session, place)
    for place in dependents:
        if policy == "Orphan":
            _disown(session, place, frozenset((metadata["uid"],)))
        elif policy == "Foreground":
            _delete_at(session, place, policy if _blocks(session, place, metadata["uid"]) else "")
    _settle(session, kind, value)
    return value


def _marked(session: Session, kind: Kind, value: JsonObject, finalizers: list[str]) -> JsonObject:
    metadata = {**value["metadata"], "finalizers": finalizers}
    metadata.setdefault("deletionTimestamp", session.time)
    if not finalizers:
        del metadata["finalizers"]
    changed = {**value, "metadata": metadata}
    if (kind.group, kind.plural) not in _EMPTYING:
        metadata.setdefault("deletionGracePeriodSeconds", 0)
        if kind.generation:
            metadata["generation"] = metadata.get("generation", 0) + 1
    elif kind.plural == CRDS:
        metadata["finalizers"] = sorted({*finalizers, _CLEANUP})
        conditions = (value.get("status") or {}).get("conditions") or []
        terminating = {**_TERMINATING, "lastTransitionTime": session.time}
        changed["status"] = {
            **(value.get("status") or {}),
            "conditions": [*conditions, terminating],
        }
    else:
        changed["status"] = {**(value.get("status") or {}), "phase": "Terminating"}
    return session.store(kind, changed, value)


def _settle(session: Session, kind: Kind, value: JsonObject) -> None:
    """Remove what only waited for its contents or for the garbage collector."""
    name, namespace = value["metadata"]["name"], value["metadata"].get("namespace", "")
    current = session.get(kind, namespace, name)
    if current is None or not current["metadata"].get("deletionTimestamp"):
        return
    uid, held = current["metadata"]["uid"], current["metadata"].get("finalizers") or []
    if (kind.group, kind.plural) in _EMPTYING and not {*held} - {_CLEANUP}:
        if _emptied(session, kind, current):
            erase(session, kind, current)
        return
    dependents = session.data.dependents(session.server, uid)
    blocked = any(_blocks(session, place, uid) for place in dependents)
    done = {ORPHAN} if blocked else {ORPHAN, FOREGROUND}
    left = [finalizer for finalizer in held if finalizer not in done]
    if left == held:
        return
    if left:
        metadata = {**current["metadata"], "finalizers": left}
        session.store(kind, {**current, "metadata": metadata}, current)
    else:
        erase(session, kind, current)


def _blocks(session: Session, place: Where, uid: str) -> bool:
    """Whether an owner deleted in the foreground waits for this dependent."""
    references = _references(session, place)
    return any(o.get("uid") == uid and o.get("blockOwnerDeletion") for o in references)


def _references(session: Session, place: Where) -> list[JsonObject]:
    kind = session.at(place)
    value = session.get(kind, *place[2:]) if kind else None
    return list(((value or {}).get("metadata") or {}).get("ownerReferences") or ())


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
        collect(session, place)
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


def collect(session: Session, place: Where) -> None:
    """What the garbage collector does to an object whose owners may be gone.

    Without any owner left it is deleted; references to some that are gone are taken off
    (garbagecollector.go, attemptToDeleteItem).
    """
    uids = [owner.get("uid", "") for owner in _references(session, place)]
    gone = frozenset(uid for uid in uids if not session.data.exists(session.server, uid))
    if uids and len(gone) == len(set(uids)):
        _delete_at(session, place)
    elif gone:
        _disown(session, place, gone)


def _disown(session: Session, place: Where, uids: frozenset[str]) -> None:
    """Take references off, and their fields from whoever owned them."""
    kind = session.at(place)
    value = session.get(kind, *place[2:]) if kind else None
    if kind is None or value is None:
        return
    references = value["metadata"].get("ownerReferences") or ()
    left = [owner for owner in references if owner.get("uid") not in uids]
    metadata = {**value["metadata"], "ownerReferences": left}
    if not left:
        del metadata["ownerReferences"]
    changed = {**value, "metadata": metadata}
    by = Writer(name=_COLLECTOR, version=kind.api_version, time=session.time)
    owners = ownership.decode(metadata.pop("managedFields", None))
    owners = ownership.update(kind.schema, kind.versions, _bare(value), changed, owners, by)
    if owners:
        metadata["managedFields"] = ownership.encode(owners)
    session.store(kind, changed, value)


_COLLECTOR = "kube-controller-manager"


def _bare(value: JsonObject) -> JsonObject:
    metadata = {n: v for n, v in value["metadata"].items() if n != "managedFields"}
    return {**value, "metadata": metadata}
