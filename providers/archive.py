"""Archives of sources: made the same everywhere, read within limits, kept by their digest.

A cache entry is one file called by the SHA-256 of its bytes: `sha256sum` and `tar -t` check it by
hand. Files of a Git commit are packed here, so that every machine makes the same bytes; charts and
artifacts stay as their server sent them, so that their digest is the one that it published.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import posixpath
import re
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from providers.git import Skipped, SourceFile
from state.errors import ClusterformError

BYTES = 256 << 20
"""Of one source, unpacked, and of a download."""
FILES = 50_000
_ENTRY = re.compile(r"[0-9a-f]{64}")


class Archive:
    """The files of one archive, in memory, as a tree that `planner.expand.sources.Files` reads."""

    def __init__(self, files: Mapping[str, bytes], links: Iterable[str] = ()) -> None:
        self._files = files
        self.skipped = tuple(Skipped(path, "a symbolic link") for path in sorted(links))
        """What is in it and is never read."""
        self._entries = tuple(
            SourceFile(path, hashlib.sha256(files[path]).hexdigest()) for path in sorted(files)
        )

    def files(self, under: str = "") -> tuple[SourceFile, ...]:
        """The files below a folder, sorted by path."""
        if under in ("", "."):
            return self._entries
        return tuple(f for f in self._entries if f.path == under or f.path.startswith(f"{under}/"))

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of files of this tree."""
        return {path: self._files[path] for path in paths}


def pack(files: Mapping[str, bytes], links: Iterable[str] = ()) -> bytes:
    """An archive that depends on names and contents only; of links it has the names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)  # time 0, mode 0644, owner 0, no names
            entry.size = len(files[path])
            archive.addfile(entry, io.BytesIO(files[path]))
        for path in sorted(links):
            entry = tarfile.TarInfo(path)
            entry.type = tarfile.SYMTYPE
            archive.addfile(entry)
    return out.getvalue()


def packed_chart(name: str, files: Mapping[str, bytes]) -> bytes:
    """A packed chart that depends on names and contents only.

    Gzip without compression, by hand: other versions of zlib make other bytes.
    """
    content = pack({f"{name}/{path}": files[path] for path in files})
    blocks = [content[at : at + 0xFFFF] for at in range(0, len(content), 0xFFFF)]
    parts = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]  # RFC 1952: deflate, no time, no system
    for number, block in enumerate(blocks, 1):  # RFC 1951, 3.2.4: stored blocks
        size = len(block)
        parts += [struct.pack("<BHH", number == len(blocks), size, size ^ 0xFFFF), block]
    parts.append(struct.pack("<II", zlib.crc32(content), len(content)))
    return b"".join(parts)


def unpack(content: bytes, where: str, *, limit: int = BYTES) -> dict[str, bytes]:
    """The files of an archive, packed with gzip or not.

    Raises ClusterformError('bad-archive') for links, devices, names that lead out of it or come
    twice, and for what is larger than the limits; nothing is written anywhere.
    """
    found, links = _unpacked(content, limit, where)
    if links:
        raise bad_archive(where, f"{links[0]} is no regular file")
    return found


def unpack_commit(content: bytes, where: str, *, limit: int = BYTES) -> Archive:
    """The files of a Git commit that was packed here: its links have names, and are left out.

    Raises ClusterformError('bad-archive') as `unpack`.
    """
    return Archive(*_unpacked(content, limit, where))


def _unpacked(content: bytes, limit: int, where: str) -> tuple[dict[str, bytes], list[str]]:
    """Files by path, and the paths of symbolic links."""
    found: dict[str, bytes] = {}
    links: list[str] = []
    try:
        if content[:2] == b"\x1f\x8b":
            content = _inflated(content, limit, where)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            total = 0
            for entry in archive:
                path = posixpath.normpath(entry.name)
                if entry.isdir():
                    continue
                if path.startswith(("/", "../")) or path in ("..", ".") or "\0" in path:
                    raise bad_archive(where, f"the name {entry.name!r} leads out of it")
                if not (entry.isreg() or entry.issym()) or entry.issparse():
                    raise bad_archive(where, f"{path} is no regular file")
                if path in found:
                    raise bad_archive(where, f"{path} is in it twice")
                total += entry.size
                if total > limit or len(found) + len(links) >= FILES:
                    raise too_large(where, limit)
                if entry.issym():
                    links.append(path)
                    continue
                stream = archive.extractfile(entry)
                found[path] = stream.read() if stream is not None else b""
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error):
        raise bad_archive(where, "it cannot be unpacked") from None
    return found, links


def _inflated(content: bytes, limit: int, where: str) -> bytes:
    """Unzipped up to the limit: tar headers are read only from what passed it."""
    parts, total = [], 0
    while content:
        stream = zlib.decompressobj(wbits=31)
        part = stream.decompress(content, limit - total + 1)
        total += len(part)
        if total > limit:
            raise too_large(where, limit)
        if not stream.eof:
            raise EOFError
        parts.append(part)
        content = stream.unused_data.lstrip(b"\0")
    return b"".join(parts)


def too_large(where: str, limit: int = BYTES) -> ClusterformError:
    """What is said of a source beyond the limits."""
    return bad_archive(where, f"it holds more than {limit >> 20} MiB or {FILES} files")


def bad_archive(where: str, why: str) -> ClusterformError:
    """What is said of an archive that is refused."""
    return ClusterformError("bad-archive", f"{where}: {why}")


def digest_of(content: bytes) -> str:
    """`sha256:…`, as locks and registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file: it appears whole or not at all. Raises ClusterformError('unwritable')."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(content)
            os.replace(name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise ClusterformError(
            "unwritable", f"cannot write {path.name}: {error.strerror}", where=str(path)
        ) from None


class Store(msgspec.Struct, frozen=True):
    """The cache of sources on this machine: a folder of archives by their digest."""

    folder: Path

    def has(self, digest: str) -> bool:
        """It is there and is what it should be."""
        try:
            return self.read(digest) is not None
        except ClusterformError:
            return False

    def read(self, digest: str) -> bytes | None:
        """The archive, None where it is not there.

        Raises ClusterformError('tampered') where the file is not what its name says.
        """
        try:
            content = self._path(digest).read_bytes()
        except OSError:
            return None
        found = digest_of(content)
        if found != digest:
            raise ClusterformError(
                "tampered",
                f"a cached source is {found}, not {digest}",
                where=str(self._path(digest)),
                hint="clusterform sources fetch gets it anew",
            )
        return content

    def write(self, content: bytes) -> str:
        """Keep an archive; its digest. The file appears whole or not at all."""
        digest = digest_of(content)
        replace_file(self._path(digest), content)
        return digest

    def prune(self, keep: Collection[str]) -> tuple[int, int]:
        """Remove the archives that are not among these digests: how many, and their bytes.

        Only what is called as an archive is called; a file of anybody else stays.
        """
        count = size = 0
        for path in sorted(self.folder.iterdir()):
            mine = _ENTRY.fullmatch(path.name) and path.is_file() and not path.is_symlink()
            if not mine or f"sha256:{path.name}" in keep:
                continue
            found = path.stat().st_size
            try:
                path.unlink()
            except OSError as error:
                raise ClusterformError(
                    "unwritable", f"cannot remove {path.name}: {error.strerror}", where=str(path)
                ) from None
            count, size = count + 1, size + found
        return count, size

    def _path(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")
