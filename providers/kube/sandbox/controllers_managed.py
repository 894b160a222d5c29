"""Control planes that a provider runs: no machines, an API some time after the infrastructure.

By the ControlPlane contract for an externally managed control plane.
"""

from __future__ import annotations

from providers.kube.sandbox.controllers_contracts import report_started, started
from providers.kube.sandbox.controllers_kubeconfig import ensure_kubeconfig, initialize
from providers.kube.sandbox.controllers_objects import CORE, initialized, owned_by, pause
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-managed"
_FINALIZER = "managed.controlplane.cluster.x-k8s.io"


def reconcile(world: World, key: Key) -> None:
    """Make the API server of a cluster, and bring it to the wanted version."""
    plane = load(world, key, MANAGER)
    if plane is None:
        return
    cluster = world.get(CORE, "Cluster", key[2], owned_by(plane.value, "Cluster"))
    if plane.deleting:
        if plane.waited("remove", TIMINGS.removal):
            plane.release(_FINALIZER)
    elif cluster is not None:
        plane.hold(_FINALIZER)
        if not pause(plane, cluster) and initialized(cluster, "infrastructureProvisioned"):
            _advance(plane, cluster)
    plane.save()


def _advance(plane: Subject, cluster: JsonObject) -> None:
    wanted = str(plane.spec.get("version") or plane.status.get("version") or "v1.35.2")
    stuck = plane.world.stuck(plane.key)
    if stuck:
        plane.state("Ready", False, f"{plane.value['kind']} does not become ready", stuck)
        plane.world.wake(plane.key, TIMINGS.retry)
        return
    if not plane.waited(f"version-{wanted}", TIMINGS.initialize):
        plane.state("Ready", started(plane.value))
        return
    if not started(plane.value):
        ensure_kubeconfig(plane.world, cluster, plane.value)
        initialize(plane.world, cluster, wanted)
        report_started(plane.value)
    plane.status["version"] = wanted
    for condition in ("Ready", "Available"):
        plane.state(condition, True)
