"""What readiness makes of objects as real controllers left them, in every form they are served in.

Each object is judged three times: as v1beta2, as v1beta1 with `status.v1beta2`, and as a server
before Cluster API v1.9 would give it, which knows old conditions only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from providers.base import ABSENT, Health, Milestone, Readiness
from providers.capi import AVAILABLE, INITIALIZED, PROVISIONED, ROLLED_OUT
from providers.readiness import SHOWN, Relatives, check, held_back
from state.resource import GroupKind
from tests.support.recorded import as_v1beta1, drop_condition, one, recorded, set_condition

Form = Callable[[Any], Any]
FORMS: dict[str, Form] = {
    "v1beta2": lambda body: body,
    "v1beta1": as_v1beta1,
    "before v1.9": lambda body: as_v1beta1(body, conditions=False),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


def around(form: Form, which: str = "plain", name: str = "") -> Relatives:
    machines = recorded(which, "Machine")
    labelled = [m for m in machines if name in ("", _owner(m))]
    return Relatives(
        machine_sets=[form(s) for s in recorded(which, "MachineSet")],
        machines=[form(m) for m in labelled],
    )


def _owner(machine: Any) -> str:
    labels: dict[str, str] = machine["metadata"]["labels"]
    return labels.get("cluster.x-k8s.io/deployment-name", "")


def workers(form: Form, change: Callable[[Any], None] = lambda _: None) -> tuple[Any, Relatives]:
    """The recorded MachineDeployment of two, changed before it is put into its form."""
    body = one("MachineDeployment")
    change(body)
    return form(body), around(form, name="c1-md0")


def plane(form: Form, change: Callable[[Any], None] = lambda _: None) -> tuple[Any, Relatives]:
    body = one("KubeadmControlPlane")
    change(body)
    machines = [form(m) for m in recorded("plain", "Machine") if not _owner(m)]
    return form(body), Relatives(machines=machines)


def said(found: Readiness) -> tuple[str, str]:
    return found.health.value, found.message


# ---------------------------------------------------------------------- converged


def test_everything_recorded_as_converged_is_ready(form: Form) -> None:
    for which in ("plain", "topology"):
        for kind, milestone in (
            ("Cluster", AVAILABLE),
            ("Cluster", INITIALIZED),
            ("KubeadmControlPlane", ROLLED_OUT),
            ("KubeadmControlPlane", INITIALIZED),
            ("DevCluster", PROVISIONED),
        ):
            body = form(one(kind, which))
            machines = [m for m in recorded(which, "Machine") if not _owner(m)]
            relatives = Relatives(machines=[form(m) for m in machines])
            assert check(milestone, body, relatives).health is Health.REACHED, (which, kind)
        for body in recorded(which, "MachineDeployment"):
            relatives = around(form, which, body["metadata"]["name"])
            assert check(ROLLED_OUT, form(body), relatives).health is Health.REACHED


def test_a_cluster_is_judged_with_its_owners(form: Form) -> None:
    for which in ("plain", "topology"):
        owners = [*recorded(which, "MachineDeployment"), *recorded(which, "KubeadmControlPlane")]
        relatives = Relatives(
            machines=[form(m) for m in recorded(which, "Machine")],
            machine_sets=[form(m) for m in recorded(which, "MachineSet")],
            owners=[form(o) for o in owners],
        )
        assert check(AVAILABLE, form(one("Cluster", which)), relatives).health is Health.REACHED


# ---------------------------------------------------------------------- the window


def in_window(body: Any) -> None:
    """Generation observed, counters and RollingOut say "done": 0.47 s after the reference moved."""
    body["metadata"]["generation"] += 1
    body["status"]["observedGeneration"] += 1
    body["spec"]["template"]["spec"]["infrastructureRef"]["name"] = "c1-md0-b"


def test_nothing_is_rolled_out_in_the_window_in_which_everything_says_so(form: Form) -> None:
    body, relatives = workers(form, in_window)
    assert said(check(ROLLED_OUT, body, relatives)) == ("waiting", "0 of 2 machines up to date")
    new = copy.deepcopy(relatives.machine_sets[0])
    new["metadata"] |= {"name": "c1-md0-new", "uid": "new"}
    new["spec"]["replicas"] = new["status"]["replicas"] = 0
    new["spec"]["template"]["spec"]["infrastructureRef"]["name"] = "c1-md0-b"
    both = Relatives(machine_sets=[*relatives.machine_sets, new], machines=relatives.machines)
    assert said(check(ROLLED_OUT, body, both)) == ("waiting", "0 of 2 machines up to date")


def test_nor_does_its_cluster_say_done(form: Form) -> None:
    body, relatives = workers(form, in_window)
    relatives = Relatives(
        machine_sets=relatives.machine_sets, machines=relatives.machines, owners=[body]
    )
    for which in ("plain", "topology"):
        found = check(AVAILABLE, form(one("Cluster", which)), relatives)
        assert said(found) == ("waiting", "MachineDeployment c1-md0: 0 of 2 machines up to date")


def test_a_machine_that_has_no_word_on_it_yet_is_judged_by_its_machine_set(form: Form) -> None:
    body, relatives = workers(form)
    machines = [drop_condition(m, "UpToDate") for m in relatives.machines]
    without = Relatives(machine_sets=relatives.machine_sets, machines=machines)
    assert check(ROLLED_OUT, body, without).health is Health.REACHED
    changed, _ = workers(form, in_window)
    assert check(ROLLED_OUT, changed, without).health is Health.WAITING


def test_what_only_its_controller_knows_counts_beside_it() -> None:
    body, relatives = workers(FORMS["v1beta2"])
    set_condition(relatives.machines[0], "UpToDate", "False", message="* rolloutAfter expired")
    assert said(check(ROLLED_OUT, body, relatives)) == ("waiting", "1 of 2 machines up to date")


def test_machines_of_an_old_machine_set_have_to_go(form: Form) -> None:
    body, relatives = workers(form)
    old = copy.deepcopy(relatives.machine_sets[0])
    old["metadata"] |= {"name": "c1-md0-old", "uid": "old"}
    old["spec"]["template"]["spec"]["version"] = "v1.34.0"
    old["spec"]["replicas"] = 0
    old["status"]["replicas"] = 1
    both = Relatives(machine_sets=[*relatives.machine_sets, old], machines=relatives.machines)
    assert check(ROLLED_OUT, body, both).health is Health.WAITING


# ---------------------------------------------------------------------- generations and counters


@pytest.mark.parametrize("kind", ["Cluster", "MachineDeployment", "KubeadmControlPlane"])
def test_a_change_that_is_not_observed_is_not_done(form: Form, kind: str) -> None:
    milestone = AVAILABLE if kind == "Cluster" else ROLLED_OUT
    for seen in (None, 1):
        body = form(one(kind))
        body["metadata"]["generation"] = 7
        body["status"]["observedGeneration"] = seen
        found = check(milestone, body, around(form))
        assert said(found) == ("waiting", "the controller has not seen the change yet")


def test_an_object_without_a_status_is_not_done(form: Form) -> None:
    body, _ = workers(form)
    body["spec"]["replicas"] = 0
    del body["status"]
    assert check(ROLLED_OUT, body, Relatives()).health is Health.WAITING


def test_counters_are_found_in_every_form(form: Form) -> None:
    def scaled(body: Any) -> None:
        body["spec"]["replicas"] = 5

    body, relatives = workers(form, scaled)
    assert said(check(ROLLED_OUT, body, relatives)) == ("waiting", "replicas 2 of 5")
    body, relatives = plane(form, scaled)
    assert said(check(ROLLED_OUT, body, relatives)) == ("waiting", "replicas 1 of 5")


def test_replicas_left_out_are_what_the_webhook_makes_of_them() -> None:
    body, relatives = workers(FORMS["v1beta2"])
    del body["spec"]["replicas"]
    assert said(check(ROLLED_OUT, body, relatives)) == ("waiting", "replicas 2 of 1")
    group = "cluster.x-k8s.io/cluster-api-autoscaler-node-group"
    body["metadata"]["annotations"] = {f"{group}-min-size": "1", f"{group}-max-size": "4"}
    assert check(ROLLED_OUT, body, relatives).health is Health.REACHED


def test_no_machines_wanted_is_rolled_out() -> None:
    body, relatives = workers(FORMS["v1beta2"])
    body["spec"]["replicas"] = 0
    for name in ("replicas", "upToDateReplicas", "availableReplicas"):
        body["status"][name] = 0
    sets = copy.deepcopy(list(relatives.machine_sets))
    sets[0]["spec"]["replicas"] = sets[0]["status"]["replicas"] = 0
    assert check(ROLLED_OUT, body, Relatives(machine_sets=sets)).health is Health.REACHED


def test_a_machine_that_is_still_going_is_waited_for_and_named(form: Form) -> None:
    body, relatives = workers(form)
    extra = copy.deepcopy(relatives.machines[0])
    extra["metadata"] |= {"name": "c1-md0-x", "deletionTimestamp": "2026-11-22T14:00:00Z"}
    if form is not FORMS["before v1.9"]:
        set_condition(
            extra, "Deleting", "True", reason="DrainingNode", message="Drain: 2 pods left"
        )
        words = "c1-md0-x: DrainingNode: Drain: 2 pods left"
    else:
        words = "c1-md0-x: finalizers: machine.cluster.x-k8s.io"
    more = Relatives(machine_sets=relatives.machine_sets, machines=[*relatives.machines, extra])
    found = check(ROLLED_OUT, body, more)
    assert said(found) == ("waiting", f"1 machine is being deleted · {words}")


def test_a_new_control_plane_machine_is_not_current_before_its_controller_says_so() -> None:
    body, relatives = plane(FORMS["v1beta2"])
    machines = [drop_condition(m, "UpToDate") for m in relatives.machines]
    found = check(ROLLED_OUT, body, Relatives(machines=machines))
    assert said(found) == ("waiting", "0 of 1 machines up to date")


def test_on_delete_is_over_when_nothing_happens_by_itself_any_more(form: Form) -> None:
    def change(body: Any) -> None:
        in_window(body)
        body["spec"]["rollout"]["strategy"] = {"type": "OnDelete"}
        set_condition(body, "RollingOut", "True")

    body, relatives = workers(form, change)
    found = check(ROLLED_OUT, body, relatives)
    assert found.health is Health.REACHED
    assert found.message == "OnDelete: 2 of 2 machines are outdated until somebody deletes them"
    cluster = set_condition(one("Cluster"), "RollingOut", "True")
    relatives = Relatives(
        machine_sets=relatives.machine_sets, machines=relatives.machines, owners=[body]
    )
    assert check(AVAILABLE, form(cluster), relatives).health is Health.REACHED


# ---------------------------------------------------------------------- why


def test_the_deepest_cause_is_the_machine_s_own(form: Form) -> None:
    def scaled(body: Any) -> None:
        body["spec"]["replicas"] = 3

    body, relatives = workers(form, scaled)
    machine = relatives.machines[0]
    kind = "InfrastructureReady"
    set_condition(machine, kind, "False", reason="CreateFailed", message="* DevMachine: quota")
    found = check(ROLLED_OUT, body, relatives)
    name = machine["metadata"]["name"]
    assert found.message == (
        f"replicas 2 of 3 · {name}: waiting for InfrastructureReady (CreateFailed: DevMachine:"
        " quota)"
    )


PREFLIGHT = (
    "Scaling up from 0 to 2 replicas is blocked because:\n"
    '* KubeadmControlPlane plain/c1-cp is upgrading ("ControlPlaneIsStable" preflight check failed)'
)


def test_a_preflight_check_that_holds_new_machines_is_named() -> None:
    body, _ = workers(FORMS["v1beta2"])
    set_condition(body, "ScalingUp", "True", message=PREFLIGHT)
    body["status"]["replicas"] = 0
    found = check(ROLLED_OUT, body, Relatives(machine_sets=recorded("plain", "MachineSet")))
    assert found.message == (
        "replicas 0 of 2 · held by a preflight check: KubeadmControlPlane plain/c1-cp is upgrading"
        ' ("ControlPlaneIsStable")'
    )


def test_a_remediation_is_trouble() -> None:
    body, relatives = plane(FORMS["v1beta2"], lambda b: b["status"].update(availableReplicas=0))
    set_condition(body, "Remediating", "True", message="* Machine c1-cp-x is remediated")
    found = check(ROLLED_OUT, body, relatives)
    assert found.trouble
    assert found.message == (
        "availableReplicas 0 of 1 · remediating: Machine c1-cp-x is remediated"
    )


# ---------------------------------------------------------------------- paused, managed elsewhere


@pytest.mark.parametrize("kind", ["Cluster", "MachineDeployment", "KubeadmControlPlane"])
def test_paused_in_every_way_ends_a_wait_at_once(form: Form, kind: str) -> None:
    milestone = AVAILABLE if kind == "Cluster" else ROLLED_OUT
    ways: list[Callable[[Any], Any]] = [
        lambda b: b["spec"].update(paused=True),
        lambda b: b["metadata"].update(annotations={"cluster.x-k8s.io/paused": ""}),
    ]
    if form is not FORMS["before v1.9"]:
        ways.append(lambda b: set_condition(b, "Paused", "True", message="Cluster is paused"))
    for pause in ways:
        body = form(one(kind))
        assert held_back(body) == ""
        pause(body)
        found = check(milestone, body, Relatives())
        assert (found.health, found.reason) == (Health.BLOCKED, "Paused")
        assert found.message


def test_paused_by_its_cluster_is_seen_where_the_object_does_not_say_so(form: Form) -> None:
    cluster = form(one("Cluster"))
    cluster["spec"]["paused"] = True
    body, _ = workers(form)
    found = check(ROLLED_OUT, body, Relatives(cluster=cluster))
    assert said(found) == ("blocked", "its Cluster is paused: spec.paused is set")


def test_externally_managed_infrastructure_is_not_waited_for(form: Form) -> None:
    body = form(one("DevCluster"))
    body["status"] = {}
    assert check(PROVISIONED, body, Relatives()).health is Health.WAITING
    body["metadata"]["annotations"] = {"cluster.x-k8s.io/managed-by": "terraform"}
    found = check(PROVISIONED, body, Relatives())
    assert said(found) == ("reached", "externally managed by terraform")


# ---------------------------------------------------------------------- deletion


def test_a_deletion_says_on_what_it_waits() -> None:
    body = one("Cluster")
    body["metadata"]["deletionTimestamp"] = "2026-11-22T14:00:00Z"
    set_condition(body, "Deleting", "True", reason="WaitingForWorkersDeletion", message="* MD c1")
    machine = one("Machine")
    machine["metadata"]["deletionTimestamp"] = "2026-11-22T14:00:00Z"
    reason = "WaitingForVolumeDetach"
    set_condition(machine, "Deleting", "True", reason=reason, message="* pvc-1")
    found = check(ABSENT, body, Relatives(machines=[machine]))
    assert said(found) == (
        "waiting",
        "WaitingForWorkersDeletion: MD c1 · 1 machine left, c1-cp-j58t6: WaitingForVolumeDetach:"
        " pvc-1",
    )
    body["spec"]["paused"] = True
    assert check(ABSENT, body, Relatives()).health is Health.BLOCKED
    assert check(ABSENT, None, Relatives()).health is Health.REACHED


def test_a_namespace_says_what_is_left_in_it() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "team-a", "deletionTimestamp": "2026-11-22T14:00:00Z"},
        "status": {
            "conditions": [
                {
                    "type": "NamespaceContentRemaining",
                    "status": "True",
                    "reason": "SomeResourcesRemain",
                    "message": "Some resources are remaining: secrets. has 1 resource instances",
                }
            ]
        },
    }
    message = "Some resources are remaining: secrets. has 1 resource instances"
    assert said(check(ABSENT, body, Relatives())) == ("waiting", message)


# ---------------------------------------------------------------------- other kinds


def shown(kind: str) -> Milestone:
    return next(m for k, m in SHOWN.items() if k.kind == kind)


def test_a_health_check_that_may_not_remediate_is_trouble(form: Form) -> None:
    body = form(one("MachineHealthCheck", "topology"))
    assert check(shown("MachineHealthCheck"), body, Relatives()).health is Health.REACHED
    body["status"]["currentHealthy"] = 1
    found = check(shown("MachineHealthCheck"), body, Relatives())
    assert said(found) == ("waiting", "1 of 2 machines healthy")
    set_condition(body, "RemediationAllowed", "False", reason="TooManyUnhealthy", message="2 > 1")
    found = check(shown("MachineHealthCheck"), body, Relatives())
    assert (found.trouble, found.message) == (True, "TooManyUnhealthy: 2 > 1")


def pool(**status: Any) -> Any:
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "MachinePool",
        "metadata": {"name": "p", "generation": 1},
        "spec": {"replicas": 2, "template": {"spec": {"version": "v1.35.0"}}},
        "status": {
            "observedGeneration": 1,
            "initialization": {
                "bootstrapDataSecretCreated": True,
                "infrastructureProvisioned": True,
            },
            **dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), 2),
            **status,
        },
    }


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, ""),
        ({"upToDateReplicas": 0}, ""),
        ({"readyReplicas": 1}, "readyReplicas 1 of 2"),
        ({"initialization": {}}, "BootstrapConfigReady: not yet"),
        (
            {"versions": [{"version": "v1.34.0", "replicas": 1}]},
            "1 at v1.34.0, v1.35.0 wanted",
        ),
        ({"versions": [{"version": "v1.35.0", "replicas": 2}]}, ""),
        ({"observedGeneration": 0}, "the controller has not seen the change yet"),
    ],
)
def test_a_machine_pool(status: Any, message: str) -> None:
    found = check(ROLLED_OUT, pool(**status), Relatives())
    assert said(found) == ("waiting" if message else "reached", message)


def test_a_pool_whose_replicas_another_tool_manages_has_as_many_as_it_has() -> None:
    body = pool()
    body["spec"]["replicas"] = 9
    body["metadata"]["annotations"] = {"cluster.x-k8s.io/replicas-managed-by": "autoscaler"}
    assert check(ROLLED_OUT, body, Relatives()).health is Health.REACHED


def test_every_kind_that_only_status_asks_has_its_predicate() -> None:
    assert {k.kind for k in SHOWN} == {"MachineHealthCheck", "ClusterResourceSet", "HelmChartProxy"}
    body = {"kind": "HelmChartProxy", "metadata": {"name": "x"}, "status": {"conditions": None}}
    group = GroupKind("addons.cluster.x-k8s.io", "HelmChartProxy")
    found = check(SHOWN[group], body, Relatives())
    assert said(found) == ("waiting", "no condition HelmReleaseProxySpecsUpToDate yet")
