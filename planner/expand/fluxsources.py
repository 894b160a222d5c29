"""The files of a Flux source, with what a GitRepository includes of others.

Source: source-controller v1.9, internal/controller/gitrepository_controller.go (`reconcileInclude`)
and storage.go (`CopyToPath`): a folder of another repository's artifact is moved to a path that is
not there yet; what `.sourceignore` and `spec.ignore` leave out of that artifact is not copied.
"""

from __future__ import annotations

import posixpath

import msgspec

from planner.expand.index import Index
from planner.expand.sources import Files, Joined, Sources
from providers.flux import sourceignore
from providers.flux.sources import Included, Source, read
from providers.locked import of_source
from state.errors import ClusterformError

_LOOP = "include-loop"


class FluxSources:
    """Finds files of sources; each repository is joined with its includes once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._joined: dict[tuple[str, ...], Files] = {}
        self._open: list[tuple[str, ...]] = []
        """The sources that are being joined, outermost first."""

    def files(self, management: str, source: Source, index: Index, path: str) -> Files:
        """What a source holds; `path`: the part that is wanted. Raises ClusterformError."""
        name = f"{source.namespace}/{source.name}"
        wanted = of_source(source)
        found = self._sources.find(source.url, source.revision, wanted, name, source.kind)
        if source.recurse_submodules:
            _check_submodules(found, posixpath.normpath(path))
        if not source.include:
            return found
        key = (management, *source.key)
        if key in self._open:
            way = " → ".join(one[-1] for one in (*self._open, key))
            raise ClusterformError(_LOOP, f"GitRepositories include each other: {way}")
        if key not in self._joined:
            self._open.append(key)
            try:
                self._joined[key] = self._with_includes(management, source, index, found)
            finally:
                self._open.pop()
        return self._joined[key]

    def _with_includes(self, management: str, source: Source, index: Index, found: Files) -> Files:
        tree = Joined(found)
        for one in source.include:
            try:
                files = self._included(management, source, index, one)
                tree.put(files, _inside(one.from_path), found.where(_inside(one.to_path)))
            except ClusterformError as error:
                if error.code == _LOOP:
                    raise
                raise ClusterformError(
                    error.code,
                    f"GitRepository {source.namespace}/{source.name} includes {one.repository}:"
                    f" {error.brief}",
                    detail=error.detail,
                    hint=error.hint,
                ) from None
        return Files(tree, found.base)

    def _included(self, management: str, source: Source, index: Index, include: Included) -> Files:
        document = index.get(management, "GitRepository", source.namespace, include.repository)
        if document is None:
            raise ClusterformError(
                "no-source",
                f"GitRepository {source.namespace}/{include.repository} is not in Git",
                hint="declare it beside the one that includes it",
            )
        other = read(msgspec.json.decode(document.body))
        return kept(self.files(management, other, index, include.from_path), other.ignore)


def kept(files: Files, ignore: str | None) -> Files:
    """Without what source-controller leaves out of an artifact (`.sourceignore`, `spec.ignore`)."""
    rules = {path: files[path] for path in files if path.rpartition("/")[2] == ".sourceignore"}
    if ignore is None and not rules:
        return files
    return files.only(sourceignore.kept(list(files), rules, ignore))


def _inside(path: str) -> str:
    """A path that cannot lead above its root (securejoin)."""
    return posixpath.normpath(f"/{path}").strip("/")


def _check_submodules(files: Files, path: str) -> None:
    """Submodules of folders on this machine are not read: a plan goes by one commit."""
    for skipped in files.skipped():
        if "submodule" not in skipped.why:
            continue
        inside = f"{skipped.path}/".startswith(f"{path}/") or f"{path}/".startswith(
            f"{skipped.path}/"
        )
        if inside or path == ".":
            raise ClusterformError(
                "submodule",
                f"{files.where(skipped.path)} is a submodule of a folder on this machine: it is"
                " not read",
                hint="take the folder out of spec.sources, then clusterform sources lock fetches"
                " the repository with its submodules; or declare the submodule's repository as a"
                " GitRepository and name it in spec.include",
            )
