"""Parsed files by Git blob id: makes loading fast and changes nothing else.

One flat file, read whole: a header, a checksum and MessagePack. Anything wrong with it makes it
empty. It is data, never executed; it holds no file with a sensitive value and no finding
(ARCHITECTURE.md, rule 10). An entry remembers which sensitive fields its kinds had, so that a
longer table makes it invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from planner import keptfile
from planner.manifest import Manifest
from providers.yamldoc import Finding
from state.resource import canonical, digest

FORMAT = b"clusterform parsed files 5\n"
"""Counts up whenever parsing or normalising changes what it gives."""

Kinds = tuple[tuple[str, str], ...]
"""Group and kind, sorted."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A parsed file."""

    kinds: Kinds
    rules: bytes
    """Digest of the sensitive fields of `kinds` when it was parsed."""
    manifests: tuple[Manifest, ...]
    files: tuple[str, ...] = ()
    """Of a build: the files that it depends on."""
    marks: str = ""
    """Digest over their blob ids or pins, when it was made."""
    findings: tuple[Finding, ...] = ()
    """Warnings of a render or build."""
    tool: str = ""
    """What built it."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[str, Entry])


class ParseCache:
    """The cache of one load. `rules_of` gives the sensitive fields of a group and kind."""

    def __init__(
        self, folder: Path | None, rules_of: Callable[[str, str], object], name: str = "parsed"
    ) -> None:
        self._path = folder / name if folder else None
        self._rules_of = rules_of
        self._rules: dict[Kinds, bytes] = {}
        self._entries = _read(self._path) if self._path else {}
        self._used: dict[str, Entry] = {}
        self._fresh = False

    def get(self, key: str) -> tuple[Manifest, ...] | None:
        """The objects of a file, where they are known and still valid."""
        entry = self.entry(key)
        return None if entry is None else entry.manifests

    def entry(self, key: str) -> Entry | None:
        """All that is known of a file or build, where it is still valid by its kinds."""
        entry = self._entries.get(key)
        if entry is None or entry.rules != self._rules_digest(entry.kinds):
            return None
        self._used[key] = entry
        return entry

    def put(
        self,
        key: str,
        kinds: Kinds,
        manifests: tuple[Manifest, ...],
        files: tuple[str, ...] = (),
        marks: str = "",
        findings: tuple[Finding, ...] = (),
        tool: str = "",
    ) -> None:
        """Remember a file or build. The caller keeps out what is sensitive."""
        if self._path is not None:
            rules = self._rules_digest(kinds)
            self._used[key] = Entry(kinds, rules, manifests, files, marks, findings, tool)
            self._fresh = True

    def save(self) -> None:
        """Write what was used, and what was not as long as that is less. Failing is no error."""
        if self._path is None or not self._fresh:
            return
        spare = {key: entry for key, entry in self._entries.items() if key not in self._used}
        keep = self._used | (spare if len(spare) <= len(self._used) else {})
        keptfile.write(self._path, FORMAT, _ENCODER.encode(keep))

    def _rules_digest(self, kinds: Kinds) -> bytes:
        found = self._rules.get(kinds)
        if found is None:
            rules = [self._rules_of(group, kind) for group, kind in kinds]
            found = self._rules[kinds] = digest(canonical(rules)).encode()
        return found


def _read(path: Path) -> dict[str, Entry]:
    try:
        payload = keptfile.read(path, FORMAT)
        return {} if payload is None else _DECODER.decode(payload)
    except msgspec.MsgspecError:
        return {}
