"""Releases that somebody else runs: refused, or taken over in planned steps.

Two writers of one release undo each other. A live HelmRelease or Kustomization that is not
suspended has its controller behind it; a release that Helm itself has on record belongs to whoever
ran it. `--adopt KIND/NAMESPACE/NAME` agrees: the plan then suspends the live object first, and its
objects are adopted. Source: docs/gitops.md; helm-controller v1.6 and kustomize-controller v1.9 skip
what `spec.suspend` says; Helm's storage driver names its Secrets by the labels `owner` and `name`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator

import msgspec

from planner.changes import ActionId, Change, FieldChange, Finding, MustBe, Take, Verb
from planner.expansions import release_key
from planner.keepers import Keepers
from planner.planned import Planned
from planner.ssa import peoples_tool, split_conflicts
from providers.builtin import Served
from providers.helm import release as helm
from providers.kube.client import KubeClient
from state.errors import ClusterformError
from state.fields import value_at
from state.fingerprint import fingerprint
from state.live import Observation, Present
from state.recorded import Records
from state.resource import (
    GroupKind,
    JsonObject,
    Release,
    Resource,
    ResourceId,
    canonical,
)

_SUSPEND = ("f:spec", "f:suspend")
_SECRETS = Served("secrets", True)
_HELM_NAME = "meta.helm.sh/release-name"
"""Annotation that Helm puts on every object of a release (helm/helm v4, pkg/action/validate.go)."""

ClientOf = Callable[[str], KubeClient | None]


class Hold(msgspec.Struct, frozen=True):
    """Why nothing of a release is written."""

    reason: str
    hint: str = ""
    unread: bool = False


class Agreed:
    """What `--adopt` names: patterns over `KIND/NAMESPACE/NAME`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)

    def release(self, release: Release) -> bool:
        """The release of Git is named."""
        return self._named(f"{release.kind}/{release.namespace}/{release.name}")

    def check(self, resources: Iterable[Resource], records: Records) -> None:
        """Raises ClusterformError('no-match') for a pattern that no release matches.

        One that left Git counts as long as something of it is on record.
        """
        found = {r.release for r in resources if r.release is not None}
        found |= {r.release for r in records.values() if r.release is not None}
        names = {f"{r.kind}/{r.namespace}/{r.name}" for r in found}
        for pattern in self._patterns:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                raise ClusterformError(
                    "no-match",
                    f"--adopt {pattern}: there is no such release in Git",
                    hint="write HelmRelease/NAMESPACE/NAME or Kustomization/NAMESPACE/NAME",
                )

    def _named(self, text: str) -> bool:
        return any(fnmatch.fnmatchcase(text, pattern) for pattern in self._patterns)


class Takeovers:
    """Decides release by release, each once, when the first of its objects would be written."""

    def __init__(
        self, keepers: Keepers, client: ClientOf, records: Records, agreed: Agreed
    ) -> None:
        self._keepers = keepers
        self._client = client
        self._agreed = agreed
        self._released = {i: r.release for i, r in records.items() if r.release is not None}
        self._ours = {
            release_key(id_.cluster, release)
            for id_, release in self._released.items()
            if records[id_].uid
        }
        self._holds: dict[str, Hold | None] = {}
        self._helm: dict[tuple[str, str], dict[str, str] | str] = {}
        self._suspending: dict[ResourceId, Planned] = {}
        self._units: dict[ResourceId, set[str]] = {}
        self._counts: dict[tuple[Hold, str, str], int] = {}
        self.findings: list[Finding] = []
        """Warnings about what is taken over."""

    def hold(self, resource: Resource, live: Observation) -> Hold | None:
        """Why an object that would be written is not, for its release; None: nothing against it."""
        if resource.release is None:
            return None
        where = str(resource.origin)
        return self._hold(resource.id.cluster, resource.release, resource.unit, where, live)

    def hold_removal(self, live: Present, unit: str) -> Hold | None:
        """Why an object that left Git is not deleted, for the release that it was written by."""
        release = self._released.get(live.id)
        return self._hold(live.id.cluster, release, unit, "", live) if release else None

    def _hold(
        self, cluster: str, release: Release, unit: str, where: str, live: Observation
    ) -> Hold | None:
        if release.kind not in ("HelmRelease", "Kustomization"):
            return None
        key = release_key(cluster, release)
        if key not in self._holds:
            self._holds[key] = self._decide(cluster, release, key)
        found = self._holds[key]
        if found is None and key not in self._ours and release.kind == "HelmRelease":
            found = self._by_annotation(release, live)
        if found is not None:
            counted = (found, unit, where)
            self._counts[counted] = self._counts.get(counted, 0) + 1
        else:
            for id_ in self._live_ids(cluster, release):
                self._units.setdefault(id_, set()).add(unit)
        return found

    def steps(self) -> Iterator[Planned]:
        """The writes that suspend what runs the releases that are taken over."""
        for id_, planned in sorted(self._suspending.items()):
            units = self._units.get(id_, set())
            if units:
                unit = next(iter(units)) if len(units) == 1 else id_.cluster
                planned.change = msgspec.structs.replace(planned.change, unit=unit)
                yield planned

    def held(self) -> Iterator[Finding]:
        """One finding for every release and unit that is held."""
        counts = dict(self._counts)
        for hold, unit, where in self._counts:
            if where and (hold, unit, "") in counts:  # what left Git has no place there
                counts[hold, unit, where] += counts.pop((hold, unit, ""))
        for (hold, unit, where), count in sorted(counts.items(), key=lambda c: c[0][1:]):
            yield Finding(
                kind="unreadable" if hold.unread else "refused",
                summary=f"{hold.reason}; {count} change{'s' * (count > 1)} held back",
                unit=unit,
                where=where,
                hint=hold.hint,
            )

    # ------------------------------------------------------------------ one release

    def _decide(self, cluster: str, release: Release, key: str) -> Hold | None:
        management = cluster.partition("/")[0]
        runner = self._keepers.runner(management, release)
        if runner.unreadable:
            return Hold(
                f"whether somebody runs {release.text} is not known: {runner.unreadable}",
                unread=True,
            )
        running = [
            found.live
            for found in self._keepers.runners(management, release)
            if found.live is not None and found.running
        ]
        if running:
            holds = [self._taken(release, live) for live in running]
            return next((hold for hold in holds if hold is not None), None)
        if runner.live is not None:
            return None
        if release.kind == "HelmRelease" and key not in self._ours:
            return self._helm_has(cluster, release)
        return None

    def _taken(self, release: Release, live: Present) -> Hold | None:
        """A running release: suspended first, where that was agreed to."""
        who = _controller(live.id.group_kind)
        if not self._agreed.release(release):
            return Hold(
                f"{release.text} is run by {who}, which would write back what changes",
                _hint(release, suspends=live.id.group_kind != helm.OPERATOR),
            )
        if live.id.group_kind == helm.OPERATOR:
            self.findings.append(
                Finding(
                    kind="warning",
                    summary=f"{release.text} is taken over from {who}, which cannot suspend it",
                    hint="stop the Helm Operator (scale it to 0) before this plan is applied",
                )
            )
            return None
        body = _suspended(live)
        takes, conflicts = split_conflicts(body, live, peoples_tool)
        if conflicts:
            return Hold(
                f"{release.text} cannot be suspended: {conflicts[0].manager} owns spec.suspend",
                "set spec.suspend: true where that one has it from",
            )
        self._suspending[live.id] = self._step(release, live, body, takes)
        return None

    def _step(
        self, release: Release, live: Present, body: JsonObject, takes: tuple[Take, ...]
    ) -> Planned:
        how = self._client(live.id.cluster)
        served = how.find(live.id.group_kind) if how else None
        assert served is not None, "it was read a moment ago"
        before = value_at(live.body, _SUSPEND)
        field = FieldChange(path=_SUSPEND, after=True)
        if isinstance(before, bool):
            field = msgspec.structs.replace(field, before=before)
        change = Change(
            action=ActionId(live.id),
            version=live.version,
            plural=served[1].plural,
            namespaced=True,
            unit=live.id.cluster,
            verb=Verb.SUSPEND,
            body=msgspec.Raw(canonical(body)),
            fields=(field,),
            takes=takes,
            precondition=MustBe(uid=live.uid, fingerprint=fingerprint(live, (_SUSPEND,))),
            reason=f"{_controller(live.id.group_kind)} would write back what changes",
            release=release,
        )
        return Planned(change=change, after=None, live=live)

    # ------------------------------------------------------------------ Helm itself

    def _helm_has(self, cluster: str, release: Release) -> Hold | None:
        """Helm has a release of this name on record, and no HelmRelease is there to explain it."""
        where = (cluster, release.storage_namespace)
        if where not in self._helm:
            self._helm[where] = self._helm_releases(*where)
        found = self._helm[where]
        if isinstance(found, str):
            self.findings.append(
                Finding(
                    kind="warning",
                    summary=f"whether Helm itself installed {release.text} is not known: {found}",
                    hint="only its objects are looked at; `list` on secrets there lets a plan see",
                )
            )
            return None
        if release.release_name not in found:
            return None
        status = found[release.release_name]
        text = (
            f"Helm has a release {release.release_name} in namespace"
            f" {release.storage_namespace} ({status}), which is not {release.text}'s"
        )
        return self._of_helm(release, text)

    def _by_annotation(self, release: Release, live: Observation) -> Hold | None:
        """An object that Helm made, and no HelmRelease is there to explain it."""
        name = live.annotations.get(_HELM_NAME) if isinstance(live, Present) else None
        if name is None or not isinstance(live, Present):
            return None
        management = live.id.cluster.partition("/")[0]
        if self._keepers.runner(management, release).live is not None:
            return None
        return self._of_helm(release, f"{live.id} belongs to release {name} of Helm itself")

    def _of_helm(self, release: Release, text: str) -> Hold | None:
        if not self._agreed.release(release):
            return Hold(text, _hint(release, suspends=False))
        warning = Finding(
            kind="warning",
            summary=f"{text}: its objects are taken over",
            hint="Helm's record of it stays: do not upgrade or uninstall it by helm any more",
        )
        if warning not in self.findings:
            self.findings.append(warning)
        return None

    def _helm_releases(self, cluster: str, namespace: str) -> dict[str, str] | str:
        """Releases by name with the status of the newest one; a text: why that is not known."""
        client = self._client(cluster)
        if client is None:
            return {}  # its Cluster is made by this plan, or was said to be unreadable
        found: dict[str, tuple[int, str]] = {}
        try:
            listed = client.labels("v1", _SECRETS, namespace=namespace, selector="owner=helm")
            for labels in listed:
                name, version = labels.get("name", ""), labels.get("version", "")
                number = int(version) if version.isdigit() else 0
                found[name] = max(
                    found.get(name, (0, "")), (number, labels.get("status", "unknown"))
                )
        except ClusterformError as error:
            return error.brief
        return {
            name: f"revision {number}, {status}"
            for name, (number, status) in found.items()
            if status != "uninstalled"
        }

    def _live_ids(self, cluster: str, release: Release) -> Iterator[ResourceId]:
        management = cluster.partition("/")[0]
        for runner in self._keepers.runners(management, release):
            if runner.live is not None:
                yield runner.live.id


def _suspended(live: Present) -> JsonObject:
    return {
        "apiVersion": live.version,
        "kind": live.id.kind,
        "metadata": {"name": live.id.name, "namespace": live.id.namespace},
        "spec": {"suspend": True},
    }


def _controller(kind: GroupKind) -> str:
    return "the Helm Operator" if kind == helm.OPERATOR else "Flux"


def _hint(release: Release, *, suspends: bool) -> str:
    name = f"{release.kind}/{release.namespace}/{release.name}"
    how = "suspends it first, then adopts its objects" if suspends else "adopts its objects"
    return f"plan --adopt {name} {how}"
