"""What rules look at and what they say. Bodies come from people: every accessor takes any shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol

import msgspec

from providers.base import references, value
from providers.capi import CLUSTER, MACHINE_DEPLOYMENT, MACHINE_POOL
from providers.registry import rules as rules_of
from state.resource import FieldPath, GroupKind, JsonObject, Resource, ResourceId, split_api_version

ACCEPTS = "clusterform.dev/accepts"
"""Annotation with the ids of rules whose warnings somebody has seen and accepts: `V7, V12`."""

Severity = Literal["error", "warning"]


class Subject(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One declared object, decoded. `body` is read only."""

    id: ResourceId
    version: str
    body: JsonObject


def subject(resource: Resource) -> Subject:
    """A resource as the rules see it."""
    return Subject(id=resource.id, version=resource.version, body=resource.decoded())


class Problem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule broken by one object."""

    rule: str
    severity: Severity
    id: ResourceId
    field: FieldPath = ()
    """The field at fault, for its line in the file."""
    reason: str
    """What is wrong, a sentence that follows the object's name."""
    hint: str = ""
    advice: bool = False
    """Good to know, and no reason to speak up in a plan: only `validate` says it."""


Lookup = Callable[[ResourceId], JsonObject | None]
"""The body of an object that is declared or live; None where it is neither, or not known."""


class Objects(Protocol):
    """What a rule may ask about everything else."""

    def get(self, id_: ResourceId) -> JsonObject | None:
        """A body by id."""
        ...

    def missing(self, id_: ResourceId) -> bool:
        """Certainly nowhere; false where nobody can tell."""
        ...

    def of_cluster(self, cluster: ResourceId) -> Iterable[Subject]:
        """The declared objects that name this Cluster in `spec.clusterName`."""
        ...

    def of_kind(self, kind: GroupKind) -> Iterable[Subject]:
        """The declared objects of a kind."""
        ...


class Declared:
    """Objects of Git, and behind them whatever `elsewhere` knows (live objects in a plan)."""

    def __init__(
        self,
        subjects: Iterable[Subject],
        elsewhere: Lookup = lambda _: None,
        absent: Callable[[ResourceId], bool] = lambda _: True,
    ) -> None:
        self._by_id: dict[ResourceId, Subject] = {}
        self._by_kind: dict[GroupKind, list[Subject]] = {}
        self._by_cluster: dict[ResourceId, list[Subject]] = {}
        self._elsewhere = elsewhere
        self._absent = absent
        for subject in subjects:
            self._by_id[subject.id] = subject
            self._by_kind.setdefault(subject.id.group_kind, []).append(subject)
            cluster = cluster_of(subject)
            if cluster is not None:
                self._by_cluster.setdefault(cluster, []).append(subject)

    def get(self, id_: ResourceId) -> JsonObject | None:
        """A body by id, Git before anything else."""
        found = self._by_id.get(id_)
        return found.body if found is not None else self._elsewhere(id_)

    def missing(self, id_: ResourceId) -> bool:
        """Not in Git, and as far as can be told nowhere else."""
        return self.get(id_) is None and self._absent(id_)

    def of_cluster(self, cluster: ResourceId) -> Iterable[Subject]:
        """The declared objects that name this Cluster."""
        return self._by_cluster.get(cluster, ())

    def of_kind(self, kind: GroupKind) -> Iterable[Subject]:
        """The declared objects of a kind."""
        return self._by_kind.get(kind, ())


def field(dotted: str) -> FieldPath:
    """`spec.version` as the address of a field."""
    return tuple(f"f:{part}" for part in dotted.split("."))


def text_at(body: JsonObject, dotted: str) -> str:
    """A text, or `""` where there is none or something else stands there."""
    found = value(body, dotted)
    return found if isinstance(found, str) else ""


def number_at(body: JsonObject, dotted: str) -> int | None:
    """A whole number, or None."""
    found = value(body, dotted)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def map_at(body: JsonObject, dotted: str) -> JsonObject:
    """A mapping, or an empty one."""
    found = value(body, dotted)
    return found if isinstance(found, dict) else {}


def list_at(body: JsonObject, dotted: str) -> list[Any]:
    """A list, or an empty one."""
    found = value(body, dotted)
    return found if isinstance(found, list) else []


def either(body: JsonObject, *dotted: str) -> tuple[str, Any]:
    """The first of several paths that is there, with its value: v1beta2 first, then v1beta1."""
    for path in dotted:
        found = value(body, path)
        if found is not None:
            return path, found
    return dotted[0], None


def keyed(body: JsonObject, where: str, key: str) -> str:
    """A label or annotation, whose key may hold dots; `""` where there is none."""
    found = map_at(body, f"metadata.{where}").get(key)
    return found if isinstance(found, str) else ""


def label(body: JsonObject, key: str) -> str:
    """A label."""
    return keyed(body, "labels", key)


def annotation(body: JsonObject, key: str) -> str:
    """An annotation."""
    return keyed(body, "annotations", key)


def labels_at(body: JsonObject, dotted: str) -> dict[str, str]:
    """The texts of a mapping of labels."""
    return {k: v for k, v in map_at(body, dotted).items() if isinstance(v, str)}


def is_empty(selector: Any) -> bool:
    """A selector that would match everything."""
    return not isinstance(selector, dict) or not (
        selector.get("matchLabels") or selector.get("matchExpressions")
    )


_OF_A_CLUSTER = "cluster.x-k8s.io"


def cluster_of(subject: Subject) -> ResourceId | None:
    """The Cluster that an object of the core group names in `spec.clusterName`."""
    if subject.id.group != _OF_A_CLUSTER:
        return None
    name = text_at(subject.body, "spec.clusterName")
    return near(subject.id, CLUSTER, name) if name else None


def near(id_: ResourceId, kind: GroupKind, name: str) -> ResourceId:
    """An object of a kind in the same cluster and namespace."""
    return ResourceId(id_.cluster, kind.group, kind.kind, id_.namespace, name)


def target(body: JsonObject, referrer: ResourceId, dotted: str) -> ResourceId | None:
    """What a reference in either form names: `{apiGroup, kind, name}` or `{apiVersion, …}`."""
    found = map_at(body, dotted)
    kind, name = found.get("kind"), found.get("name")
    if not isinstance(kind, str) or not isinstance(name, str) or not kind or not name:
        return None
    group = found.get("apiGroup")
    if not isinstance(group, str):
        version = found.get("apiVersion")
        group = split_api_version(version)[0] if isinstance(version, str) else ""
    return near(referrer, GroupKind(group, kind), name)


def targets(subject: Subject) -> Iterator[ResourceId]:
    """Everything that an object refers to, by the tables of its kind."""
    kind_rules = rules_of(subject.id.group, subject.id.kind)
    for reference in references(subject.body, subject.id, kind_rules):
        yield reference.target


def control_plane_of(cluster: ResourceId, objects: Objects) -> tuple[ResourceId, JsonObject] | None:
    """The control plane of a Cluster, where both are known."""
    body = objects.get(cluster)
    if body is None:
        return None
    plane = target(body, cluster, "spec.controlPlaneRef")
    found = objects.get(plane) if plane is not None else None
    return (plane, found) if plane is not None and found is not None else None


WORKERS = (MACHINE_DEPLOYMENT, MACHINE_POOL)


def accepts(body: JsonObject) -> list[str]:
    """The rules whose warnings an object says are known."""
    return annotation(body, ACCEPTS).replace(",", " ").split()


def accepted(problem: Problem, body: JsonObject) -> bool:
    """A warning that the object itself says is known."""
    return problem.severity == "warning" and problem.rule in accepts(body)
