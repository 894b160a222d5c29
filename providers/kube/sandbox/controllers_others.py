"""Kinds whose status is enough: MachinePool, MachineHealthCheck. Nothing is remediated."""

from __future__ import annotations

from providers.kube.sandbox.controllers_objects import (
    CLUSTER_NAME,
    CORE,
    add_owner,
    adopt,
    cluster_of,
    follow,
    holds,
    initialized,
    key_of,
    labels_of,
    owner,
    pause,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, deleting, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-core"


def reconcile_pool(world: World, key: Key) -> None:
    """A pool of machines that nobody sees: counters only, in place of its provider's rollout."""
    pool = load(world, key, MANAGER)
    cluster = cluster_of(world, pool.value) if pool else None
    if pool is None or cluster is None or pool.deleting:
        return
    add_owner(pool.value, owner(cluster))
    if not pause(pool, cluster):
        _count_pool(pool, cluster)
    pool.save()


def _count_pool(pool: Subject, cluster: JsonObject) -> None:
    spec = pool.spec["template"]["spec"]
    for ref in ((spec.get("bootstrap") or {}).get("configRef"), spec.get("infrastructureRef")):
        found = follow(pool.world, ref, pool.namespace)
        if found is not None:
            adopt(pool.world, cluster, found, MANAGER)
    generation = pool.metadata["generation"]
    up = initialized(cluster, "controlPlaneInitialized") and not pool.world.stuck(pool.key)
    done = up and pool.waited(f"roll-{generation}", TIMINGS.machine + TIMINGS.node)
    pool.state("Available", done)
    pool.state("RollingOut", not done and bool(pool.status.get("replicas")))
    if not done:
        pool.world.wake(pool.key, TIMINGS.retry)
        return
    wanted = pool.spec.get("replicas", 1)
    names = ("replicas", "readyReplicas", "availableReplicas", "upToDateReplicas")
    pool.status.update(dict.fromkeys(names, wanted), observedGeneration=generation)
    reached = {"bootstrapDataSecretCreated": True, "infrastructureProvisioned": True}
    pool.status["initialization"] = reached
    pool.status["phase"] = "Running"


def reconcile_health_check(world: World, key: Key) -> None:
    """Count the machines that a MachineHealthCheck looks at."""
    check = load(world, key, MANAGER)
    cluster = cluster_of(world, check.value) if check else None
    if check is None or cluster is None or check.deleting:
        return
    add_owner(check.value, owner(cluster))
    check.metadata.setdefault("labels", {})[CLUSTER_NAME] = cluster["metadata"]["name"]
    if not pause(check, cluster):
        wanted = {CLUSTER_NAME: cluster["metadata"]["name"]}
        wanted |= check.spec["selector"].get("matchLabels") or {}
        targets = world.list(CORE, "Machine", key[2], wanted)
        healthy = sum(1 for m in targets if holds(m, "NodeHealthy") and not deleting(m))
        check.status.update(
            currentHealthy=healthy,
            expectedMachines=len(targets),
            remediationsAllowed=len(targets),
            targets=[m["metadata"]["name"] for m in targets],
            observedGeneration=check.metadata["generation"],
        )
        check.state("RemediationAllowed", True)
    check.save()


def watching(world: World, machine: JsonObject) -> None:
    """A Machine changed: the health checks of its cluster count again."""
    name, namespace = labels_of(machine).get(CLUSTER_NAME), machine["metadata"]["namespace"]
    for check in world.list(CORE, "MachineHealthCheck", namespace):
        if check["spec"].get("clusterName") == name:
            world.wake(key_of(check), 0)
