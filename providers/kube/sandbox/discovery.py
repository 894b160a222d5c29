"""What clients ask before anything else: versions, groups, resources, health."""

from __future__ import annotations

from providers.kube.api import Response
from providers.kube.sandbox.kinds import Kind, builtin_kinds
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import answer, page_not_found
from state.resource import JsonObject

_VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3+sandbox",
    "gitTreeState": "clean",
    "platform": "sandbox",
}

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discover(session: Session, parts: list[str]) -> Response | None:
    """The answer to a discovery path, None if it is not one."""
    match parts:
        case ["version"]:
            return answer(dict(_VERSION))
        case ["readyz" | "livez" | "healthz", *_]:
            return Response(status=200, body=b"ok", headers={"content-type": "text/plain"})
        case ["api"]:
            return answer({"kind": "APIVersions", "versions": ["v1"]})
        case ["apis"]:
            groups = [_group(name, found) for name, found in sorted(_groups(session).items())]
            return answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        case ["apis", group]:
            found = _groups(session).get(group)
            if found is None:
                raise page_not_found()
            return answer({"kind": "APIGroup", "apiVersion": "v1", **_group(group, found)})
        case ["api", version]:
            return _resources(session, "", version)
        case ["apis", group, version]:
            return _resources(session, group, version)
    return None


def _kinds(session: Session) -> list[Kind]:
    custom = [kind for definition in session.definitions.values() for kind in definition.kinds]
    return [*builtin_kinds().values(), *custom]


def _groups(session: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in _kinds(session):
        versions = found.setdefault(kind.group, []) if kind.group else []
        if kind.version not in versions:
            # The stored version is the preferred one, and that comes first.
            at = 0 if kind.api_version == kind.storage else len(versions)
            versions.insert(at, kind.version)
    return found


def _group(name: str, versions: list[str]) -> JsonObject:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(session: Session, group: str, version: str) -> Response:
    kinds = [k for k in _kinds(session) if (k.group, k.version) == (group, version)]
    if not kinds:
        raise page_not_found()
    resources = [entry for kind in kinds for entry in _entries(kind)]
    text = f"{group}/{version}" if group else version
    body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": text}
    return answer({**body, "resources": resources})


def _entries(kind: Kind) -> list[JsonObject]:
    common = {"singularName": kind.kind.lower(), "namespaced": kind.namespaced, "kind": kind.kind}
    entries: list[JsonObject] = [{"name": kind.plural, **common, "verbs": _VERBS}]
    for subresource in sorted(kind.subresources):
        verbs = ["get", "patch", "update"]
        entries.append({"name": f"{kind.plural}/{subresource}", **common, "verbs": verbs})
    return entries
