"""Archives: the same bytes everywhere, and nothing but regular files within limits."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from providers.archive import Archive, Store, digest_of, pack, unpack
from state.errors import ClusterformError


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.linkname = link
    return entry


def test_equal_files_are_equal_bytes() -> None:
    long = "folder/" * 40 + "näme"
    files = {"b": b"2", "a/c": b"1", long: b""}
    packed = pack(files)
    assert packed == pack(dict(reversed(files.items())))
    assert unpack(packed, "x") == files
    # Locks are shared between machines and versions of Python: these bytes may not change.
    assert digest_of(pack({"a": b"1"})) == (
        "sha256:f7333dba604a5beb7922f3e8a2b61867fa52e305ae5ca9bafbf3993267815536"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (tar((named("../evil"), b"x")), "leads out"),
        (tar((named("a/../../evil"), b"x")), "leads out"),
        (tar((named("/etc/passwd"), b"x")), "leads out"),
        (tar((named("a", tarfile.SYMTYPE, "/etc/passwd"), b"")), "no regular file"),
        (tar((named("a", tarfile.LNKTYPE, "b"), b"")), "no regular file"),
        (tar((named("a", tarfile.CHRTYPE), b"")), "no regular file"),
        (tar((named("a"), b"1"), (named("./a"), b"2")), "twice"),
        (tar((named("a"), b"x" * 3000)), "more than"),
        (gzip.compress(tar((named("a"), b"\0" * (4 << 20)))), "more than"),
        (gzip.compress(tar((named("a"), b"x")))[:-30], "cannot be unpacked"),
        (b"", "cannot be unpacked"),
        (b"\x1f\x8bnonsense", "cannot be unpacked"),
        (b"PK\x03\x04" + b"\0" * 600, "cannot be unpacked"),
    ],
    ids=["parent", "inner-parent", "absolute", "symlink", "hardlink", "device", "twice", "large",
         "bomb", "cut", "empty", "garbage", "zip"],
)  # fmt: skip
def test_what_is_hostile_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(ClusterformError) as caught:
        unpack(
            content, "where", limit=2000 if len(content) > 600 and why == "more than" else 1 << 20
        )
    assert caught.value.code == "bad-archive"
    assert why in caught.value.brief


def test_a_header_that_is_a_bomb_costs_no_memory() -> None:
    """A pax header may announce gigabytes; it is read from what passed the limit only."""
    header = named("x", tarfile.XHDTYPE)
    out = io.BytesIO()
    out.write(header.tobuf().replace(b"00000000000", b"77777777777", 1))
    with pytest.raises(ClusterformError):
        unpack(gzip.compress(out.getvalue() + b"9" * 100_000), "x", limit=1 << 16)


def test_an_archive_is_a_tree_of_its_files() -> None:
    tree = Archive({"a/b": b"1", "a/c": b"1", "ab": b"2"})
    assert [f.path for f in tree.files()] == ["a/b", "a/c", "ab"]
    assert [f.path for f in tree.files("a")] == ["a/b", "a/c"]
    one, two = tree.files("a")
    assert one.blob == two.blob
    assert tree.read(["ab"]) == {"ab": b"2"}


def test_the_store_gives_what_its_name_says_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.write(b"content")
    assert [p.name for p in tmp_path.iterdir()] == [digest.removeprefix("sha256:")]
    assert (store.read(digest), store.has(digest)) == (b"content", True)
    assert store.read(digest_of(b"other")) is None
    (tmp_path / digest.removeprefix("sha256:")).write_bytes(b"evil")
    assert not store.has(digest)
    with pytest.raises(ClusterformError) as caught:
        store.read(digest)
    assert digest in caught.value.brief
    assert digest_of(b"evil") in caught.value.brief
