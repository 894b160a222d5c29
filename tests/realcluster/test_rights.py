"""The shipped roles on a real server: enough for what they are for, and not one verb more."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planner import app, events
from planner.app import ApplyOptions
from planner.changes import Confidence, Plan, Verb
from planner.plan import Options
from planner.views.text import plan_text
from planner.workspace import Workspace
from providers.base import Effect
from providers.kube.api import APPLY_PATCH, MERGE_PATCH, Request
from state.errors import ClusterformError
from state.lock import read as holder_of
from tests.realcluster.lab import RealLab, transport_of
from tests.realcluster.roles import Right, Tier
from tests.realcluster.server import ControlPlane
from tests.support import manifests
from tests.support.lab import capi

ADMIN_INSIDE = "user-29"
USERS = {
    "plan": ("user-20", "user-21"),
    "plan-dry-run": ("user-22", "user-23"),
    "apply": ("user-24", "user-25"),
}
TRUE = {
    "status": "True",
    "reason": "Test",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
FALSE = {**TRUE, "status": "False"}

ALONE = """\
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata:
  name: {name}
  namespace: team-a
  annotations: {{clusterform.dev/allow-destroy: "true"}}
spec:
  controlPlaneEndpoint: {{host: 127.0.0.1, port: 6443}}
  infrastructureRef:
    {{apiGroup: infrastructure.cluster.x-k8s.io, kind: DevCluster, name: c1}}
"""


class Controllers:
    """What Cluster API's controllers would say of objects that are just as they should be."""

    def __init__(self, lab: RealLab, plane: ControlPlane) -> None:
        self._server = transport_of(plane)
        self._lab = lab
        self.inside = ""
        """Who the kubeconfig of c1 belongs to."""
        self._plane = plane
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._over.wait(0.1):
            for kind in ("devclusters", "kubeadmcontrolplanes", "machinedeployments", "clusters"):
                for body in self._list(capi(kind, self._lab.fleet)):
                    self._settle(kind, body)

    def _list(self, path: str) -> list[dict[str, Any]]:
        answer = self._server.request(Request(method="GET", path=path))
        return list(json.loads(answer.body).get("items") or ())

    def _settle(self, kind: str, body: dict[str, Any]) -> None:
        meta = body["metadata"]
        status = body.get("status") or {}
        if status.get("observedGeneration") == meta["generation"] or (
            kind == "devclusters" and status
        ):
            return
        if kind == "clusters" and meta["name"] == "c1":
            self.kubeconfig(meta["uid"])
        if kind == "machinedeployments":
            self._machine_set(body)
        path = f"{capi(kind, self._lab.fleet, meta['name'])}/status"
        new = _status(kind, body)
        self._server.request(
            Request(
                method="PATCH",
                path=path,
                query=(("fieldManager", "capi"),),
                body=json.dumps({"status": new}).encode(),
                content_type=MERGE_PATCH,
            )
        )

    def _machine_set(self, pool: dict[str, Any]) -> None:
        """The one of the pool as it is now; that it has no replicas keeps the test small."""
        meta = pool["metadata"]
        owner = {key: pool[key] for key in ("apiVersion", "kind")}
        owner |= {"name": meta["name"], "uid": meta["uid"], "controller": True}
        names = {"matchLabels": {"pool": meta["name"]}}
        template = {"metadata": {"labels": names["matchLabels"]}}
        body = {
            "apiVersion": "cluster.x-k8s.io/v1beta2",
            "kind": "MachineSet",
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "labels": {
                    "cluster.x-k8s.io/cluster-name": pool["spec"]["clusterName"],
                    "cluster.x-k8s.io/deployment-name": meta["name"],
                },
                "ownerReferences": [owner],
            },
            "spec": {
                "clusterName": pool["spec"]["clusterName"],
                "replicas": 0,
                "selector": names,
                "template": {**template, "spec": pool["spec"]["template"]["spec"]},
            },
        }
        answer = self._server.request(
            Request(
                method="PATCH",
                path=capi("machinesets", meta["namespace"], meta["name"]),
                query=(("fieldManager", "capi"), ("force", "true")),
                body=json.dumps(body).encode(),
                content_type=APPLY_PATCH,
            )
        )
        assert answer.status in (200, 201), answer.body

    def kubeconfig(self, uid: str) -> None:
        """The Secret of c1, as its control plane makes it; replaces the one that is there."""
        config = json.dumps(self._plane.config(user=self.inside)).encode()
        owner = {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "name": "c1"}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "cluster.x-k8s.io/secret",
            "metadata": {
                "name": "c1-kubeconfig",
                "namespace": self._lab.fleet,
                "ownerReferences": [{**owner, "uid": uid}],
            },
            "data": {"value": base64.b64encode(config).decode()},
        }
        path = f"/api/v1/namespaces/{self._lab.fleet}/secrets"
        made = self._server.request(
            Request(method="POST", path=path, body=json.dumps(secret).encode())
        )
        if made.status == 409:
            path += "/c1-kubeconfig"
            body = json.dumps({"data": secret["data"]}).encode()
            self._server.request(
                Request(method="PATCH", path=path, body=body, content_type=MERGE_PATCH)
            )


def _status(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    if kind == "devclusters":
        return {"initialization": {"provisioned": True}}
    status: dict[str, Any] = {
        "observedGeneration": body["metadata"]["generation"],
        "conditions": [{"type": "Available", **TRUE}, {"type": "RollingOut", **FALSE}],
    }
    if kind == "clusters":
        done = {"controlPlaneInitialized": True, "infrastructureProvisioned": True}
        return {**status, "initialization": done}
    count = body["spec"].get("replicas", 1)
    counters = ("replicas", "readyReplicas", "availableReplicas", "upToDateReplicas")
    status |= dict.fromkeys(counters, count)
    if kind == "kubeadmcontrolplanes":
        status["initialization"] = {"controlPlaneInitialized": True}
    return status


class World:
    """One cluster with an add-on, machines that exist, and a repository that can be turned."""

    def __init__(self, lab: RealLab, plane: ControlPlane, tmp: Path) -> None:
        self.lab = lab
        self.tmp = tmp
        self.plane = plane
        self.controllers = Controllers(lab, plane)
        self.turn = 0

    def files(self) -> str:
        """Every turn changes what stays, and puts something new in the place of something old."""
        ns, turn = self.lab.fleet, self.turn
        parts = [manifests.NAMESPACE, manifests.cluster(startup=f"{1 + turn % 2}s")]
        parts += [manifests.addon("c1", f"addon-{ns}", f"turn-{turn}")]
        text = "---\n".join(parts).replace("team-a", ns)
        text = text.replace("\nmetadata: {", f"\nmetadata: {{labels: {{turn: t{turn}}}, ")
        more = self._passing(f"p{turn}")
        more += [part for n in range(turn + 1) for part in self._staying(f"s{n}")]
        return "---\n".join((text, *more)).replace("team-a", ns)

    def _passing(self, name: str) -> list[str]:
        """What is made in this turn and removed in the next: a pool, an add-on, a Cluster.

        The Cluster is alone, since what belongs to one goes with it; the pool belongs to c1.
        """
        pool = [
            part.replace("clusterName: " + name, "clusterName: c1")
            for part in manifests.cluster(name).split("---\n")
            if f"name: {name}-md0" in part
        ]
        return [*pool, ALONE.format(name=name), manifests.addon("c1", f"{name}-{self.lab.fleet}")]

    def _staying(self, name: str) -> list[str]:
        """What is made in each turn and stays, since its removal is refused unless it is named."""
        of_c1 = "metadata: {labels: {cluster.x-k8s.io/cluster-name: c1}, "
        kinds = ("kind: DevCluster\n", "kind: KubeadmControlPlane\n", f"name: {name}-cp")
        made = [
            part.replace("metadata: {", of_c1, 1)
            for part in manifests.cluster(name).split("---\n")
            if "kind: Cluster\n" not in part and any(kind in part for kind in kinds)
        ]
        return [manifests.NAMESPACE.replace("team-a", f"team-a-{name}"), *made]

    def put(self) -> None:
        self.lab.write("clusters/c1.yaml", self.files())
        self.lab.commit()

    def next(self) -> None:
        self.turn += 1
        self.put()

    def machines(self) -> None:
        """What the facts of a plan are read from."""
        ns = self.lab.fleet
        labels = {
            "cluster.x-k8s.io/cluster-name": "c1",
            "cluster.x-k8s.io/deployment-name": "c1-md0",
        }
        group = "infrastructure.cluster.x-k8s.io"
        spec = {
            "clusterName": "c1",
            "bootstrap": {"dataSecretName": "data"},
            "infrastructureRef": {"apiGroup": group, "kind": "DevMachine", "name": "m1"},
        }
        made = self.lab.get(capi("machinesets", ns, "c1-md0"))
        assert made is not None
        owner = {"apiVersion": made["apiVersion"], "kind": "MachineSet", "name": "c1-md0"}
        owner["uid"] = made["metadata"]["uid"]
        meta = {"name": "m1", "namespace": ns, "labels": labels, "ownerReferences": [owner]}
        version = "cluster.x-k8s.io/v1beta2"
        self.lab.make(
            {"apiVersion": version, "kind": "Machine", "metadata": meta, "spec": spec}, "machines"
        )
        del meta["ownerReferences"]
        body = {"apiVersion": f"{group}/v1beta2", "kind": "DevMachine", "metadata": meta}
        self.lab.make({**body, "spec": {"backend": {"inMemory": {}}}}, "devmachines")
        plane = {
            "name": "cp1",
            "namespace": ns,
            "labels": {
                "cluster.x-k8s.io/cluster-name": "c1",
                "cluster.x-k8s.io/control-plane": "",
            },
        }
        config = {"apiGroup": "bootstrap.cluster.x-k8s.io", "kind": "KubeadmConfig", "name": "cp1"}
        live = self.lab.get(capi("kubeadmcontrolplanes", ns, "c1"))
        assert live is not None
        spec = {**spec, "bootstrap": {"configRef": config}, "version": live["spec"]["version"]}
        self.lab.make(
            {"apiVersion": version, "kind": "Machine", "metadata": plane, "spec": spec}, "machines"
        )
        now = {"status": {"conditions": [{"type": "UpToDate", **TRUE}]}}
        self.lab.patch(f"{capi('machines', ns, 'cp1')}/status", now, manager="capi")

    def become(self, user: str, inside: str, patch: pytest.MonkeyPatch) -> None:
        """Plan and apply as somebody from here on; `""` is the administrator."""
        path = self.tmp / f"{user or 'admin'}.kubeconfig"
        path.write_text(json.dumps(self.plane.config(user=user)))
        patch.setenv("KUBECONFIG", str(path))
        self.controllers.inside = inside
        live = self.lab.get(capi("clusters", self.lab.fleet, "c1"))
        if live is not None:
            self.controllers.kubeconfig(live["metadata"]["uid"])

    def apply(self, plan: Plan) -> set[str]:
        """What was wrong with a run; empty when all was done and every wait was a watch."""
        seen: list[events.Event] = []
        options = ApplyOptions(timeout=20, poll=0.05)
        workspace = Workspace(self.lab.root, ids=self.lab.ids)
        try:
            finished = app.apply(workspace, plan, None, options, seen.append, lambda _: None)
        except ClusterformError as error:
            return {f"{error.code}: {error.brief} {error.detail} {error.hint}"}
        wrong = {
            f"{r.action}: {r.outcome} {r.message}" for r in finished.results if r.outcome != "done"
        }
        wrong |= {e.message for e in seen if isinstance(e, events.Noted)}
        if any("time" in text for text in finished.unsettled):
            waits = [e for e in seen if isinstance(e, events.Waiting)]
            wrong |= {f"{e.resource} {e.milestone}: {e.message}" for e in waits}
        return wrong | set(finished.unsettled)

    def plan(self) -> Plan | str:
        try:
            return app.plan(Workspace(self.lab.root, ids=self.lab.ids), Options())
        except ClusterformError as error:
            way_out = error.hint or error.detail or "no reason and no way out: a bug"
            return f"{error.code}: {error.brief} {way_out}"

    def remove(self) -> None:
        for plural, group in (("configmaps", "/api/v1"), ("daemonsets", "/apis/apps/v1")):
            for item in self.lab.list(f"{group}/namespaces/kube-system/{plural}"):
                name = item["metadata"]["name"]
                if self.lab.fleet in name:
                    self.lab.request("DELETE", f"{group}/namespaces/kube-system/{plural}/{name}")


def trouble(plan: Plan | str) -> set[str]:
    """What a plan does not know, or does not know exactly; empty for a plan with every right."""
    if isinstance(plan, str):
        return {plan}
    found = {f.summary for f in plan.findings}
    found |= {
        f"{c.id.kind} is {c.confidence.value}"
        for c in plan.changes
        if c.verb is Verb.UPDATE and c.confidence is not Confidence.EXACT
    }
    found |= {f"{c.id}: {c.impact}" for c in plan.changes if c.impact.effect is Effect.UNKNOWN}
    return found | ({"not complete"} if not plan.complete else set())


@pytest.fixture
def world(
    lab: RealLab, plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    made = World(lab, plane, tmp_path)
    made.become("", "", monkeypatch)
    try:
        made.put()
        plan = made.plan()
        assert isinstance(plan, Plan)
        assert made.apply(plan) == set()
        made.machines()
        made.next()
        yield made
    finally:
        made.controllers.stop()
        made.remove()


@pytest.fixture
def tier(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Tier]]:
    """Grants the roles of one file, and plans and applies as their identity."""
    entered = []

    def grant(name: str) -> Tier:
        user, inside = USERS[name]
        made = Tier(world.lab, name, user=user, inside=inside)
        context = made.granted()
        context.__enter__()
        entered.append(context)
        world.become(user, inside, monkeypatch)
        return made

    yield grant
    for context in entered:
        context.__exit__(None, None, None)


def test_with_the_plan_role_everything_is_planned_and_said_to_be_static_once(
    world: World, tier: Callable[[str], Tier]
) -> None:
    exact = world.plan()
    assert isinstance(exact, Plan)
    assert trouble(exact) == set()
    assert {r.verb for r in tier("plan").rights} == {"get", "list"}
    plan = world.plan()
    assert isinstance(plan, Plan)
    assert (plan.complete, plan.totals.unreadable, plan.digest) == (True, 0, exact.digest)
    updates = [c for c in plan.changes if c.verb is Verb.UPDATE]
    assert {c.confidence for c in updates} == {Confidence.STATIC}
    assert len(updates) == 9, sorted(str(c.id) for c in updates)
    (finding,) = plan.findings
    assert finding.summary.startswith("no right to dry-run ")
    said = plan_text(plan, verbose=False, color=False)
    assert said.count("no right to dry-run") == 1
    assert f"static {len([c for c in plan.changes if c.confidence is Confidence.STATIC])}" in said


def test_what_the_kinds_shape_settles_needs_no_right_to_dry_run(
    world: World, tier: Callable[[str], Tier]
) -> None:
    """Git says an empty list more than what was applied, and the server drops it."""
    world.turn = 0
    world.put()
    world.lab.edit("clusters/c1.yaml", (':1.0"}', ':1.0", ports: []}'))
    world.lab.commit()
    exact = world.plan()
    assert isinstance(exact, Plan)
    assert exact.changes == ()
    tier("plan")
    plan = world.plan()
    assert isinstance(plan, Plan)
    assert plan.changes == ()
    assert (plan.complete, plan.digest) == (True, exact.digest)


def test_with_the_dry_run_role_the_plan_is_exact(world: World, tier: Callable[[str], Tier]) -> None:
    exact = world.plan()
    assert "create" not in {r.verb for r in tier("plan-dry-run").rights}
    plan = world.plan()
    assert isinstance(plan, Plan)
    assert isinstance(exact, Plan)
    assert (trouble(plan), plan.digest) == (set(), exact.digest)
    assert plan.findings == ()


def test_with_the_apply_role_a_plan_is_applied_awaited_and_recorded(
    world: World, tier: Callable[[str], Tier]
) -> None:
    tier("apply")
    plan = world.plan()
    assert isinstance(plan, Plan)
    assert trouble(plan) == set()
    verbs = {c.verb for c in plan.changes}
    assert verbs >= {Verb.CREATE, Verb.UPDATE, Verb.DELETE, Verb.ROTATE, Verb.PRUNE}
    assert world.apply(plan) == set()
    workspace = world.lab.workspace()
    heads, records = workspace.records()
    assert (heads["mgmt"].epoch, heads["mgmt"].runs[-1].outcome) == (2, "done")
    assert {c.id for c in plan.changes if c.verb is Verb.CREATE} <= set(records)
    assert holder_of(workspace.store("mgmt"), world.lab.fleet) is None
    again = world.plan()
    assert isinstance(again, Plan)
    assert again.changes == ()


def sample(rights: list[Right], full: bool, count: int) -> list[Right]:
    """All of them, or some that are spread over the file."""
    return rights if full else rights[:: max(1, len(rights) // count)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["plan", "plan-dry-run"])
def test_a_plan_without_any_one_right_is_less_and_says_so(
    world: World, tier: Callable[[str], Tier], full: bool, name: str
) -> None:
    roles = tier(name)
    whole = trouble(world.plan())
    superfluous, checked = [], sample(roles.rights, full, 8)
    for right in checked:
        with roles.without(right):
            found = trouble(world.plan())
        if found == whole:
            superfluous.append(str(right))
    assert superfluous == []
    assert trouble(world.plan()) == whole
    print(f"\nrights: {name}: {len(checked)} of {len(roles.rights)} taken away, each one is missed")


@pytest.mark.timeout(1800)
def test_an_apply_without_any_one_right_fails_and_says_so(
    world: World, tier: Callable[[str], Tier], full: bool
) -> None:
    roles = tier("apply")
    superfluous, checked, by_plan = [], sample(roles.rights, full, 8), 0
    for right in checked:
        world.lab.request("DELETE", _lease(world.lab))
        with roles.without(right):
            plan = world.plan()
            if missed := trouble(plan):
                by_plan += 1
            elif isinstance(plan, Plan):
                missed = world.apply(plan)
        if not missed:
            superfluous.append(str(right))
        world.lab.request("DELETE", _lease(world.lab))
        rest = world.plan()
        assert isinstance(rest, Plan), rest
        assert (trouble(rest), world.apply(rest)) == (set(), set()), f"after {right}"
        world.next()
    assert superfluous == []
    print(
        f"\nrights: apply: {len(checked)} of {len(roles.rights)} taken away, each one is missed,"
        f" {by_plan} by the plan and {len(checked) - by_plan} by the run"
    )


def _lease(lab: RealLab) -> str:
    """Gone before each run, so that the right to create it is needed, too."""
    group = "/apis/coordination.k8s.io/v1/namespaces/clusterform-system"
    return f"{group}/leases/clusterform-{lab.fleet}"
