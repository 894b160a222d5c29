"""Secret values that renders brought up, kept in memory; and how to know them again.

A cluster's chart puts the files of its machines into hundreds of objects, and they count as
secrets. To compare them with what is live nobody has to render again: where Git shows a value in
clear, the cache of renders keeps its HMAC under this machine's key (`providers.secrets.Pins`),
never the value; what came from a Secret has none and is rendered where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from planner.manifest import Manifest
from providers import sops
from providers.secrets import Pins, transformed
from state.fields import value_at
from state.resource import JsonObject, RenderedRelease, SecretRef

_PLACE = "rendered value"


class RenderValues:
    """Values by reference, of one expansion."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._pin_of: dict[SecretRef, str] = {}
        self._by_pin: dict[str, str] = {}
        self._by_ref: dict[SecretRef, str] = {}

    def pinned(self, manifest: Manifest, body: bytes) -> Manifest:
        """The manifest with a pin for each value of its `body`, which Git shows in clear."""
        if manifest.sealed or not manifest.secrets:
            return manifest
        whole = msgspec.json.decode(body)
        taken = []
        for found in manifest.secrets:
            value = value_at(whole, found.source)
            if isinstance(value, str):
                text = transformed(value, found.transform)
                found = found._replace(pin=self._pins.pin(_PLACE, text.encode()))
                self._by_pin[found.pin] = text
            taken.append(found)
        return msgspec.structs.replace(manifest, secrets=tuple(taken))

    def know(self, source: RenderedRelease, manifests: Iterable[Manifest]) -> None:
        """Note the pins of a render."""
        for manifest in manifests:
            for found in manifest.secrets:
                if found.pin:
                    ref = SecretRef(source, manifest.index, found.source, -1, found.transform)
                    self._pin_of[ref] = found.pin

    def keep(self, source: RenderedRelease, manifest: Manifest, body: bytes) -> None:
        """The values of a render that has just been made, for this process alone."""
        if manifest.secrets:
            whole = msgspec.json.decode(body)
            for found in manifest.secrets:
                ref = SecretRef(source, manifest.index, found.source, -1, found.transform)
                self.learn(ref, whole)

    def get(self, ref: SecretRef) -> str | None:
        """The value, where it or the same one was seen."""
        known = self._by_ref.get(ref)
        return known if known is not None else self._by_pin.get(self._pin_of.get(ref, ""))

    def learn(self, ref: SecretRef, body: JsonObject) -> bool:
        """A value out of an object that was rendered again; False where that has no text for it."""
        value = value_at(body, ref.path)
        if not isinstance(value, str) or sops.is_encrypted(body):
            return False
        text = transformed(value, ref.transform)
        pin = self._pin_of.get(ref)
        if pin:
            self._by_pin[pin] = text
        else:
            self._by_ref[ref] = text
        return True

    def matches(self, ref: SecretRef, held: str) -> bool:
        """`held` is the value."""
        pin = self._pin_of.get(ref, "")
        return bool(pin) and self._pins.matches(_PLACE, held.encode(), pin)
