"""Infrastructure providers: clusters, machines and pools of every provider, by its contract.

Contract v1beta2 says `status.initialization.provisioned`, v1beta1 `status.ready`; shapes as in the
recorded DevCluster and DevMachine.
"""

from __future__ import annotations

from providers.kube.sandbox.controllers_contracts import ready, report_ready
from providers.kube.sandbox.controllers_objects import (
    CORE,
    cluster_of,
    owned_by,
    pause,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, load
from providers.kube.sandbox.world import Key, World

MANAGER = "capi-docker"


def _finalizer(subject: Subject) -> str:
    """The dev provider keeps the finalizer of its Docker kinds."""
    kind = subject.value["kind"].lower().replace("dev", "docker", 1)
    return f"{kind}.infrastructure.cluster.x-k8s.io"


def reconcile_cluster(world: World, key: Key) -> None:
    """Provision the infrastructure of a cluster once a Cluster owns it."""
    subject = load(world, key, MANAGER)
    if subject is None:
        return
    cluster = cluster_of(world, subject.value)
    if subject.deleting:
        _remove(subject)
    elif cluster is not None and owned_by(subject.value, "Cluster"):
        subject.hold(_finalizer(subject))
        if not pause(subject, cluster):
            _provision_cluster(subject)
    subject.save()


def _provision_cluster(subject: Subject) -> None:
    if not _done(subject, TIMINGS.infrastructure):
        return
    endpoint = subject.spec.setdefault("controlPlaneEndpoint", {})
    if not endpoint.get("host"):
        host = f"{subject.namespace}-{owned_by(subject.value, 'Cluster')}.sandbox.invalid"
        endpoint.update(host=host, port=6443)


def _done(subject: Subject, seconds: float) -> bool:
    """Provisioned; a stuck one never is."""
    if ready(subject.value):
        return True
    stuck = subject.world.stuck(subject.key)
    if stuck:
        subject.state("Ready", False, f"{subject.value['kind']} does not become ready", stuck)
        subject.world.wake(subject.key, TIMINGS.retry)
        return False
    if not subject.waited("provision", seconds):
        return False
    subject.stop("provision")
    _ = subject.status  # made if it has none
    report_ready(subject.value)
    subject.state("Ready", True)
    return True


def _remove(subject: Subject) -> None:
    if subject.waited("remove", TIMINGS.removal):
        subject.release(_finalizer(subject))


def reconcile_machine(world: World, key: Key) -> None:
    """Provision a machine once its bootstrap data is there."""
    subject = load(world, key, MANAGER)
    if subject is None:
        return
    machine = world.get(CORE, "Machine", key[2], owned_by(subject.value, "Machine"))
    if subject.deleting:
        _remove(subject)
    elif machine is not None:
        subject.hold(_finalizer(subject))
        bootstrapped = (machine["spec"].get("bootstrap") or {}).get("dataSecretName")
        if not pause(subject, cluster_of(world, machine)) and bootstrapped:
            if _done(subject, TIMINGS.machine):
                subject.spec["providerID"] = f"in-memory://{subject.name}"
        elif not bootstrapped:
            subject.state("Ready", False, "", "WaitingForBootstrapData")
    subject.save()


def reconcile_pool(world: World, key: Key) -> None:
    """Provision a pool that a Cluster owns; its machines are not looked at."""
    subject = load(world, key, MANAGER)
    if subject is None:
        return
    cluster = cluster_of(world, subject.value)
    if subject.deleting:
        _remove(subject)
    elif cluster is not None:
        subject.hold(_finalizer(subject))
        if not pause(subject, cluster):
            _done(subject, TIMINGS.machine)
    subject.save()
