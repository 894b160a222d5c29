"""Checking a repository without a cluster: parse findings, CRD schemas at hand, references, and
the rules that need nothing live (planner.rules.offline)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

from planner.expansions import ALONE
from planner.load import Loaded, LoadedDocument
from planner.provided import against_tables
from planner.render import Rendered, Scopes, declared_kinds, render
from planner.rules.forms import of_cluster_api
from planner.rules.offline import check, concerned, core_of, declared_managers, whole
from planner.rules.references import RESOURCE_SET
from planner.rules.subject import Declared, Problem, Subject, subject
from planner.schemas import Schemas, deprecated, mismatches, schema_of, unserved
from providers.base import references
from providers.crds import Definitions
from providers.management import CRD, DEPLOYMENT, NAMESPACE
from providers.registry import needed, rules
from providers.yamldoc import Finding
from state.resource import (
    FieldPath,
    GroupKind,
    JsonObject,
    Release,
    Resource,
    ResourceId,
    path_text,
    split_api_version,
)

LineOf = Callable[[Resource, FieldPath], str]
"""`file:line` of a field."""
_BESIDE = (CRD, DEPLOYMENT, NAMESPACE)
"""Kinds outside Cluster API's groups that rules look at; ConfigMaps and Secrets by need."""


def all_findings(
    loaded: Loaded, line_of: LineOf, locked: Definitions | None = None
) -> list[Finding]:
    """Everything that is wrong or doubtful, sorted by place.

    `locked`: CRDs of management clusters, behind those that Git has.
    """
    return Validation(loaded, line_of, locked or {}).everything()


class Validation:
    """One repository, held against the CRDs at hand and the rules."""

    def __init__(self, loaded: Loaded, line_of: LineOf, locked: Definitions) -> None:
        self._loaded = loaded
        self._line_of = line_of
        self._scopes = Scopes()
        declared_kinds(loaded.documents, self._scopes)
        self._schemas = Schemas(locked=locked).with_declared(loaded.documents)
        self._rendered = render(loaded.documents, self._scopes)
        self._around = _Around(self._rendered.resources)
        self.unchecked: Counter[str] = Counter()
        """Objects that no schema was at hand for, by kind."""
        self.looked_at = 0

    def everything(self) -> list[Finding]:
        """What is wrong or doubtful with the repository as it is."""
        found = [*self._loaded.findings]
        found += _of_render(self._rendered)
        found += self._of(self._rendered.resources, self._around, self._schemas, self._around)
        return sorted(found, key=_place)

    def of(self, documents: tuple[LoadedDocument, ...]) -> list[Finding]:
        """The same of objects that stand in the place of those with their names and release."""
        declared_kinds(documents, self._scopes)
        rendered = render(documents, self._scopes)
        release = next((d.release for d in documents if d.release is not None), None)
        around = self._around.instead(rendered.resources, release)
        schemas = self._schemas.with_declared(documents)
        # A chart by itself is no part of the fleet: its networks may be anybody's.
        apart = release is not None and release.kind == ALONE
        beside = _Around(rendered.resources) if apart else around
        found = [*_of_render(rendered)]
        found += self._of(rendered.resources, around, schemas, beside)
        return sorted(found, key=_place)

    def _of(
        self,
        resources: tuple[Resource, ...],
        around: _Around,
        schemas: Schemas,
        beside: _Around,
    ) -> Iterator[Finding]:
        """`around`: what they may refer to; `beside`: what they are compared with."""
        said: set[tuple[ResourceId, FieldPath]] = set()
        at_hand: set[tuple[GroupKind, str]] = set()
        old: set[tuple[str, GroupKind, str]] = set()
        for resource in resources:
            yield from _against_schema(resource, schemas, self._line_of, said)
            yield from _old(resource, schemas, self._line_of, old)
            yield from _dangling(resource, around.ids, self._line_of)
            self.looked_at += 1
            if schemas.of(resource.id):
                at_hand.add((resource.id.group_kind, split_api_version(resource.version)[1]))
            if not schema_of(resource, schemas):
                self.unchecked[resource.id.kind] += 1
        yield from self._by_rules(resources, around, beside, said)
        for noted in against_tables(resources, at_hand, around.secrets):
            at = str(noted.resource.origin)
            yield _finding(noted.severity, noted.code, noted.summary, at, noted.hint)

    def _by_rules(
        self,
        resources: tuple[Resource, ...],
        around: _Around,
        beside: _Around,
        said: set[tuple[ResourceId, FieldPath]],
    ) -> Iterator[Finding]:
        """The rules over what is declared; what a schema has said is not said again."""
        by_id = {r.id: r for r in resources}
        objects = Declared(around.subjects.values(), around.body)
        known = declared_managers(objects)
        problems: list[Problem] = []
        mine = [s for id_, s in around.subjects.items() if id_ in by_id]
        for management, subjects in _by_management(mine).items():
            core = core_of(self._loaded.providers, management)
            problems += check(subjects, objects, known.get(management, ()), core)
        files = {id_: r.origin.path for id_, r in beside.resources.items()}
        compared = tuple(beside.subjects.values())
        others = objects if beside is around else Declared(compared, around.body)
        problems += whole(compared, others, files)
        for problem in problems:
            found = by_id.get(problem.id)
            if found is None or ((problem.id, problem.field) in said and problem.rule == "V24"):
                continue
            where = self._line_of(found, problem.field)
            summary = f"{problem.id}: {problem.reason}"
            yield _finding(problem.severity, problem.rule, summary, where, problem.hint)


class _Around:
    """All declared objects, as rules ask for them."""

    def __init__(
        self, resources: Iterable[Resource], known: dict[ResourceId, Subject] | None = None
    ) -> None:
        self.resources = {r.id: r for r in resources}
        self.ids = self.resources.keys()
        known = known or {}
        self.subjects = {
            id_: known.get(id_) or subject(r)
            for id_, r in self.resources.items()
            if _looked_at(id_)
        }

    @property
    def secrets(self) -> tuple[Resource, ...]:
        """The Secrets."""
        return tuple(r for i, r in self.resources.items() if (i.group, i.kind) == ("", "Secret"))

    def body(self, id_: ResourceId) -> JsonObject | None:
        """The body of an object."""
        found = self.resources.get(id_)
        return found.decoded() if found is not None else None

    def instead(self, resources: tuple[Resource, ...], release: Release | None) -> _Around:
        """The same with these objects in the place of those with their names and release."""
        name = release.text if release is not None else ""
        new = {r.id for r in resources}
        others = {
            id_: r
            for id_, r in self.resources.items()
            if id_ not in new and (r.release is None or r.release.text != name)
        }
        kept = {id_: s for id_, s in self.subjects.items() if id_ in others}
        return _Around([*others.values(), *resources], kept)


def _place(found: Finding) -> tuple[str, int, str, str]:
    return (found.path, found.line, found.code, found.summary)


def _of_render(rendered: Rendered) -> Iterator[Finding]:
    for f in rendered.findings:
        severity = "error" if f.kind == "error" else "warning"
        yield _finding(severity, "identity", f.summary, f.where, f.hint)


def _finding(severity: str, code: str, summary: str, where: str, hint: str = "") -> Finding:
    path, _, line = where.partition(":")
    return Finding(
        severity=severity,  # type: ignore[arg-type]  # one of the two words
        code=code,
        summary=summary,
        path=path,
        line=int(line) if line.isdigit() else 0,
        hint=hint,
    )


def _against_schema(
    resource: Resource,
    known: Schemas,
    line_of: LineOf,
    said: set[tuple[ResourceId, FieldPath]],
) -> Iterator[Finding]:
    if reason := unserved(resource, known):
        where = line_of(resource, ("f:apiVersion",))
        yield _finding("error", "version", f"{resource.id}: {reason}", where)
    for mismatch in mismatches(resource, known):
        said.add((resource.id, mismatch.path))
        code = "V24" if mismatch.empty and of_cluster_api(resource.id.group_kind) else "schema"
        text = path_text(mismatch.path).removeprefix(".") or "the object"
        yield _finding(
            "error",
            code,
            f"{resource.id}: {text} {mismatch.problem}",
            line_of(resource, mismatch.path),
        )


def _old(
    resource: Resource,
    known: Schemas,
    line_of: LineOf,
    said: set[tuple[str, GroupKind, str]],
) -> Iterator[Finding]:
    """A version that its CRD calls deprecated: once for each file; of Cluster API's own, V23."""
    key = (resource.origin.path, resource.id.group_kind, resource.version)
    warning = "" if of_cluster_api(resource.id.group_kind) else deprecated(resource, known)
    if warning and key not in said:
        said.add(key)
        where = line_of(resource, ("f:apiVersion",))
        yield _finding("warning", "deprecated", f"{resource.id}: {warning}", where)


def _dangling(
    resource: Resource, known: Collection[ResourceId], line_of: LineOf
) -> Iterator[Finding]:
    """References to objects that Git does not have: they may be live, so this is a warning."""
    id_ = resource.id
    missing = {target for target in needed(resource.decoded(), id_) if target not in known}
    if not missing or id_.group_kind == RESOURCE_SET:
        return  # what a ClusterResourceSet names is V14's
    for reference in references(resource.decoded(), id_, rules(id_.group, id_.kind)):
        if reference.target in missing:
            yield _finding(
                "warning",
                "reference",
                f"{id_} refers to {reference.target}, which is not in Git",
                line_of(resource, reference.path),
            )


def _looked_at(id_: ResourceId) -> bool:
    return concerned(id_) or id_.group_kind in _BESIDE


def _by_management(subjects: Iterable[Subject]) -> dict[str, list[Subject]]:
    found: dict[str, list[Subject]] = {}
    for each in subjects:
        found.setdefault(each.id.cluster, []).append(each)
    return found
