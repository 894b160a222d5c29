"""The port to the objects that keep clusterform's own state in a management cluster.

Satisfied by `providers.kube.records.KubeStore`; everything in `state` that persists in a cluster
goes through it, so it runs unchanged on the sandbox and on a real server.
"""

from __future__ import annotations

from typing import Protocol

from state.resource import JsonObject

NAMESPACE = "clusterform-system"
"""Where lock and records live."""


class Moved(Exception):
    """Somebody else wrote, made or deleted the object since it was read."""


class ObjectStore(Protocol):
    """Compare-and-swap on single objects. `kind` is `ConfigMap`, `Lease` or `Namespace`."""

    def read(self, kind: str, name: str) -> JsonObject | None:
        """The object in `NAMESPACE`, or None if it is proven absent; raises on anything else."""
        ...

    def create(self, body: JsonObject) -> JsonObject:
        """Create; raises `Moved` if it exists. Makes `NAMESPACE` where it is missing."""
        ...

    def replace(self, body: JsonObject) -> JsonObject:
        """Write against the resourceVersion in `body`; raises `Moved` if that is not current."""
        ...

    def remove(self, body: JsonObject) -> None:
        """Delete this very object; gone already is fine."""
        ...

    def labelled(self, kind: str, label: str, value: str) -> list[JsonObject]:
        """The objects in `NAMESPACE` that carry a label; raises if they cannot be listed."""
        ...
