"""From a cluster's key to its API: management clusters by setting, workload clusters by Secret."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from providers.base import value
from providers.builtin import KINDS
from providers.capi import CLUSTER
from providers.kube import kubeconfig
from providers.kube.api import Transport
from providers.kube.client import KubeClient
from providers.kube.watched import WatchedClient
from providers.management import SECRET
from state.errors import ClusterformError
from state.live import Absent, Observation, Present, Unreadable
from state.resource import JsonObject, ResourceId


class NoAccess(msgspec.Struct, frozen=True):
    """A cluster whose API cannot be reached by us, and why."""

    reason: str


class NotYet(msgspec.Struct, frozen=True):
    """A workload cluster that is proven to have no API yet: an empty world (semantics 6)."""

    reason: str


Dial = Callable[[kubeconfig.Access], Transport | None]
"""Opens a workload cluster's API; None when nothing listens there."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """How one management cluster is reached, and how its workload clusters are."""

    transport: Transport
    dial: Dial
    watches: bool = False
    """Waits look through watches; without, they read (the sandbox, whose clock a test drives)."""
    read_secret: str = ""
    """Name of the Secret to read workload clusters with, `{cluster}` in it; `""`: the admin's."""


class Fleet:
    """The clusters of one fleet. Clients are made once and kept."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        sleep: Callable[[float], None],
    ) -> None:
        self._doors = doors
        self._management = {
            name: KubeClient(name, door.transport, sleep) for name, door in doors.items()
        }
        self._sleep = sleep
        self._workload: dict[str, KubeClient] = {}
        self._watched: dict[str, WatchedClient] = {}
        self._may_write: Callable[[], bool] | None = None

    def glance(self, cluster: str) -> KubeClient | NoAccess | NotYet:
        """The same API for looks that may be a moment old: from watches where the door says so."""
        direct = self.api(cluster)
        if not isinstance(direct, KubeClient) or not self._doors[cluster.partition("/")[0]].watches:
            return direct
        found = self._watched.get(cluster)
        if found is None:
            found = self._watched[cluster] = WatchedClient(direct)
        return found

    def refused_watches(self) -> Iterator[tuple[str, str]]:
        """(cluster, kind) of everything that this identity may read but not watch."""
        for cluster, client in self._watched.items():
            yield from ((cluster, kind) for kind in client.refused)

    def end_watches(self) -> None:
        """No more looks: the run is over."""
        for client in self._watched.values():
            client.close()
        self._watched.clear()

    def guard(self, may_write: Callable[[], bool]) -> None:
        """From now on clusters are written, and this is asked before every repeated attempt.

        Workload clusters that were read with a read-only kubeconfig are opened anew.
        """
        self._may_write = may_write
        self._workload = {
            key: client
            for key, client in self._workload.items()
            if not self._doors[key.partition("/")[0]].read_secret
        }
        for client in (*self._management.values(), *self._workload.values()):
            client.may_write = may_write

    def api(self, cluster: str) -> KubeClient | NoAccess | NotYet:
        """The client of `mgmt`, or of the workload cluster `mgmt/namespace/name`."""
        management, _, rest = cluster.partition("/")
        found = self._management.get(management)
        if found is None:
            return NoAccess(f"there is no management cluster {management}")
        if not rest:
            return found
        known = self._workload.get(cluster)
        if known is not None:
            return known
        namespace, _, name = rest.partition("/")
        try:
            opened = self._open(found, cluster, namespace, name)
        except ClusterformError as error:
            return NoAccess(error.brief)
        if isinstance(opened, KubeClient):
            opened.may_write = self._may_write
            self._workload[cluster] = opened
        return opened

    def _open(
        self, management: KubeClient, cluster: str, namespace: str, name: str
    ) -> KubeClient | NoAccess | NotYet:
        made = self._cluster_object(management, namespace, name)
        if isinstance(made, Unreadable):
            return NoAccess(f"no credential: {made.reason}")
        if isinstance(made, Absent):
            return NotYet("the cluster does not exist yet")
        read_secret = self._doors[management.cluster].read_secret
        reading = bool(read_secret) and self._may_write is None
        wanted = read_secret.replace("{cluster}", name) if reading else f"{name}-kubeconfig"
        secret_id = ResourceId(management.cluster, "", "Secret", namespace, wanted)
        secret = management.get(secret_id, "v1", KINDS[SECRET])
        if isinstance(secret, Unreadable):
            return NoAccess(f"no credential: {secret.reason}")
        if isinstance(secret, Absent):
            if initialized(made.body):
                return NoAccess(f"no credential: its kubeconfig Secret {wanted} is missing")
            return NotYet("its control plane is not initialized yet")
        if not reading and not _of_control_plane(secret, made.body):
            return NoAccess("no credential: its kubeconfig Secret is not its control plane's")
        return self._connect(cluster, secret)

    def _cluster_object(self, management: KubeClient, namespace: str, name: str) -> Observation:
        id_ = ResourceId(management.cluster, CLUSTER.group, CLUSTER.kind, namespace, name)
        how = management.find(CLUSTER)
        return management.get(id_, *how) if how else Absent(id_)

    def _connect(self, cluster: str, secret: Present) -> KubeClient | NoAccess:
        try:
            content = base64.b64decode(str(value(secret.body, "data.value", "")), validate=True)
            access = kubeconfig.parse(content)
        except (binascii.Error, kubeconfig.Unusable) as error:
            return NoAccess(f"no credential: the kubeconfig is refused: {error}")
        transport = self._doors[cluster.partition("/")[0]].dial(access)
        if transport is None:
            return NoAccess("nothing answers at the address in its kubeconfig")
        return KubeClient(cluster, transport, self._sleep)


def _of_control_plane(secret: Present, cluster: JsonObject) -> bool:
    """The Secret belongs to the Cluster or its control plane: anybody could write one of the name.

    Whoever serves at its address receives the add-ons, so an unowned look-alike is refused.
    Source: Cluster API book, owner references of the kubeconfig Secret.
    """
    reference = value(cluster, "spec.controlPlaneRef") or {}
    for owner in secret.metadata.owner_references or ():
        if owner.kind == CLUSTER.kind and owner.uid == cluster["metadata"].get("uid"):
            return True
        if (owner.kind, owner.name) == (reference.get("kind"), reference.get("name")):
            return True
        if not reference and "controlplane" in owner.api_version:
            return True  # a topology's control plane, named by its controller
    return False


def initialized(cluster: JsonObject) -> bool:
    """The control plane has been up once: by contract v1beta2, or v1beta1."""
    for flag in ("initialization.controlPlaneInitialized", "controlPlaneReady"):
        if value(cluster, f"status.{flag}") is True:
            return True
    found: Any = value(cluster, "status.conditions", []) or ()
    return any(
        c.get("type") == "ControlPlaneInitialized" and c.get("status") == "True" for c in found
    )
