"""clusterform's own objects in a management cluster: the `state.store.ObjectStore` of a server."""

from __future__ import annotations

from providers.builtin import KINDS, Served
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from state.errors import ClusterformError
from state.live import Absent, Present
from state.resource import GroupKind, JsonObject, ResourceId
from state.store import NAMESPACE, Moved

_VERSIONS = {"ConfigMap": "v1", "Namespace": "v1", "Lease": "coordination.k8s.io/v1"}
_GROUPS = {"Lease": "coordination.k8s.io"}


class KubeStore:
    """Compare-and-swap on ConfigMaps and Leases in `clusterform-system`."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def read(self, kind: str, name: str) -> JsonObject | None:
        """The object or None; an unreadable one raises, it is never taken for absent."""
        id_ = ResourceId(self._client.cluster, _GROUPS.get(kind, ""), kind, NAMESPACE, name)
        found = self._client.get(id_, _VERSIONS[kind], _served(kind))
        if isinstance(found, Present):
            return found.body
        if isinstance(found, Absent):
            return None
        if " cannot get " in found.reason:  # the words of every 403
            raise ClusterformError(
                "unreadable",
                f"clusterform's own state in {self._client.cluster} cannot be read",
                detail=found.reason,
                hint="its rights are in docs/rbac: get on ConfigMaps and Leases in " + NAMESPACE,
                where=f"{kind} {NAMESPACE}/{name}",
            )
        raise ClusterformError(
            "unreachable",
            f"management cluster {self._client.cluster} cannot be read",
            detail=found.reason,
            hint="does kubectl reach it with the same kubeconfig and context?",
        )

    def create(self, body: JsonObject) -> JsonObject:
        """Create, with the namespace if it is missing."""
        kind = body["kind"]
        try:
            return self._client.create(_VERSIONS[kind], _served(kind), body)
        except ApiError as error:
            if error.code == "api-exists":
                raise Moved from None
            if error.code != "api-not-found":
                raise
        self._make_namespace()
        return self.create(body)

    def _make_namespace(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        try:
            self._client.create("v1", _served("Namespace"), body)
        except ApiError as error:
            if error.code != "api-exists":
                raise

    def replace(self, body: JsonObject) -> JsonObject:
        """Swap against the resourceVersion in the body."""
        kind = body["kind"]
        metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
        try:
            return self._client.replace(
                _VERSIONS[kind], _served(kind), {**body, "metadata": metadata}
            )
        except ApiError as error:
            if error.code in ("api-stale", "api-not-found"):
                raise Moved from None
            raise

    def remove(self, body: JsonObject) -> None:
        """Delete this very object."""
        kind, meta = body["kind"], body["metadata"]
        id_ = ResourceId(self._client.cluster, _GROUPS.get(kind, ""), kind, NAMESPACE, meta["name"])
        try:
            self._client.delete(id_, _VERSIONS[kind], _served(kind), uid=meta["uid"])
        except ApiError as error:
            if error.code not in ("api-not-found", "api-stale"):
                raise

    def labelled(self, kind: str, label: str, value: str) -> list[JsonObject]:
        """All with that label; one page that fails is an error, never a shorter list."""
        version = _VERSIONS[kind]
        found = self._client.objects(
            version, kind, _served(kind), namespace=NAMESPACE, selector=f"{label}={value}"
        )
        return [{**p.body, "apiVersion": version, "kind": kind} for p in found]


def _served(kind: str) -> Served:
    return KINDS[GroupKind(_GROUPS.get(kind, ""), kind)]
