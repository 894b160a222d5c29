"""The CRDs of management clusters, as `sources lock` notes them for checks without a cluster.

Noted are kinds of the API groups that the repository names and whose CRDs it does not have itself:
what Git has, Git judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from planner.load import Loaded
from planner.schemas import Schemas
from planner.workspace import Workspace
from providers import crds, locked
from providers.archive import digest_of
from providers.builtin import KINDS
from providers.crds import Definitions, definition
from providers.git import SourceTree
from providers.management import CRD
from state.errors import ClusterformError
from state.resource import split_api_version

_NAMED = re.compile(rb"apiVersion:\s*[\"']?([a-z0-9.-]+)/")
_READ = (".yaml", ".yml", ".tpl")


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two locks."""

    what: str
    before: str
    """`""`: it was not there."""
    after: str
    """`""`: it is not there any more."""


class Reading:
    """One look at the CRDs of all management clusters."""

    def __init__(self, workspace: Workspace, loaded: Loaded) -> None:
        self._workspace = workspace
        self._git = Schemas().with_declared(loaded.documents)
        self._groups = _groups(workspace, loaded)
        self.notes: list[str] = []
        """What could not be read, and what was done instead."""
        self._old = _known(workspace.tree)
        self._new: Definitions = {}

    def content(self) -> bytes:
        """The new file; nothing where no kind is to be noted."""
        for spec in sorted(self._workspace.declared.fleet.management, key=lambda m: m.name):
            try:
                found = self._read(spec.name)
            except ClusterformError as error:
                found = {key: each for key, each in self._old.items() if key[0] == spec.name}
                stays = "what was noted stays" if found else "nothing is held to them"
                if error.code != "unreachable":  # that is said of the cluster already
                    self.notes.append(f"{spec.name}: CRDs: {error.brief}; {stays}")
            self._new |= found
        return crds.write(self._new)

    @property
    def moved(self) -> Iterator[Moved]:
        """Kinds whose versions or schemas are others, by cluster."""
        for name in sorted({cluster for cluster, _ in (*self._old, *self._new)}):
            before, after = (
                {
                    str(kind): crds.write({(cluster, kind): found})
                    for (cluster, kind), found in noted.items()
                    if cluster == name
                }
                for noted in (self._old, self._new)
            )
            changed = [k for k in sorted(before.keys() & after.keys()) if before[k] != after[k]]
            if before.keys() == after.keys() and changed:
                yield Moved(
                    what=f"CRDs of {name}", before=", ".join(changed), after="other schemas"
                )
            elif before != after:
                said = (", ".join(found) for found in (before, after))
                yield Moved(what=f"CRDs of {name}", before=next(said), after=next(said))

    def _read(self, management: str) -> Definitions:
        client = self._workspace.api(management)
        found: Definitions = {}
        for live in client.objects(f"{CRD.group}/v1", CRD.kind, KINDS[CRD]):
            kind, versions = definition(live.body)
            key = (management, kind)
            if kind.group in self._groups and versions and key not in self._git.declared:
                found[key] = versions
        return found


def noted(tree: SourceTree) -> Definitions:
    """The CRDs of management clusters, as `sources lock` noted them.

    Raises ClusterformError('bad-lock') where the file is not the one of the lock.
    """
    present = [path for path in (locked.FILE, crds.FILE) if tree.files(path)]
    files = tree.read(present)
    wanted = locked.read(files[locked.FILE]).schemas if locked.FILE in files else ""
    if not wanted:
        return {}
    if crds.FILE not in files:
        raise crds.bad_file(f"it is not there, and {locked.FILE} has its digest")
    found = digest_of(files[crds.FILE])
    if found != wanted:
        raise crds.bad_file(f"it is {found}, and {locked.FILE} says {wanted}")
    return crds.read(files[crds.FILE])


def _known(tree: SourceTree) -> Definitions:
    """The same; nothing where it does not belong to the lock: it is made anew."""
    try:
        return noted(tree)
    except ClusterformError:
        return {}


def _groups(workspace: Workspace, loaded: Loaded) -> set[str]:
    """The API groups that objects of the repository are of, or that any of its files names."""
    found = {split_api_version(document.version)[0] for document in loaded.documents}
    paths = [f.path for f in workspace.tree.files() if f.path.endswith(_READ)]
    for content in workspace.tree.read(paths).values():
        found.update(group.decode() for group in _NAMED.findall(content))
    return found
