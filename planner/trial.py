"""A fleet of its own for an edit: what the repository says, brought up in memory, then changed.

The answer to "would this roll machines?" is the planner's own: the release and what it shares with
others is applied to a built-in cluster in a temporary folder, on a clock that is driven, and the
edit is planned against it. No real cluster is looked at.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path

import msgspec

from planner import app
from planner.app import ApplyOptions
from planner.changes import Plan
from planner.load import Loaded, LoadedDocument
from planner.plan import Options
from planner.workspace import Ids, Workspace
from providers.kube.sandbox.clock import ManualClock
from state.errors import ClusterformError
from state.resource import digest

START = 1_800_000_000.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit does, as far as tests ask."""

    machines: dict[str, int] = {}
    """How many are replaced, added, removed and destroyed."""
    because: dict[str, tuple[str, ...]] = {}
    """The first changes behind each number."""
    refused: tuple[str, ...] = ()


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """An edit to try: what is applied first, and what is planned then."""

    before: Loaded
    after: Loaded


def prepared(loaded: Loaded, release: str, changed: tuple[LoadedDocument, ...]) -> Tried:
    """A release with what it shares with others, and the same with other objects of its own.

    Raises ClusterformError('no-release').
    """
    own = tuple(d for d in loaded.documents if _is_of(d, release))
    if not own:
        raise ClusterformError(
            "no-release",
            f"the repository has no release {release}",
            hint="write NAMESPACE/NAME of a HelmRelease or WorkloadCluster",
        )
    return Tried(before=_only(loaded, own), after=_only(loaded, changed))


def identity(tried: Tried) -> str:
    """A digest over everything that the outcome of an edit depends on, but this program."""
    parts = []
    for loaded in (tried.before, tried.after):
        parts += [msgspec.msgpack.encode(p) for p in (loaded.fleet, loaded.providers)]
        parts += [msgspec.msgpack.encode(loaded.orders)]
        parts += [msgspec.msgpack.encode(d) for d in loaded.documents]
    return digest(*parts)


def outcome(origin: Workspace, tried: Tried) -> Outcome:
    """What an edit does, by the planner. Raises ClusterformError('trial')."""
    with Trial(origin) as trial:
        plan = trial.plan_of(tried)
    names = ("replaced", "added", "removed", "destroyed")
    return Outcome(
        machines={name: sum(getattr(c.impact, name) for c in plan.changes) for name in names},
        because={name: _why(plan, name) for name in names},
        refused=tuple(f.summary for f in plan.findings if f.kind in ("refused", "blocked")),
    )


def _why(plan: Plan, name: str) -> tuple[str, ...]:
    found = (
        f"{c.id.kind} {c.id.name}: {c.impact.because or 'by its fields'}"
        for c in plan.changes
        if getattr(c.impact, name)
    )
    return tuple(itertools.islice(found, 3))


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

    def plan_of(self, tried: Tried) -> Plan:
        """The plan of an edit, with everything applied before. Raises ClusterformError('trial')."""
        self._apply(tried.before)
        return app.plan(self._workspace(tried.after), Options(refresh="off"))

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
        workspace.__dict__["declared"] = workspace.__dict__["loaded"] = _sandboxed(loaded)
        workspace.__dict__["secrets"] = self._origin.secrets
        return workspace


def _sandboxed(loaded: Loaded) -> Loaded:
    """The same fleet on built-in clusters, without limits: what it may do is the test's to say."""
    management = tuple(
        msgspec.structs.replace(m, context="", in_cluster=False) for m in loaded.fleet.management
    )
    fleet = msgspec.structs.replace(loaded.fleet, management=management)
    return msgspec.structs.replace(loaded, fleet=fleet)


def _is_of(document: LoadedDocument, release: str) -> bool:
    made = document.release
    return made is not None and f"{made.namespace}/{made.name}" == release


def _only(loaded: Loaded, own: tuple[LoadedDocument, ...]) -> Loaded:
    """Objects of one release, and everything that belongs to no other one."""
    shared = [d for d in loaded.documents if d.release is None or d.release.kind == "kustomization"]
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
