"""All rules that need nothing but what Git declares, put together.

`check` is about single objects and what they name: a plan runs it for the units that change.
`whole` compares everything with everything: only `validate` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from planner.rules import controllers, forms, network, references, replicas, versions
from planner.rules.controllers import Manager
from planner.rules.subject import Declared, Objects, Problem, Subject, accepted
from providers.capi import CLUSTER, GROUP, MACHINE_DEPLOYMENT
from providers.management import DEPLOYMENT
from providers.versions import Version, parse_loosely
from state.desired import ProviderSpec
from state.resource import ResourceId

Rule = Callable[[Subject, Objects], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    versions.form,
    versions.worker_skew,
    replicas.control_plane_size,
    replicas.control_plane_rollout,
    forms.image_tag,
    replicas.workers,
    references.names,
    network.inside,
    replicas.health_check,
    references.resource_set,
    references.cluster_name,
    forms.externally_managed,
    forms.emptiness,
    references.identity,
)


def concerned(id_: ResourceId) -> bool:
    """The rules are about Cluster API's groups and its providers'."""
    return id_.group.endswith(GROUP)


def check(
    subjects: Iterable[Subject],
    objects: Objects,
    known: tuple[Manager, ...] = (),
    core: Version | None = None,
) -> Iterator[Problem]:
    """What is wrong with these objects. `known`: the providers that run, `core`: the release."""
    core = core or controllers.core_version(known)
    for subject in subjects:
        if not concerned(subject.id):
            continue
        for problem in _of_one(subject, objects, known, core):
            if not accepted(problem, subject.body):
                yield problem


def _of_one(
    subject: Subject, objects: Objects, known: tuple[Manager, ...], core: Version | None
) -> Iterator[Problem]:
    for rule in RULES:
        yield from rule(subject, objects)
    yield from versions.supported(subject, core)
    if known:
        yield from controllers.gates(subject, known)
        yield from controllers.watched(subject, known)


def whole(
    subjects: tuple[Subject, ...], objects: Declared, file_of: dict[ResourceId, str]
) -> Iterator[Problem]:
    """What is wrong between objects that need not know of each other."""
    bodies = {s.id: s.body for s in subjects}
    for problem in (
        *references.alike(objects.of_kind(MACHINE_DEPLOYMENT)),
        *network.between(objects.of_kind(CLUSTER), objects),
        *references.contracts(references.declared_definitions(objects)),
        *forms.old_forms(subjects, file_of),
    ):
        if not accepted(problem, bodies[problem.id]):
            yield problem


def declared_managers(objects: Declared) -> dict[str, tuple[Manager, ...]]:
    """Management cluster → the providers that Git runs in it."""
    found: dict[str, list[Subject]] = {}
    for subject in objects.of_kind(DEPLOYMENT):
        found.setdefault(subject.id.cluster, []).append(subject)
    return {c: controllers.managers(s.body for s in subjects) for c, subjects in found.items()}


def core_of(providers: Iterable[ProviderSpec], management: str) -> Version | None:
    """The release of Cluster API that the providers file of a management cluster names."""
    for spec in providers:
        if (spec.management, spec.type) == (management, "CoreProvider"):
            return parse_loosely(spec.version)
    return None
