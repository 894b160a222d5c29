"""What the tables of infrastructure providers say about a repository: for `validate` and the plan.

Pure. A table knows a part of each schema; where the repository has the CRD, that is asked instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from planner.changes import Finding
from providers.facts import credentials, legacy, problems, unserved
from providers.registry import provided
from state.resource import GroupKind, Resource, ResourceId, split_api_version


class Said(NamedTuple):
    """One thing that a table says about one object."""

    severity: str
    code: str
    summary: str
    resource: Resource
    hint: str = ""


def against_tables(
    resources: Iterable[Resource],
    with_schema: Collection[tuple[GroupKind, str]],
    secrets: Iterable[Resource],
) -> Iterator[Said]:
    """Missing and mistyped fields, Secrets without their keys, versions, and dead ends."""
    everything = tuple(resources)
    keys = {r.id: _keys(r) for r in secrets}
    for resource in everything:
        known = provided(resource.id.group, resource.id.kind)
        if known is None:
            continue
        version = split_api_version(resource.version)[1]
        if (resource.id.group_kind, version) not in with_schema:
            for problem in problems(resource.decoded(), known[1]):
                yield Said("error", "schema", f"{resource.id}: {problem}", resource)
            if doubt := unserved(resource.version, resource.id):
                yield Said("warning", "version", f"{resource.id}: {doubt}", resource)
        yield from _credentials(resource, keys)
    yield from dead_ends(everything)


def _keys(secret: Resource) -> frozenset[str]:
    """The names of a Secret's values, wherever these lie."""
    body = secret.decoded()
    named = {name for field in ("data", "stringData") for name in body.get(field) or ()}
    return frozenset(
        {*named, *(path[-1].removeprefix("f:") for path, _ in secret.secrets if len(path) == 2)}
    )


def _credentials(resource: Resource, keys: dict[ResourceId, frozenset[str]]) -> Iterator[Said]:
    for reference, wanted in credentials(resource.decoded(), resource.id):
        held = keys.get(reference.target)
        missing = [key for key in wanted if held is not None and key not in held]
        if missing:
            summary = (
                f"{resource.id} {reference.rule.reason}:"
                f" {reference.target} has no {' and no '.join(missing)}"
            )
            hint = f"the Secret needs {', '.join(wanted)}"
            yield Said("error", "credential", summary, resource, hint)


def dead_ends(resources: Iterable[Resource]) -> list[Said]:
    """Kinds with no future: once for each reason, at the first object, with the way out."""
    found: dict[str, list[Resource]] = {}
    for resource in resources:
        if reason := legacy(resource.id.group, resource.id.kind):
            found.setdefault(reason, []).append(resource)
    said = []
    for text, users in sorted(found.items()):
        first = min(users, key=lambda r: (r.origin.path, r.origin.line))
        others = f" and {len(users) - 1} more" if len(users) > 1 else ""
        reason, _, way = text.partition("; ")
        said.append(Said("warning", "legacy", f"{first.id}{others}: {reason}", first, way))
    return said


def warnings(resources: Iterable[Resource]) -> tuple[Finding, ...]:
    """The dead ends, for a plan."""
    return tuple(
        Finding(
            kind=said.severity,
            summary=said.summary,
            where=f"{said.resource.origin.path}:{said.resource.origin.line}",
            hint=said.hint,
        )
        for said in dead_ends(resources)
    )
