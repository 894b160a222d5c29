"""Packed charts: a tgz as files, within limits."""

from __future__ import annotations

import io
import posixpath
import tarfile
import zlib

from state.errors import ClusterformError

ENTRIES, BYTES = 10_000, 32 << 20
"""Of an unpacked archive; Helm's own limits are 100 MiB and 5 MiB a file (pkg/chart/loader)."""


def read_archive(content: bytes, where: str) -> dict[str, bytes]:
    """The files of a packed chart, by path below its folder.

    Raises ClusterformError('bad-archive') for links, paths that lead out, and what is too large.
    """
    found: dict[str, bytes] = {}
    total = entries = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for entry in archive:
                entries += 1
                total += entry.size
                if total > BYTES or entries > ENTRIES:
                    raise _bad(where, f"it holds more than {BYTES >> 20} MiB or {ENTRIES} files")
                if entry.isdir():
                    continue
                if not entry.isfile():
                    raise _bad(where, f"{entry.name!r} is no regular file")
                stream = archive.extractfile(entry)
                assert stream is not None
                found[_inner(entry.name, where)] = stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        raise _bad(where, "it cannot be unpacked") from None
    return found


def _inner(name: str, where: str) -> str:
    """The path below the chart's folder. Helm refuses `..` anywhere in it, and so is it here."""
    path = posixpath.normpath(name)
    if name.startswith("/") or ".." in name.split("/") or "\\" in name or "/" not in path:
        raise _bad(where, "a path in it leads out of the chart")
    return path.partition("/")[2]


def _bad(where: str, why: str) -> ClusterformError:
    return ClusterformError("bad-archive", f"{where}: {why}")
