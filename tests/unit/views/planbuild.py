"""Small builders of plans: values a test cares about in, the rest sensible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from planner import digests
from planner.changes import (
    ActionId,
    Basis,
    Cause,
    Change,
    ClusterIdentity,
    Confidence,
    Edge,
    FieldChange,
    Finding,
    Gate,
    Graph,
    Plan,
    Refusal,
    Take,
    Totals,
    Verb,
)
from providers.base import Effect, Impact
from state.resource import Origin, ResourceId, canonical

MANAGEMENT = "mgmt-eu"
CAPI = "cluster.x-k8s.io"
CONTROL_PLANE = "controlplane.cluster.x-k8s.io"
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
GROUPS = {
    "Cluster": CAPI,
    "MachineDeployment": CAPI,
    "KubeadmControlPlane": CONTROL_PLANE,
    "AWSMachineTemplate": INFRASTRUCTURE,
    "AWSCluster": INFRASTRUCTURE,
    "ClusterResourceSet": "addons.cluster.x-k8s.io",
    "CustomResourceDefinition": "apiextensions.k8s.io",
    "Deployment": "apps",
}


def unit_of(cluster: str) -> str:
    """`team-a/shop` → its unit; `""` → the shared unit."""
    return f"{MANAGEMENT}/{cluster}" if cluster else MANAGEMENT


def change(
    cluster: str,
    kind: str,
    name: str,
    verb: Verb = Verb.UPDATE,
    *fields: FieldChange,
    namespace: str | None = None,
    step: int = 0,
    **given: Any,
) -> Change:
    """A change of an object of a cluster in the management cluster."""
    home = cluster.partition("/")[0] if namespace is None else namespace
    id_ = ResourceId(MANAGEMENT, GROUPS.get(kind, ""), kind, home, name)
    return _change(id_, unit_of(cluster), verb, fields, step, given)


def addon(
    cluster: str, kind: str, name: str, verb: Verb = Verb.UPDATE, *fields: FieldChange, **given: Any
) -> Change:
    """A change of an object inside a workload cluster; `name` is `namespace/name`."""
    namespace, _, own = name.rpartition("/")
    id_ = ResourceId(unit_of(cluster), GROUPS.get(kind, ""), kind, namespace, own)
    return _change(id_, unit_of(cluster) + ":addons", verb, fields, 0, given)


def _change(
    id_: ResourceId,
    unit: str,
    verb: Verb,
    fields: tuple[FieldChange, ...],
    step: int,
    given: dict[str, Any],
) -> Change:
    takes = tuple(Take(path=f.path, manager=f.by) for f in fields if f.cause is Cause.DRIFT)
    given.setdefault("takes", takes)
    if verb in (Verb.CREATE, Verb.ROTATE):
        given.setdefault("confidence", Confidence.STATIC)
    return Change(
        action=ActionId(id_, step),
        version="v1",
        plural=id_.kind.lower() + "s",
        namespaced=bool(id_.namespace),
        unit=unit,
        verb=verb,
        body=msgspec.Raw(canonical({"kind": id_.kind})),
        fields=fields,
        origin=Origin("clusters/a.yaml", 1),
        **given,
    )


def field(path: str, before: Any, after: Any, **given: Any) -> FieldChange:
    """A changed field; `path` is dotted."""
    steps = tuple(f"f:{part}" for part in path.split("."))
    return FieldChange(path=steps, before=before, after=after, **given)


def plan(
    *changes: Change,
    edges: Iterable[Edge] = (),
    gates: Iterable[Gate] = (),
    findings: Iterable[Finding] = (),
    refusals: Iterable[Refusal] = (),
    unreadable: dict[str, str] | None = None,
    clusters: int = 2,
    mode: str = "apply",
    basis: Basis | None = None,
    ignored: int = 0,
) -> Plan:
    """A plan of these changes, sorted as the planner sorts them."""
    listed = tuple(sorted(changes, key=lambda c: c.action))
    graph = Graph(gates=tuple(gates), edges=tuple(edges))
    blocked = unreadable or {}
    units = digests.units(listed, (), graph, {unit_of(c): (why,) for c, why in blocked.items()})
    found = [
        Finding(kind="unreadable", summary=f"Cluster {c}: {why}", unit=unit_of(c))
        for c, why in blocked.items()
    ]
    return Plan(
        format_version="1.0",
        mode=mode,
        basis=basis
        or Basis(
            fleet="acme",
            commit="4f2c9e1" + "0" * 33,
            label="4f2c9e1",
            clusters=(ClusterIdentity(cluster=MANAGEMENT, uid="u1", version="v1.36.3"),),
            tool="clusterform 0.1.0",
        ),
        units=units,
        changes=listed,
        graph=graph,
        findings=(*found, *findings),
        refusals=tuple(refusals),
        totals=Totals(clusters=clusters, unreadable=len(blocked), ignored=ignored),
        complete=not blocked,
        digest=digests.plan_digest(units),
    )


def rolls(replaced: int, live: int, **given: Any) -> Impact:
    """A rollout."""
    given.setdefault("total", live)
    given.setdefault("floor", live)
    return Impact(effect=Effect.ROLLS, replaced=replaced, live=live, **given)
