"""Which rules hold for a kind: the tables of all providers put together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from providers import bootstrap, capi, controlplane, management
from providers.base import NO_RULES, Fact, Impact, KindRules, references
from providers.infrastructure import docker, generic
from state.resource import GroupKind, JsonObject, ResourceId

_TABLES = (
    management.KINDS,
    capi.KINDS,
    bootstrap.KINDS,
    controlplane.KINDS,
    docker.KINDS,
)


@lru_cache(maxsize=1024)
def rules(group: str, kind: str) -> KindRules:
    """The rules of a kind: its own table, else the contract's, else none."""
    key = GroupKind(group, kind)
    for table in _TABLES:
        found = table.get(key)
        if found is not None:
            return found
    return generic.rules(group, kind) or NO_RULES


def impact(
    kind: GroupKind, before: JsonObject | None, after: JsonObject, fact: Fact
) -> Impact | None:
    """What a change does to the machines of their owner; None for kinds that own no machines.

    Clusters and classes are not here: they need more than their own facts (`providers.blueprint`).
    """
    if kind == capi.MACHINE_DEPLOYMENT:
        return capi.machine_deployment_impact(before, after, fact)
    if kind == controlplane.KUBEADM:
        return controlplane.kubeadm_impact(before, after, fact)
    if kind in (capi.MACHINE_POOL, capi.MACHINE):
        return capi.provider_defined_impact(kind, before, after, fact)
    return None


def needed(body: JsonObject, id_: ResourceId) -> Iterator[ResourceId]:
    """What the controller of a Cluster API object waits for: what the object refers to.

    Other groups give nothing. Secrets are left out: controllers make most of them.
    """
    if id_.group.endswith(capi.CLUSTER.group):
        for reference in references(body, id_, rules(id_.group, id_.kind)):
            if reference.target.kind != "Secret":
                yield reference.target
