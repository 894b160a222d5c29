"""Checking a repository without a cluster: parse findings, CRD schemas at hand, references, and
the rules that need nothing live (planner.rules.offline)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planner.load import Loaded
from planner.provided import against_tables
from planner.render import Scopes, declared_kinds, render
from planner.rules.forms import of_cluster_api
from planner.rules.offline import check, concerned, core_of, declared_managers, whole
from planner.rules.references import RESOURCE_SET
from planner.rules.subject import Declared, Problem, Subject, subject
from planner.schemas import Schemas, mismatches, schemas
from providers.base import references
from providers.management import CRD, DEPLOYMENT, NAMESPACE
from providers.registry import needed, rules
from providers.yamldoc import Finding
from state.resource import FieldPath, Resource, ResourceId, path_text

LineOf = Callable[[Resource, FieldPath], str]
"""`file:line` of a field."""
_BESIDE = (CRD, DEPLOYMENT, NAMESPACE)
"""Kinds outside Cluster API's groups that rules look at; ConfigMaps and Secrets by need."""


def all_findings(loaded: Loaded, line_of: LineOf) -> list[Finding]:
    """Everything that is wrong or doubtful, sorted by place."""
    scopes = Scopes()
    declared_kinds(loaded.documents, scopes)
    rendered = render(loaded.documents, scopes)
    found = [*loaded.findings]
    for f in rendered.findings:
        severity = "error" if f.kind == "error" else "warning"
        found.append(_finding(severity, "identity", f.summary, f.where, f.hint))
    known = {r.id for r in rendered.resources}
    schemas_ = schemas(loaded.documents)
    said: set[tuple[ResourceId, FieldPath]] = set()
    for resource in rendered.resources:
        found += _against_schema(resource, schemas_, line_of, said)
        found += _dangling(resource, known, line_of)
    found += _by_rules(loaded, rendered.resources, line_of, said)
    for noted in against_tables(rendered.resources, schemas_):
        at = str(noted.resource.origin)
        found.append(_finding(noted.severity, noted.code, noted.summary, at, noted.hint))
    return sorted(found, key=lambda f: (f.path, f.line, f.code, f.summary))


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


def _dangling(resource: Resource, known: set[ResourceId], line_of: LineOf) -> Iterator[Finding]:
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


def _by_rules(
    loaded: Loaded,
    resources: tuple[Resource, ...],
    line_of: LineOf,
    said: set[tuple[ResourceId, FieldPath]],
) -> Iterator[Finding]:
    """The rules over everything that is declared; what a schema has said is not said again."""
    by_id = {r.id: r for r in resources}
    subjects = tuple(subject(r) for r in resources if _looked_at(r.id))
    objects = Declared(subjects, lambda id_: by_id[id_].decoded() if id_ in by_id else None)
    known = declared_managers(objects)
    problems: list[Problem] = []
    for management, mine in _by_management(subjects).items():
        core = core_of(loaded.providers, management)
        problems += check(mine, objects, known.get(management, ()), core)
    problems += whole(subjects, objects, {r.id: r.origin.path for r in resources})
    for problem in problems:
        if (problem.id, problem.field) in said and problem.rule == "V24":
            continue
        where = line_of(by_id[problem.id], problem.field)
        summary = f"{problem.id}: {problem.reason}"
        yield _finding(problem.severity, problem.rule, summary, where, problem.hint)


def _looked_at(id_: ResourceId) -> bool:
    return concerned(id_) or id_.group_kind in _BESIDE


def _by_management(subjects: tuple[Subject, ...]) -> dict[str, list[Subject]]:
    found: dict[str, list[Subject]] = {}
    for each in subjects:
        found.setdefault(each.id.cluster, []).append(each)
    return found
