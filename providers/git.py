"""The only door to Git: files of the working tree or of a revision, and what is committed.

Only plumbing that reads (`rev-parse`, `ls-tree`, `ls-files`, `cat-file`), in a clean environment:
no checkout, so no hooks, filters, submodules or LFS; no user or system configuration; no network.
Symbolic links and submodules are never followed (docs/security.md, "Threats and rules").
A committed file is recognised by hashing it, never by Git's own comparison: that would run the
clean filters that a repository may configure.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from state.errors import ClusterformError

FILE_LIMIT = 64 << 20
"""A larger file is never read whole; what it holds would be refused anyway."""

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",
    "HOME": os.devnull,
    "LC_ALL": "C",
}
_OPTIONS = (
    "--no-pager",
    "-c", "protocol.allow=never",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.fsmonitor=false",
    "-c", "core.quotePath=false",
    # Ownership is checked to keep configured programs from running; none of these commands runs
    # any, and CI containers often read a checkout that belongs to another user.
    "-c", "safe.directory=*",
)  # fmt: skip


class SourceFile(msgspec.Struct, frozen=True, order=True, gc=False):
    """A regular file of the tree."""

    path: str
    """Relative to the tree's root, with forward slashes."""
    blob: str
    """Its Git blob id; `""` when it differs from the commit, is untracked, or Git is not used."""


def _path(entry: SourceFile) -> str:
    return entry.path


class Skipped(msgspec.Struct, frozen=True, order=True, gc=False):
    """An entry that is never read."""

    path: str
    why: str


class _Entry(NamedTuple):
    mode: str
    blob: str
    size: int


class SourceTree(msgspec.Struct, frozen=True, kw_only=True):
    """The files below a folder, as they are now or as they were at a commit."""

    root: Path
    commit: str
    """Full commit id; `""` without Git, or before the first commit."""
    describe: str
    """For people: `4f2c9e1`, `no commit yet` or `not in Git`."""
    uncommitted: tuple[str, ...]
    """Paths that differ from the commit: changed, added, untracked, deleted."""
    skipped: tuple[Skipped, ...]
    at_commit: bool
    """Contents come from the commit, not from the folder."""
    entries: tuple[SourceFile, ...]

    def files(self, under: str = "") -> tuple[SourceFile, ...]:
        """The files below a folder (or that file itself), sorted by path."""
        if under in ("", "."):
            return self.entries
        below = f"{under}/"
        start = bisect.bisect_left(self.entries, below, key=_path)
        end = bisect.bisect_left(self.entries, f"{under}0", lo=start, key=_path)  # "0" follows "/"
        itself = bisect.bisect_left(self.entries, under, key=_path)
        found = self.entries[start:end]
        if itself < len(self.entries) and self.entries[itself].path == under:
            return (self.entries[itself], *found)
        return found

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of files of this tree, each the one that its blob id says.

        Raises ClusterformError('unreadable-file', 'source-moved').
        """
        blobs = {found.path: found.blob for found in self.entries}
        if not self.at_commit:
            return {path: _unmoved(self.root, path, blobs.get(path, "")) for path in paths}
        wanted = {path: blobs[path] for path in paths}
        contents = _blobs(self.root, sorted(set(wanted.values())))
        return {path: contents[blob] for path, blob in wanted.items()}


def open_tree(root: Path, ref: str | None = None) -> SourceTree:
    """The tree of a folder, with or without Git; with `ref`, of that revision."""
    root = Path(os.path.abspath(root))
    if not root.is_dir():
        raise ClusterformError("no-such-folder", f"{root} is not a folder")
    inside = _git(root, "rev-parse", "--is-inside-work-tree", check=False)
    if ref is not None:
        return _revision(root, ref)
    if inside != b"true\n":
        return _plain_tree(root)
    commit = _commit(root, "HEAD") or ""
    tree = _working_tree(root, commit)
    return tree if tree.entries or tree.uncommitted or not _is_ignored(root) else _plain_tree(root)


def read_blob(root: Path, blob: str) -> bytes:
    """The content of a blob. Raises ClusterformError('no-such-blob')."""
    return _blobs(root, [blob])[blob]


def remote_url(root: Path) -> str:
    """The URL of the remote `origin`; `""` where there is none."""
    found = _git(root, "config", "--local", "--get", "remote.origin.url", check=False)
    return found.decode(errors="replace").strip()


def is_pinned(root: Path, name: str) -> bool:
    """A tag or a commit of the repository is called so, and no branch of its own or of `origin`."""
    branches = (f"refs/heads/{name}", f"refs/remotes/origin/{name}")
    if any(_commit(root, branch) for branch in branches):
        return False
    return _commit(root, name) is not None


def read_file(root: Path, path: str) -> bytes:
    """A file of the working tree; never through a symbolic link, a device or a pipe.

    Raises ClusterformError('unreadable-file').
    """
    try:
        return _regular_content(str(root), path)
    except OSError as error:
        raise ClusterformError(
            "unreadable-file", f"cannot read {path}: {error.strerror or error}", where=path
        ) from None


def _regular_content(root: str, path: str) -> bytes:
    at = 0
    while (at := path.find("/", at + 1)) > 0:
        if os.path.islink(f"{root}/{path[:at]}"):
            raise OSError("a folder on the way is a symbolic link")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(f"{root}/{path}", flags)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        if found.st_size > FILE_LIMIT:
            raise OSError(f"more than {FILE_LIMIT >> 20} MiB")
        content = os.read(handle, found.st_size)
        while len(content) < found.st_size and (more := os.read(handle, found.st_size)):
            content += more
        return content
    finally:
        os.close(handle)


def _unmoved(root: Path, path: str, blob: str) -> bytes:
    content = read_file(root, path)
    if blob and blob_id(content, blob) != blob:
        raise ClusterformError(
            "source-moved", f"{path} changed while it was read", hint="run it again", where=path
        )
    return content


def blob_id(content: bytes, like: str) -> str:
    """The Git blob id of a content, in the hash function of another id (SHA-1 or SHA-256)."""
    name = "sha256" if len(like) == 64 else "sha1"
    whole = b"blob %d\0%b" % (len(content), content)
    return hashlib.new(name, whole, usedforsecurity=False).hexdigest()


def _git(root: Path, *arguments: str, check: bool = True, given: bytes | None = None) -> bytes:
    command = ["git", *_OPTIONS, *arguments]
    environment = _ENVIRONMENT | {"PATH": os.environ.get("PATH", os.defpath)}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        if check:
            raise ClusterformError(
                "no-git", "git is not installed", hint="install git, or leave --ref out"
            ) from None
        return b""
    if done.returncode and check:
        problem = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise ClusterformError("git", f"git {arguments[0]} failed", detail=problem, where=str(root))
    return b"" if done.returncode else done.stdout


def _commit(root: Path, ref: str) -> str | None:
    found = _git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}",
        check=False,
    )  # fmt: skip
    # Old versions of git print the option itself.
    return found.decode().split()[-1] if found else None


def _is_ignored(root: Path) -> bool:
    return bool(_git(root, "check-ignore", "--", str(root), check=False))


_OUTSIDE = frozenset((b"", b".", b"..", b".git"))
"""Names that no tree may hold: git looks for them when it checks out, and nothing here does
(git fsck: hasDot, hasDotdot, hasDotgit, emptyName)."""


def _committed(root: Path, commit: str) -> dict[str, _Entry]:
    """What a commit holds below the folder, by path relative to it."""
    entries = {}
    for record in _git(root, "ls-tree", "-r", "-l", "-z", commit).split(b"\0")[:-1]:
        facts, _, path = record.partition(b"\t")
        mode, _, blob, size = facts.decode().split()
        if not _OUTSIDE.isdisjoint(path.split(b"/")):
            raise ClusterformError(
                "bad-tree",
                f"commit {commit[:7]} holds the path {os.fsdecode(path)!r}, which leads out of it",
                hint="git itself refuses to check this commit out; look at where it comes from",
            )
        entries[os.fsdecode(path)] = _Entry(mode, blob, int(size) if size.isdigit() else 0)
    return entries


def _revision(root: Path, ref: str) -> SourceTree:
    commit = _commit(root, ref)
    if commit is None:
        _git(root, "rev-parse", "--is-inside-work-tree")
        raise ClusterformError(
            "no-such-revision",
            f"the repository has no commit {ref!r}",
            hint="fetch it first, or name a commit, branch or tag of `git log --all`",
        )
    entries = _committed(root, commit)
    return SourceTree(
        root=root,
        commit=commit,
        describe=commit[:7],
        uncommitted=(),
        skipped=tuple(sorted(_special(entries))),
        at_commit=True,
        entries=tuple(sorted(_regular(entries))),
    )


def _special(entries: dict[str, _Entry]) -> Iterator[Skipped]:
    for path, entry in entries.items():
        if entry.mode == "120000":
            yield Skipped(path, "a symbolic link")
        elif entry.mode == "160000":
            yield Skipped(path, "a submodule")


def _regular(entries: dict[str, _Entry]) -> Iterator[SourceFile]:
    return (
        SourceFile(path, entry.blob)
        for path, entry in entries.items()
        if entry.mode.startswith("100")
    )


def _working_tree(root: Path, commit: str) -> SourceTree:
    committed = _committed(root, commit) if commit else {}
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = {os.fsdecode(name) for name in listed.split(b"\0")[:-1]} | committed.keys()
    files, skipped = _present(root, names)
    entries = sorted(
        SourceFile(path, _verified(root, path, size, committed.get(path)))
        for path, size in files.items()
    )
    gone = names - files.keys() - {entry.path for entry in skipped}
    changed = [entry.path for entry in entries if not entry.blob]
    return SourceTree(
        root=root,
        commit=commit,
        describe=commit[:7] or "no commit yet",
        uncommitted=tuple(sorted([*changed, *(gone & committed.keys())])),
        skipped=tuple(sorted(skipped)),
        at_commit=False,
        entries=tuple(entries),
    )


def _present(root: Path, names: Iterable[str]) -> tuple[dict[str, int], list[Skipped]]:
    """Sizes of the regular files among the names, and what else they are."""
    files: dict[str, int] = {}
    skipped = []
    folders = {"": True}
    for name in names:
        if not _is_real(root, name.rstrip("/").rpartition("/")[0], folders):
            continue
        try:
            found = os.lstat(f"{root}/{name}")
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            files[name] = found.st_size
        elif stat.S_ISLNK(found.st_mode):
            skipped.append(Skipped(name, "a symbolic link"))
        elif stat.S_ISDIR(found.st_mode):
            skipped.append(Skipped(name.rstrip("/"), "a submodule or a repository of its own"))
        else:
            skipped.append(Skipped(name, "not a regular file"))
    return files, skipped


def _is_real(root: Path, folder: str, known: dict[str, bool]) -> bool:
    """No part of the way to the folder is a symbolic link."""
    if folder not in known:
        above = _is_real(root, folder.rpartition("/")[0], known)
        known[folder] = above and not os.path.islink(root / folder)
    return known[folder]


def _verified(root: Path, path: str, size: int, entry: _Entry | None) -> str:
    if entry is None or entry.size != size or not entry.mode.startswith("100"):
        return ""
    return entry.blob if blob_id(read_file(root, path), entry.blob) == entry.blob else ""


def _plain_tree(root: Path) -> SourceTree:
    names = []
    skipped = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name != ".git"]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        links = [name for name in inner if os.path.islink(os.path.join(folder, name))]
        skipped += [Skipped(prefix + name, "a symbolic link") for name in links]
        names += [prefix + name for name in files]
    found, others = _present(root, names)
    return SourceTree(
        root=root,
        commit="",
        describe="not in Git",
        uncommitted=(),
        skipped=tuple(sorted([*skipped, *others])),
        at_commit=False,
        entries=tuple(sorted(SourceFile(path, "") for path in found)),
    )


def _blobs(root: Path, ids: list[str]) -> dict[str, bytes]:
    """Contents by blob id, through one `cat-file --batch`."""
    if not ids:
        return {}
    given = "".join(f"{blob}\n" for blob in ids).encode()
    output = _git(root, "cat-file", "--batch", "--buffer", given=given)
    contents = {}
    at = 0
    for blob in ids:
        end = output.index(b"\n", at)
        header = output[at:end].split()
        if len(header) != 3 or header[1] != b"blob":
            raise ClusterformError(
                "no-such-blob",
                f"the repository does not hold the file content {blob[:12]}",
                hint="fetch the commit that it belongs to",
                where=str(root),
            )
        at = end + 1 + int(header[2]) + 1
        contents[blob] = output[end + 1 : at - 1]
    return contents
