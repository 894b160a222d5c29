"""What TopologyReconciled=False means: normal on the way, held back by people, or look here.

Sources: Cluster API v1.14.0 api/core/v1beta2/cluster_types.go (reasons) and
core/reconcilers/topology/cluster/status.go (when each is set).
"""

from __future__ import annotations

from providers.base import Health, Readiness
from providers.conditions import NONE, Condition, conditions
from state.resource import JsonObject

TOPOLOGY = "TopologyReconciled"

WAITING = frozenset(
    {
        "ClusterCreating",  # the BeforeClusterCreate hook
        "ClusterUpgrading",
        "ControlPlaneUpgradePending",
        "Deleting",
        "LifecycleHookBlocking",
        "MachineDeploymentsCreatePending",
        "MachineDeploymentsUpgradePending",
        "MachinePoolsCreatePending",
        "MachinePoolsUpgradePending",
    }
)
"""The upgrade goes on by itself; up to v1.11 each step had a reason of its own."""

HELD: dict[str, str] = {
    "MachineDeploymentsUpgradeDeferred": "MachineDeployments",
    "MachinePoolsUpgradeDeferred": "MachinePools",
}
"""Set only when nothing else of the upgrade is left: it stays until an annotation goes."""

TROUBLE: dict[str, str] = {
    "ReconcileFailed": "",
    "TopologyReconcileFailed": "",  # the same, in old conditions
    "ClusterClassNotReconciled": "the ClusterClass is not reconciled: normal for a moment after it"
    " changed, else it is paused or its status says why",
}
"""Somebody has to look: said at once. A wait goes on, for it may pass."""

_ANNOTATIONS = (
    "topology.cluster.x-k8s.io/defer-upgrade or topology.cluster.x-k8s.io/hold-upgrade-sequence"
)


def topology(body: JsonObject) -> Readiness:
    """Whether a Cluster's topology is what its spec says, for this generation of the spec."""
    found = conditions(body).get(TOPOLOGY, NONE)
    if not found.type:
        return Readiness(Health.WAITING, TOPOLOGY, "no condition TopologyReconciled yet")
    generation = (body.get("metadata") or {}).get("generation") or 0
    if found.generation is not None and found.generation < generation:
        message = "the topology controller has not seen the change yet"
        return Readiness(Health.WAITING, "Observed", message)
    return Readiness(Health.REACHED) if found.status == "True" else _unreconciled(found)


def _unreconciled(found: Condition) -> Readiness:
    text = " · ".join(line.strip().lstrip("* ") for line in found.message.splitlines() if line)
    if found.reason in HELD:
        message = (
            f"the upgrade of {HELD[found.reason]} is deferred by {_ANNOTATIONS}: it does not go on"
            " before the annotation is removed"
        )
        return Readiness(Health.BLOCKED, found.reason, message, found.since)
    trouble = found.reason not in WAITING
    words = TROUBLE.get(found.reason) or text
    message = f"{found.reason}: {words}" if words else found.reason or "no reason given"
    return Readiness(Health.WAITING, found.reason or TOPOLOGY, message, found.since, trouble)
