"""What dry-runs showed to be no-ops, kept on this machine: saves asking, and changes nothing else.

One flat file of hashes: cluster, object, resourceVersion, body and definition in, nothing out. A
hash that is there says "this apply would write nothing"; no body is kept, and nothing of a document
with a sensitive value. Anything wrong with the file makes it empty. A webhook that changed since is
not seen, as by the proof: `--refresh full` asks anew (docs/server-side-apply.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path

from providers.secrets import private_folder

FORMAT = b"clusterform no-ops 1\n"
_SIZE = 16
_MOST = 1_000_000
"""Hashes that are kept: 16 MB."""


class NoOps:
    """The verdicts of one machine. Safe in threads; `save` once, at the end."""

    def __init__(self, folder: Path | None, *, ask: bool = True) -> None:
        """`ask` off: nothing is believed, what is learned is kept all the same."""
        self._path = folder / "noops" if folder else None
        known = _read(self._path) if self._path else set()
        self._before = known
        self._known = known if ask else set()
        self._used: set[bytes] = set()
        self._lock = threading.Lock()
        self._fresh = False

    def knows(self, *facts: str) -> bool:
        """This was a no-op before. Every fact must be known: an empty one is never found."""
        key = _key(facts)
        if key is None or key not in self._known:
            return False
        with self._lock:
            self._used.add(key)
        return True

    def learn(self, *facts: str) -> None:
        """The server said that this would write nothing."""
        key = _key(facts)
        if key is not None and self._path is not None:
            with self._lock:
                self._used.add(key)
                self._fresh = True

    def save(self) -> None:
        """Write what was used, and of the rest as much as that again. Failing is no error."""
        if self._path is None or not self._fresh:
            return
        spare = sorted(self._before - self._used)[: max(1000, len(self._used))]
        keep = sorted([*self._used, *spare])[:_MOST]
        payload = b"".join(keep)
        fresh = self._path.with_name(f"noops.{os.getpid()}")
        with contextlib.suppress(OSError):
            private_folder(self._path.parent)
            fresh.write_bytes(FORMAT + hashlib.sha256(payload).digest() + payload)
            fresh.replace(self._path)


def _key(facts: tuple[str, ...]) -> bytes | None:
    if not all(facts):
        return None
    return hashlib.sha256("\0".join(facts).encode()).digest()[:_SIZE]


def _read(path: Path) -> set[bytes]:
    try:
        content = path.read_bytes()
    except OSError:
        return set()
    start = len(FORMAT) + 32
    payload = content[start:]
    if content[:start] != FORMAT + hashlib.sha256(payload).digest() or len(payload) % _SIZE:
        return set()
    return {payload[i : i + _SIZE] for i in range(0, len(payload), _SIZE)}
