"""The rules of validation in a plan: run for what changes, before anything is written to it.

What a rule calls an error refuses the write, and `planner.held` holds what waits for it; warnings
are findings. Nothing is asked of a server for a plan without changes. What cannot be read is not
known, and nothing is claimed about it. Rules: planner.rules; docs/validation.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from planner.changes import Finding, Verb
from planner.facts import FactReader
from planner.impact import read_before
from planner.outcome import Outcome
from planner.planned import Planned
from planner.refresh import Reader
from planner.render import Scopes
from planner.rotation import LineOf
from planner.rules import controllers, due, forms, live, offline, references, removal
from planner.rules.controllers import Manager
from planner.rules.offline import core_of
from planner.rules.subject import Declared, Problem, Subject, accepted, accepts, subject
from planner.units import ADDONS, cluster_of_unit, direct_unit, is_workload
from providers.builtin import KINDS
from providers.capi import CLUSTER, CLUSTER_CLASS, GROUP, MACHINE_DEPLOYMENT
from providers.controlplane import KUBEADM
from providers.kube.answers import ApiError
from providers.management import CRD, DEPLOYMENT, NAMESPACE
from providers.registry import needed, rules
from state.desired import ProviderSpec
from state.errors import ClusterformError
from state.live import Absent, Present
from state.resource import JsonObject, Resource, ResourceId

_NO_LIST = (
    "no right to list Deployments in {}: feature gates, watched namespaces and supported versions"
    " were not looked at"
)
_ROLLED = (KUBEADM, MACHINE_DEPLOYMENT)


class Around(msgspec.Struct, kw_only=True):
    """The ways to what is live."""

    reader: Reader
    scopes: Scopes
    facts: FactReader


class Checks:
    """One pass over the changes of a plan."""

    def __init__(
        self, around: Around, physical: Iterable[Resource], out: Outcome, line_of: LineOf
    ) -> None:
        self._around = around
        self._live = around.reader.live
        self._git = {r.id: r for r in physical}
        self._out = out
        self._line_of = line_of
        self._fetched: dict[ResourceId, JsonObject | None] = {}

    def run(
        self, planned: list[Planned], providers: tuple[ProviderSpec, ...], now: float
    ) -> list[Planned]:
        """The changes; those that a rule refuses have become phantoms.

        `now`: seconds since 1970; 0 where that is not known, and then nothing is due.
        """
        real = [p for p in planned if not p.phantom and p.change.verb is not Verb.FORGET]
        if not real:
            return planned
        units = {p.change.unit for p in real}
        subjects = [
            subject(r) for r in self._git.values() if r.unit in units and offline.concerned(r.id)
        ]
        writes = {p.change.id for p in real if not p.change.deletes}
        objects = Declared(subjects, self._elsewhere, self._absent)
        self._old(subjects, writes)
        problems = [*self._offline(subjects, objects, providers)]
        problems += self._versions(real, objects)
        problems += self._contracts(real)
        refused = self._in_use(real)
        refused |= {p.id for p in problems if self._say(p, writes)}
        self._paused(units, objects)
        if now:
            self._due(real, subjects, now)
        return [
            msgspec.structs.replace(p, phantom=True) if p.change.id in refused else p
            for p in planned
        ]

    # ------------------------------------------------------------------ what is known

    def _elsewhere(self, id_: ResourceId) -> JsonObject | None:
        """Git in other units, then what was read, then a GET for kinds that were not listed."""
        declared = self._git.get(id_)
        if declared is not None:
            return declared.decoded()
        seen = self._live.observe(id_)
        if isinstance(seen, Present):
            return seen.body
        listed = (id_.cluster, id_.group_kind) in self._live.listed
        if isinstance(seen, Absent) or listed or not offline.concerned(id_):
            return None
        if id_ not in self._fetched:
            self._fetched[id_] = self._get(id_)
        return self._fetched[id_]

    def _get(self, id_: ResourceId) -> JsonObject | None:
        client = self._around.reader.client(id_.cluster)
        try:
            how = client.find(id_.group_kind) if client is not None else None
            found = client.get(id_, how[0], how[1]) if client is not None and how else None
        except ClusterformError:
            return None
        return found.body if isinstance(found, Present) else None

    def _absent(self, id_: ResourceId) -> bool:
        """Proven to be nowhere; of ConfigMaps `planner.work` says it already."""
        return id_.kind == "Secret" and isinstance(self._live.observe(id_), Absent)

    def _managers(self, management: str) -> tuple[Manager, ...]:
        """The providers that run, as Git will have them."""
        bodies = {
            id_: r.decoded()
            for id_, r in self._git.items()
            if id_.cluster == management and id_.group_kind == DEPLOYMENT
        }
        client = self._around.reader.client(management)
        try:
            if client is not None:
                for found in client.objects(
                    "apps/v1",
                    DEPLOYMENT.kind,
                    KINDS[DEPLOYMENT],
                    selector=controllers.PROVIDER,
                ):
                    bodies.setdefault(found.id, found.body)
        except ApiError as error:
            if error.code == "api-forbidden":
                self._note(
                    "V19",
                    _NO_LIST.format(management),
                    "grant list on deployments: docs/rbac/plan.yaml",
                )
        return controllers.managers(bodies.values())

    # ------------------------------------------------------------------ the rules

    def _offline(
        self, subjects: list[Subject], objects: Declared, providers: tuple[ProviderSpec, ...]
    ) -> Iterator[Problem]:
        by_management: dict[str, list[Subject]] = {}
        for each in subjects:
            by_management.setdefault(each.id.cluster, []).append(each)
        for management, mine in sorted(by_management.items()):
            if is_workload(management):
                continue
            known = self._managers(management)
            yield from offline.check(mine, objects, known, core_of(providers, management))
            client = (
                self._around.reader.client(management) if controllers.core_version(known) else None
            )
            running = client.server_version() if client is not None else ""
            if why := controllers.management_version(running, known):
                said = f"{management} runs Kubernetes {running}: {why}"
                self._note("V6", said, "upgrade the one that is behind")

    def _old(self, subjects: list[Subject], writes: set[ResourceId]) -> None:
        """V23: once for all changes of a plan."""
        old = [
            s
            for s in subjects
            if s.id in writes and forms.is_old(s) and "V23" not in accepts(s.body)
        ]
        if old:
            first = min(old, key=lambda s: s.id)
            more = f" and {len(old) - 1} more" if len(old) > 1 else ""
            said = f"{first.id}{more}: {forms.old_text(first.version, 1)}"
            self._note("V23", said, forms.OLD_HINT)

    def _versions(self, real: list[Planned], objects: Declared) -> Iterator[Problem]:
        """V2, V3, V9 over the states that each object goes through."""
        steps: dict[ResourceId, list[Planned]] = {}
        for item in real:
            if item.change.id.group_kind in live.VERSIONED and not item.change.deletes:
                steps.setdefault(item.change.id, []).append(item)
        for id_, items in sorted(steps.items()):
            before = items[0].live
            if before is None:
                continue
            ordered = sorted(items, key=lambda p: p.change.action)
            states = (before.body, *(p.after for p in ordered if p.after is not None))
            yield from live.changes(id_, states, _class_of(id_, states[-1], objects))

    def _contracts(self, real: list[Planned]) -> Iterator[Problem]:
        """V16: kinds that new objects refer to can be resolved by Cluster API."""
        wanted: dict[tuple[str, str, str], ResourceId] = {}
        for item in real:
            by_core = item.change.id.group == GROUP or item.change.id.group_kind == KUBEADM
            if by_core and item.change.verb is Verb.CREATE and item.after is not None:
                for found in needed(item.after, item.change.id):
                    key = (found.cluster, found.group, found.kind)
                    wanted.setdefault(key, item.change.id)
        for (cluster, group, kind), user in sorted(wanted.items()):
            about = ResourceId(cluster, group, kind, "", "")
            definition = self._definition(about)
            if why := references.contract(about, group, definition):
                yield Problem(rule="V16", severity="error", id=user, reason=why)

    def _definition(self, about: ResourceId) -> JsonObject | None:
        if not references.is_provided(about.group):
            return None
        served = self._around.scopes.get(about.cluster, about.group_kind)
        if served is None or not served.plural:
            return None
        name = f"{served.plural}.{about.group}"
        id_ = ResourceId(about.cluster, CRD.group, CRD.kind, "", name)
        if id_ in self._git:
            return self._git[id_].decoded()
        seen = self._live.observe(id_)
        if isinstance(seen, Present | Absent):
            return seen.body if isinstance(seen, Present) else None
        if id_ not in self._fetched:
            self._fetched[id_] = self._get(id_)
        return self._fetched[id_]

    def _in_use(self, real: list[Planned]) -> set[ResourceId]:
        """V20: removals of what something that stays still uses."""
        removed = {p.change.id: p for p in real if p.change.verb in (Verb.DELETE, Verb.PRUNE)}
        if not removed:
            return set()
        found = removal.users(removed.keys(), self._staying(removed))
        for id_, by in sorted(found.items()):
            self._out.refused[id_] = removal.reason(by)
            self._out.findings.append(
                Finding(
                    kind="refused",
                    code="V20",
                    summary=f"{id_} is to be deleted, and {removal.reason(by)} (V20)",
                    unit=removed[id_].change.unit,
                    hint="let its user go first, or point it to something else",
                )
            )
        return set(found)

    def _staying(self, removed: dict[ResourceId, Planned]) -> Iterator[Subject]:
        """What Git has, and what is live without Git, in clusters that stay."""
        gone = {i for i in removed if i.group_kind == CLUSTER}
        places = {
            (i.cluster, i.name if i.group_kind == NAMESPACE else i.namespace) for i in removed
        }
        anywhere = {i.cluster for i in removed if not i.namespace and i.group_kind != NAMESPACE}
        anywhere |= {i.cluster for i in removed if i.group_kind == CLUSTER_CLASS}

        def near(id_: ResourceId) -> bool:
            here = id_.cluster in anywhere or (id_.cluster, id_.namespace) in places
            return here and offline.concerned(id_) and id_ not in removed

        for id_, resource in self._git.items():
            if near(id_) and cluster_of_unit(resource.unit) not in gone:
                yield subject(resource)
        rotated_out = {i for i, p in removed.items() if p.change.verb is Verb.PRUNE}
        if rotated_out == removed.keys():
            return  # who uses an old generation live is looked up again at the write
        for id_, present in self._live.objects.items():
            if not near(id_) or id_ in self._git or present.deleting:
                continue
            if not rules(id_.group, id_.kind).references and id_.group_kind != CLUSTER:
                continue
            if cluster_of_unit(direct_unit(id_, present.body)) not in gone:
                yield Subject(id=id_, version=present.version, body=present.body)

    def _paused(self, units: set[str], objects: Declared) -> None:
        """V18: once for each paused cluster that changes."""
        for unit in sorted(units):
            cluster = cluster_of_unit(unit)
            body = (
                objects.get(cluster) if cluster is not None and not unit.endswith(ADDONS) else None
            )
            how = live.paused(body) if body is not None else ""
            if how:
                self._note(
                    "V18",
                    f"{cluster} is paused ({how}): what changes in it is accepted, and not acted"
                    " on",
                    "resume it when its changes shall happen",
                    unit,
                )

    def _due(self, real: list[Planned], subjects: list[Subject], now: float) -> None:
        """V26: in clusters whose machines were read anyway."""
        units = read_before(real, lambda management: self._live.of_kind(management, CLUSTER))
        for each in subjects:
            unit = self._git[each.id].unit
            if each.id.group_kind in _ROLLED and unit in units:
                fact = self._around.facts.of_owner(each.id, unit)
                if found := due.due(each.body, fact.machines, now):
                    self._note("V26", f"{each.id}: {due.summary(found, now)}", "", unit)

    # ------------------------------------------------------------------ saying it

    def _say(self, problem: Problem, writes: set[ResourceId]) -> bool:
        """Note a problem; true where it refuses the write."""
        resource = self._git.get(problem.id)
        changes = problem.id in writes
        if resource is None or accepted(problem, resource.decoded()):
            return False
        if problem.advice or (problem.severity == "warning" and not changes):
            return False
        refuses = changes and problem.severity == "error"
        if refuses:
            self._out.refused.setdefault(problem.id, f"{problem.reason} ({problem.rule})")
        self._out.findings.append(
            Finding(
                kind="refused" if refuses else "warning",
                code=problem.rule,
                summary=f"{problem.id}: {problem.reason} ({problem.rule})",
                unit=resource.unit,
                where=self._line_of(resource, problem.field),
                hint=problem.hint,
            )
        )
        return refuses

    def _note(self, code: str, summary: str, hint: str, unit: str = "") -> None:
        self._out.findings.append(
            Finding(kind="warning", code=code, summary=f"{summary} ({code})", hint=hint, unit=unit)
        )


def _class_of(id_: ResourceId, body: JsonObject, objects: Declared) -> JsonObject | None:
    for found in needed(body, id_):
        if found.group_kind == CLUSTER_CLASS:
            return objects.get(found)
    return None
