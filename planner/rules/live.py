"""V2, V3, V9, V18: what may become of an object, given what it is now.

Sources: Cluster API v1.14.0, core/webhooks/admission/cluster.go (validateTopologyVersionUpdate) and
controlplane/kubeadm/webhooks/admission/kubeadmcontrolplane.go (validateVersion), which refuses two
minor versions at once and accepts to go back. Going back is refused here: etcd and the API server
do not read what a newer version has written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from planner.rules.forms import coredns_step
from planner.rules.subject import Problem, Severity, annotation, field, list_at, text_at
from planner.rules.versions import version_field
from providers.base import value
from providers.capi import CLUSTER
from providers.controlplane import KUBEADM
from providers.versions import Step, parse_loosely, version_step
from state.resource import JsonObject, ResourceId

UNSAFE_VERSION = "unsafe.topology.cluster.x-k8s.io/disable-update-version-check"
PENDING_HOOKS = "runtime.cluster.x-k8s.io/pending-hooks"
MOST_MINORS = 2
"""Minor versions of one plan, one step each."""
_UPGRADING = (
    "ClusterUpgrading",
    "ControlPlaneUpgradePending",
    "MachineDeploymentsUpgradePending",
    "MachineDeploymentsUpgradeDeferred",
    "MachinePoolsUpgradePending",
    "MachinePoolsUpgradeDeferred",
    "LifecycleHookBlocking",
)
VERSIONED = (KUBEADM, CLUSTER)


def changes(
    id_: ResourceId, states: tuple[JsonObject, ...], cluster_class: JsonObject | None = None
) -> Iterator[Problem]:
    """What is wrong with taking an object through these states, the live one first.

    Each pair is one write. `cluster_class` is the class of a Cluster with a topology, if known.
    """
    if id_.group_kind not in VERSIONED or len(states) < 2:
        return
    live, last = states[0], states[-1]
    if id_.group_kind == CLUSTER and UNSAFE_VERSION in _annotations(last):
        return
    chained = id_.group_kind == CLUSTER and _plans_upgrades(cluster_class)
    too_far = list(_whole_way(id_, live, last, chained=chained))
    for before, after in itertools.pairwise(states):
        yield from () if too_far else _step(id_, before, after, chained=chained)
        if id_.group_kind == KUBEADM and (why := coredns_step(before, after)):
            yield _problem("V9", id_, "spec.kubeadmConfigSpec.clusterConfiguration.dns", why)
    yield from too_far
    yield from _busy(id_, live, states[1])


def _annotations(body: JsonObject) -> JsonObject:
    found = value(body, "metadata.annotations")
    return found if isinstance(found, dict) else {}


def _plans_upgrades(cluster_class: JsonObject | None) -> bool:
    """Cluster API goes through the minor versions between by itself (chained upgrades)."""
    if cluster_class is None:
        return False
    extension = "spec.upgrade.external.generateUpgradePlanExtension"
    return bool(list_at(cluster_class, "spec.kubernetesVersions")) or bool(
        text_at(cluster_class, extension)
    )


def _problem(
    rule: str, id_: ResourceId, path: str, reason: str, hint: str = "", how: Severity = "error"
) -> Problem:
    return Problem(rule=rule, severity=how, id=id_, field=field(path), reason=reason, hint=hint)


def _step(
    id_: ResourceId, before: JsonObject, after: JsonObject, *, chained: bool
) -> Iterator[Problem]:
    path = version_field(id_.group_kind)
    live, wanted = value(before, path), value(after, path)
    step = version_step(live, wanted)
    if step is Step.DOWNGRADE:
        yield _problem(
            "V2",
            id_,
            path,
            f"{path} goes back from {live} to {wanted}: Kubernetes cannot be downgraded",
            f"set it to {live} or newer in Git; only a new cluster has an older version",
        )
    elif step is Step.SKIPS and not chained:
        yield _problem(
            "V2",
            id_,
            path,
            f"{path} skips a minor version, from {live} to {wanted}",
            "go to the next minor version first, or name it: clusterform.dev/upgrade-via",
        )


def _whole_way(
    id_: ResourceId, live: JsonObject, last: JsonObject, *, chained: bool
) -> Iterator[Problem]:
    path = version_field(id_.group_kind)
    first, end = parse_loosely(value(live, path)), parse_loosely(value(last, path))
    if chained or first is None or end is None or first.major != end.major:
        return
    if end.minor - first.minor > MOST_MINORS:
        yield _problem(
            "V2",
            id_,
            path,
            f"{path} from v{first.short} to v{end.short} is more than {MOST_MINORS} minor versions",
            "make several plans of it",
        )


def _busy(id_: ResourceId, live: JsonObject, after: JsonObject) -> Iterator[Problem]:
    """V3: an earlier change of the version has not come to its end."""
    path = version_field(id_.group_kind)
    now, wanted = value(live, path), value(after, path)
    if version_step(now, wanted) not in (Step.PATCH, Step.MINOR, Step.SKIPS):
        return
    if id_.group_kind == CLUSTER:
        why = _topology_busy(live)
    else:
        running = text_at(live, "status.version")
        behind = version_step(running, now) in (Step.MINOR, Step.SKIPS)
        too_far = version_step(running, wanted) is Step.SKIPS
        why = f"some of its machines still run {running}" if behind and too_far else ""
    if why:
        yield _problem(
            "V3",
            id_,
            path,
            f"{path} must not change to {wanted} while the upgrade to {now} goes on: {why}",
            "plan again once clusterform status shows it rolled out",
        )


def _topology_busy(cluster: JsonObject) -> str:
    if "AfterClusterUpgrade" in annotation(cluster, PENDING_HOOKS):
        return "its hook AfterClusterUpgrade is pending"
    for condition in list_at(cluster, "status.conditions"):
        if not isinstance(condition, dict):
            continue
        if (condition.get("type"), condition.get("status")) == ("TopologyReconciled", "False"):
            reason = condition.get("reason")
            return str(reason) if reason in _UPGRADING else ""
    return ""


def paused(cluster: JsonObject) -> str:
    """V18: how a Cluster is paused; `""` where it is not."""
    if value(cluster, "spec.paused") is True:
        return "spec.paused"
    found = "cluster.x-k8s.io/paused" in _annotations(cluster)
    return "the annotation cluster.x-k8s.io/paused" if found else ""
