"""The write verbs: what POST, PUT, the three PATCH formats and DELETE do with a body."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.kube.api import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Response
from providers.kube.sandbox import builtin_validation, deletion, options, ownership, writes
from providers.kube.sandbox.defaulting import integral
from providers.kube.sandbox.json_patch import Inapplicable, merge_patch, patched
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.ownership import ApplyConflicts, Conflict
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import (
    Cause,
    Refused,
    already_exists,
    answer,
    bad_request,
    conflict,
    failure,
    invalid,
    not_carried,
    not_found,
    rejected,
    unsupported_media,
    untyped,
)
from providers.kube.sandbox.typing_rules import NotCarried, misfits
from providers.kube.sandbox.writes import Draft
from state.resource import GroupKind, JsonObject


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was routed to a kind."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    query: dict[str, str]
    body: bytes
    content_type: str
    may_create: bool = True

    @property
    def dry_run(self) -> bool:
        """`dryRun=All`."""
        return self.query.get("dryRun") == "All"

    @property
    def manager(self) -> str:
        """`fieldManager`, or what stands in for the user agent."""
        return self.query.get("fieldManager") or "clusterform-client"


def decoded(body: bytes) -> Any:
    """The JSON of a request body, numbers normalised."""
    try:
        return integral(msgspec.json.decode(body))
    except msgspec.DecodeError as error:
        raise bad_request(f"the request body is not JSON: {error}") from error


def _object(call: Call) -> JsonObject:
    value = decoded(call.body)
    if not isinstance(value, dict) or not isinstance(value.get("metadata", {}), dict):
        raise bad_request("the request body is not an object")
    wanted = (call.kind.api_version, call.kind.kind)
    given = (value.get("apiVersion") or wanted[0], value.get("kind") or wanted[1])
    if given != wanted:
        raise bad_request(
            f"the API version in the data ({given[0]}, Kind={given[1]}) does not match the"
            f" expected API version ({wanted[0]}, Kind={wanted[1]})"
        )
    value["apiVersion"], value["kind"] = wanted
    _check_identity(call, value.setdefault("metadata", {}))
    return value


def _check_identity(call: Call, metadata: JsonObject) -> None:
    name = metadata.setdefault("name", call.name)
    if call.name and name != call.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({call.name})"
        )
    if not call.kind.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", call.namespace) != call.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_decodable(call: Call, value: JsonObject) -> None:
    """Outside server-side apply: Go decodes built-in objects, and the metadata of all, or fails."""
    kind = call.kind
    typed = {"metadata": value["metadata"]} if kind.custom else value
    try:
        found = [line for line in misfits(kind.schema, typed) if not line.endswith(_UNDECLARED)]
    except NotCarried as error:
        raise not_carried(f"the field {error} of {kind.text}") from error
    found += builtin_validation.undecodable(kind.kind, value)
    if found:
        told = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise bad_request(f"{told}: {found[0]}")


_UNDECLARED = "field not declared in schema"


def post(session: Session, call: Call) -> Response:
    """POST: create."""
    options.check("CreateOptions", call.query)
    value, kind = _object(call), call.kind
    options.warn_of_unknown(session, kind, value, call.query, patch=False)
    metadata = value["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{session.data.count('name'):05d}"
    if not metadata.get("name"):
        told = Cause("Required value: name or generateName is required", "FieldValueRequired",
                     "metadata.name")  # fmt: skip
        raise invalid(kind.group_kind, "", [told])
    _check_decodable(call, value)
    if session.get(kind, call.namespace, metadata["name"]) is not None:
        raise already_exists(kind.plural, kind.group, metadata["name"])
    writes.check_uid(kind, value, None, metadata["name"])
    return _made(session, call, value)


def _made(session: Session, call: Call, value: JsonObject) -> Response:
    """Create what a POST, or a PUT of a missing object, brings."""
    kind = call.kind
    value = writes.decoded(kind, writes.detached(value))
    by = writes.writer(session, kind, call.manager)
    before = writes.nothing(kind, value)
    owners = ownership.update(kind.schema, kind.versions, before, value, {}, by)
    draft = Draft(kind=kind, value=value, owners=owners, dry_run=call.dry_run)
    return answer(writes.create(session, draft), 201)


def put(session: Session, call: Call) -> Response:
    """PUT: replace, with the resourceVersion as precondition."""
    options.check("UpdateOptions", call.query)
    value, kind = _object(call), call.kind
    if kind.made_by_put and session.get(kind, call.namespace, call.name) is None:
        _check_decodable(call, value)
        options.warn_of_unknown(session, kind, value, call.query, patch=False)
        return _made(session, call, value)
    old = _existing(session, call)
    uid = value["metadata"].get("uid")
    if uid and uid != old["metadata"]["uid"]:
        raise writes.other_uid(kind, old, uid)
    return _replace(session, call, old, value, needed=True)


def _existing(session: Session, call: Call) -> JsonObject:
    old = session.get(call.kind, call.namespace, call.name)
    if old is None:
        raise not_found(call.kind.plural, call.kind.group, call.name)
    return old


def _replace(
    session: Session, call: Call, old: JsonObject, value: JsonObject, *, needed: bool
) -> Response:
    kind, status = call.kind, call.subresource == "status"
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        raise bad_request("the request does not leave an object with metadata")
    _check_identity(call, value["metadata"])
    _check_decodable(call, value)
    options.warn_of_unknown(session, kind, value, call.query, patch=not needed)
    writes.check_uid(kind, value, old, call.name)
    writes.check_version(kind, value, old, needed=needed)
    writes.check_deletion_time(kind, value, old)
    if status:
        value = writes.only_status(old, value)
    cleared = value["metadata"].get("managedFields") == [{}]
    by = writes.writer(session, kind, call.manager, call.subresource)
    draft = writes.updated(kind, old, value, by)
    draft.dry_run = call.dry_run
    if cleared:
        draft.owners = {}
    return answer(writes.replace(session, draft, status=status))


def patch(session: Session, call: Call) -> Response:
    """PATCH, in the format that the content type names."""
    media = call.content_type.partition(";")[0]
    options.check("PatchOptions", call.query)
    if media == APPLY_PATCH:
        return _apply(session, call)
    if media == "application/strategic-merge-patch+json" and not call.kind.custom:
        raise not_carried("strategic merge patches")
    if media not in (MERGE_PATCH, JSON_PATCH):
        raise unsupported_media()
    old, change = _existing(session, call), decoded(call.body)
    _check_patch(media, change)
    try:
        value = merge_patch(old, change) if media == MERGE_PATCH else patched(old, change)
    except Inapplicable as error:
        raise rejected() from error
    given = (value.get("metadata") or {}).get("resourceVersion")
    same = given == old["metadata"]["resourceVersion"]
    return _replace(session, call, old, value, needed=not same and given is not None)


def _check_patch(media: str, change: object) -> None:
    """A merge patch is a map, a JSON patch a list."""
    wanted: type = dict if media == MERGE_PATCH else list
    if isinstance(change, wanted):
        return
    got = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(change), "number")
    of = "map[string]interface {}" if wanted is dict else "[]handlers.jsonPatchOp"
    told = f"json: cannot unmarshal {got} into Go value of type {of}"
    raise bad_request(f"error decoding patch: {told}")


def _apply(session: Session, call: Call) -> Response:
    """Server-side apply."""
    if not call.query.get("fieldManager"):
        told = "Required value: is required for apply patch"
        cause = Cause(told, "FieldValueRequired", "fieldManager")
        raise invalid(GroupKind("meta.k8s.io", "PatchOptions"), "", [cause])
    _check_named(decoded(call.body))
    config, kind = _object(call), call.kind
    if config["metadata"].pop("managedFields", None) is not None:
        raise bad_request("metadata.managedFields must be nil")
    _check_types(call, config)
    old = session.get(kind, call.namespace, call.name)
    writes.check_uid(kind, config, old, call.name)
    if old is None:
        return _apply_new(session, call, config)
    given = {n: config["metadata"].pop(n) for n in _PRECONDITIONS if n in config["metadata"]}
    by = writes.writer(session, kind, call.manager, call.subresource)
    owners = ownership.decode(old["metadata"].get("managedFields"))
    force = call.query.get("force") == "true"
    try:
        applied = ownership.apply(
            kind.schema, kind.versions, writes.bare(old), config, owners, by,
            force=force, exists=True,
        )  # fmt: skip
    except ApplyConflicts as error:
        raise _conflicts(error.conflicts) from error
    writes.check_version(kind, {"metadata": given}, old, needed=False)
    draft = Draft(
        kind=kind,
        value=writes.detached(applied.value),
        owners=applied.owners,
        dry_run=call.dry_run,
        old=old,
        old_owners=owners,
    )
    return answer(writes.replace(session, draft, status=call.subresource == "status"))


def _check_named(config: object) -> None:
    """The body of an apply says what it is; other verbs take that from the URL."""
    if isinstance(config, dict) and not (config.get("apiVersion") and config.get("kind")):
        group, _, version = str(config.get("apiVersion") or "").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={config.get('kind', '')}")


_PRECONDITIONS = ("uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")


def _apply_new(session: Session, call: Call, config: JsonObject) -> Response:
    kind = call.kind
    if call.subresource:
        raise not_found(kind.plural, kind.group, call.name)
    by = writes.writer(session, kind, call.manager)
    applied = ownership.apply(
        kind.schema, kind.versions, writes.identity(config), config, {}, by,
        force=True, exists=False,
    )  # fmt: skip
    draft = Draft(
        kind=kind,
        value=writes.detached(applied.value),
        owners=applied.owners,
        dry_run=call.dry_run,
    )
    return answer(writes.create(session, draft), 201)


def _check_types(call: Call, config: JsonObject) -> None:
    kind = call.kind
    try:
        found = list(misfits(kind.schema, config))
    except NotCarried as error:
        raise not_carried(f"the field {error} of {kind.text}") from error
    if found:
        where = f"{call.namespace}/{call.name}; {kind.text}"
        listed = found[0] if len(found) == 1 else "\n".join(["errors:", *("  " + f for f in found)])
        raise untyped(f"failed to create typed patch object ({where}): {listed}")
    for fault in builtin_validation.undecodable(kind.kind, config):
        where = f"{call.namespace}/{call.name}; {kind.text}"
        told = f"unable to convert unstructured object to {kind.text}: error decoding from json"
        raise untyped(f"failed to convert new object ({where}) to proper version: {told}: {fault}")


def _conflicts(conflicts: tuple[Conflict, ...]) -> Refused:
    """The 409 of an apply that was not forced, word for word."""
    if len(conflicts) == 1:
        told = f"conflict with {conflicts[0].who}: {conflicts[0].field}"
        message = f"Apply failed with 1 conflict: {told}"
    else:
        by: dict[str, list[str]] = {}
        for found in conflicts:
            by.setdefault(found.who, []).append(f"- {found.field}")
        lines = [line for who in sorted(by) for line in (f"conflicts with {who}:", *by[who])]
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    causes = [Cause(f"conflict with {c.who}", "FieldManagerConflict", c.field) for c in conflicts]
    return failure(409, "Conflict", message, causes=causes)


def delete(session: Session, call: Call) -> Response:
    """DELETE, with preconditions and a propagation policy."""
    kind, value = call.kind, _existing(session, call)
    given = decoded(call.body) if call.body else {}
    if not isinstance(given, dict):
        raise bad_request("the request body is not DeleteOptions")
    options.check_delete(given, call.query)
    _check_deletable(kind, value, given.get("preconditions") or {})
    for admission in session.engine.admissions.validating:
        session.warnings += admission(value, None, "DELETE", session.engine.world(session))
    dry_run = call.dry_run or given.get("dryRun") == ["All"]
    default = "Orphan" if given.get("orphanDependents") else "Background"
    policy = given.get("propagationPolicy") or call.query.get("propagationPolicy") or default
    gone_at = str(session.data.counter("rv") + 1)
    marked = None if dry_run else deletion.delete(session, kind, value, policy)
    if marked is None and not kind.shown_deleted:
        details = {"name": call.name, "kind": kind.plural, "uid": value["metadata"]["uid"]}
        if kind.group:
            details["group"] = kind.group
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return answer({**status, "details": details})
    if marked is None and not dry_run:
        metadata = {**value["metadata"], "resourceVersion": gone_at}
        value = {**value, "metadata": metadata}
    return answer(marked or value)


def _check_deletable(kind: Kind, value: JsonObject, wanted: JsonObject) -> None:
    metadata, name = value["metadata"], value["metadata"]["name"]
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    if uid and uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record"
            f" ({metadata['uid']}). The object might have been deleted and then recreated"
        )
        raise conflict(kind.kind, kind.group, name, why)
    if version and version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the"
            f" ResourceVersion in record ({metadata['resourceVersion']}). The object might have"
            " been modified"
        )
        raise conflict(kind.kind, kind.group, name, why)
