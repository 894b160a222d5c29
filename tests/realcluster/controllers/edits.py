"""Edits whose effect on machines is predicted and then observed: fields × kinds × strategies."""

from __future__ import annotations

import datetime
from typing import Any

from planner.select import parse
from tests.realcluster.controllers.campaign import Edit, Script, interrupted
from tests.realcluster.controllers.manifests import (
    Doc,
    Docs,
    deployment,
    join_labels,
    plain,
    slower,
    topology,
)
from tests.realcluster.processes import until

PLANE = "KubeadmControlPlane/c1-cp"
WORKERS = "MachineDeployment/c1-md0"
WORKER_TEMPLATE = "DevMachineTemplate/c1-md0"
PLANE_TEMPLATE = "DevMachineTemplate/c1-cp"
WORKER_CONFIG = "KubeadmConfigTemplate/c1-md0"


def spec(docs: Docs, key: str) -> Doc:
    """The spec of a document."""
    found: Doc = docs[key]["spec"]
    return found


def put(key: str, path: str, value: Any) -> Any:
    """An edit: set a dotted path of one document."""

    def change(docs: Docs) -> None:
        *above, last = path.split(".")
        at: Any = docs[key]
        for name in above:
            at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
        at[last] = value

    return change


def drop(key: str, path: str) -> Any:
    """An edit: remove a dotted path of one document."""

    def change(docs: Docs) -> None:
        *above, last = path.split(".")
        at: Any = docs[key]
        for name in above:
            at = at[name]
        del at[last]

    return change


def both(*changes: Any) -> Any:
    """Several edits as one."""

    def change(docs: Docs) -> None:
        for one in changes:
            one(docs)

    return change


def starts_in(key: str, seconds: int) -> Any:
    """Another content of a machine template."""
    return lambda docs: slower(docs[key], seconds)


def joins_as(key: str, pool: str) -> Any:
    """Another content of a bootstrap template."""
    return put(key, "spec.template.spec", join_labels(pool))


def rolling(surge: Any, unavailable: Any) -> Doc:
    """A rollout strategy."""
    limits = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": limits}}


def now() -> str:
    """This moment, as an API server writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def roll_now(key: str) -> Any:
    """An edit: `rollout.after` at this moment."""
    return lambda docs: put(key, "spec.rollout.after", now())(docs)


def scaled_by_hand(name: str, replicas: int) -> Any:
    """Somebody else scales a MachineDeployment."""

    def live(lab: Any, namespace: str) -> None:
        path = f"/apis/cluster.x-k8s.io/v1beta2/namespaces/{namespace}/machinedeployments/{name}"
        lab.patch(path, {"spec": {"replicas": replicas}}, manager="kubectl-edit")
        until(
            lambda: (lab.get(path) or {})["status"].get("availableReplicas") == replicas,
            seconds=180,
        )

    return live


_TIMEOUT = "spec.template.spec.deletion.nodeDrainTimeoutSeconds"
_AUTOSCALED = {
    "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "1",
    "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "5",
}

WORKER_EDITS = Script(
    name="p-workers",
    make=lambda ns: plain(ns, workers=3),
    edits=(
        Edit(id="deployment: scale 3 → 4", change=put(WORKERS, "spec.replicas", 4)),
        Edit(id="deployment: scale 4 → 2", change=put(WORKERS, "spec.replicas", 2)),
        Edit(
            id="machine template: content",
            change=starts_in(WORKER_TEMPLATE, 2),
            smoke=True,
        ),
        Edit(id="bootstrap template: content", change=joins_as(WORKER_CONFIG, "b")),
        Edit(
            id="both templates at once",
            change=both(starts_in(WORKER_TEMPLATE, 3), joins_as(WORKER_CONFIG, "c")),
        ),
        Edit(
            id="deployment: a label of its machines",
            change=put(WORKERS, "spec.template.metadata", {"labels": {"tier": "web"}}),
            smoke=True,
        ),
        Edit(id="deployment: drain timeout", change=put(WORKERS, _TIMEOUT, 30)),
        Edit(id="deployment: annotation", change=put(WORKERS, "metadata.annotations", {"a": "b"})),
        Edit(
            id="deployment: minReadySeconds",
            change=put(WORKERS, "spec.template.spec.minReadySeconds", 1),
        ),
        Edit(
            id="deployment: failure domain",
            change=put(WORKERS, "spec.template.spec.failureDomain", "a"),
        ),
    ),
)

STRATEGY_EDITS = Script(
    name="p-strategies",
    make=lambda ns: plain(ns, workers=4),
    edits=(
        Edit(
            id="surge 2: template",
            change=both(put(WORKERS, "spec.rollout", rolling(2, 0)), starts_in(WORKER_TEMPLATE, 2)),
            smoke=True,
        ),
        Edit(
            id="surge 0, unavailable 1: template",
            change=both(put(WORKERS, "spec.rollout", rolling(0, 1)), starts_in(WORKER_TEMPLATE, 3)),
        ),
        Edit(
            id="surge 50 %, unavailable 25 %: template",
            change=both(
                put(WORKERS, "spec.rollout", rolling("50%", "25%")), starts_in(WORKER_TEMPLATE, 4)
            ),
        ),
        Edit(
            id="template and scale 4 → 5",
            change=both(put(WORKERS, "spec.replicas", 5), joins_as(WORKER_CONFIG, "b")),
        ),
        Edit(
            id="template and scale 5 → 2",
            change=both(put(WORKERS, "spec.replicas", 2), joins_as(WORKER_CONFIG, "c")),
        ),
        Edit(
            id="OnDelete: template",
            change=both(
                put(WORKERS, "spec.rollout", {"strategy": {"type": "OnDelete"}}),
                starts_in(WORKER_TEMPLATE, 5),
            ),
        ),
    ),
)

PLANE_EDITS = Script(
    name="p-plane",
    make=lambda ns: plain(ns, control_plane=1, workers=1),
    edits=(
        Edit(id="control plane: scale 1 → 3", change=put(PLANE, "spec.replicas", 3), smoke=True),
        Edit(id="control plane: template", change=starts_in(PLANE_TEMPLATE, 2)),
        Edit(
            id="control plane: API server argument",
            change=put(
                PLANE,
                "spec.kubeadmConfigSpec.clusterConfiguration.apiServer.extraArgs",
                [{"name": "v", "value": "3"}],
            ),
        ),
        Edit(
            id="control plane: a label of its machines",
            change=put(PLANE, "spec.machineTemplate.metadata", {"labels": {"tier": "cp"}}),
        ),
        Edit(
            id="control plane: drain timeout",
            change=put(
                PLANE, "spec.machineTemplate.spec.deletion", {"nodeDrainTimeoutSeconds": 30}
            ),
        ),
        Edit(id="control plane: scale 3 → 1", change=put(PLANE, "spec.replicas", 1)),
    ),
)

PLANE_STRATEGY_EDITS = Script(
    name="p-plane-surge",
    make=lambda ns: plain(ns, control_plane=3, workers=1),
    edits=(
        Edit(
            id="control plane: surge 0, version",
            change=both(
                put(
                    PLANE,
                    "spec.rollout.strategy",
                    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}},
                ),
                put(PLANE, "spec.version", "v1.36.0"),
            ),
        ),
        Edit(
            id="deployment: version behind the control plane",
            change=put(WORKERS, "spec.template.spec.version", "v1.36.0"),
        ),
        Edit(
            id="control plane: commands before kubeadm",
            change=put(PLANE, "spec.kubeadmConfigSpec.preKubeadmCommands", ["true"]),
        ),
        Edit(
            id="control plane: rollout.after",
            change=roll_now(PLANE),
        ),
    ),
)

VERSION_EDITS = Script(
    name="p-versions",
    make=lambda ns: plain(ns, control_plane=1, workers=2),
    edits=(
        Edit(
            id="patch version of everything",
            change=both(
                put(PLANE, "spec.version", "v1.35.1"),
                put(WORKERS, "spec.template.spec.version", "v1.35.1"),
            ),
            smoke=True,
        ),
        Edit(
            id="minor version of everything",
            change=both(
                put(PLANE, "spec.version", "v1.36.0"),
                put(WORKERS, "spec.template.spec.version", "v1.36.0"),
            ),
        ),
        Edit(id="deployment: rollout.after", change=roll_now(WORKERS)),
    ),
)

OWNER_EDITS = Script(
    name="p-owners",
    make=lambda ns: plain(ns, workers=2),
    edits=(
        Edit(
            id="a second deployment",
            change=lambda docs: docs.update(
                {
                    "MachineDeployment/c1-md1": deployment(
                        docs[WORKERS]["metadata"]["namespace"], "c1-md1", replicas=2
                    )
                }
            ),
        ),
        Edit(
            id="a template of two deployments",
            change=starts_in(WORKER_TEMPLATE, 2),
        ),
        Edit(
            id="the second deployment left out",
            change=lambda docs: docs.pop("MachineDeployment/c1-md1"),
        ),
        Edit(
            id="cluster: a label",
            change=put("Cluster/c1", "metadata.labels", {"wave": "canary"}),
        ),
        Edit(
            id="a health check",
            change=lambda docs: docs.update(
                {
                    "MachineHealthCheck/c1-md0": {
                        "apiVersion": "cluster.x-k8s.io/v1beta2",
                        "kind": "MachineHealthCheck",
                        "metadata": {
                            "name": "c1-md0",
                            "namespace": docs[WORKERS]["metadata"]["namespace"],
                        },
                        "spec": {
                            "clusterName": "c1",
                            "selector": {
                                "matchLabels": {"cluster.x-k8s.io/deployment-name": "c1-md0"}
                            },
                            "checks": {
                                "unhealthyNodeConditions": [
                                    {"type": "Ready", "status": "Unknown", "timeoutSeconds": 300}
                                ]
                            },
                        },
                    }
                }
            ),
        ),
    ),
)

REPLICA_EDITS = Script(
    name="p-replicas",
    make=lambda ns: plain(ns, workers=3),
    edits=(
        Edit(
            id="scaled by hand, taken back",
            live=scaled_by_hand("c1-md0", 4),
            smoke=True,
        ),
        Edit(
            id="replicas handed to an autoscaler",
            change=both(
                put(WORKERS, "metadata.annotations", dict(_AUTOSCALED)),
                drop(WORKERS, "spec.replicas"),
            ),
        ),
        Edit(
            id="replicas of an autoscaler, scaled by it",
            change=joins_as(WORKER_CONFIG, "b"),
            live=scaled_by_hand("c1-md0", 4),
        ),
        Edit(
            id="replicas back in Git",
            change=both(drop(WORKERS, "metadata.annotations"), put(WORKERS, "spec.replicas", 3)),
        ),
        Edit(
            id="replicas removed from Git fall to 1",
            change=drop(WORKERS, "spec.replicas"),
        ),
    ),
)

_MD0 = "spec.topology.workers.machineDeployments.0"
_MD1 = "spec.topology.workers.machineDeployments.1"
T1 = "Cluster/t1"
CLASS = "ClusterClass/dev"

TOPOLOGY_EDITS = Script(
    name="t-cluster",
    make=topology,
    edits=(
        Edit(id="topology: scale md-0 2 → 3", change=put(T1, f"{_MD0}.replicas", 3), smoke=True),
        Edit(
            id="topology: a variable",
            change=put(T1, "spec.topology.variables", [{"name": "startup", "value": "2s"}]),
            smoke=True,
        ),
        Edit(
            id="topology: a variable of one deployment",
            change=put(
                T1,
                f"{_MD0}.variables",
                {"overrides": [{"name": "startup", "value": "3s"}]},
            ),
        ),
        Edit(
            id="topology: a variable that a condition reads",
            change=put(
                T1,
                "spec.topology.variables",
                [{"name": "startup", "value": "2s"}, {"name": "pool", "value": "b"}],
            ),
            at_most="up to",
        ),
        Edit(
            id="topology: a label of md-0",
            change=put(T1, f"{_MD0}.metadata", {"labels": {"tier": "web"}}),
        ),
        Edit(
            id="topology: surge 2 and a variable",
            change=both(
                put(T1, f"{_MD0}.rollout", rolling(2, 0)),
                put(
                    T1,
                    f"{_MD0}.variables",
                    {"overrides": [{"name": "startup", "value": "4s"}]},
                ),
            ),
        ),
        Edit(
            id="topology: rollout.after of md-1",
            change=lambda docs: put(T1, f"{_MD1}.rollout.after", now())(docs),
        ),
        Edit(
            id="topology: another deployment",
            change=lambda docs: docs[T1]["spec"]["topology"]["workers"][
                "machineDeployments"
            ].append({"class": "worker", "name": "md-2", "replicas": 2}),
        ),
        Edit(
            id="topology: a deployment left out",
            change=lambda docs: docs[T1]["spec"]["topology"]["workers"]["machineDeployments"].pop(),
        ),
    ),
)

UPGRADE_EDITS = Script(
    name="t-upgrade",
    make=lambda ns: topology(ns, md0=2, md1=2),
    edits=(
        Edit(
            id="topology: version",
            change=put(T1, "spec.topology.version", "v1.36.0"),
            smoke=True,
        ),
        Edit(
            id="topology: control plane 1 → 3",
            change=put(T1, "spec.topology.controlPlane.replicas", 3),
        ),
    ),
)

CLASS_EDITS = Script(
    name="t-class",
    make=lambda ns: topology(ns, clusters=("t1", "t2")),
    edits=(
        Edit(
            id="class: machine template of workers, all clusters",
            change=lambda docs: (
                slower(docs["DevMachineTemplate/dev-worker"], 1),
                docs["DevMachineTemplate/dev-worker"]["spec"]["template"]["spec"]["backend"][
                    "inMemory"
                ]["vm"]["provisioning"].update(startupDuration="2s"),
            ),
            smoke=True,
        ),
        Edit(
            id="class: a label of the template only",
            change=put(
                "DevMachineTemplate/dev-worker", "metadata.labels", {"team": "infrastructure"}
            ),
        ),
        Edit(
            id="class: labels inside a machine template",
            change=put(
                "DevMachineTemplate/dev-worker",
                "spec.template.metadata",
                {"labels": {"tier": "inside"}},
            ),
        ),
        Edit(
            id="class: machine template of workers, patched away",
            change=starts_in("DevMachineTemplate/dev-worker", 5),
        ),
        Edit(
            id="class: how control planes join, which the first machine never sees",
            change=put(
                "KubeadmControlPlaneTemplate/dev",
                "spec.template.spec.kubeadmConfigSpec",
                join_labels("cp2"),
            ),
        ),
        Edit(
            id="class: commands before kubeadm on the control plane",
            change=put(
                "KubeadmControlPlaneTemplate/dev",
                "spec.template.spec.kubeadmConfigSpec.preKubeadmCommands",
                ["true"],
            ),
        ),
        Edit(
            id="class: bootstrap template of workers",
            change=joins_as("KubeadmConfigTemplate/dev-worker", "z"),
        ),
        Edit(
            id="class: a worker class that nobody uses",
            change=lambda docs: docs[CLASS]["spec"]["workers"]["machineDeployments"].append(
                {**docs[CLASS]["spec"]["workers"]["machineDeployments"][0], "class": "other"}
            ),
        ),
    ),
)

PLAIN_LIFE = Script(
    name="l-plain",
    make=lambda ns: plain(ns, control_plane=1, workers=2, version="v1.34.0"),
    edits=(
        Edit(
            id="plain: two minors",
            change=both(
                put(PLANE, "spec.version", "v1.36.0"),
                put(WORKERS, "spec.template.spec.version", "v1.36.0"),
            ),
        ),
        Edit(
            id="plain: deleted",
            options={"mode": "destroy", "targets": (parse("cluster=*/c1"),)},
            smoke=True,
        ),
    ),
)

TOPOLOGY_LIFE = Script(
    name="l-topology",
    make=lambda ns: topology(ns, version="v1.34.0"),
    edits=(
        Edit(id="topology: two minors", change=put(T1, "spec.topology.version", "v1.36.0")),
        Edit(
            id="class gains a worker class and the cluster uses it instead",
            change=lambda docs: (
                docs[CLASS]["spec"]["workers"]["machineDeployments"].append(
                    {**docs[CLASS]["spec"]["workers"]["machineDeployments"][0], "class": "other"}
                ),
                docs[T1]["spec"]["topology"]["workers"]["machineDeployments"].append(
                    {"class": "other", "name": "md-2", "replicas": 1}
                ),
            ),
        ),
        Edit(
            id="class loses the first worker class, and the cluster its deployments",
            change=lambda docs: (
                docs[CLASS]["spec"]["workers"]["machineDeployments"].pop(0),
                docs[T1]["spec"]["topology"]["workers"]["machineDeployments"].pop(0),
                docs[T1]["spec"]["topology"]["workers"]["machineDeployments"].pop(0),
            ),
        ),
        Edit(
            id="topology: deleted",
            options={"mode": "destroy", "targets": (parse("cluster=*/t1"),)},
        ),
    ),
)

INTERRUPTED = tuple(
    Script(
        name=f"i-{waits}",
        make=lambda ns: plain(ns, control_plane=1, workers=2),
        edits=(
            Edit(
                id=f"upgrade interrupted at its wait {waits} and resumed",
                change=both(
                    put(PLANE, "spec.version", "v1.36.0"),
                    put(WORKERS, "spec.template.spec.version", "v1.36.0"),
                    starts_in(WORKER_TEMPLATE, 2),
                ),
                apply=interrupted(waits),
                smoke=waits == 2,
            ),
        ),
    )
    for waits in (1, 2, 4, 6, 8)
)

SCRIPTS = (
    WORKER_EDITS,
    STRATEGY_EDITS,
    PLANE_EDITS,
    PLANE_STRATEGY_EDITS,
    VERSION_EDITS,
    OWNER_EDITS,
    REPLICA_EDITS,
    TOPOLOGY_EDITS,
    UPGRADE_EDITS,
    CLASS_EDITS,
    PLAIN_LIFE,
    TOPOLOGY_LIFE,
    *INTERRUPTED,
)


def smoke(scripts: tuple[Script, ...] = SCRIPTS) -> tuple[Script, ...]:
    """Only the quick ones, each behind what its cluster has to be for it."""
    kept = []
    for script in scripts:
        edits = tuple(e for e in script.edits if e.smoke)
        if edits:
            kept.append(Script(name=script.name, make=script.make, edits=edits))
    return tuple(kept)
