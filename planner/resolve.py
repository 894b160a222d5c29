"""Logical → physical template names, before anything is compared (docs/semantics.md 16, 17).

Cluster API replaces machines when a template's *name* changes and never because of its content, so
an edited template becomes a new object under a hashed name and its users point to it. The hash is
over what the user wrote; a live template that already says the same keeps its name.
Pure: live objects and the values behind secrets come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from planner.manifest import CLUSTER_ANNOTATION
from planner.prove import spec_unchanged
from planner.ssa import covers
from planner.units import is_workload
from providers.base import Reference, references
from providers.capi import made_by_topology
from providers.registry import rules
from state.fields import MISSING, leaves, own_entry, owns, set_at, trie, value_at
from state.live import Absent, Observation, Present, Unreadable
from state.resource import (
    JsonObject,
    Resource,
    ResourceId,
    SecretRef,
    canonical,
    digest,
)

FLEET_LABEL = "clusterform.dev/fleet"
TEMPLATE_LABEL = "clusterform.dev/template"
ROTATE = "clusterform.dev/rotate"
"""Annotation on a template: `"false"` keeps its name, so that an edit is an edit."""
_BASE_LENGTH = 54
_MAX_NAME = 63


class Reveal(Protocol):
    """The value behind a reference, in memory only."""

    def __call__(self, ref: SecretRef, held: object = None, /) -> str:
        """`held`: what is live in its place; taken where it is known to be the same."""


Observe = Callable[[ResourceId], Observation]


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """The physical name of one template, and what it replaces."""

    logical: ResourceId
    physical: str
    predecessor: str = ""
    """The generation that its users refer to now, if that is another one."""
    blocked: str = ""
    """Why no name can be given: something that decides it could not be read."""


UNKNOWN_VALUE = "KGVuY3J5cHRlZCk="
"""In place of a value that only the writer can decrypt: `(encrypted)`, as `data` of a Secret."""
ENCRYPTED = "clusterform.dev/encrypted"
"""Annotation: a digest over the ciphertexts that an object was written from. Without it nobody
could tell, short of decrypting, whether Git has other ones now."""


def is_template(id_: ResourceId) -> bool:
    """Kinds that are rotated instead of edited."""
    return rules(id_.group, id_.kind).template


def desired_body(resource: Resource, fleet: str) -> JsonObject:
    """The object as it would be applied, with the fleet's label, without secret values."""
    body = resource.decoded()
    set_at(body, ("f:metadata", "f:labels", f"f:{FLEET_LABEL}"), fleet)
    if is_workload(resource.id.cluster):
        home = home_of(resource.id.cluster)
        set_at(body, ("f:metadata", "f:annotations", f"f:{CLUSTER_ANNOTATION}"), home)
    if resource.sealed:
        set_at(body, ("f:metadata", "f:annotations", f"f:{ENCRYPTED}"), resource.sealed)
    return body


def home_of(cluster: str) -> str:
    """What an add-on says of its cluster, live as in Git: `namespace/name`.

    Several names may lead to one server, by mistake or by design: without this an object of one
    cluster would look like a left-over of the other.
    """
    return cluster.partition("/")[2]


def belongs(live: Present, fleet: str) -> bool:
    """The marks of a live object name this fleet and this cluster."""
    if live.labels.get(FLEET_LABEL) != fleet:
        return False
    home = live.annotations.get(CLUSTER_ANNOTATION)
    return home is None or not is_workload(live.id.cluster) or home == home_of(live.id.cluster)


def with_live_values(body: JsonObject, resource: Resource, live: Present) -> JsonObject:
    """A copy of `body` with the values that are live where only the writer can decrypt them.

    Where they are not ours any more they count as changed: they will be written again.
    """
    full: JsonObject = msgspec.json.decode(canonical(body))
    entry = own_entry(live)
    for path, _ in resource.secrets:
        held = value_at(live.body, path)
        ours = entry is not None and owns(trie(entry), path) and held is not MISSING
        set_at(full, path, held if ours else UNKNOWN_VALUE)
    return full


def with_secrets(
    body: JsonObject, resource: Resource, reveal: Reveal, live: Present | None = None
) -> JsonObject:
    """A copy of `body` with the sensitive values in place: for comparing, never to keep.

    `live`: the object that it is compared with.
    """
    if not resource.secrets:
        return body
    full: JsonObject = msgspec.json.decode(canonical(body))
    for path, ref in resource.secrets:
        held = value_at(live.body, path) if live is not None else None
        set_at(full, path, reveal(ref, held))
    return full


class Resolver:
    """Names the templates of one unit. Referrers are the unit's own resources."""

    def __init__(
        self, resources: Iterable[Resource], observe: Observe, reveal: Reveal, fleet: str
    ) -> None:
        self._resources = {r.id: r for r in resources}
        self._observe = observe
        self._reveal = reveal
        self._fleet = fleet
        self._names: dict[ResourceId, Naming] = {}
        self._seen: dict[ResourceId, Present] = {}
        self._users = self._find_users()

    def _find_users(self) -> dict[ResourceId, list[tuple[ResourceId, Reference]]]:
        users: dict[ResourceId, list[tuple[ResourceId, Reference]]] = {}
        for id_, resource in self._resources.items():
            kind_rules = rules(id_.group, id_.kind)
            if not kind_rules.references:
                continue
            for reference in references(resource.decoded(), id_, kind_rules):
                if reference.target in self._resources and is_template(reference.target):
                    users.setdefault(reference.target, []).append((id_, reference))
        return users

    def names(self, known: Mapping[ResourceId, Naming] | None = None) -> dict[ResourceId, Naming]:
        """A name for every template, chains (template → template) from the bottom up.

        `known` are templates of other units (the shared one) that are named already.
        """
        self._names.update(known or {})
        for id_ in sorted(self._resources):
            if is_template(id_):
                self._name(id_)
                self._release()
        return {i: n for i, n in self._names.items() if i in self._resources}

    def _name(self, id_: ResourceId) -> Naming:
        known = self._names.get(id_)
        if known is not None:
            return known
        self._names[id_] = Naming(logical=id_, physical=id_.name)  # ends a reference cycle
        resource = self._resources[id_]
        body = self._rewritten(resource)
        naming = self._choose(resource, body)
        self._names[id_] = naming
        return naming

    def _rewritten(self, resource: Resource) -> JsonObject:
        """The body with its own references to templates already renamed."""
        body = resource.decoded()
        for reference in references(body, resource.id, rules(resource.id.group, resource.id.kind)):
            if reference.target in self._resources and is_template(reference.target):
                self._name(reference.target)
        rename(body, resource.id, self._names)
        return body

    def _choose(self, resource: Resource, body: JsonObject) -> Naming:
        id_ = resource.id

        def same(seen: Present) -> bool:
            return says_the_same(with_secrets(body, resource, self._reveal, seen), seen)

        hashed = hashed_name(id_, body)
        current = self._referenced_now(id_)
        candidates = [*current, hashed, id_.name]
        for name in dict.fromkeys(candidates):
            seen = self._look(named(id_, name))
            if isinstance(seen, Unreadable):
                return Naming(logical=id_, physical=hashed, blocked=seen.reason)
            if isinstance(seen, Present) and same(seen):
                return Naming(logical=id_, physical=name, predecessor=_other(current, name))
        if not self._users.get(id_) or _stays(body):
            return Naming(logical=id_, physical=id_.name)
        return Naming(
            logical=id_, physical=self._free(id_, hashed, same), predecessor=_other(current, hashed)
        )

    def _referenced_now(self, id_: ResourceId, above: tuple[ResourceId, ...] = ()) -> list[str]:
        """Names that the live users refer to at the very fields that name this template.

        A user that is a template itself is looked at in the generation that *its* users refer to:
        what it becomes is not live yet.
        """
        if id_ in above:
            return []  # a cycle of references
        names = []
        for user, reference in self._users.get(id_, ()):
            found_in = [self._look(self._physical_id(user))]
            if is_template(user):
                older = self._referenced_now(user, (*above, id_))
                found_in += [self._look(named(user, name)) for name in older]
            for live in found_in:
                if not isinstance(live, Present):
                    continue
                found = value_at(live.body, reference.path)
                suffix = reference.rule.suffix
                if isinstance(found, str) and found.endswith(suffix):
                    names.append(found.removesuffix(suffix))
        return list(dict.fromkeys(names))

    def _physical_id(self, id_: ResourceId) -> ResourceId:
        naming = self._names.get(id_)
        return named(id_, naming.physical) if naming else id_

    def _look(self, id_: ResourceId) -> Observation:
        found = self._observe(id_)
        if isinstance(found, Present):
            self._seen[found.id] = found
        return found

    def _release(self) -> None:
        """Templates are named one after the other: their bodies are not held beside each other."""
        for present in self._seen.values():
            present.release()
        self._seen.clear()

    def _free(self, id_: ResourceId, hashed: str, same: Callable[[Present], bool]) -> str:
        """`hashed`, or with `-2`, `-3`… where that name holds something else (a changed secret)."""
        name, number = hashed, 1
        while True:
            seen = self._observe(named(id_, name))
            if isinstance(seen, Absent) or (isinstance(seen, Present) and same(seen)):
                return name
            number += 1
            name = f"{hashed[: _MAX_NAME - len(str(number)) - 1]}-{number}"


def _stays(body: JsonObject) -> bool:
    """The template's own wish to be edited under its name, whatever its webhook says to that."""
    annotations = body["metadata"].get("annotations") or {}
    return str(annotations.get(ROTATE)).lower() == "false"


def _other(current: list[str], chosen: str) -> str:
    return next((name for name in current if name != chosen), "")


def named(id_: ResourceId, name: str) -> ResourceId:
    """The same kind and place under another name."""
    return msgspec.structs.replace(id_, name=name)


def hashed_name(id_: ResourceId, body: JsonObject) -> str:
    """`base-xxxxxxxx`: eight hex digits over logical name and spec as written, no secret values."""
    written = {k: v for k, v in body.items() if k not in ("metadata", "status")}
    return f"{id_.name[:_BASE_LENGTH]}-{digest(id_.name.encode(), canonical(written))[:8]}"


def says_the_same(full: JsonObject, live: Present) -> bool:
    """Every desired leaf of the spec equals the live one, and our own entry owns nothing more.

    Labels and annotations do not count: they are edited in place.
    """
    if live.deleting or made_by_topology(live.id.group_kind, live.labels):
        return False
    if spec_unchanged(full, live):
        return True
    if not covers(full.get("spec"), live.body.get("spec")):
        return False
    entry = own_entry(live)
    if entry is None:
        return True
    owned = (p for p in leaves(trie(entry)) if p[0] == "f:spec")
    return all(value_at(full, path) is not MISSING for path in owned)


def rename(body: JsonObject, id_: ResourceId, names: Mapping[ResourceId, Naming]) -> list[Naming]:
    """Point the references of `body` to physical names; returns the names that it uses."""
    used = []
    for reference in list(references(body, id_, rules(id_.group, id_.kind))):
        naming = names.get(reference.target)
        if naming is not None:
            set_at(body, reference.path, naming.physical + reference.rule.suffix)
            used.append(naming)
    return used


def resolved(resource: Resource, names: Mapping[ResourceId, Naming], unit: str) -> Resource:
    """The resource under its physical name, its references rewritten, its unit set."""
    own = names.get(resource.id)
    if own is None and not rules(resource.id.group, resource.id.kind).references:
        return msgspec.structs.replace(resource, unit=unit)
    body = resource.decoded()
    used = rename(body, resource.id, names)
    if own is None and not used:
        return msgspec.structs.replace(resource, unit=unit)
    id_ = resource.id
    if own is not None:
        id_ = named(id_, own.physical)
        body["metadata"]["name"] = own.physical
        set_at(
            body,
            ("f:metadata", "f:labels", f"f:{TEMPLATE_LABEL}"),
            resource.id.name[:_MAX_NAME].rstrip("-._"),
        )
    return msgspec.structs.replace(
        resource,
        id=id_,
        body=canonical(body),
        logical=resource.id.name if own else "",
        unit=unit,
    )
