"""What clusterform asks of an API server, and what the answers mean.

One class over any `Transport`, so that the sandbox and a real server are read by the same code.
Bodies are bytes in both directions; only metadata is decoded. Sources: docs/server-side-apply.md
(recorded preconditions and error bodies of kube-apiserver 1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from providers.builtin import Served
from providers.kube.answers import ApiError, error_of
from providers.kube.api import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH,
    METADATA,
    Request,
    Response,
    Transport,
    TransportError,
    WatchRefused,
)
from state.live import Absent, Metadata, Observation, Present, Unreadable
from state.resource import GroupKind, JsonObject, ResourceId, canonical, split_api_version
from state.writer import MANAGER

PAGE = 5000
"""Objects a LIST page: one round trip for most kinds, bounded memory for the rest."""
_LIST_RESTARTS = 3
_READABLE = ("list",)
_NEVER_CURRENT = "1"
"""A resourceVersion that no object has: an apply that carries it can only create."""


class _Envelope(msgspec.Struct, frozen=True):
    metadata: Metadata
    kind: str = ""
    api_version: str = msgspec.field(default="", name="apiVersion")


class _ListMeta(msgspec.Struct, frozen=True):
    continue_: str = msgspec.field(default="", name="continue")
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]
    metadata: _ListMeta = _ListMeta()


_PAGE = msgspec.json.Decoder(_Page)


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: _ListMeta


class _Resource(msgspec.Struct, frozen=True):
    name: str
    kind: str
    namespaced: bool = False
    verbs: list[str] | None = None


class _Resources(msgspec.Struct, frozen=True):
    resources: list[_Resource] = []


_RESOURCES = msgspec.json.Decoder(_Resources)
_EVENT = msgspec.json.Decoder(_Event)
_BOOKMARK = msgspec.json.Decoder(_Bookmark)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_OBJECT: msgspec.json.Decoder[JsonObject] = msgspec.json.Decoder(dict[str, Any])


class KubeClient:
    """One cluster's API. `cluster` is the key that its objects carry in their ids."""

    def __init__(self, cluster: str, transport: Transport, sleep: Callable[[float], None]) -> None:
        self.cluster = cluster
        self.may_write: Callable[[], bool] | None = None
        """When set, asked before every new attempt of a write: whether the lock still holds."""
        self.transport = transport
        self.sleep = sleep
        self._kinds: dict[GroupKind, tuple[str, Served]] = {}

    # ------------------------------------------------------------------ reading

    def objects(
        self, version: str, kind: str, served: Served, *, namespace: str = "", selector: str = ""
    ) -> Iterator[Present]:
        """Every object of a kind, by consistent pages; raises `ApiError` when one page fails.

        A caller that stops at an error has not seen the kind: it is unreadable, not shorter.
        """
        items, _ = self._pages(_path(version, served, namespace), selector)
        for raw in items:
            yield self._item(version, kind, raw)

    def labels(
        self, version: str, served: Served, *, namespace: str, selector: str
    ) -> Iterator[Mapping[str, str]]:
        """The labels of every object that a selector finds; nothing else of them is sent."""
        path = _path(version, served, namespace)
        for raw in self._pages(path, selector, accept=METADATA)[0]:
            yield _understood(_ENVELOPE, bytes(raw)).metadata.labels or {}

    def snapshot(
        self, version: str, kind: str, served: Served, *, namespace: str = ""
    ) -> tuple[list[Present], str]:
        """Every object of a kind, and the resourceVersion from which a watch goes on."""
        items, resource_version = self._pages(_path(version, served, namespace), "")
        return [self._item(version, kind, raw) for raw in items], resource_version

    def events(
        self,
        version: str,
        kind: str,
        served: Served,
        *,
        namespace: str,
        since: str,
        seconds: float,
    ) -> Iterator[tuple[str, str, Present | None]]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, resourceVersion, object) from a version on.

        A bookmark brings no object, only how far the watch is.

        Ends after `seconds`. Raises `ApiError` with status 410 when the server has forgotten that
        far back: list again.
        """
        query = (("watch", "1"), ("resourceVersion", since), ("allowWatchBookmarks", "true"))
        request = Request(method="GET", path=_path(version, served, namespace), query=query)
        try:
            for line in self.transport.watch(request, timeout=seconds):
                event = _understood(_EVENT, line)
                if event.type == "ERROR":
                    status = _understood(_OBJECT, event.object)
                    answer = Response(status=int(status.get("code", 500)), body=line)
                    raise error_of(answer)
                if event.type == "BOOKMARK":
                    mark = _understood(_BOOKMARK, event.object).metadata.resource_version
                    yield event.type, mark, None
                    continue
                present = self._item(version, kind, event.object)
                yield event.type, present.resource_version, present
        except WatchRefused as refused:
            raise error_of(refused.response) from None

    def _item(self, version: str, kind: str, raw: msgspec.Raw) -> Present:
        own = bytes(raw)  # what is kept must not hold on to the whole page
        meta = _understood(_ENVELOPE, own).metadata
        group = split_api_version(version)[0]
        id_ = ResourceId(self.cluster, group, kind, meta.namespace, meta.name)
        return Present(id=id_, version=version, metadata=meta, raw=own)

    def _pages(
        self, path: str, selector: str, *, accept: str = JSON
    ) -> tuple[list[msgspec.Raw], str]:
        for _ in range(_LIST_RESTARTS):
            items: list[msgspec.Raw] = []
            token = ""
            try:
                while True:
                    page = _understood(_PAGE, self._get(path, selector, token, accept).body)
                    items += page.items
                    token = page.metadata.continue_
                    if not token:
                        return items, page.metadata.resource_version
            except ApiError as error:
                if error.status != 410:
                    raise
        raise ApiError("api-unavailable", f"the list of {path} expired {_LIST_RESTARTS} times")

    def _get(self, path: str, selector: str, token: str, accept: str) -> Response:
        query = [("limit", str(PAGE))]
        if selector:
            query.append(("labelSelector", selector))
        if token:
            query.append(("continue", token))
        return self._read(Request(method="GET", path=path, query=tuple(query), accept=accept))

    def get(self, id_: ResourceId, version: str, served: Served) -> Observation:
        """One object, three-valued. A kind that is not served has no objects."""
        path = _path(version, served, id_.namespace, id_.name)
        try:
            return self._present(id_, version, self._read(Request(method="GET", path=path)).body)
        except ApiError as error:
            if error.code == "api-not-found" or self._unserved(error, version, served.plural):
                return Absent(id_)
            return Unreadable(id_, error.brief, str(id_))

    def _unserved(self, error: ApiError, version: str, plural: str = "") -> bool:
        """A 404 that is no Status of the server, confirmed: a proxy's page looks the same.

        A discovery that was answered has to lack the group version, or the kind in it.
        """
        if error.code != "api-no-kind":
            return False
        try:
            if version not in self.api_versions():
                return True
            answer = self._read(Request(method="GET", path=_root(version))) if plural else None
        except ApiError:
            return False
        if answer is None:
            return False
        listed = _understood(_RESOURCES, answer.body).resources
        return all(resource.name != plural for resource in listed)

    def served(self, version: str) -> dict[str, Served]:
        """Kinds of one API version by discovery; empty when the server does not serve it.

        What cannot be listed is no kind of objects: reviews and bindings are answers to a POST.
        """
        try:
            answer = self._read(Request(method="GET", path=_root(version)))
        except ApiError as error:
            if self._unserved(error, version):
                return {}
            raise
        resources = _understood(_RESOURCES, answer.body).resources
        return {
            r.kind: Served(r.name, r.namespaced)
            for r in resources
            if "/" not in r.name and "list" in (r.verbs or _READABLE)
        }

    def find(self, kind: GroupKind) -> tuple[str, Served] | None:
        """apiVersion and URL name of a kind, remembered; None while the server does not serve it.

        Asked again as long as it is not there: a run may bring the CRD itself.
        """
        found = self._kinds.get(kind)
        if found is not None:
            return found
        for version in self.api_versions():
            if split_api_version(version)[0] != kind.group:
                continue
            for name, served in self.served(version).items():
                self._kinds.setdefault(GroupKind(kind.group, name), (version, served))
        return self._kinds.get(kind)

    def api_versions(self) -> tuple[str, ...]:
        """Every served group version, preferred first in its group: for a full search."""
        groups = _understood(_OBJECT, self._read(Request(method="GET", path="/apis")).body)
        found = ["v1"]
        for group in groups.get("groups") or ():
            found += [v["groupVersion"] for v in group.get("versions") or ()]
        return tuple(found)

    def uid(self) -> str:
        """The identity of the cluster: the uid of its `kube-system` namespace; `""` unknown."""
        id_ = ResourceId(self.cluster, "", "Namespace", "", "kube-system")
        found = self.get(id_, "v1", Served("namespaces", False))
        return found.uid if isinstance(found, Present) else ""

    def server_version(self) -> str:
        """`gitVersion` of the server, or `""` where it does not say."""
        try:
            answer = self._read(Request(method="GET", path="/version"))
        except ApiError:
            return ""
        return str(_understood(_OBJECT, answer.body).get("gitVersion", ""))

    # ------------------------------------------------------------------ writing

    def apply(
        self,
        id_: ResourceId,
        version: str,
        served: Served,
        body: JsonObject,
        *,
        force: bool = False,
        dry_run: bool = False,
        create_only: bool = False,
        manager: str = MANAGER,
    ) -> Present:
        """Server-side apply. For an update the body carries uid *and* resourceVersion.

        resourceVersion alone would re-create a deleted object; `create_only` sends one that is
        never current, which every server answers with a conflict if the object exists.
        """
        if create_only:
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": _NEVER_CURRENT}}
        query = [("fieldManager", manager), ("force", "true" if force else "false")]
        if dry_run:
            query.append(("dryRun", "All"))
        answer = self._write(
            Request(
                method="PATCH",
                path=_path(version, served, id_.namespace, id_.name),
                query=tuple(query),
                body=canonical(body),
                content_type=APPLY_PATCH,
            ),
            create_only=create_only,
            idempotent=dry_run,
        )
        return self._present(id_, version, answer.body)

    def delete(
        self, id_: ResourceId, version: str, served: Served, *, uid: str, resource_version: str = ""
    ) -> None:
        """Delete exactly this object, in the background; raises `api-stale` if it is another."""
        conditions = {"uid": uid}
        if resource_version:
            conditions["resourceVersion"] = resource_version
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": conditions,
        }
        path = _path(version, served, id_.namespace, id_.name)
        self._write(Request(method="DELETE", path=path, body=canonical(options)))

    def patch(self, id_: ResourceId, version: str, served: Served, patch: bytes) -> Present:
        """A JSON patch that carries its own preconditions; raises `api-stale` where they fail."""
        path = _path(version, served, id_.namespace, id_.name)
        request = Request(
            method="PATCH", path=path, query=_MANAGED, body=patch, content_type=JSON_PATCH
        )
        return self._present(id_, version, self._write(request).body)

    def create(self, version: str, served: Served, body: JsonObject) -> JsonObject:
        """Plain create, for clusterform's own records and lock; `api-exists` if it is there."""
        path = _path(version, served, body["metadata"].get("namespace", ""))
        answer = self._write(
            Request(method="POST", path=path, query=_MANAGED, body=canonical(body)),
            create_only=True,
        )
        return _decoded(answer)

    def replace(self, version: str, served: Served, body: JsonObject) -> JsonObject:
        """Compare-and-swap by the resourceVersion in the body; `api-stale` if it moved."""
        meta = body["metadata"]
        path = _path(version, served, meta.get("namespace", ""), meta["name"])
        return _decoded(
            self._write(Request(method="PUT", path=path, query=_MANAGED, body=canonical(body)))
        )

    # ------------------------------------------------------------------ answers

    def _present(self, id_: ResourceId, version: str, raw: bytes) -> Present:
        metadata = _understood(_ENVELOPE, raw).metadata
        return Present(id=id_, version=version, metadata=metadata, raw=raw)

    def _read(self, request: Request) -> Response:
        return self._attempts(request, create_only=False, repeatable=True)

    def _write(
        self, request: Request, *, create_only: bool = False, idempotent: bool = False
    ) -> Response:
        return self._attempts(request, create_only=create_only, repeatable=idempotent)

    def _attempts(self, request: Request, *, create_only: bool, repeatable: bool) -> Response:
        """Send; try again only what the server certainly did not do, or what only reads."""
        delay = 0.2
        for attempt in range(5):
            if attempt and not repeatable and self.may_write is not None and not self.may_write():
                raise ApiError("lock-lost", "the lock is lost: nothing more is written")
            try:
                answer = self.transport.request(request)
                if answer.status < 300:
                    return answer
                error = error_of(answer, create_only=create_only, writes=not repeatable)
            except TransportError as cut:
                code = "api-ambiguous" if cut.sent and not repeatable else "api-unavailable"
                error = ApiError(code, str(cut))
                if cut.late:
                    raise error from None  # it had its time; waiting again would be as long
            if error.code != "api-unavailable" or attempt == 4:
                raise error
            self.sleep(error.retry_after or delay)
            delay *= 2
        raise AssertionError("unreachable")


_MANAGED = (("fieldManager", MANAGER),)


def _decoded(answer: Response) -> JsonObject:
    return _understood(_OBJECT, answer.body)


T = TypeVar("T")


def _understood(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """A successful answer decoded; a proxy's page or a cut body is unreadable, not a crash."""
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError:
        raise ApiError("api-invalid", "the answer is not what a Kubernetes API gives") from None


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _path(version: str, served: Served, namespace: str = "", name: str = "") -> str:
    parts = ["", "apis" if "/" in version else "api", version]
    if served.namespaced and namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(served.plural)
    if name:
        parts.append(quote(name, safe=":"))
    return "/".join(parts)
