"""What the user declares about the fleet as a whole: the content of `clusterform.yaml`.

Decoded and checked by `planner.fleetfile`; the meaning of each field is in docs/fleet-file.md.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from state.resource import FieldPath, GroupKind


class Guards(msgspec.Struct, frozen=True, kw_only=True):
    """Limits that refuse a plan (docs/fleet-file.md). None: no limit."""

    destroy_clusters: Literal["deny", "allow"] = "deny"
    max_clusters_changed: int | None = None
    max_machines_replaced: int | None = 200
    max_deletes_percent: int | None = 5


class IgnoreRule(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that somebody else keeps (semantics 12)."""

    kind: str
    """`MachineDeployment`, or `MachineDeployment.cluster.x-k8s.io`."""
    paths: tuple[FieldPath, ...]
    when: Literal["", "autoscaler-annotations"] = ""
    """`""`: always; else only for objects with the autoscaler's size annotations."""

    def matches(self, kind: GroupKind) -> bool:
        """The rule is about this kind."""
        return self.kind in (kind.kind, str(kind))


ProviderType = Literal[
    "CoreProvider",
    "BootstrapProvider",
    "ControlPlaneProvider",
    "InfrastructureProvider",
    "AddonProvider",
    "CertManager",
]
_PREFIX: dict[str, str] = {
    "BootstrapProvider": "bootstrap-",
    "ControlPlaneProvider": "control-plane-",
    "InfrastructureProvider": "infrastructure-",
    "AddonProvider": "addon-",
}


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that a management cluster runs, as its providers file lists it."""

    management: str
    name: str
    type: ProviderType
    version: str
    path: str
    """A component file, or a folder of them, relative to the fleet's root."""

    @property
    def tag(self) -> str:
        """Its name among all providers, as clusterctl labels it: `infrastructure-docker`."""
        return f"{_PREFIX.get(self.type, '')}{self.name}"


class Gitops(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps a cluster in step with its own repository, and which one that is."""

    engine: Literal["flux2", "flux1"]
    components: str
    """File or folder with the engine's manifests, relative to the fleet's root."""
    url: str
    branch: str = "main"
    path: str = "clusters/{namespace}/{name}"
    """Folder of that repository; `{namespace}` and `{name}` are the cluster's."""
    secret: str = ""
    """Secret in the engine's namespace that opens the repository; made outside of Git."""
    namespace: str = "flux-system"


class ManagementSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One management cluster."""

    name: str
    gitops: Gitops | None = None
    """Flux in the management cluster itself; None: it is not made by clusterform."""
    paths: tuple[str, ...]
    """Folders or files of its manifests, relative to the fleet's root."""
    providers: str = ""
    """Its providers file; `""`: none declared."""
    context: str = ""
    """The context of the user's kubeconfig that reaches it; `""`: not reached by a context."""
    in_cluster: bool = False
    """clusterform runs in it, as the service account of its pod."""
    read_secret: str = ""
    """Name of the Secret with a read-only kubeconfig of a workload cluster, with `{cluster}` for
    the cluster's name; plan, drift and status then use no other. `""`: `{cluster}-kubeconfig`."""

    @property
    def sandbox(self) -> bool:
        """It is the built-in one."""
        return not self.context and not self.in_cluster


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a `WorkloadCluster` expands to: a chart, a kustomize folder or a clusterctl template."""

    name: str
    chart: str = ""
    """Folder or `.tgz` of a Helm chart, relative to the fleet's root."""
    kustomize: str = ""
    """Folder with a kustomization; values are its substitution variables."""
    template: str = ""
    """File with clusterctl variables; values are the variables."""
    version: str = ""
    """The chart's version must match this constraint; of the others it is a name for people."""

    @property
    def path(self) -> str:
        """The one of the three that is set."""
        return self.chart or self.kustomize or self.template


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of base services that clusters get."""

    name: str
    path: str = ""
    """Folder of manifests or with a kustomization, or a file; `""` where it is a chart."""
    chart: str = ""
    version: str = ""
    values: bytes = b"{}"
    """Of the chart, as JSON."""
    namespace: str = "default"
    """Where the chart's release goes."""
    after: tuple[str, ...] = ()
    """Profiles whose objects are there and ready before this one's."""
    selector: tuple[tuple[str, str], ...] | None = None
    """Labels of the Clusters that get it; `()`: all; None: only those that name it."""
    gitops: Gitops | None = None
    """Instead of a path or chart: Flux, pointed at the cluster's own repository."""
    through: Literal["kubeconfig", "clusterResourceSet", "helmChartProxy"] = "kubeconfig"
    """Who applies it: this run, or an add-on provider in the management cluster."""
    strategy: str = ""
    """How the add-on provider keeps to it, in its own words: `Reconcile`, `InstallOnce`."""
    repository: str = ""
    """Where `chart` is found: the chart of a HelmChartProxy, which nothing here renders."""

    @property
    def handed_over(self) -> bool:
        """An add-on provider applies it."""
        return self.through != "kubeconfig"


class FleetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet."""

    name: str
    management: tuple[ManagementSpec, ...]
    guards: Guards = Guards()
    ignore: tuple[IgnoreRule, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    """URL as it stands in releases and sources → a local folder, relative to the fleet's root."""
    blueprints: tuple[Blueprint, ...] = ()
    profiles: tuple[Profile, ...] = ()
    decryption: str = ""
    """`sops`: an apply decrypts what SOPS encrypted; `""`: it is left to others."""
    path: str = ""
    """Of the Fleet file; `""` where there is none and a folder of manifests was taken as it is."""
