"""Files that only save this machine time: read whole or taken as empty, written whole or not."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path

from providers.secrets import private_folder


def read(path: Path, header: bytes) -> memoryview | None:
    """The content behind the header and a checksum; None where anything is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    start = len(header) + 4
    payload = memoryview(content)[start:]
    if content[:start] != header + zlib.crc32(payload).to_bytes(4, "big"):
        return None
    return payload


def write(path: Path, header: bytes, payload: bytes) -> None:
    """Put it there; failing is no error."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        private_folder(path.parent)
        fresh.write_bytes(header + zlib.crc32(payload).to_bytes(4, "big") + payload)
        fresh.replace(path)
