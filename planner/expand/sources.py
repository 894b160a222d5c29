"""Where the charts and folders that releases name are found, without the network.

A URL is looked up in the fleet's `sources` map (docs/fleet-file.md); the repository's own URL
stands for the repository itself; what is neither is taken from the cache as `clusterform.lock` says
(docs/sources.md). Of a mapped folder a tag or commit is taken from its own Git history; a branch is
the folder as it is checked out. What is not found is an error that names the way out: a plan never
fetches (docs/security.md).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from planner.expansions import UsedSource
from providers import git, locked
from providers.archive import FILES, Archive, Store, too_large, unpack, unpack_commit
from providers.flux.sources import SourceRevision, local_folder, normal_url
from providers.git import Skipped, SourceFile, SourceTree
from providers.locked import Lock, Locked, Wanted
from providers.secrets import Pins
from state.errors import ClusterformError
from state.resource import digest


class Tree(Protocol):
    """Files by path: a folder, a commit, an archive."""

    def files(self, under: str = "") -> tuple[SourceFile, ...]:
        """The files below a folder, sorted by path."""

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of files."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What is in it and is never read: links, submodules."""


Pinned = Callable[[Wanted, str], Locked]
"""The pin of what is wanted by an object of a name. Raises ClusterformError."""


class Files(Mapping[str, bytes]):
    """Files below a folder of a tree, by path relative to it; each is read when it is asked."""

    def __init__(self, tree: Tree, base: str = "") -> None:
        self.tree = tree
        self.base = "" if base in ("", ".") else base.rstrip("/") + "/"
        below = tree.files(self.base.rstrip("/"))
        self._blobs = {f.path[len(self.base) :]: f.blob for f in below}
        self._known: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes:
        if path not in self._known:
            if path not in self._blobs:
                raise KeyError(path)
            self._known.update(self._read([path]))
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def prefetch(self) -> Files:
        """Read all of them at once: for folders that are needed whole, such as a chart."""
        missing = [path for path in self._blobs if path not in self._known]
        self._known.update(self._read(missing))
        return self

    def below(self, folder: str) -> Files:
        """The files below a folder of these."""
        return Files(self.tree, posixpath.normpath(self.base + folder))

    def where(self, path: str = "") -> str:
        """A path as people know it, relative to the tree's root."""
        return (self.base + path).rstrip("/") or "."

    def entries(self) -> Iterator[SourceFile]:
        """Paths and blob ids."""
        return (SourceFile(path, blob) for path, blob in self._blobs.items())

    def skipped(self) -> tuple[Skipped, ...]:
        """What lies below the folder and is never read, by path relative to it."""
        return tuple(
            Skipped(s.path[len(self.base) :], s.why)
            for s in self.tree.skipped
            if s.path.startswith(self.base)
        )

    @property
    def tree_id(self) -> str:
        """Tells trees apart while they are open."""
        return str(id(self.tree))

    def only(self, paths: Iterable[str]) -> Files:
        """These files alone."""
        found = Files(self.tree, self.base)
        found._blobs = {path: self._blobs[path] for path in paths}
        return found

    def identity(self, pins: Pins, paths: Iterable[str] | None = None) -> str:
        """A digest over names and blob ids; pins where a file is not committed (semantics 30).

        `paths`: of these files alone, `""` for one that is not there any more.
        """
        wanted = sorted(self._blobs) if paths is None else sorted(paths)
        parts = []
        for path in wanted:
            if path not in self._blobs:
                return ""
            mark = self._blobs[path] or pins.pin(path, self[path])
            parts.append(f"{path}\0{mark}".encode(errors="surrogateescape"))
        return digest(*parts)

    def names(self, folder: str) -> str:
        """A digest over the names of the files below a folder: what a generated list depends on."""
        below = self.tree.files(posixpath.normpath(self.base + folder))
        return digest(*(f.path.encode(errors="surrogateescape") for f in below))

    def _read(self, paths: list[str]) -> dict[str, bytes]:
        found = self.tree.read([self.base + path for path in paths])
        return {path[len(self.base) :]: content for path, content in found.items()}


class Joined:
    """A tree into which files of others were copied; paths are those of the tree's root."""

    def __init__(self, files: Files) -> None:
        self.under = files.tree
        self._found = {files.where(e.path): (e.blob, files, e.path) for e in files.entries()}
        self._skipped = list(files.tree.skipped)

    def put(self, files: Files, source: str, target: str) -> None:
        """Copy a folder or a file to a path. Raises ClusterformError('no-such-folder',
        'bad-include', 'bad-archive')."""
        inside = f"{source}/" if source else ""
        chosen = {f"{target}/{p[len(inside) :]}": p for p in files if p.startswith(inside)}
        if source in files:
            chosen = {target: source}
        if not chosen:
            raise ClusterformError("no-such-folder", f"there is no {source or 'file'} in it")
        # source-controller renames, and the file system refuses what is there (internal/fs).
        folder = target == "." or any(path.startswith(f"{target}/") for path in self._found)
        above = [target[:at] for at, char in enumerate(target) if char == "/"]
        file = target in self._found and source not in files
        if folder or file or any(path in self._found for path in above):
            raise ClusterformError(
                "bad-include",
                f"{target} is there already",
                hint="choose another spec.include[].toPath",
            )
        blobs = {e.path: e.blob for e in files.entries()}
        self._found |= {to: (blobs[path], files, path) for to, path in chosen.items()}
        if len(self._found) > FILES:
            raise too_large(target)
        self._skipped += [
            Skipped(f"{target}/{s.path[len(inside) :]}", s.why)
            for s in files.skipped()
            if s.path.startswith(inside)
        ]

    def files(self, under: str = "") -> tuple[SourceFile, ...]:
        """The files below a folder, sorted by path."""
        root = under in ("", ".")
        return tuple(
            SourceFile(path, self._found[path][0])
            for path in sorted(self._found)
            if root or path == under or path.startswith(f"{under}/")
        )

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of files of this tree."""
        wanted = [(path, *self._found[path][1:]) for path in paths]
        return {path: files[inner] for path, files, inner in wanted}

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What is in it and is never read."""
        return tuple(sorted(self._skipped))


class Sources:
    """The files behind URLs; each tree is opened once.

    `store` and `pinned`: the cache, and what it is asked for.
    """

    def __init__(
        self,
        tree: SourceTree,
        entries: tuple[tuple[str, str], ...],
        store: Store,
        pinned: Pinned,
    ) -> None:
        self._tree = tree
        self._entries = dict(entries)
        self._store = store
        self._pinned = pinned
        self._trees: dict[tuple[Path, str], SourceTree] = {}
        self._archives: dict[str, Files] = {}
        self._own_url: str | None = None
        self.used: set[UsedSource] = set()
        """What was taken from outside the repository."""
        self._own = Files(tree)
        self._pinned_refs: dict[tuple[Path, str], bool] = {}

    def own(self, path: str = "") -> Files:
        """A folder of the fleet's own tree; all of it is one object, read once."""
        return Files(self._tree, path) if path else self._own

    def is_own(self, files: Files) -> bool:
        """These files are part of the fleet's own tree."""
        tree = files.tree.under if isinstance(files.tree, Joined) else files.tree
        return tree is self._tree

    def find(
        self,
        url: str,
        revision: SourceRevision,
        wanted: Wanted | None = None,
        name: str = "",
        kind: str = "",
    ) -> Files:
        """The files that a URL at a revision stands for.

        `wanted`: what that is where it is neither mapped nor the repository itself; by default the
        files of a Git repository. `kind` and `name` (`namespace/name`): of the object that says
        so; an entry `KIND/NAMESPACE/NAME` comes before one for its URL.
        Raises ClusterformError('unknown-source', 'not-fetched', 'no-such-folder', …).
        """
        mapped = self._entries.get(f"{kind}/{name}")
        if mapped is not None:
            return self._at(f"{kind}/{name}", mapped, revision)
        if not url:
            raise ClusterformError(
                "unknown-source",
                f"{kind} {name} has no URL: what it holds is made in the cluster",
                hint="name a folder in clusterform.yaml, spec.sources:"
                f' {{"{kind}/{name}": FOLDER}}',
            )
        found = local_folder(url, self._entries)
        if found is not None:
            return self._at(url, posixpath.normpath(posixpath.join(*found)), revision)
        if self._own_url is None:
            remote = git.remote_url(self._tree.root)
            self._own_url = normal_url(remote) if remote else ""
        if self._own_url and normal_url(url) == self._own_url:
            return self._own
        return self._locked(self._pinned(wanted or locked.of_git(url, revision), name))

    def _locked(self, pin: Locked) -> Files:
        """The files of a pin: of a chart its archive, under the name that a repository gives it."""
        self.used.add(
            UsedSource(url=pin.url, where=locked.FILE, revision=pin.resolved, digest=pin.digest)
        )
        key = f"{pin.form} {pin.chart} {pin.digest}"
        if key not in self._archives:
            content = self._store.read(pin.digest)
            if content is None:
                raise ClusterformError(
                    "not-fetched",
                    f"{pin.wanted.text} is locked, but not in this machine's cache",
                    hint="run: clusterform sources fetch",
                )
            if pin.form == "chart":
                version = pin.resolved.partition("@")[0]
                tree = Archive({f"{pin.chart or 'chart'}-{version}.tgz": content})
            elif pin.kind == "git":
                tree = unpack_commit(content, pin.wanted.text)
            else:
                tree = Archive(unpack(content, pin.wanted.text))
            self._archives[key] = Files(tree)
        return self._archives[key]

    def _is_pinned(self, path: Path, ref: str) -> bool:
        """A tag or commit of the folder's history, not a branch; asked once."""
        key = (path, ref)
        if key not in self._pinned_refs:
            self._pinned_refs[key] = path.is_dir() and git.is_pinned(path, ref)
        return self._pinned_refs[key]

    def _at(self, url: str, folder: str, revision: SourceRevision) -> Files:
        inside = not folder.startswith("..")
        named = revision.commit or revision.tag or revision.name
        path = (self._tree.root / folder).resolve()
        if revision.branch and self._is_pinned(path, revision.branch):
            named = revision.branch  # the Helm Operator's `ref` may be any of the three
        if inside and not named:
            if folder != "." and not self._tree.files(folder):
                raise _no_folder(folder)
            return self.own("" if folder == "." else folder)
        if not path.is_dir():
            raise _no_folder(folder)
        if (path, named) not in self._trees:
            self._trees[path, named] = git.open_tree(path, named or None)
        tree = self._trees[path, named]
        if not inside:
            self.used.add(
                UsedSource(
                    url=locked.clean_url(url), where=folder, revision=tree.commit or tree.describe
                )
            )
        return Files(tree)


def from_lock(lock: Lock) -> Pinned:
    """Pins of a lock; what it does not have is an error that names the ways out."""

    def pinned(wanted: Wanted, _: str) -> Locked:
        found = lock.find(wanted)
        if found is not None:
            return found
        url = wanted.url or "it"
        ways = f'name a local folder in clusterform.yaml, spec.sources: {{"{url}": FOLDER}}'
        if wanted.kind not in ("bucket", "other"):
            ways = f"pin it with clusterform sources lock, or {ways}"
        raise ClusterformError(
            "unknown-source",
            f"nothing says where {url} is found",
            hint=f"a plan fetches nothing: {ways}",
        )

    return pinned


def _no_folder(folder: str) -> ClusterformError:
    return ClusterformError(
        "no-such-folder",
        f"there is no folder {folder} for this source",
        hint="clusterform.yaml, spec.sources: paths are relative to the fleet's root",
    )
