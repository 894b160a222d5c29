"""Workloads of Kubernetes itself: they become available a moment after they were written."""

from __future__ import annotations

from collections.abc import Callable

from providers.kube.sandbox.clock import rfc3339
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "kube-controller-manager"


def _reconciler(settle: Callable[[Subject], JsonObject]) -> Callable[[World, Key], None]:
    """Let `settle` write the status of a workload once its pods had time to start."""

    def reconcile(world: World, key: Key) -> None:
        subject = load(world, key, MANAGER)
        if subject is None or subject.deleting:
            return
        _settle(subject, settle)
        subject.save()

    return reconcile


def _settle(subject: Subject, settle: Callable[[Subject], JsonObject]) -> None:
    if subject.world.stuck(subject.key):
        subject.world.wake(subject.key, TIMINGS.retry)
        return
    wanted = settle(subject)
    if all(subject.status.get(name) == value for name, value in wanted.items()):
        return
    if subject.waited("start", TIMINGS.workload):
        subject.stop("start")
        subject.status.update(wanted)


def _conditions(subject: Subject, *kinds: tuple[str, str]) -> list[JsonObject]:
    known = subject.status.get("conditions")
    if known:
        found: list[JsonObject] = known
        return found
    now = rfc3339(subject.world.now)
    return [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": "",
            "lastTransitionTime": now,
            "lastUpdateTime": now,
        }
        for kind, reason in kinds
    ]


def _deployment(subject: Subject) -> JsonObject:
    kinds = (("Available", "MinimumReplicasAvailable"), ("Progressing", "NewReplicaSetAvailable"))
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return {
        **_replicas(subject, names),
        "observedGeneration": subject.metadata["generation"],
        "conditions": _conditions(subject, *kinds),
    }


def _replicas(subject: Subject, names: tuple[str, ...]) -> JsonObject:
    """Zero counters are left out, as the server leaves them out."""
    wanted = subject.spec.get("replicas", 1)
    return {name: wanted for name in names if wanted or name in subject.status}


def _stateful_set(subject: Subject) -> JsonObject:
    names = (
        *("replicas", "updatedReplicas", "readyReplicas"),
        *("currentReplicas", "availableReplicas"),
    )
    return {**_replicas(subject, names), "observedGeneration": subject.metadata["generation"]}


def _daemon_set(subject: Subject) -> JsonObject:
    nodes = len(subject.world.list("", "Node"))
    counted = ("currentNumberScheduled", "desiredNumberScheduled", "numberReady")
    optional = ("updatedNumberScheduled", "numberAvailable")
    status = dict.fromkeys(counted, nodes)
    status |= {name: nodes for name in optional if nodes}
    return {**status, "numberMisscheduled": 0, "observedGeneration": subject.metadata["generation"]}


def _job(subject: Subject) -> JsonObject:
    done = subject.spec.get("completions") or 1
    times = {name: subject.status.get(name) or rfc3339(subject.world.now) for name in _TIMES}
    return {"succeeded": done, **times, "conditions": _conditions(subject, ("Complete", ""))}


_TIMES = ("startTime", "completionTime")

WORKLOADS = {
    ("apps", "Deployment"): _reconciler(_deployment),
    ("apps", "StatefulSet"): _reconciler(_stateful_set),
    ("apps", "DaemonSet"): _reconciler(_daemon_set),
    ("batch", "Job"): _reconciler(_job),
}
