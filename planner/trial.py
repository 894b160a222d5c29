"""A fleet of its own for an edit: what the repository says, brought up in memory, then changed.

The answer to "would this roll machines?" is the planner's own: the release and what it shares with
others is applied to a built-in cluster in a temporary folder, on a clock that is driven, and the
edit is planned against it. No real cluster is looked at.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from planner import app
from planner.app import ApplyOptions
from planner.changes import Plan
from planner.load import Loaded, LoadedDocument
from planner.plan import Options
from planner.workspace import Ids, Workspace
from providers.kube.sandbox.clock import ManualClock
from state.errors import ClusterformError
from state.resource import FieldPath

START = 1_800_000_000.0

Altered = Callable[[LoadedDocument], LoadedDocument]


class Trial:
    """One repository, brought up in a temporary folder; use as a context."""

    def __init__(self, workspace: Workspace) -> None:
        self._origin = workspace
        self._folder = Path()
        self._clock = ManualClock(START)

    def __enter__(self) -> Trial:
        self._folder = Path(tempfile.mkdtemp(prefix="clusterform-trial-"))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def plan_of(self, release: str, values: tuple[tuple[FieldPath, Any], ...]) -> Plan:
        """The plan of an edit of a release, with everything of it applied before.

        Raises ClusterformError('no-release', 'trial').
        """
        loaded = self._origin.checked()
        before = _only(loaded, release)
        if before is None:
            raise ClusterformError(
                "no-release",
                f"the repository has no release {release}",
                hint="write NAMESPACE/NAME of a HelmRelease or WorkloadCluster",
            )
        after = _only(self._origin.altered(release, values), release)
        assert after is not None
        self._apply(before)
        return app.plan(self._workspace(after), Options(refresh="off"))

    def _apply(self, loaded: Loaded) -> None:
        workspace = self._workspace(loaded)
        made = app.plan(workspace, Options())
        blocked = [f for f in made.findings if f.kind in ("blocked", "unreadable", "refused")]
        if blocked:
            raise ClusterformError(
                "trial", f"the release cannot be tried: {blocked[0].summary}", hint=blocked[0].hint
            )
        done = app.apply(workspace, made, None, ApplyOptions(), lambda _: None, lambda _: None)
        if done.count("failed"):
            failed = next(r for r in done.results if r.outcome == "failed")
            raise ClusterformError("trial", f"the release cannot be tried: {failed.message}")

    def _workspace(self, loaded: Loaded) -> Workspace:
        ids = Ids(
            wall=self._clock.now,
            steady=self._clock.now,
            sleep=self._clock.sleep,
            run_id=lambda: f"trial{int(self._clock.now())}",
            who="test",
            host="test",
        )
        workspace = Workspace(self._folder, ids=ids, clock=self._clock, cache=False)
        workspace.__dict__["loaded"] = _sandboxed(loaded)
        workspace.__dict__["secrets"] = self._origin.secrets
        return workspace


def _sandboxed(loaded: Loaded) -> Loaded:
    """The same fleet on built-in clusters, without limits: what it may do is the test's to say."""
    management = tuple(
        msgspec.structs.replace(m, context="", in_cluster=False) for m in loaded.fleet.management
    )
    fleet = msgspec.structs.replace(loaded.fleet, management=management)
    return msgspec.structs.replace(loaded, fleet=fleet)


def _only(loaded: Loaded, release: str) -> Loaded | None:
    """The release and everything that belongs to no other one; None where it is not there."""
    own, shared = [], []
    for document in loaded.documents:
        made = document.release
        if made is not None and f"{made.namespace}/{made.name}" == release:
            own.append(document)
        elif made is None or made.kind == "kustomization":
            shared.append(document)
    if not own:
        return None
    homes = {(d.management, d.kind, d.name) for d in shared}
    for document in own:
        home = (document.management, "Namespace", document.namespace)
        if document.namespace and not document.cluster and home not in homes:
            homes.add(home)
            shared.append(_namespace(document))
    return msgspec.structs.replace(loaded, documents=(*shared, *own))


def _namespace(document: LoadedDocument) -> LoadedDocument:
    """A namespace that another release brings, or that is made by hand."""
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": document.namespace},
    }
    return msgspec.structs.replace(
        document,
        version="v1",
        kind="Namespace",
        namespace="",
        name=document.namespace,
        body=msgspec.json.encode(body),
        secrets=(),
        release=None,
        once=False,
    )
