"""What reading a cluster gave: `Present`, `Absent` or `Unreadable`; never a guess (semantics 5)."""

from __future__ import annotations

from functools import cached_property

import msgspec

from state.resource import JsonObject, ResourceId


class ManagerEntry(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One entry of `metadata.managedFields`. `time` is never read: it must not decide anything."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    subresource: str = ""
    fields_v1: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="fieldsV1")


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One entry of `metadata.ownerReferences`."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The parts of `metadata` that clusterform reads. Null maps and lists read as empty."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    finalizers: tuple[str, ...] | None = None
    managed_fields: tuple[ManagerEntry, ...] | None = None


class Present(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An object that a server returned. `raw` is its JSON as received, managedFields included."""

    id: ResourceId
    version: str
    metadata: Metadata
    raw: bytes

    @property
    def uid(self) -> str:
        """`metadata.uid`: the same name with another uid is another object."""
        return self.metadata.uid

    @property
    def resource_version(self) -> str:
        """`metadata.resourceVersion` at the read."""
        return self.metadata.resource_version

    @property
    def deleting(self) -> bool:
        """A deletion timestamp is set."""
        return self.metadata.deletion_timestamp is not None

    @property
    def labels(self) -> dict[str, str]:
        """`metadata.labels`, empty when absent."""
        return self.metadata.labels or {}

    @property
    def annotations(self) -> dict[str, str]:
        """`metadata.annotations`, empty when absent."""
        return self.metadata.annotations or {}

    @property
    def managers(self) -> tuple[ManagerEntry, ...]:
        """`metadata.managedFields`, empty when absent."""
        return self.metadata.managed_fields or ()

    @cached_property
    def body(self) -> JsonObject:
        """The decoded object, status included. Read only: it is shared."""
        decoded: JsonObject = msgspec.json.decode(self.raw)
        decoded.setdefault("kind", self.id.kind)  # items of a built-in kind's LIST carry neither
        decoded.setdefault("apiVersion", self.version)
        return decoded

    def release(self) -> None:
        """Let go of the decoded body; it is decoded again when asked for.

        Over a whole fleet the dicts of objects that are done with would be most of the memory.
        """
        self.__dict__.pop("body", None)


class Absent(msgspec.Struct, frozen=True, gc=False):
    """Proven not to be there: its kind was listed completely, or a GET said NotFound."""

    id: ResourceId


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """Not known. `scope` says what could not be read (an id, or `kind in namespace | all`)."""

    id: ResourceId
    reason: str
    scope: str = ""


Observation = Present | Absent | Unreadable
