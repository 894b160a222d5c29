"""What clusterform knows about a kind: references, rules, readiness and impact, as data.

A provider module fills these tables; `providers.registry` finds them. Everything here is pure.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from state.resource import FieldPath, JsonObject, ResourceId, split_api_version


class Effect(enum.StrEnum):
    """What a change does to machines."""

    NONE = "none"
    IN_PLACE = "in place"
    SCALES = "scales"
    ROLLS = "rolls"
    RECREATES = "recreates"
    DESTROYS = "destroys"
    PROVIDER_DEFINED = "provider-defined"
    UNKNOWN = "unknown"


class Impact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What happens to machines; counts are machines. Facts not read give `unknown`."""

    effect: Effect = Effect.NONE
    replaced: int = 0
    added: int = 0
    removed: int = 0
    destroyed: int = 0
    live: int = 0
    """Machines that the owner has now."""
    total: int = 0
    """Machines that the owner is to have after the change."""
    peak: int = 0
    floor: int = 0
    because: str = ""
    """The trigger field, or why the effect is unknown."""
    note: str = ""
    """The rule that picks victims, held rollouts and the like."""
    owner: str = ""
    """Of a part: whose machines these are."""
    parts: tuple[Impact, ...] = ()
    """The owners behind one sum: a topology's control plane and workers, a class's clusters."""

    @property
    def touched(self) -> int:
        """Machines replaced, removed or destroyed: what guards count."""
        return self.replaced + self.removed + self.destroyed

    @property
    def cluster(self) -> str:
        """Of a part of a class: `namespace/name` of the cluster; else `""`."""
        first = self.owner.partition(" ")[0]
        return first if "/" in first else ""


class Milestone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an edge or gate waits for. `applied` and `absent` need no predicate.

    Any other name is a predicate of `providers.readiness` over the object and its relatives.
    """

    name: str = "applied"
    deadline: int = 0
    """Seconds from the moment the wait begins; 0 where nothing is waited for."""
    cluster: str = ""
    """Only as far as this Cluster is concerned, of an object that acts on many."""

    @property
    def text(self) -> str:
        """Its name, and the cluster: `resources-applied in shop`."""
        return f"{self.name} in {self.cluster}" if self.cluster else self.name


APPLIED = Milestone()
ABSENT = Milestone(name="absent", deadline=1800)


class Health(enum.StrEnum):
    """Where an object is on the way to a milestone."""

    REACHED = "reached"
    WAITING = "waiting"
    BLOCKED = "blocked"
    """Will not get there by itself: paused, or refused for good."""


class Readiness(msgspec.Struct, frozen=True, gc=False):
    """The answer of a milestone's predicate, with the deepest failing condition in words."""

    health: Health
    reason: str = ""
    message: str = ""
    since: str = ""
    """When the condition behind it last changed (RFC 3339), where one is."""
    trouble: bool = False
    """Somebody has to look: waiting alone will hardly help."""


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A kind that a reference may lead to, where the reference alone does not tell everything."""

    kind: str
    group: str = ""
    said: str = ""
    """What the reference's `kind` or `type` says for it; `""`: the kind."""
    namespaced: bool = True
    namespace: str = ""
    """Where it lies, if neither in the referrer's namespace nor in one that the reference names."""
    keys: tuple[str, ...] = ()
    """Keys that a Secret must have to be of use."""


class RefRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a kind names another object.

    `path` is dotted, `[*]` stands for every item of a list. It leads to an object with `name` and
    `kind` (a v1beta2 reference with `apiGroup`, or an older one with `apiVersion`), or, when `name`
    is `""`, to the name itself. `kind` and `group` are fixed where the reference does not carry
    them. `lifeline`: the target must outlive the referrer, so deletes run referrer first.
    """

    path: str
    reason: str
    kind: str = ""
    group: str = ""
    name: str = "name"
    same_namespace: bool = True
    lifeline: bool = True
    reverse: bool = False
    """The target is created after the referrer: leaves first, `Cluster` last."""
    targets: tuple[Target, ...] = ()
    """The kinds it may lead to, the usual one first; any other is passed over."""
    suffix: str = ""
    """The text is the target's name and this: the name of something that a controller derives."""


class Reference(msgspec.Struct, frozen=True, gc=False):
    """One reference found in a body. `path` leads to the name, for rewriting it."""

    path: FieldPath
    target: ResourceId
    rule: RefRule


class KindRules(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The rules of one kind; every path is dotted as in `RefRule.path`."""

    references: tuple[RefRule, ...] = ()
    immutable: tuple[str, ...] = ()
    """Fields whose change the server refuses; setting one for the first time is no change."""
    mutable: tuple[str, ...] = ()
    """Exceptions below `immutable`."""
    written: tuple[str, ...] = ()
    """Fields that its controllers write: left to them without a word, never taken away."""
    provider_defined: tuple[str, ...] = ()
    """Fields whose change replaces machines or servers in a way that only its provider knows."""
    replaceable: bool = False
    """Delete and create under the same name is acceptable when an immutable field changes."""
    template: bool = False
    """Rotated instead of edited (semantics 16)."""
    protected: bool = False
    """Never deleted because its file vanished, unless allowed live or named (semantics 32)."""
    cascaded: bool = False
    """Goes with its Cluster: never deleted on its own when the Cluster goes (semantics 8)."""
    always_shared: bool = False
    defaults: tuple[tuple[str, Any], ...] = ()
    """What the server writes where a field is missing: path → value (semantics 13)."""
    reads: tuple[str, ...] = ()
    """Fields that the impact rules read: part of the fingerprint."""
    ready: Milestone | None = None
    """What `apply` waits for at the end; `None`: nothing after the write."""
    machines: bool = False
    """Owns machines: its impact is computed and counted."""
    named_elsewhere: bool = False
    """Its `spec.clusterName` is a name at the cloud, and says nothing of a Cluster."""
    control_plane: bool = False
    """Kubernetes of its cluster is upgraded by its `spec.version`, before that of the workers."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Live objects around one owner, read for impact: machines and what groups them."""

    machine_sets: tuple[JsonObject, ...] = ()
    machines: tuple[JsonObject, ...] = ()
    infra_machines: tuple[JsonObject, ...] = ()
    configs: tuple[JsonObject, ...] = ()
    """Bootstrap configurations of control-plane machines."""
    pools: tuple[JsonObject, ...] = ()
    """Live MachinePools of a Cluster, where asked for: many have no Machine objects."""
    now: float = 0.0
    """The time of the read, in seconds since 1970."""
    unreadable: str = ""
    """Why something of this could not be read; makes every effect unknown."""


NO_RULES = KindRules()


def references(body: JsonObject, referrer: ResourceId, rules: KindRules) -> Iterator[Reference]:
    """Every reference in `body`, in the order of the rules. Incomplete ones are passed over."""
    for rule in rules.references:
        for path, found in _walk(body, _compiled(rule.path)):
            reference = _reference(found, path, referrer, rule)
            if reference is not None:
                yield reference


def _reference(
    found: Any, path: FieldPath, referrer: ResourceId, rule: RefRule
) -> Reference | None:
    if rule.targets:
        return _targeted(found, path, referrer, rule)
    group, kind, namespace = rule.group, rule.kind, referrer.namespace
    name: Any = found
    if rule.name:
        if not isinstance(found, dict):
            return None
        name = found.get(rule.name)
        path = (*path, f"f:{rule.name}")
        if not kind:
            kind = found.get("kind", "")
            group = _group_of(found, group)
        if not rule.same_namespace:
            namespace = found.get("namespace") or namespace
    if not all(isinstance(text, str) for text in (name, kind, namespace)) or not name or not kind:
        return None
    if rule.suffix:
        if not name.endswith(rule.suffix):
            return None
        name = name.removesuffix(rule.suffix)
    return Reference(path, ResourceId(referrer.cluster, group, kind, namespace, name), rule)


def _targeted(found: Any, path: FieldPath, referrer: ResourceId, rule: RefRule) -> Reference | None:
    """A reference whose kind decides its group and scope, as identities and credentials do."""
    name, said, namespace = found, "", ""
    if rule.name:
        if not isinstance(found, dict):
            return None
        name, path = found.get(rule.name), (*path, f"f:{rule.name}")
        said = str(found.get("kind") or found.get("type") or "")
        namespace = "" if rule.same_namespace else str(found.get("namespace") or "")
    usual = rule.targets[0]
    target = next((t for t in rule.targets if said == (t.said or t.kind)), None)
    if target is None:
        target = usual if not said else None
    if target is None or not isinstance(name, str) or not name:
        return None
    home = (namespace or target.namespace or referrer.namespace) if target.namespaced else ""
    id_ = ResourceId(referrer.cluster, target.group, target.kind, home, name)
    return Reference(path, id_, rule)


def _group_of(reference: JsonObject, default: str) -> str:
    if "apiGroup" in reference:
        return str(reference["apiGroup"])
    version = reference.get("apiVersion")
    return split_api_version(version)[0] if isinstance(version, str) else default


class _Pattern(msgspec.Struct, frozen=True):
    """A dotted path taken apart once: its parts, and its address where no list is crossed."""

    parts: tuple[str, ...]
    address: FieldPath | None


@lru_cache(maxsize=1024)
def _compiled(path: str) -> _Pattern:
    parts = tuple(path.replace("[*]", ".*").split("."))
    return _Pattern(parts, None if "*" in parts else tuple(f"f:{part}" for part in parts))


def _walk(body: Any, pattern: _Pattern) -> Iterable[tuple[FieldPath, Any]]:
    if pattern.address is None:
        return _through_lists(body, pattern.parts, ())
    for part in pattern.parts:
        if not isinstance(body, dict) or part not in body:
            return ()
        body = body[part]
    return ((pattern.address, body),)


def _through_lists(
    value: Any, parts: tuple[str, ...], path: FieldPath
) -> Iterator[tuple[FieldPath, Any]]:
    for position, part in enumerate(parts):
        if part == "*":
            if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from _through_lists(item, parts[position + 1 :], (*path, f"i:{index}"))
            return
        if not isinstance(value, dict) or part not in value:
            return
        value = value[part]
        path = (*path, f"f:{part}")
    yield path, value


def mapping(found: Any) -> JsonObject:
    """What stands where an object belongs; anything else reads as an empty one."""
    return found if isinstance(found, dict) else {}


def count(found: Any, default: int | None = None) -> int | None:
    """A number of machines; `default` where nothing is said, None where no number is.

    Bodies come from Git, too: a server that would refuse `"3"` may not have been asked yet.
    """
    if found is None:
        return default
    known = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return found if known else None


def moment(text: Any) -> float:
    """A time as the API writes it (`2026-11-22T10:00:00Z`), in seconds since 1970; else 0."""
    if not isinstance(text, str):
        return 0.0
    try:
        found = datetime.datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def due(after: Any, fact: Fact) -> float:
    """The moment of a `rollout.after`, once it has passed; else 0.

    What was made before it is outdated from then on (Cluster API v1.14.0, mdutil and
    collections.ShouldRolloutAfter).
    """
    at = moment(after)
    return at if 0 < at < fact.now else 0.0


def values(body: JsonObject, path: str) -> Iterable[tuple[FieldPath, Any]]:
    """Every value at a dotted path (`[*]` for list items) with its exact address."""
    return _walk(body, _compiled(path))


def value(body: JsonObject, path: str, default: Any = None) -> Any:
    """The first value at a dotted path, or `default`."""
    for _, found in values(body, path):
        return found
    return default
