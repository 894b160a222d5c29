"""Documents by what names them, and what stands for a document's content without showing it."""

from __future__ import annotations

from collections.abc import Iterable

from planner.load import LoadedDocument
from providers.secrets import Pins
from state.resource import GroupKind, split_api_version


class Index:
    """Documents of management clusters by kind, namespace and name, for what releases refer to."""

    def __init__(self, found: Iterable[LoadedDocument] = ()) -> None:
        self._by: dict[tuple[str, str, str, str], LoadedDocument] = {}
        for document in found:
            self.add(document)

    def add(self, document: LoadedDocument) -> None:
        """Note a document; the first of two with one id stays."""
        if not document.cluster:
            key = (document.management, document.kind, document.home, document.name)
            self._by.setdefault(key, document)

    def get(self, management: str, kind: str, namespace: str, name: str) -> LoadedDocument | None:
        """A document of a kind, in a namespace of a management cluster."""
        return self._by.get((management, kind, namespace, name))

    def release(self, name: str) -> LoadedDocument | None:
        """The HelmRelease or WorkloadCluster that is called `namespace/name`."""
        for kind in ("HelmRelease", "WorkloadCluster"):
            for (_, known, namespace, own), document in self._by.items():
                if known == kind and f"{namespace}/{own}" == name:
                    return document
        return None


def group_kind(document: LoadedDocument) -> GroupKind:
    """The kind of a document without its version."""
    return GroupKind(split_api_version(document.version)[0], document.kind)


def identity_of(document: LoadedDocument, pins: Pins) -> str:
    """What changes whenever the document's content does (semantics 30): blob id or pin, and place.

    Of a rendered document its release's inputs: equal inputs, equal document.
    """
    origin = document.origin
    place = f"{document.kind}/{document.namespace}/{document.name}"
    if document.inputs:
        return f"{document.inputs}:{place}"
    if origin.blob:
        return f"{origin.blob}:{origin.document}:{origin.item}"
    return pins.pin(place, document.body + repr(document.secrets).encode())
