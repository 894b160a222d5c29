"""Which rules hold for a kind: the tables of all providers put together.

Infrastructure providers are found by looking into their folder, so that a new one is one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from providers import bootstrap, capi, controlplane, infrastructure, management, pools
from providers.base import (
    NO_RULES,
    Effect,
    Fact,
    Impact,
    KindRules,
    RefRule,
    count,
    references,
    value,
)
from providers.descriptor import BOOTSTRAP, CONTROL_PLANE, Kind, Provider, rules_of
from providers.infrastructure import generic
from state.resource import GroupKind, JsonObject, ResourceId


def _found() -> Iterator[Provider]:
    for module in sorted(m.name for m in pkgutil.iter_modules(infrastructure.__path__)):
        loaded = importlib.import_module(f"{infrastructure.__name__}.{module}")
        yield from getattr(loaded, "PROVIDERS", ())


PROVIDERS: tuple[Provider, ...] = tuple(_found())
"""Every infrastructure provider that has a table, by the name of its module."""

_KINDS: dict[GroupKind, tuple[Provider, Kind]] = {
    group_kind: (provider, kind)
    for provider in PROVIDERS
    for group_kind, kind in provider.kinds.items()
}
_BOOTSTRAPPING = (BOOTSTRAP, CONTROL_PLANE)
"""Groups whose files may be read from Secrets that a provider's controllers make."""
_TABLES = (
    management.KINDS,
    capi.KINDS,
    bootstrap.KINDS,
    controlplane.KINDS,
    {key: rules_of(kind, provider) for key, (provider, kind) in _KINDS.items()},
)


@lru_cache(maxsize=1024)
def rules(group: str, kind: str) -> KindRules:
    """The rules of a kind: its own table, else the contract's, else none."""
    key = GroupKind(group, kind)
    for table in _TABLES:
        found = table.get(key)
        if found is not None:
            return _with_derived(found) if group in _BOOTSTRAPPING else found
    return generic.rules(group, kind) or NO_RULES


def _with_derived(found: KindRules) -> KindRules:
    """Secrets that a provider's controllers name after a template are references to it, too."""
    added = [
        RefRule(
            path=rule.path,
            name=rule.name,
            group=derived.of.group,
            kind=derived.of.kind,
            suffix=derived.suffix,
            reason="reads what is derived from it",
        )
        for rule in found.references
        for provider in PROVIDERS
        for derived in provider.derived
        if rule.kind == "Secret" and not rule.suffix
    ]
    if not added:
        return found
    return msgspec.structs.replace(found, references=(*found.references, *added))


def provided(group: str, kind: str) -> tuple[Provider, Kind] | None:
    """The provider that has a kind in its table, and what the table says of it."""
    return _KINDS.get(GroupKind(group, kind))


def impact(
    kind: GroupKind, before: JsonObject | None, after: JsonObject, fact: Fact
) -> Impact | None:
    """What a change does to the machines of their owner; None for kinds that own no machines.

    Clusters and classes need more than their own facts (`providers.topologyimpact`).
    """
    if kind == capi.MACHINE_DEPLOYMENT:
        return capi.machine_deployment_impact(before, after, fact)
    if kind == controlplane.KUBEADM:
        return controlplane.kubeadm_impact(before, after, fact)
    if kind in (capi.MACHINE_SET, capi.MACHINE_POOL, capi.MACHINE):
        return pools.impact_of(kind, before, after, fact)
    if rules(kind.group, kind.kind).control_plane:
        return _at_most(kind, before, after, fact)
    return None


def _at_most(
    kind: GroupKind, before: JsonObject | None, after: JsonObject, fact: Fact
) -> Impact | None:
    """A control plane known by the contract alone: every machine that it has, as an upper bound."""
    if before is None:
        replicas = count(value(after, "spec.replicas"), 0)
        if replicas is None:
            return capi.NO_NUMBER
        return capi.made(replicas) if replicas else None
    found = uncounted(kind, before, after)
    if found is None or fact.unreadable:
        return found and Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    live = len(fact.machines)
    note = "at most; its controller decides which"
    return msgspec.structs.replace(found, replaced=live, live=live, total=live, note=note)


def uncounted(kind: GroupKind, before: JsonObject, after: JsonObject) -> Impact | None:
    """What a change does where the provider alone knows how many machines it touches."""
    field = capi.changed_field(before, after, rules(kind.group, kind.kind).provider_defined)
    if not field:
        return None
    note = "its provider decides how; machines are not counted"
    return Impact(effect=Effect.PROVIDER_DEFINED, because=field, note=note)


def needed(body: JsonObject, id_: ResourceId) -> Iterator[ResourceId]:
    """What the controller of a Cluster API object waits for: what the object refers to.

    Other groups give nothing. Secrets are left out: controllers make most of them; so is what a
    name only hints at.
    """
    if id_.group.endswith(capi.CLUSTER.group):
        for reference in references(body, id_, rules(id_.group, id_.kind)):
            if reference.target.kind != "Secret" and not reference.rule.suffix:
                yield reference.target
