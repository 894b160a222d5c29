"""What a table of an infrastructure provider says: kinds and roles, versions, durations, names.

A provider is one module of `providers.infrastructure` that fills these structs and lists them in
`PROVIDERS`; `providers.registry` finds it. Everything in them has a reader: `rules_of` makes the
rules of planning, `planner.deadlines` the deadlines of waits, `providers.facts` the checks of
`validate`, the sandbox its simulated controllers.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from providers.base import KindRules, Milestone, RefRule
from providers.capi import PROVISIONED
from state.resource import GroupKind

INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
CONTROL_PLANE = "controlplane.cluster.x-k8s.io"
BOOTSTRAP = "bootstrap.cluster.x-k8s.io"

CONTROL_PLANE_READY = Milestone(name="control-plane-ready", deadline=2100)


class Role(enum.StrEnum):
    """What a kind is for, by Cluster API's contracts."""

    CLUSTER = "cluster"
    """InfraCluster: network, load balancer, endpoint of a cluster."""
    CONTROL_PLANE = "control plane"
    """A control plane that the provider runs; there are no machines of it."""
    MACHINE = "machine"
    POOL = "machine pool"
    TEMPLATE = "template"
    """Of any of the others, and of what machines are made from: rotated instead of edited."""
    IDENTITY = "identity"
    """Credentials for many clusters: belongs to none of them."""
    HOST = "host"
    """A machine that exists by itself and outlives clusters."""
    PLACE = "place"
    """Zones and the like: belongs to no cluster, and many use it."""
    PART = "part"
    """Anything else of one cluster."""


class Durations(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Seconds after which something is wrong: upper bounds.

    From the provider's own e2e tests where these say them, else those of a provider like it.
    """

    infrastructure: int
    control_plane: int
    """The first control-plane machine's API, from the infrastructure."""
    workers: int
    rollout: int
    removal: int

    def deadlines(self) -> dict[str, int]:
        """Milestone → seconds. A new cluster takes one step after the other."""
        reachable = self.infrastructure + self.control_plane
        everything = max(self.rollout, reachable + self.workers)
        return {
            "infrastructure-provisioned": self.infrastructure,
            "control-plane-initialized": reachable,
            "control-plane-ready": max(self.rollout, reachable),
            "exists": reachable,
            "rolled-out": everything,
            "available": everything,
            "absent": self.removal,
        }


class Derived(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Secret that controllers make beside an object of kind `of`, named by it and a suffix."""

    of: GroupKind
    suffix: str


class Kind(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One kind of a provider. Paths are dotted, `[*]` stands for every item of a list."""

    role: Role
    namespaced: bool = True
    versions: tuple[str, ...] = ()
    """API versions that are served, the newest last; empty: those of the provider."""
    references: tuple[RefRule, ...] = ()
    immutable: tuple[str, ...] = ()
    mutable: tuple[str, ...] = ()
    """Exceptions below `immutable`."""
    written: tuple[str, ...] = ()
    """Fields of `spec` that controllers of the provider write."""
    rolls: tuple[str, ...] = ()
    """Fields by which a managed control plane or a pool is upgraded, as the provider sees fit."""
    named_elsewhere: bool = False
    """Its `spec.clusterName` is the cluster's name at the cloud, not that of the Cluster."""
    fields: str = ""
    """What is known of the schema: see `providers.facts`."""
    legacy: str = ""
    """Why not to begin with it any more, and the way out; empty: what the provider says."""


class Provider(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One infrastructure provider."""

    name: str
    """As clusterctl calls it."""
    title: str
    source: str
    """Repository and version that the table was read from."""
    versions: tuple[str, ...]
    """API versions of its kinds, the newest last."""
    contract: str
    """The newest contract of Cluster API that it keeps: says which status field means ready."""
    durations: Durations | None = None
    """None: those of Cluster API's defaults."""
    kinds: Mapping[GroupKind, Kind]
    derived: tuple[Derived, ...] = ()
    legacy: str = ""
    """Why not to begin with it any more, and the way out."""


def kinds(group: str = INFRASTRUCTURE, /, **of: Kind) -> dict[GroupKind, Kind]:
    """A table by the names of kinds: `kinds(AWSCluster=Kind(…), …)`."""
    return {GroupKind(group, name): kind for name, kind in of.items()}


def rules_of(kind: Kind, provider: Provider) -> KindRules:
    """The rules of planning that follow from what a table says of a kind."""
    role = kind.role
    shared = role in (Role.IDENTITY, Role.PLACE)
    ready = {Role.CLUSTER: PROVISIONED, Role.CONTROL_PLANE: CONTROL_PLANE_READY}.get(role)
    if provider.contract == "none":
        ready = None  # nobody is left to report it
    return KindRules(
        references=kind.references,
        immutable=kind.immutable,
        mutable=kind.mutable,
        written=kind.written,
        provider_defined=kind.rolls,
        template=role is Role.TEMPLATE,
        protected=role in (Role.CLUSTER, Role.CONTROL_PLANE, Role.HOST),
        cascaded=not shared and role is not Role.HOST,
        always_shared=shared,
        ready=ready,
        control_plane=role is Role.CONTROL_PLANE,
        named_elsewhere=kind.named_elsewhere,
    )
