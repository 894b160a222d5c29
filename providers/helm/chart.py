"""A chart: its files, what it says of itself, and what its templates ask for."""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Mapping

import msgspec

from providers import yamldoc
from state.errors import ClusterformError
from state.resource import digest

_CAPABILITIES = re.compile(rb"\.Capabilities\b")
_LOOKUP = re.compile(rb"\blookup\s+[\"(\$.]")


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a chart."""

    name: str
    version: str
    where: str
    digest: str
    files: dict[str, bytes]
    reads_capabilities: bool
    lookups: int

    @classmethod
    def read(cls, files: Mapping[str, bytes], where: str) -> Chart:
        """A chart of its files. Raises ClusterformError('bad-chart')."""
        content = files.get("Chart.yaml")
        documents, _ = yamldoc.parse(content or b"", f"{where}/Chart.yaml")
        body = documents[0].body if documents else {}
        name, version = body.get("name"), body.get("version")
        if not isinstance(name, str) or not isinstance(version, str):
            raise ClusterformError("bad-chart", f"{where}/Chart.yaml has no name and version")
        parts = [p.encode() + b"\0" + files[p] for p in sorted(files)]
        templates = [files[p] for p in files if "templates/" in p]
        return cls(
            name=name,
            version=version,
            where=where,
            digest=digest(*parts),
            files=dict(files),
            reads_capabilities=any(_CAPABILITIES.search(t) for t in templates),
            lookups=sum(len(_LOOKUP.findall(t)) for t in templates),
        )


_ENTRIES, _BYTES = 10_000, 32 << 20
"""Of an unpacked archive; Helm's own limits are 100 MiB and 5 MiB a file (pkg/chart/loader)."""


def read_archive(content: bytes, where: str) -> dict[str, bytes]:
    """The files of a packed chart, by path below its folder.

    Raises ClusterformError('bad-archive') for links, paths that lead out, and what is too large.
    """
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for entry in archive:
                path = posixpath.normpath(entry.name)
                if path.startswith(("/", "..")):
                    raise _bad(where, "a path in it leads out of it")
                if entry.isdir():
                    continue
                if not entry.isfile():
                    raise _bad(where, f"{path} is no regular file")
                total += entry.size
                if total > _BYTES or len(found) >= _ENTRIES:
                    raise _bad(where, f"it holds more than {_BYTES >> 20} MiB or {_ENTRIES} files")
                stream = archive.extractfile(entry)
                assert stream is not None
                found[path.partition("/")[2]] = stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        raise _bad(where, "it cannot be unpacked") from None
    return found


def _bad(where: str, why: str) -> ClusterformError:
    return ClusterformError("bad-archive", f"{where}: {why}")
