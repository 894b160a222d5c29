"""What the apiextensions controllers do with a CRD: its status, and objects under a new schema."""

from __future__ import annotations

from providers.kube.sandbox import ownership
from providers.kube.sandbox.defaulting import fill, prune
from providers.kube.sandbox.kinds import Kind, custom_kinds
from providers.kube.sandbox.merge import same
from providers.kube.sandbox.ownership import Writer
from providers.kube.sandbox.session import Session
from state.resource import JsonObject


def settle_status(session: Session, value: JsonObject, old: JsonObject | None) -> None:
    """A new CRD is not established yet; one that is there remembers the versions stored."""
    spec, before = value["spec"], (old or {}).get("status") or {}
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    kept = [name for name in before.get("storedVersions") or () if name not in stored]
    value["status"] = {
        "acceptedNames": spec["names"] if before else {"plural": "", "kind": ""},
        "storedVersions": [*kept, *stored],
        "conditions": (before.get("conditions") or _conditions(session)) if before else None,
    }


def establish(session: Session, kind: Kind, value: JsonObject) -> None:
    """A CRD is served at once: a real server needs a moment for it, and tells it afterwards."""
    status = {
        "acceptedNames": value["spec"]["names"],
        "storedVersions": value["status"]["storedVersions"],
        "conditions": _conditions(session),
    }
    metadata = dict(value["metadata"])
    owners = ownership.decode(metadata.pop("managedFields", None))
    before = {**value, "metadata": metadata}
    by = Writer(
        name="kube-apiserver", version=kind.api_version, time=session.time, subresource="status"
    )
    changed = {**before, "metadata": dict(metadata), "status": status}
    owners = ownership.update(kind.schema, kind.versions, before, changed, owners, by)
    changed["metadata"]["managedFields"] = ownership.encode(owners)
    session.store(kind, changed, value)


def _conditions(session: Session) -> list[JsonObject]:
    shown = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    return [
        {
            "type": name,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": session.time,
        }
        for name, reason, message in shown
    ]


def rewrite_objects(session: Session, value: JsonObject, old: JsonObject) -> None:
    """Objects appear under the new schema at once, and their next write writes.

    A real server keeps the old bytes and defaults and prunes at each read (recorded cases 132,
    135 and 136); the sandbox joins stored bytes in a LIST and so rewrites them now.
    """
    after, before = _stored(value), _stored(old)
    if after is None or before is None or value["spec"] == old["spec"]:
        return
    moved = after.storage != before.storage
    for row in session.data.rows_of(session.server, after.group, after.plural):
        shown = session.shown(after, row)
        current = fill(after.schema, prune(after.schema, session.shown(after, row)))
        if moved or not same(shown, current):
            where = (row.group, row.plural, row.namespace, row.name)
            session.data.mark_stale(session.server, where, current)


def _stored(definition: JsonObject) -> Kind | None:
    found = [kind for kind in custom_kinds(definition) if kind.api_version == kind.storage]
    return found[0] if found else None
