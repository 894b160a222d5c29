"""The plan as data: what is written, why, on which condition, in which order (docs/semantics.md).

Everything here is frozen and encodes to JSON by itself; `planner.planfile` adds the envelope.
A plan is complete: apply performs it and decides nothing anew.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from planner.expansions import Chart, UsedSource
from providers.base import APPLIED, Impact, Milestone
from state.resource import FieldPath, Hook, Origin, Release, ResourceId, SecretRef


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the plan's structs: immutable, keyword-only, defaults left out of the JSON."""


class Verb(enum.StrEnum):
    """What happens to one object. Open for readers: tolerate names that you do not know."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Two changes shown as one: step 0 deletes, step 1 creates under the same name."""
    ROTATE = "rotate"
    """Create the next generation of a template; its users are updated beside it."""
    ADOPT = "adopt"
    SUSPEND = "suspend"
    """Stop the controller of a HelmRelease or Kustomization, so that its objects can be adopted."""
    DELETE = "delete"
    PRUNE = "prune"
    """Delete a template generation once nothing uses it; gone already is fine."""
    FORGET = "forget"
    """Drop the record of something that is not there or not ours any more; writes nothing."""


class Cause(enum.StrEnum):
    """Why a field changes. Open: a reader shows a name that it does not know as it is."""

    GIT = "git"
    DRIFT = "drift"
    BOTH = "both"
    TRIGGERED = "triggered"
    DEFAULT = "default"


class Confidence(enum.StrEnum):
    """How well the change is known (semantics 10)."""

    EXACT = "exact"
    STATIC = "static"
    UNPROVEN = "unproven"


class ActionId(msgspec.Struct, frozen=True, order=True, gc=False):
    """One write. `step` tells apart several writes to one object, from 0."""

    resource: ResourceId
    step: int = 0

    def __str__(self) -> str:
        return f"{self.resource}#{self.step}" if self.step else str(self.resource)


class MustBeAbsent(Frozen, frozen=True, kw_only=True, tag="absent"):
    """The object must not exist: the write is a create that fails on an existing object."""


class MustBe(Frozen, frozen=True, kw_only=True, tag="is"):
    """The object must be the one the change was decided from (semantics 24).

    `fingerprint` maps the text of a path to a short hash of its value and owners. Of sensitive
    paths only owners and presence count; what they say is guarded by `generation`, which every
    change of a spec moves and no status does, or, for kinds without one, by `resource_version`.
    `hidden` are sensitive paths that the kind alone does not tell: what renders put there, now or
    when the object was last written.
    """

    uid: str
    fingerprint: dict[str, str]
    resource_version: str = ""
    generation: int = 0
    hidden: tuple[FieldPath, ...] = ()


class AfterAction(Frozen, frozen=True, kw_only=True, tag="after"):
    """Decided from what an earlier action of this plan leaves behind."""

    action: ActionId


class AnyState(Frozen, frozen=True, kw_only=True, tag="any"):
    """Nothing could be known; the write does not force and fails on a conflict (semantics 26)."""

    reason: str


Precondition = MustBeAbsent | MustBe | AfterAction | AnyState


class FieldChange(Frozen, frozen=True, kw_only=True):
    """One field, before and after. `UNSET` means: not there."""

    path: FieldPath
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET
    cause: Cause = Cause.GIT
    by: str = ""
    """The manager that changed it live, or the template that triggered it."""
    origin: str = ""
    """`file:line` of the field in Git, where it stands there."""
    sensitive: bool = False
    """Values are withheld; both sides then read `(sensitive)`."""
    known: bool = True
    """False: `after` is decided by the server (a default that is not in our tables)."""


class Take(Frozen, frozen=True, kw_only=True):
    """A field that another manager owns with another value and that this change takes back."""

    path: FieldPath
    manager: str


class Change(Frozen, frozen=True, kw_only=True):
    """One planned write with all that apply needs."""

    action: ActionId
    version: str
    plural: str
    namespaced: bool
    unit: str
    verb: Verb
    body: msgspec.Raw = msgspec.Raw(b"null")
    """Canonical JSON to apply, secrets and live refs left out; `null` for deletes."""
    secrets: tuple[tuple[FieldPath, SecretRef], ...] = ()
    live_refs: tuple[FieldPath, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    takes: tuple[Take, ...] = ()
    releases: tuple[str, ...] = ()
    """Managers that are done with the object and lose the fields that we send: after that,
    removing a field from Git removes it live (`planner.leftovers`)."""
    cause: Cause = Cause.GIT
    reason: str = ""
    impact: Impact = Impact()
    confidence: Confidence = Confidence.EXACT
    precondition: Precondition = MustBeAbsent()
    origin: Origin | None = None
    release: Release | None = None
    """What the object is rendered from."""
    release_before: Release | None = None
    """The same as it was when the object was last written, where it differs."""
    hook: Hook | None = None
    """Of a Helm hook: applied at a moment of its release."""
    logical: str = ""
    """Of a template: its name in Git."""
    predecessor: str = ""
    """Of a rotation: the generation in use before."""
    steps: int = 1
    """Writes of this plan to the object, told apart by `action.step`; a replacement is one."""
    ownership_only: bool = False
    """The object stays as it is; only managedFields changes (semantics 9)."""
    cascade: tuple[str, ...] = ()
    """Of a deleted Cluster: what goes with it, one line each."""
    survives: tuple[str, ...] = ()
    depends_on: tuple[ResourceId, ...] = ()
    """References of the new body, recorded so that a later delete keeps its order."""

    @property
    def id(self) -> ResourceId:
        """The object."""
        return self.action.resource

    @property
    def recorded(self) -> bool:
        """The object is ours once this is done, where it is not a delete."""
        return self.verb not in (Verb.FORGET, Verb.SUSPEND)

    @property
    def deletes(self) -> bool:
        """The write is a DELETE."""
        return self.verb in (Verb.DELETE, Verb.PRUNE) or (
            self.verb is Verb.REPLACE and self.action.step == 0
        )


class Cleared(Frozen, frozen=True, kw_only=True):
    """A candidate that a dry-run proved to be a no-op. Counts in the digest, is not written."""

    action: ActionId
    verb: Verb
    body_digest: str


class Gate(Frozen, frozen=True, kw_only=True):
    """A point in the order that is no write: it opens when all that it awaits is reached."""

    name: str
    awaits: tuple[tuple[ResourceId, Milestone], ...]
    unit: str = ""


class Edge(Frozen, frozen=True, kw_only=True):
    """`after` starts once `before` has reached `until`. Ends are `ActionId` or a gate's name."""

    before: ActionId | str
    after: ActionId | str
    until: Milestone = APPLIED
    reason: str = ""


class Graph(Frozen, frozen=True, kw_only=True):
    """The order of a plan: actions (ids into `Plan.changes`), gates, edges with reasons."""

    gates: tuple[Gate, ...] = ()
    edges: tuple[Edge, ...] = ()


class Finding(Frozen, frozen=True, kw_only=True):
    """Something the reader should know that is no change. `kind` is an open enum."""

    kind: str
    """`unreadable` (nothing planned: not read), `blocked` (nothing planned: something stands in the
    way), `refused` (not allowed), `conflict` (left to another manager), `handed-over` (an add-on
    provider applies it: whom it reaches), `warning`, `error`."""
    summary: str
    code: str = ""
    """The rule behind it (`V4`, docs/validation.md); `""` for what is no rule's."""
    unit: str = ""
    where: str = ""
    hint: str = ""
    count: int = 1


class Refusal(Frozen, frozen=True, kw_only=True):
    """A guard that says no: what, how much, the limit, and the way to allow it."""

    code: str
    summary: str
    units: tuple[str, ...] = ()
    override: str = ""


class Unit(Frozen, frozen=True, kw_only=True):
    """One piece of the approval (semantics 2, 21): the shared objects, a cluster, its add-ons."""

    key: str
    digest: str
    machines: dict[str, int] = {}
    """Owner → machines replaced, removed or destroyed; compared as ≤ when approving."""
    complete: bool = True
    why_not: tuple[str, ...] = ()
    cleared: tuple[Cleared, ...] = ()


class ClusterIdentity(Frozen, frozen=True, kw_only=True):
    """Which cluster a plan was made from: the uid of its `kube-system` namespace."""

    cluster: str
    uid: str
    version: str = ""


class Basis(Frozen, frozen=True, kw_only=True):
    """What the plan was made from. Never part of a digest."""

    fleet: str
    commit: str = ""
    uncommitted: tuple[str, ...] = ()
    label: str = ""
    """How the source is described to people: a commit, `no git`, …"""
    clusters: tuple[ClusterIdentity, ...] = ()
    tool: str = ""
    partial: tuple[str, ...] = ()
    """The `--target` and `--exclude` selectors that cut the plan."""
    lock: str = ""
    """`sha256:…` of `clusterform.lock`, where releases or Kustomizations are expanded."""
    sources: tuple[UsedSource, ...] = ()
    """Places outside the repository that files were taken from."""
    renderers: tuple[str, ...] = ()
    """What rendered charts and kustomizations."""
    charts: tuple[Chart, ...] = ()
    """The charts that were rendered."""

    @property
    def lookups(self) -> int:
        """Places in charts that ask the cluster: rendered without one, they found nothing."""
        return sum(chart.lookups for chart in self.charts)


class Totals(Frozen, frozen=True, kw_only=True):
    """Counts over everything that was looked at, for the summary."""

    clusters: int = 0
    resources: int = 0
    unreadable: int = 0
    unproven: int = 0
    ignored: int = 0
    """Fields left alone by `ignore` rules."""


class Plan(Frozen, frozen=True, kw_only=True):
    """What would be done. Sorted: equal inputs give equal bytes."""

    format_version: str
    mode: str
    """`apply`, `destroy` or `drift`: for display only; apply does not look at it."""
    basis: Basis
    units: tuple[Unit, ...]
    changes: tuple[Change, ...]
    graph: Graph
    findings: tuple[Finding, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    totals: Totals = Totals()
    complete: bool = True
    """False: something could not be read, and nothing is planned there."""
    digest: str = ""

    @property
    def applyable(self) -> bool:
        """There is something to do and no guard refuses it."""
        return bool(self.changes) and not self.refusals

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes that apply sends: not the unproven ones (semantics 10)."""
        return tuple(c for c in self.changes if c.confidence is not Confidence.UNPROVEN)
