"""From a path to a kind: parsing URLs and handing the request to its verb."""

from __future__ import annotations

from msgspec.structs import replace

from providers.kube.api import Request, Response
from providers.kube.sandbox import reads, verbs
from providers.kube.sandbox.access import refused, verb
from providers.kube.sandbox.discovery import discover
from providers.kube.sandbox.scale import scale
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import (
    answer,
    no_resource,
    not_allowed,
    not_found,
    page_not_found,
)
from providers.kube.sandbox.verbs import Call


def route(session: Session, request: Request, *, may_create: bool = True) -> Call | None:
    """The call that a request is; None for discovery. Raises 404 text for anything else."""
    parts = [part for part in request.path.split("/") if part]
    if not parts or parts[0] not in ("api", "apis"):
        return None
    group, rest = (
        ("", parts[1:]) if parts[0] == "api" else (parts[1] if parts[1:] else "", parts[2:])
    )
    if len(rest) < 2:
        return None
    version, rest = rest[0], rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        raise page_not_found()
    plural, name, subresource = (*rest, "", "")[:3]
    kind = session.kind(group, version, plural)
    if name and kind.namespaced != bool(namespace):
        raise page_not_found()
    if subresource and subresource not in kind.subresources:
        raise not_found(plural, group, name) if kind.custom else no_resource()
    return Call(
        kind=kind,
        namespace=namespace,
        name=name,
        subresource=subresource,
        query=dict(request.query),
        body=request.body,
        content_type=request.content_type,
        may_create=may_create,
    )


def handle(
    session: Session, request: Request, user: str, allowed: frozenset[str] | None
) -> Response:
    """The answer to a request. `allowed` verbs are None for an identity without limits."""
    call = route(session, request)
    if call is None:
        found = discover(session, [part for part in request.path.split("/") if part])
        if found is None:
            raise page_not_found()
        return found
    wanted = verb(request, call)
    if allowed is not None and wanted not in allowed:
        raise refused(user, wanted, call)
    if request.method == "PATCH" and allowed is not None and "create" not in allowed:
        _refuse_creating(session, call, user)
    return _perform(session, request, call)


def _refuse_creating(session: Session, call: Call, user: str) -> None:
    """An apply of a missing object needs `create` as well as `patch`."""
    if session.get(call.kind, call.namespace, call.name) is None and "apply" in call.content_type:
        raise refused(user, "create", call)


def _perform(session: Session, request: Request, call: Call) -> Response:
    if call.subresource == "scale":
        return scale(session, call, request.method)
    match request.method, bool(call.name):
        case "GET", True:
            return reads.get(session, call)
        case "GET", False:
            return reads.list_objects(session, call)
        case "POST", False:
            return verbs.post(session, call)
        case "PUT", True:
            return verbs.put(session, call)
        case "PATCH", True:
            return verbs.patch(session, call)
        case "DELETE", True:
            return verbs.delete(session, call)
        case "DELETE", False:
            return _delete_collection(session, call)
    raise not_allowed()


def _delete_collection(session: Session, call: Call) -> Response:
    """Answered with the list of what was there, as the items were before."""
    rv, kind = session.data.counter("rv"), call.kind
    before = []
    for namespace, name in reads.chosen(session, call):
        row = session.data.get(session.server, (kind.group, kind.plural, namespace, name))
        before += [row.body] if row else []
        verbs.delete(session, replace(call, namespace=namespace, name=name))
    metadata = {"resourceVersion": str(rv), **({"continue": ""} if kind.custom else {})}
    return answer(reads.listed(kind, before, metadata))
