"""The plans of the golden files, each with a name."""

from __future__ import annotations

import msgspec
from planbuild import MANAGEMENT, addon, change, field, plan, rolls

from planner.changes import (
    Basis,
    Cause,
    ClusterIdentity,
    Confidence,
    Edge,
    Finding,
    Gate,
    Plan,
    Refusal,
    Verb,
)
from providers.base import ABSENT, Effect, Impact
from providers.capi import CLUSTER, INITIALIZED, ROLLED_OUT
from state.resource import ResourceId

PROD = "clusters/mgmt-eu/team-a/shop-prod.yaml"
_BEFORE, _AFTER = "shop-prod-md0-1f2e3d4c", "shop-prod-md0-9a8b7c6d"


def typical() -> Plan:
    """The example of the design: rollout, rotation, a new, a destroyed and 311 equal clusters."""
    plane = change(
        "team-a/shop-prod",
        "KubeadmControlPlane",
        "shop-prod",
        Verb.UPDATE,
        field("spec.version", "v1.34.3", "v1.35.2", origin=f"{PROD}:31"),
        impact=rolls(3, 3, peak=4, note="one at a time", because="spec.version"),
    )
    template = change(
        "team-a/shop-prod",
        "AWSMachineTemplate",
        _AFTER,
        Verb.ROTATE,
        field("spec.template.spec.instanceType", "m6i.large", "m6i.xlarge", origin=f"{PROD}:58"),
        logical="shop-prod-md0",
        predecessor=_BEFORE,
    )
    workers = change(
        "team-a/shop-prod",
        "MachineDeployment",
        "shop-prod-md0",
        Verb.UPDATE,
        field(
            "spec.template.spec.infrastructureRef.name",
            _BEFORE,
            _AFTER,
            cause=Cause.TRIGGERED,
            by="AWSMachineTemplate shop-prod-md0",
        ),
        field("spec.replicas", 7, 5, cause=Cause.DRIFT, by="kubectl-scale"),
        impact=rolls(5, 7, removed=2, total=5, floor=5, peak=7, note="oldest first"),
    )
    pruned = change(
        "team-a/shop-prod", "AWSMachineTemplate", _BEFORE, Verb.PRUNE, logical="shop-prod-md0"
    )
    gone = change(
        "team-b/old-poc",
        "Cluster",
        "old-poc",
        Verb.DELETE,
        impact=Impact(effect=Effect.DESTROYS, destroyed=7, live=7),
        cascade=("3 control-plane machines", "4 worker machines of md0"),
        survives=("2 volumes with reclaim policy Retain", "1 load balancer made by a Service"),
        reason="is not in Git any more",
    )
    flush = [
        addon(
            f"{team}/edge-{number}",
            "ConfigMap",
            "fluent-bit/config",
            Verb.UPDATE,
            field(
                "data.flush",
                "10" if (team, number) == ("team-d", 7) else "5",
                "1",
                origin="profiles/base/fluent-bit.yaml:12",
            ),
            impact=Impact(effect=Effect.IN_PLACE),
        )
        for team, count in (("team-c", 40), ("team-d", 271))
        for number in range(count)
    ]
    made, gates, edges = _new_cluster()
    return plan(
        plane,
        template,
        workers,
        pruned,
        gone,
        *flush,
        *made,
        edges=[
            *edges,
            Edge(before=template.action, after=workers.action, reason="makes its machines"),
            Edge(
                before=plane.action,
                after=workers.action,
                until=ROLLED_OUT,
                reason="control plane before workers",
            ),
            Edge(
                before=workers.action,
                after=pruned.action,
                until=ROLLED_OUT,
                reason="no machine is made from it",
            ),
        ],
        gates=gates,
        unreadable={"team-e/lab-3": "connection refused"},
        clusters=2047,
        basis=Basis(
            fleet="acme",
            commit="4f2c9e1" + "0" * 33,
            uncommitted=("clusters/mgmt-eu/team-a/shop-dev.yaml",),
            label="4f2c9e1 (+1 uncommitted)",
            clusters=(ClusterIdentity(cluster=MANAGEMENT, uid="u1", version="v1.36.3"),),
            tool="clusterform 0.1.0",
        ),
    )


def _new_cluster():  # type: ignore[no-untyped-def]
    cluster = "team-a/shop-dev"
    names = ("Cluster", "KubeadmControlPlane", "AWSCluster", "MachineDeployment")
    scales = {
        kind: Impact(effect=Effect.SCALES, added=count, total=count, peak=count)
        for kind, count in (("KubeadmControlPlane", 1), ("MachineDeployment", 3))
    }
    made = [
        change(cluster, kind, "shop-dev", Verb.CREATE, impact=scales.get(kind, Impact()))
        for kind in names
    ]
    made += [addon(cluster, "ConfigMap", f"base/settings-{n:02d}", Verb.CREATE) for n in range(44)]
    id_ = ResourceId(MANAGEMENT, CLUSTER.group, CLUSTER.kind, "team-a", "shop-dev")
    secret = ResourceId(MANAGEMENT, "", "Secret", "team-a", "shop-dev-kubeconfig")
    name = f"{MANAGEMENT}/{cluster} reachable"
    gate = Gate(
        name=name,
        awaits=((id_, INITIALIZED), (secret, msgspec.structs.replace(INITIALIZED, name="exists"))),
        unit=f"{MANAGEMENT}/{cluster}",
    )
    edges = [Edge(before=made[0].action, after=name, reason="the cluster must exist")]
    edges += [Edge(before=name, after=c.action, reason="its cluster must answer") for c in made[4:]]
    return made, [gate], edges


def empty() -> Plan:
    """Everything as it should be."""
    return plan(clusters=2)


def incomplete() -> Plan:
    """Nothing to do where anything could be read."""
    return plan(unreadable={"team-e/lab-3": "connection refused"}, clusters=2)


def refused() -> Plan:
    """A guard says no, and so does the protection of a Cluster."""
    workers = change(
        "team-a/shop",
        "MachineDeployment",
        "shop-md0",
        Verb.UPDATE,
        field("spec.template.spec.version", "v1.34.3", "v1.35.2", origin="clusters/shop.yaml:9"),
        impact=rolls(40, 40, peak=41, note="any of them"),
    )
    return plan(
        workers,
        refusals=[
            Refusal(
                code="max-machines-replaced",
                summary="replaces, removes or destroys 40 machines, 20 are allowed",
                units=("mgmt-eu/team-a/shop",),
                override="raise guards.maxMachinesReplaced, or cut the plan with --target",
            )
        ],
        findings=[
            Finding(
                kind="refused",
                summary="Cluster team-b/old is not in Git any more, and nothing allows to"
                " destroy it",
                unit="mgmt-eu/team-b/old",
                hint="restore it, or allow it with --allow-destroy team-b/old",
            )
        ],
    )


def drift() -> Plan:
    """What somebody changed live, and a Secret."""
    return plan(
        change(
            "team-a/shop",
            "MachineDeployment",
            "shop-md0",
            Verb.UPDATE,
            field("spec.replicas", 7, 5, cause=Cause.DRIFT, by="kubectl-scale"),
            impact=Impact(
                effect=Effect.SCALES, removed=2, live=7, total=5, floor=5, note="oldest first"
            ),
            cause=Cause.DRIFT,
        ),
        addon(
            "team-a/shop",
            "Secret",
            "base/token",
            Verb.UPDATE,
            field(
                "data.token",
                "(sensitive)",
                "(sensitive, changed)",
                cause=Cause.BOTH,
                by="kubectl-edit",
                origin="clusters/shop.yaml:70",
                sensitive=True,
            ),
            confidence=Confidence.STATIC,
            impact=Impact(effect=Effect.IN_PLACE),
        ),
        mode="drift",
    )


def destroy() -> Plan:
    """One cluster and what stands beside it."""
    cluster = change(
        "team-a/shop-dev",
        "Cluster",
        "shop-dev",
        Verb.DELETE,
        impact=Impact(effect=Effect.DESTROYS, destroyed=3, live=3),
        cascade=("1 control-plane machine", "2 worker machines of shop-dev-md0"),
        reason="is not in Git any more",
    )
    secret = change("team-a/shop-dev", "Secret", "shop-dev-cloud", Verb.DELETE)
    return plan(
        cluster,
        secret,
        edges=[Edge(before=cluster.action, after=secret.action, until=ABSENT, reason="torn down")],
        mode="destroy",
    )


def hostile() -> Plan:
    """Values that try to leave a fence, mention people, reorder text and move the cursor."""
    return plan(
        change(
            "team-a/shop",
            "ConfigMap",
            "notes",
            Verb.UPDATE,
            field("data.fence", "plain", "`````\n</details>\n@everyone see #1\n<b>hi</b>"),
            field("data.bidi", "admin", "user\u202enimda\u202c"),
            field("data.escape", "x", "\x1b[2J\x1b[31mgone\rowned\x07"),
            field("data.hidden", "ab", "a\u200bb"),
            field("data.text", "a\nb\nc\n", "a\nB `````` \u2066\nc\n", origin="a|b`c.yaml:3"),
            field("data.word", "(sensitive)", "7 → 5"),
            impact=Impact(effect=Effect.IN_PLACE),
        ),
        change("team-a/shop", "Secret", "x`y|z@a", Verb.DELETE, reason="is not in\u2028Git"),
        findings=[
            Finding(kind="warning", summary="`````\n# heading @team", where="a\u202eb.yaml:1")
        ],
    )


def kinds_of_change() -> Plan:
    """Every verb, and fields of every shape, beside many creates among the shared objects."""
    replaced = [
        change(
            "",
            "ClusterResourceSet",
            "cni",
            Verb.REPLACE,
            *([field("spec.strategy", "ApplyOnce", "Reconcile", origin="crs.yaml:8")] * step),
            namespace="team-a",
            step=step,
            reason="an immutable field changes",
        )
        for step in (0, 1)
    ]
    crds = [
        change("", "CustomResourceDefinition", f"k{n}.acme.dev", Verb.CREATE, namespace="")
        for n in range(12)
    ]
    return plan(
        *replaced,
        *crds,
        change(
            "team-a/shop",
            "ConfigMap",
            "settings",
            Verb.ADOPT,
            field("data.long", "x" * 90 + "old" + "y" * 60, "x" * 90 + "new" + "y" * 60),
            field("data.added", msgspec.UNSET, {"a": [1, 2], "b": None}, origin="s.yaml:4"),
            field("data.gone", True, msgspec.UNSET, origin="s.yaml:4"),
            field("spec.unknown", 3, msgspec.UNSET, cause=Cause.DEFAULT, known=False),
            field("data.lines", "one\ntwo\nthree\nfour\n", "one\n2\nthree\nfour\nfive\n"),
            impact=Impact(effect=Effect.IN_PLACE),
            reason="was made by somebody else",
        ),
        change("team-a/shop", "ConfigMap", "same", ownership_only=True),
        change("team-a/shop", "ConfigMap", "gone", Verb.FORGET, reason="is gone already"),
        change("team-a/shop", "Widget", "odd", confidence=Confidence.UNPROVEN),
        change(
            "team-a/shop",
            "Cluster",
            "shop",
            Verb.UPDATE,
            field("spec.topology.version", "v1.34.3", "v1.35.2", origin="c.yaml:9"),
            impact=Impact(
                effect=Effect.PROVIDER_DEFINED,
                replaced=6,
                live=6,
                total=6,
                because="spec.topology.version",
                note="at most; its controller decides which",
            ),
        ),
        findings=[
            Finding(
                kind="conflict",
                summary="MachineDeployment team-a/shop-md0: .spec.replicas is kept by autoscaler",
                unit="mgmt-eu/team-a/shop",
                where="clusters/shop.yaml:40",
                hint="left as it is; remove the field from Git, or list it under ignore",
            ),
            *[Finding(kind="warning", summary="plain yes is a boolean here")] * 3,
        ],
        ignored=4,
    )


def many(deletes: int, updates: int) -> Plan:
    """Deletes and updates that nothing folds: every object has a name of its own."""
    gone = [
        change(f"team-{n % 40}/edge-{n % 400}", "ConfigMap", f"gone-{n}", Verb.DELETE)
        for n in range(deletes)
    ]
    moved = [
        change(
            f"team-{n % 40}/edge-{n % 400}",
            "ConfigMap",
            f"moved-{n}",
            Verb.UPDATE,
            field("data.value", str(n), str(n + 1), origin=f"clusters/{n}.yaml:4"),
            impact=Impact(effect=Effect.IN_PLACE),
        )
        for n in range(updates)
    ]
    return plan(*gone, *moved, clusters=400)


CASES = {
    "typical": typical,
    "empty": empty,
    "incomplete": incomplete,
    "refused": refused,
    "drift": drift,
    "destroy": destroy,
    "hostile": hostile,
    "kinds": kinds_of_change,
}
