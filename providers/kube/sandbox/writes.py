"""Creating and changing objects: what every write goes through, whatever its verb.

Order as in apiserver `registry/generic/registry/store.go`: typing, merging and ownership by the
verb (`verbs.py`), then defaults, mutating admission, metadata, validation, validating admission,
the no-op check, storage.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import msgspec

from providers.kube.sandbox import builtin_validation, definitions, ownership
from providers.kube.sandbox.builtin_rules import immutability, prepare, required, set_defaults
from providers.kube.sandbox.defaulting import fill, integral, prune, round_trip, tidy_metadata
from providers.kube.sandbox.deletion import collect, erase, finished
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.merge import same
from providers.kube.sandbox.metadata_rules import finalizer_warnings, metadata_causes
from providers.kube.sandbox.ownership import Owners, Writer
from providers.kube.sandbox.session import CRDS, Session, where
from providers.kube.sandbox.statuses import (
    MODIFIED,
    Cause,
    Refused,
    conflict,
    failure,
    forbidden,
    invalid,
    not_found,
)
from providers.kube.sandbox.typing_rules import violations
from providers.kube.sandbox.world import AdmissionOperation
from state.resource import GroupKind, JsonObject, canonical

SYSTEM_METADATA = (
    *("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    *("generation", "resourceVersion", "generateName"),
)


class Draft(msgspec.Struct, kw_only=True):
    """A write on its way: the wanted object (without managedFields) and its owners."""

    kind: Kind
    value: JsonObject
    owners: Owners
    dry_run: bool
    old: JsonObject | None = None
    old_owners: Owners = {}
    judged: bool = True
    """False for simulated controllers: admission does not refuse what they do."""


def create(session: Session, draft: Draft) -> JsonObject:
    """Store a new object, or say what a dry run would have stored."""
    kind, value = draft.kind, draft.value
    metadata = value["metadata"]
    _check_namespace(session, kind, metadata)
    for name in (*SYSTEM_METADATA, "managedFields", "selfLink"):
        if name != "generateName":
            metadata.pop(name, None)
    if kind.has_status:
        value.pop("status", None)
    metadata["uid"] = _thrown_away(session, draft) if draft.dry_run else session.uid()
    _complete(session, draft)
    value = draft.value
    metadata = value["metadata"]
    tidy_metadata(metadata)
    metadata["creationTimestamp"] = session.time
    if kind.numbered:
        metadata["generation"] = 1
    _judge(session, draft)
    if draft.owners:
        metadata["managedFields"] = ownership.encode(draft.owners)
    if draft.dry_run:
        return value
    session.store(kind, value, None)
    if kind.plural == CRDS:
        definitions.establish(session, kind, value)
    if metadata.get("ownerReferences"):
        collect(session, where(kind, value))
    return value


def _thrown_away(session: Session, draft: Draft) -> str:
    """The uid of a dry run: no object ever has it, and no other dry run."""
    metadata = draft.value["metadata"]
    place = f"{draft.kind.plural}/{metadata.get('namespace')}/{metadata['name']}"
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"dry run {session.data.count('dry run')} {place}"))


def _check_namespace(session: Session, kind: Kind, metadata: JsonObject) -> None:
    """Admission plugin NamespaceLifecycle; under a dry run too."""
    if not kind.namespaced:
        return
    name = metadata["namespace"]
    row = session.data.get(session.server, ("", "namespaces", "", name))
    if row is None:
        raise not_found("namespaces", "", name)
    if row.value["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {name} because it is being terminated"
        told = f"namespace {name} is being terminated"
        cause = Cause(told, "NamespaceTerminating", "metadata.namespace")
        raise forbidden(kind.plural, kind.group, metadata["name"], why, [cause])


def replace(session: Session, draft: Draft, *, status: bool = False) -> JsonObject:
    """Store a changed object; a change of nothing leaves everything as it was."""
    kind, value, old = draft.kind, draft.value, draft.old
    assert old is not None
    _keep_system_metadata(value["metadata"], old["metadata"])
    if kind.has_status and not status:
        _carry(old, value, "status")
    _complete(session, draft)
    value = draft.value
    odd = _tidied(draft)
    _check_finalizers(kind, value, old)
    if kind.generation and _spec_changed(kind, value, old):
        value["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    _judge(session, draft)
    unchanged = same(bare(value), bare(old)) and not ownership.differ(
        draft.owners, draft.old_owners
    )
    if unchanged and not odd and not session.stale(kind, value):
        return old
    value["metadata"].pop("managedFields", None)
    if draft.owners:
        value["metadata"]["managedFields"] = ownership.encode(draft.owners)
    if draft.dry_run:
        return value
    if finished(kind, value):
        erase(session, kind, old)  # watchers see it as it was stored last
        return value
    session.store(kind, value, old)
    if kind.plural == CRDS:
        definitions.rewrite_objects(session, value, old)
    return value


def _keep_system_metadata(metadata: JsonObject, before: JsonObject) -> None:
    for name in (*SYSTEM_METADATA, "name", "namespace"):
        _carry(before, metadata, name)
    metadata.pop("selfLink", None)


def _carry(source: JsonObject, target: JsonObject, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def _complete(session: Session, draft: Draft) -> None:
    """Defaults, mutating admission, and the form in which the object is stored."""
    kind, value = draft.kind, draft.value
    fill(kind.schema, value)
    if not kind.custom:
        missing = list(required(kind.kind, value))
        if missing:
            raise invalid(kind.group_kind, value["metadata"]["name"], missing)
        set_defaults(kind.kind, value)
        prepare(kind.kind, value, draft.old, session)
    if draft.judged and session.engine.admissions.mutating:
        world, operation = session.engine.world(session), _operation(draft)
        for admission in session.engine.admissions.mutating:
            session.warnings += admission(value, draft.old, operation, world)
    if not kind.custom:
        draft.value = round_trip(kind.schema, value)
    if kind.plural == CRDS:
        definitions.settle_status(session, draft.value, draft.old)


def _operation(draft: Draft) -> AdmissionOperation:
    return "CREATE" if draft.old is None else "UPDATE"


def _tidied(draft: Draft) -> bool:
    """Custom resources write when metadata had empty parts; built-in ones do not."""
    odd = tidy_metadata(draft.value["metadata"])
    return odd and draft.kind.custom


def _check_finalizers(kind: Kind, value: JsonObject, old: JsonObject) -> None:
    if not old["metadata"].get("deletionTimestamp"):
        return
    known = old["metadata"].get("finalizers") or ()
    new = [f for f in value["metadata"].get("finalizers") or () if f not in known]
    if new:
        listed = ", ".join(f'"{finalizer}"' for finalizer in new)
        told = (
            "Forbidden: no new finalizers can be added if the object is being deleted, found new"
            f" finalizers []string{{{listed}}}"
        )
        cause = Cause(told, "FieldValueForbidden", "metadata.finalizers")
        # ObjectMeta is validated twice (generic and by the kind), hence two equal causes.
        raise invalid(kind.group_kind, value["metadata"]["name"], [cause, cause])


def _spec_changed(kind: Kind, value: JsonObject, old: JsonObject) -> bool:
    aside = {"metadata", "apiVersion", "kind"} | ({"status"} if kind.has_status else set())
    mine = {name: v for name, v in value.items() if name not in aside}
    return not same(mine, {name: v for name, v in old.items() if name not in aside})


def _judge(session: Session, draft: Draft) -> None:
    """Validation and validating admission."""
    kind, value = draft.kind, draft.value
    session.warnings += finalizer_warnings(kind, value["metadata"], draft.old)
    causes = list(_causes(draft))
    if causes:
        raise invalid(kind.group_kind, value["metadata"]["name"], causes)
    if draft.judged and session.engine.admissions.validating:
        world, operation = session.engine.world(session), _operation(draft)
        for admission in session.engine.admissions.validating:
            session.warnings += admission(value, draft.old, operation, world)


def _causes(draft: Draft) -> Iterator[Cause]:
    kind, value = draft.kind, draft.value
    yield from metadata_causes(kind, value["metadata"])
    if kind.custom:
        body = {n: v for n, v in value.items() if n not in ("apiVersion", "kind", "metadata")}
        yield from _with_rules(kind, list(violations(kind.schema, body)))
        return
    yield from builtin_validation.causes(kind.kind, value, draft.old)
    if draft.old is not None:
        yield from immutability(kind.kind, value, draft.old)


_BLOCKING = ("FieldValueRequired", "FieldValueDuplicate", "FieldValueTooLong", "FieldValueTooMany",
             "FieldValueTypeInvalid")  # fmt: skip


def _with_rules(kind: Kind, found: list[Cause]) -> list[Cause]:
    """The server says where a rule cannot run on what is broken (customresource/strategy.go)."""
    if kind.ruled and any(cause.reason in _BLOCKING for cause in found):
        told = (
            "Invalid value: null: some validation rules were not checked because the object was"
            " invalid; correct the existing errors to complete validation"
        )
        return [*found, Cause(told, "FieldValueInvalid", "<nil>")]
    return found


def check_uid(kind: Kind, body: JsonObject, old: JsonObject | None, name: str) -> None:
    """A uid in the body is a precondition: 422 if it is another, 409 if nothing is there."""
    uid = (body.get("metadata") or {}).get("uid")
    if not uid:
        return
    if old is None:
        why = (
            f"uid mismatch: the provided object specified uid {uid}, and no existing object"
            " was found"
        )
        raise conflict(kind.plural, kind.group, name, why)
    if old["metadata"].get("uid") != uid:
        told = f"Invalid value: {canonical(uid).decode()}: field is immutable"
        cause = Cause(told, "FieldValueInvalid", "metadata.uid")
        raise invalid(kind.group_kind, name, [cause, cause])


def other_uid(kind: Kind, old: JsonObject, uid: str) -> Refused:
    """A PUT with the uid of another object: the storage's own precondition (store.go, Update)."""
    name, namespace = old["metadata"]["name"], old["metadata"].get("namespace")
    parts = [kind.group] if kind.custom else []
    key = "/".join(["/registry", *parts, kind.plural, *([namespace] if namespace else []), name])
    why = (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0,"
        f" AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta:"
        f" {old['metadata']['uid']}"
    )
    return conflict(kind.plural, kind.group, name, why)


def check_deletion_time(kind: Kind, body: JsonObject, old: JsonObject) -> None:
    """Nobody but DELETE sets the time of deletion (apimachinery ValidateObjectMetaUpdate)."""
    given = body["metadata"].get("deletionTimestamp")
    if given and given != old["metadata"].get("deletionTimestamp"):
        told = f"Invalid value: {canonical(given).decode()}: field is immutable"
        cause = Cause(told, "FieldValueInvalid", "metadata.deletionTimestamp")
        raise invalid(kind.group_kind, old["metadata"]["name"], [cause, cause])


def check_version(kind: Kind, body: JsonObject, old: JsonObject, *, needed: bool) -> None:
    """A resourceVersion in the body is a precondition.

    `""` and `"0"` mean "unconditional", which custom resources do not allow.
    """
    metadata = body.get("metadata") or {}
    given, name = metadata.get("resourceVersion"), old["metadata"]["name"]
    if given is None and not needed:
        return
    if given in (None, "", "0"):
        if not kind.custom:
            return
        told = "Invalid value: 0: must be specified for an update"
        cause = Cause(told, "FieldValueInvalid", "metadata.resourceVersion")
        # The server names the resource here, not the kind.
        raise invalid(GroupKind(kind.group, kind.plural), name, [cause])
    if not str(given).isdecimal() and needed:
        raise failure(500, "", f'strconv.ParseUint: parsing "{given}": invalid syntax')
    if given != old["metadata"]["resourceVersion"]:
        raise conflict(kind.plural, kind.group, name, MODIFIED)


def writer(session: Session, kind: Kind, manager: str, subresource: str = "") -> Writer:
    """Who writes through which endpoint; what the endpoint resets is not owned by it."""
    ignored: frozenset[str] = frozenset()
    if subresource == "status":
        ignored = frozenset(kind.schema.fields) - {"status", "apiVersion", "kind"}
    elif kind.has_status and not subresource:
        ignored = frozenset(("status",))
    return Writer(
        name=manager,
        version=kind.api_version,
        time=session.time,
        subresource=subresource,
        ignored=ignored,
    )


def bare(value: JsonObject) -> JsonObject:
    """The object without managedFields: what merging and comparing look at."""
    metadata = {n: v for n, v in value["metadata"].items() if n != "managedFields"}
    return {**value, "metadata": metadata}


def detached(value: JsonObject) -> JsonObject:
    """A deep copy without managedFields, free to change."""
    copied: JsonObject = msgspec.json.decode(msgspec.json.encode(bare(value)))
    return integral(copied)  # type: ignore[no-any-return]


def identity(value: JsonObject) -> JsonObject:
    """What an object is before its first field is written."""
    metadata = {n: value["metadata"][n] for n in ("name", "namespace") if n in value["metadata"]}
    return {"apiVersion": value["apiVersion"], "kind": value["kind"], "metadata": metadata}


def decoded(kind: Kind, value: JsonObject) -> JsonObject:
    """A body as the server's decoder leaves it: what an updater comes to own.

    Unknown fields are gone and defaults are there; a Go type also drops zeros, folds stringData.
    """
    value = fill(kind.schema, prune(kind.schema, value))
    if kind.custom:
        return value
    if not any(required(kind.kind, value)):
        set_defaults(kind.kind, value)
    written: JsonObject = round_trip(kind.schema, value)
    return written


def nothing(kind: Kind, value: JsonObject) -> JsonObject:
    """What a new object is compared with: for built-in kinds the zero value of its Go type.

    Structs that are no pointers are always written, so nobody comes to own their existence.
    """
    empty = identity(value)
    if kind.custom or "spec" not in kind.schema.fields:
        return empty
    spec = empty["spec"] = {}
    known = kind.schema.fields["spec"].fields
    if "template" in known:
        spec["template"] = {"metadata": {}, "spec": {"containers": None}}
    for name in ("strategy", "updateStrategy", "names"):
        if name in known:
            spec[name] = {}
    return empty


def only_status(old: JsonObject, new: JsonObject) -> JsonObject:
    """What a write to `/status` may change: the status."""
    value = detached(old)
    _carry(new, value, "status")
    return value


def updated(kind: Kind, old: JsonObject, value: JsonObject, by: Writer) -> Draft:
    """The draft of a PUT or PATCH that turns `old` into `value`."""
    live, owners = bare(old), ownership.decode(old["metadata"].get("managedFields"))
    # A write may bring its own managedFields; an empty list counts as none (fieldmanager.go).
    given = ownership.decode(value["metadata"].get("managedFields")) or owners
    completed = detached(value)
    _keep_system_metadata(completed["metadata"], live["metadata"])
    completed = decoded(kind, completed)
    return Draft(
        kind=kind,
        value=completed,
        owners=ownership.update(kind.schema, kind.versions, live, completed, given, by),
        dry_run=False,
        old=old,
        old_owners=owners,
    )
