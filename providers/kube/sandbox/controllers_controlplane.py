"""Kubeadm control planes: one machine at a time.

Sources: cluster-api v1.14 `controlplane/kubeadm/` (`reconcilers/kubeadmcontrolplane/scale.go`,
`pkg/filters.go`: what rolls); unlike a MachineDeployment it has no window: observedGeneration,
counters and RollingOut move together (docs/cluster-api.md, "The rollout window").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from providers.kube.sandbox.controllers_deployments import mark, rolling_message
from providers.kube.sandbox.controllers_kubeconfig import ensure_secrets, initialize
from providers.kube.sandbox.controllers_machinesets import (
    counters,
    machine_conditions,
    scaling_conditions,
)
from providers.kube.sandbox.controllers_making import Plan, make
from providers.kube.sandbox.controllers_objects import (
    BOOTSTRAP,
    CLUSTER_NAME,
    CONTROL_PLANE_LABEL,
    CONTROL_PLANE_NAME,
    CORE,
    adopt,
    cluster_of,
    follow,
    holds,
    initialized,
    key_of,
    minor,
    owned_by,
    pause,
    suffix,
)
from providers.kube.sandbox.controllers_outdated import (
    CONFIGURED,
    configuration,
    difference,
    template_ref,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, deleting, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-kubeadm-control-plane"
_MAKER = "capi-kubeadmcontrolplane"
_FINALIZER = "kubeadm.controlplane.cluster.x-k8s.io"
_IN_PLACE = ("deletion", "readinessGates", "taints")


def reconcile(world: World, key: Key) -> None:
    """Bring a control plane one machine forward."""
    control_plane = load(world, key, MANAGER)
    if control_plane is None:
        return
    cluster = cluster_of(world, control_plane.value)
    owned = bool(owned_by(control_plane.value, "Cluster"))
    told = _told(control_plane.value)
    if cluster is not None and owned:
        control_plane.hold(_FINALIZER)
        if not pause(control_plane, cluster):
            if control_plane.deleting:
                _delete(control_plane, cluster)
            elif initialized(cluster, "infrastructureProvisioned"):
                _advance(control_plane, cluster)
    elif control_plane.deleting:
        control_plane.release(_FINALIZER)
    control_plane.save()
    if cluster is not None and _told(control_plane.value) != told:
        for machine_set in world.list(CORE, "MachineSet", key[2]):
            if machine_set["spec"].get("clusterName") == cluster["metadata"]["name"]:
                world.wake(key_of(machine_set), 0)


def _told(value: JsonObject) -> tuple[Any, ...]:
    """What the preflight checks of MachineSets wait for."""
    version = (value.get("status") or {}).get("version")
    return initialized(value, "controlPlaneInitialized"), version, value["spec"].get("version")


def _machines(control_plane: Subject) -> list[JsonObject]:
    labels = {CONTROL_PLANE_NAME: control_plane.name}
    found = control_plane.world.list(CORE, "Machine", control_plane.namespace, labels)
    return sorted(found, key=lambda m: (m["metadata"]["creationTimestamp"], m["metadata"]["name"]))


def _delete(control_plane: Subject, cluster: JsonObject) -> None:
    """It refuses to go while there are workers."""
    everything = control_plane.world.list(
        CORE, "Machine", control_plane.namespace, {CLUSTER_NAME: cluster["metadata"]["name"]}
    )
    machines = _machines(control_plane)
    workers = len(everything) - len(machines)
    if workers:
        why = f"{workers} worker Machines are left"
        control_plane.state("Deleting", True, why, "WaitingForWorkersDeletion")
        control_plane.world.wake(control_plane.key, TIMINGS.retry)
    elif machines:
        why = f"{len(machines)} Machines are left"
        control_plane.state("Deleting", True, why, "WaitingForMachineDeletion")
        for machine in machines:
            if not deleting(machine):
                control_plane.world.delete(*key_of(machine))
    else:
        control_plane.release(_FINALIZER)


def _advance(control_plane: Subject, cluster: JsonObject) -> None:
    if not _observed(control_plane):
        return
    ensure_secrets(control_plane.world, cluster, control_plane.value)
    ref = template_ref(control_plane)
    template = follow(control_plane.world, ref, control_plane.namespace)
    if template is not None:
        adopt(control_plane.world, cluster, template, MANAGER)
    machines = _machines(control_plane)
    outdated = _mark_machines(control_plane, machines)
    _initialize(control_plane, cluster, machines)
    blocked = _step(control_plane, cluster, machines, outdated)
    _propagate(control_plane, machines)
    _status(control_plane, _machines(control_plane), blocked)


def _observed(control_plane: Subject) -> bool:
    generation = control_plane.metadata["generation"]
    seen = control_plane.status.get("observedGeneration")
    if seen in (None, generation):
        control_plane.status["observedGeneration"] = generation
        return True
    if not control_plane.waited(f"observe-{generation}", TIMINGS.observe):
        return False
    control_plane.stop(f"observe-{generation}")
    control_plane.status["observedGeneration"] = generation
    return True


def _mark_machines(control_plane: Subject, machines: Sequence[JsonObject]) -> list[JsonObject]:
    """The machines that must be replaced; every Machine says of itself what differs."""
    outdated = []
    for machine in machines:
        why = difference(control_plane, machine)
        mark(control_plane.world, machine, why, MANAGER)
        if holds(machine, "NodeHealthy"):
            _report_pods(control_plane.world, machine)
        if why:
            outdated.append(machine)
    return outdated


def _report_pods(world: World, machine: JsonObject) -> None:
    """What a healthy control-plane machine shows beside what every Machine shows."""
    subject = Subject(world, key_of(machine), machine, MANAGER)
    for kind, reason in _PODS.items():
        subject.state(kind, True, "", reason)
    subject.save()


_PODS = {
    "NodeKubeadmLabelsAndTaintsSet": "Set",
    "EtcdPodHealthy": "Running",
    "EtcdMemberHealthy": "Healthy",
    "APIServerPodHealthy": "Running",
    "ControllerManagerPodHealthy": "Running",
    "SchedulerPodHealthy": "Running",
}


def _initialize(
    control_plane: Subject, cluster: JsonObject, machines: Sequence[JsonObject]
) -> None:
    """The first machine brings up the API server some time after its infrastructure is there."""
    if initialized(control_plane.value, "controlPlaneInitialized"):
        return
    world = control_plane.world
    stuck = world.stuck(control_plane.key) or world.stuck(key_of(cluster))
    if stuck:
        control_plane.state("Initialized", False, "", stuck)
        world.wake(control_plane.key, TIMINGS.retry)
        return
    started = any(initialized(m, "infrastructureProvisioned") for m in machines)
    if not started or not control_plane.waited("initialize", TIMINGS.initialize):
        control_plane.state("Initialized", False)
        return
    control_plane.stop("initialize")
    initialize(world, cluster, control_plane.spec.get("version", ""))
    control_plane.status["initialization"] = {"controlPlaneInitialized": True}
    control_plane.state("Initialized", True)


def _step(
    control_plane: Subject,
    cluster: JsonObject,
    machines: Sequence[JsonObject],
    outdated: Sequence[JsonObject],
) -> str:
    """Make or delete one machine, if no other one is on its way; why it cannot be made."""
    wanted = control_plane.spec.get("replicas", 1)
    busy = any(deleting(m) for m in machines)
    ready = all(holds(m, "Ready") for m in machines)
    if busy or (machines and not initialized(control_plane.value, "controlPlaneInitialized")):
        return ""
    limit = wanted + (_surge(control_plane) if outdated else 0)
    if len(machines) > limit or (outdated and len(machines) == limit):
        # An unhealthy outdated machine does not stop the rollout that would replace it.
        victims = sorted(outdated or machines, key=lambda m: holds(m, "Ready"))
        if ready or (outdated and not holds(victims[0], "Ready")):
            control_plane.world.delete(*key_of(victims[0]))
    elif len(machines) < limit and ready:
        return make(control_plane.world, _plan(control_plane, cluster))
    return ""


def _surge(control_plane: Subject) -> int:
    strategy = (control_plane.spec.get("rollout") or {}).get("strategy") or {}
    return int((strategy.get("rollingUpdate") or {}).get("maxSurge", 1))


def _plan(control_plane: Subject, cluster: JsonObject) -> Plan:
    template = control_plane.spec.get("machineTemplate") or {}
    metadata = template.get("metadata") or {}
    name = f"{control_plane.name}-{suffix(control_plane.metadata['uid'], control_plane.world.now)}"
    own = {
        CLUSTER_NAME: cluster["metadata"]["name"],
        CONTROL_PLANE_LABEL: "",
        CONTROL_PLANE_NAME: control_plane.name,
    }
    config = {"apiGroup": BOOTSTRAP, "kind": "KubeadmConfig", "name": name}
    joined = initialized(cluster, "controlPlaneInitialized")
    spec = {
        name: value for name, value in (template.get("spec") or {}).items() if name in _IN_PLACE
    }
    spec["bootstrap"] = {"configRef": config}
    spec["infrastructureRef"] = template_ref(control_plane)
    spec["version"] = control_plane.spec.get("version", "")
    return Plan(
        name=name,
        cluster=cluster,
        owner=control_plane.value,
        manager=_MAKER,
        labels={**(metadata.get("labels") or {}), **own},
        annotations=dict(metadata.get("annotations") or {}),
        spec=spec,
        config=_config(control_plane, joined),
        config_annotations={CONFIGURED: configuration(control_plane, joined)},
    )


def _config(control_plane: Subject, joined: bool) -> JsonObject:
    """The first machine initializes the cluster, all others join it; each sees its own part."""
    spec = dict(control_plane.spec.get("kubeadmConfigSpec") or {})
    if not joined:
        spec.pop("joinConfiguration", None)
        return spec or {"clusterConfiguration": {}}
    spec.pop("initConfiguration", None)
    joins = spec.get("joinConfiguration") or {}
    spec["joinConfiguration"] = {**joins, "controlPlane": joins.get("controlPlane") or {}}
    return spec


def _propagate(control_plane: Subject, machines: Sequence[JsonObject]) -> None:
    """Metadata and deletion timeouts reach the machines in place."""
    template = control_plane.spec.get("machineTemplate") or {}
    metadata = template.get("metadata") or {}
    for found in machines:
        machine = load(control_plane.world, key_of(found), _MAKER)
        if machine is None or machine.deleting:
            continue
        for field in ("labels", "annotations"):
            if metadata.get(field):
                machine.metadata.setdefault(field, {}).update(metadata[field])
        for field in _IN_PLACE:
            if field in (template.get("spec") or {}):
                machine.spec[field] = template["spec"][field]
        machine.save()


def _status(control_plane: Subject, machines: Sequence[JsonObject], blocked: str) -> None:
    wanted = control_plane.spec.get("replicas", 1)
    counted = counters(machines)
    control_plane.status.update(counted)
    name = control_plane.metadata["labels"][CLUSTER_NAME]
    control_plane.status["selector"] = f"{CLUSTER_NAME}={name},{CONTROL_PLANE_LABEL}"
    running = [m["spec"]["version"] for m in machines if m["spec"].get("version")]
    if running:
        control_plane.status["version"] = min(running, key=lambda v: (minor(v), v))
    up = initialized(control_plane.value, "controlPlaneInitialized")
    outdated = [m for m in machines if not holds(m, "UpToDate")]
    control_plane.state("Available", up and counted["availableReplicas"] > wanted // 2)
    control_plane.state("CertificatesAvailable", True)
    control_plane.state("EtcdClusterHealthy", up)
    control_plane.state("ControlPlaneComponentsHealthy", up)
    control_plane.state("RollingOut", bool(outdated), rolling_message(len(outdated)))
    scaling_conditions(control_plane, len(machines), wanted, blocked)
    machine_conditions(control_plane, machines)
    control_plane.calm("Remediating", "Deleting")
