"""Small fleets as values, and edits of them in Git and live: what the property tests draw from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from providers.kube.sandbox.faults import Fault
from tests.support import manifests
from tests.support.lab import Lab, capi

CONFIG_MAPS = "/api/v1/namespaces/team-a/configmaps"
NODE_LABELS = "            - {name: node-labels, value: pool=md0}\n"


@dataclass(frozen=True)
class Cluster:
    """One cluster: a control plane, one pool, maybe an add-on."""

    name: str
    workers: int = 1
    version: str = "v1.35.0"
    startup: str = "1s"
    label: str = ""
    content: str = ""
    addon: str = ""
    allow: bool = False
    common: bool = False

    def text(self) -> str:
        """Its manifests."""
        text = manifests.cluster(
            self.name,
            workers=self.workers,
            version=self.version,
            startup=self.startup,
            annotations=manifests.ALLOW_DESTROY if self.allow else "",
        )
        if self.label:
            plain = f"metadata: {{name: {self.name}-md0, namespace: team-a}}"
            text = text.replace(plain, f"{plain[:-1]}, labels: {{tier: {self.label}}}}}")
        if self.content:
            files = f"      files:\n        - {{path: /etc/motd, content: {self.content}}}\n"
            text = text.replace(NODE_LABELS, NODE_LABELS + files)
        if self.common:
            head, use, tail = text.rpartition(
                f"kind: DevMachineTemplate\n        name: {self.name}"
            )
            text = head + use.replace(self.name, "common") + tail.removeprefix("-md0")
        return text + ("---\n" + manifests.addon(self.name, data=self.addon) if self.addon else "")


@dataclass(frozen=True)
class Fleet:
    """What stands in Git; `allow` goes with it to every plan, `fault` strikes the first one."""

    clusters: tuple[Cluster, ...]
    maps: dict[str, str] = field(
        default_factory=lambda: {"zero": "0", "one": "1", "two": "2", "three": "3"}
    )
    password: str = "first"
    secret_type: str = "Opaque"
    common: str = "1s"
    allow: tuple[str, ...] = ()
    fault: Fault | None = None

    def write(self, lab: Lab) -> None:
        """Put it into the repository, one file a cluster, and commit."""
        for path in (lab.root / "clusters").glob("*.yaml"):
            path.unlink()
        shared = [manifests.NAMESPACE, self._secret(), *map(_config_map, sorted(self.maps.items()))]
        if any(c.common for c in self.clusters):
            shared.append(manifests.machine_template("common", self.common))
        lab.write("clusters/shared.yaml", "---\n".join(shared))
        for cluster in self.clusters:
            lab.write(f"clusters/{cluster.name}.yaml", cluster.text())
        lab.commit()

    def _secret(self) -> str:
        return (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: team-a}\n"
            f"type: {self.secret_type}\nstringData: {{password: {self.password}}}\n"
        )

    def with_cluster(self, index: int, **changes: object) -> Fleet:
        """One cluster changed, if it is there."""
        if index >= len(self.clusters):
            return self
        changed = list(self.clusters)
        changed[index] = replace(changed[index], **changes)  # type: ignore[arg-type]
        return replace(self, clusters=tuple(changed))


def _config_map(item: tuple[str, str]) -> str:
    name, value = item
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: team-a}}\n"
        f"data: {{value: '{value}'}}\n"
    )


BASES = (
    Fleet((Cluster("c1", workers=2, addon="one", content="first"),)),
    Fleet((Cluster("c1", common=True), Cluster("c2", addon="one"))),
    Fleet((Cluster("c1", content="first"), Cluster("c2"), Cluster("c3", workers=0))),
)

# ---------------------------------------------------------------- edits in Git

Edit = Callable[[Lab, Fleet], Fleet]


def scale(_: Lab, fleet: Fleet) -> Fleet:
    return fleet.with_cluster(0, workers=3)


def upgrade(_: Lab, fleet: Fleet) -> Fleet:
    return fleet.with_cluster(0, version="v1.35.1")


def template(_: Lab, fleet: Fleet) -> Fleet:
    fleet = replace(fleet, common="2s")
    return fleet.with_cluster(0, startup="2s")


def kubeadm_file(_: Lab, fleet: Fleet) -> Fleet:
    return fleet.with_cluster(0, content="second")


def label(_: Lab, fleet: Fleet) -> Fleet:
    return fleet.with_cluster(0, label="gold")


def config_map(_: Lab, fleet: Fleet) -> Fleet:
    return replace(fleet, maps={**fleet.maps, "one": "changed"})


def secret_value(_: Lab, fleet: Fleet) -> Fleet:
    return replace(fleet, password="second")


def secret_type(_: Lab, fleet: Fleet) -> Fleet:
    return replace(fleet, secret_type="example.org/other")


def remove_map(_: Lab, fleet: Fleet) -> Fleet:
    return replace(fleet, maps={k: v for k, v in fleet.maps.items() if k != "two"})


def remove_cluster(_: Lab, fleet: Fleet) -> Fleet:
    """Named on the command line."""
    applied = [c for c in fleet.clusters if c.name != "c9"]
    if len(applied) < 2:
        return fleet
    kept = tuple(c for c in fleet.clusters if c is not applied[-1])
    return replace(fleet, clusters=kept, allow=(*fleet.allow, f"team-a/{applied[-1].name}"))


def lose_cluster(_: Lab, fleet: Fleet) -> Fleet:
    """Without permission: refused."""
    return replace(fleet, clusters=fleet.clusters[:-1])


def add_cluster(_: Lab, fleet: Fleet) -> Fleet:
    return replace(fleet, clusters=(*fleet.clusters, Cluster("c9", addon="nine")))


def edit_addon(_: Lab, fleet: Fleet) -> Fleet:
    changed = [replace(c, addon="edited") if c.addon else c for c in fleet.clusters]
    return replace(fleet, clusters=tuple(changed))


def remove_addon(_: Lab, fleet: Fleet) -> Fleet:
    return replace(fleet, clusters=tuple(replace(c, addon="") for c in fleet.clusters))


# ---------------------------------------------------------------- edits behind our back


def scaled_by_hand(lab: Lab, fleet: Fleet) -> Fleet:
    pool = capi("machinedeployments", "team-a", "c1-md0")
    lab.patch(pool, {"spec": {"replicas": 4}}, manager="kubectl-scale")
    lab.pass_time(60)
    return fleet


def autoscaled(lab: Lab, fleet: Fleet) -> Fleet:
    pool = capi("machinedeployments", "team-a", "c1-md0")
    lab.patch(pool, {"spec": {"replicas": 3}}, manager="cluster-autoscaler")
    return fleet


def edited_by_hand(lab: Lab, fleet: Fleet) -> Fleet:
    lab.patch(f"{CONFIG_MAPS}/three", {"data": {"value": "mine"}}, manager="kubectl-edit")
    return fleet


def edited_by_controller(lab: Lab, fleet: Fleet) -> Fleet:
    lab.patch(f"{CONFIG_MAPS}/one", {"data": {"value": "mine"}}, manager="some-operator")
    return fleet


def deleted_live(lab: Lab, fleet: Fleet) -> Fleet:
    lab.request("DELETE", f"{CONFIG_MAPS}/zero")
    return fleet


def deleted_live_and_in_git(lab: Lab, fleet: Fleet) -> Fleet:
    lab.request("DELETE", f"{CONFIG_MAPS}/two")
    return replace(fleet, maps={k: v for k, v in fleet.maps.items() if k != "two"})


def let_go(lab: Lab, fleet: Fleet) -> Fleet:
    """Our label is taken off an object that leaves Git: not ours any more, so it stays."""
    if lab.get(f"{CONFIG_MAPS}/two"):
        labels = {"metadata": {"labels": {"clusterform.dev/fleet": None}}}
        lab.patch(f"{CONFIG_MAPS}/two", labels, manager="kubectl-label")
    return replace(fleet, maps={k: v for k, v in fleet.maps.items() if k != "two"})


def made_by_hand(lab: Lab, fleet: Fleet) -> Fleet:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "four", "namespace": "team-a"},
        "data": {"value": "other"},
    }
    assert lab.request("POST", CONFIG_MAPS, body, manager="kubectl-create").status == 201
    return replace(fleet, maps={**fleet.maps, "four": "4"})


def unreadable(_: Lab, fleet: Fleet) -> Fleet:
    """The LIST of a kind that edits touch fails."""
    path = ".*/machinedeployments"
    return replace(fleet, fault=Fault(kind="status", method="GET", path=path, count=None))


EDITS: tuple[Edit, ...] = (
    scale, upgrade, template, kubeadm_file, label, config_map, secret_value, secret_type,
    remove_map, remove_cluster, lose_cluster, add_cluster, edit_addon, remove_addon,
    scaled_by_hand, autoscaled, edited_by_hand, edited_by_controller, deleted_live,
    deleted_live_and_in_git, let_go, made_by_hand, unreadable,
)  # fmt: skip

RARE = (secret_type, made_by_hand, deleted_live_and_in_git, let_go, unreadable)
"""Each leads to a verb that few others lead to."""


def applied(root: Path, fleet: Fleet) -> None:
    """A folder with this fleet, applied."""
    root.mkdir(parents=True)
    lab = Lab(root)
    fleet.write(lab)
    lab.converge()
    lab.sandbox.close()
