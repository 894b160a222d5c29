"""The CustomResourceDefinition behind a kind: its schema, and what says that it changed.

Read one by one, once, and only for kinds that the proof leaves something open of.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from planner.render import Scopes
from planner.shape import is_builtin
from providers.builtin import KINDS
from providers.kube.client import KubeClient
from providers.management import CRD
from state.live import Present
from state.resource import GroupKind, JsonObject, Resource, ResourceId

_VERSION = "apiextensions.k8s.io/v1"


class Definition(msgspec.Struct, frozen=True):
    """What judges objects of a kind. `edition` is `""` where that is not known."""

    edition: str = ""
    """Changes when the schema may have: uid and generation of the CRD, or the server's version."""
    schemas: dict[str, JsonObject] = {}
    """apiVersion → OpenAPI v3 schema."""


class Definitions:
    """Definitions by cluster and kind. Safe in threads."""

    def __init__(self, client: Callable[[str], KubeClient | None], scopes: Scopes) -> None:
        self._client = client
        self._scopes = scopes
        self._lock = threading.Lock()
        self._found: dict[tuple[str, GroupKind], Definition] = {}
        self._clusters: dict[str, str] = {}

    def of(self, resource: Resource) -> Definition:
        """The definition of a resource's kind; an empty one where it cannot be read."""
        key = (resource.id.cluster, resource.id.group_kind)
        with self._lock:
            found = self._found.get(key)
            if found is None:
                found = self._found[key] = self._read(*key)
            return found

    def cluster_uid(self, cluster: str) -> str:
        """The identity of a cluster; `""` where it is not known."""
        with self._lock:
            if cluster not in self._clusters:
                client = self._client(cluster)
                self._clusters[cluster] = client.uid() if client is not None else ""
            return self._clusters[cluster]

    def _read(self, cluster: str, kind: GroupKind) -> Definition:
        client, served = self._client(cluster), self._scopes.get(cluster, kind)
        if client is None or served is None:
            return Definition()
        if is_builtin(kind):
            return Definition(edition=client.server_version())
        id_ = ResourceId(cluster, CRD.group, CRD.kind, "", f"{served.plural}.{kind.group}")
        live = client.get(id_, _VERSION, KINDS[CRD])
        if not isinstance(live, Present) or not live.uid:
            return Definition()
        schemas = {
            f"{kind.group}/{version['name']}": version["schema"]["openAPIV3Schema"]
            for version in live.body["spec"]["versions"]
            if "openAPIV3Schema" in (version.get("schema") or {})
        }
        return Definition(edition=f"{live.uid}/{live.metadata.generation}", schemas=schemas)
