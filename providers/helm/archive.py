"""Packed charts: a tgz as files, within limits."""

from __future__ import annotations

from providers.archive import bad_archive, unpack

BYTES = 32 << 20
"""Of an unpacked archive, headers counted; Helm's own limits are 100 MiB and 5 MiB a file
(pkg/chart/loader)."""


def read_archive(content: bytes, where: str) -> dict[str, bytes]:
    """The files of a packed chart, by path below its folder.

    Raises ClusterformError('bad-archive') for links, paths that lead out, and what is too large.
    (Helm also refuses a `..` that stays inside; here such a path is only made plain.)
    """
    found = {}
    for path, text in unpack(content, where, limit=BYTES).items():
        _, folder, inner = path.partition("/")
        if not folder or "\\" in path:
            raise bad_archive(where, "a path in it leads out of the chart")
        found[inner] = text
    return found
