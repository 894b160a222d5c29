"""V6, V17, V19: what the providers that run can do, and which objects they look at.

Read from their Deployments, in Git or live. Sources: Cluster API v1.14.0, feature/feature.go (gates
and defaults), core/main.go (flags), util/predicates (watch filter).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from planner.rules.subject import Problem, Subject, field, label, list_at, map_at, text_at
from providers.capi import CLUSTER, CLUSTER_CLASS, GROUP, MACHINE_DEPLOYMENT, MACHINE_POOL
from providers.controlplane import GROUP as CONTROL_PLANE
from providers.controlplane import KUBEADM
from providers.versions import Version, parse_loosely, unsupported
from state.resource import GroupKind, JsonObject

PROVIDER = "cluster.x-k8s.io/provider"
WATCH = "cluster.x-k8s.io/watch-filter"
CORE = "cluster-api"
_ON_BY_DEFAULT = ("MachinePool",)
_DEFAULTS_UNTIL = (1, 14)
"""The last release whose defaults are known here."""
_OF_GROUP = {
    GROUP: CORE,
    "bootstrap.cluster.x-k8s.io": "bootstrap-",
    CONTROL_PLANE: "control-plane-",
    "infrastructure.cluster.x-k8s.io": "infrastructure-",
}


class Manager(msgspec.Struct, frozen=True, kw_only=True):
    """The controller of one provider, as its Deployment starts it."""

    provider: str
    """`cluster-api`, `infrastructure-docker`, …: the label that clusterctl puts on it."""
    version: Version | None
    namespace: str
    """The only namespace it looks at; `""`: all."""
    watch_filter: str
    gates: tuple[tuple[str, str], ...]
    """Feature gates that are set, with `true`, `false` or whatever stands there."""


def managers(deployments: Iterable[JsonObject]) -> tuple[Manager, ...]:
    """The providers' controllers among some Deployments."""
    found = [
        _manager(provider, container)
        for body in deployments
        if (provider := label(body, PROVIDER))
        for container in list_at(body, "spec.template.spec.containers")
        if isinstance(container, dict) and container.get("name") == "manager"
    ]
    return tuple(sorted(found, key=lambda m: (m.provider, m.namespace, m.watch_filter)))


def _manager(provider: str, container: JsonObject) -> Manager:
    words = [a for a in list_at(container, "args") if isinstance(a, str)]
    flags: dict[str, str] = {}
    for index, word in enumerate(words):
        name, is_, rest = word.removeprefix("-").removeprefix("-").partition("=")
        following = words[index + 1] if index + 1 < len(words) else ""
        flags[name] = rest if is_ else "" if following.startswith("-") else following
    gates = {
        name.strip(): state.strip().lower()
        for name, is_, state in (
            g.partition("=") for g in flags.get("feature-gates", "").split(",")
        )
        if is_
    }
    tag = text_at(container, "image").rpartition("/")[2].partition("@")[0].partition(":")[2]
    return Manager(
        provider=provider,
        version=parse_loosely(tag),
        namespace=flags.get("namespace", ""),
        watch_filter=flags.get("watch-filter", ""),
        gates=tuple(sorted(gates.items())),
    )


def core_version(known: Iterable[Manager]) -> Version | None:
    """The release of Cluster API that runs."""
    return next((m.version for m in known if m.provider == CORE and m.version), None)


# ---------------------------------------------------------------------- V19


def gates(subject: Subject, known: tuple[Manager, ...]) -> Iterator[Problem]:
    """V19: a feature that the object uses and that its provider has switched off."""
    for provider, gate, path in _needs(subject):
        mine = [m for m in known if m.provider == provider]
        states = [_state(m, gate, core_version(known)) for m in mine]
        if not states or any(on is not False for on, _ in states):
            continue
        certain = all(sure for _, sure in states)
        yield Problem(
            rule="V19",
            severity="error" if certain else "warning",
            id=subject.id,
            field=field(path),
            reason=f"{path} needs the feature gate {gate}, which is off in {provider}",
            hint=f"start {provider} with --feature-gates={gate}=true",
        )


def _state(manager: Manager, gate: str, core: Version | None) -> tuple[bool | None, bool]:
    """(on, certain). Neither `true` nor `false`: a template that is filled in later, not known."""
    said = dict(manager.gates).get(gate)
    if said is not None:
        return {"true": True, "false": False}.get(said), True
    version = manager.version or core
    certain = version is not None and version.series <= _DEFAULTS_UNTIL
    return gate in _ON_BY_DEFAULT, certain


_IGNITION = "KubeadmBootstrapFormatIgnition"


def _needs(subject: Subject) -> Iterator[tuple[str, str, str]]:
    kind, body = subject.id.group_kind, subject.body
    if kind == CLUSTER and map_at(body, "spec.topology"):
        yield CORE, "ClusterTopology", "spec.topology"
    elif kind == CLUSTER_CLASS:
        yield CORE, "ClusterTopology", "spec"
    elif kind == MACHINE_POOL:
        yield CORE, "MachinePool", "spec"
    elif kind == GroupKind("runtime.cluster.x-k8s.io", "ExtensionConfig"):
        yield CORE, "RuntimeSDK", "spec"
    if kind == MACHINE_DEPLOYMENT and list_at(body, "spec.template.spec.taints"):
        yield CORE, "MachineTaintPropagation", "spec.template.spec.taints"
    spec = {
        KUBEADM: "spec.kubeadmConfigSpec",
        GroupKind("bootstrap.cluster.x-k8s.io", "KubeadmConfigTemplate"): "spec.template.spec",
        GroupKind("bootstrap.cluster.x-k8s.io", "KubeadmConfig"): "spec",
    }.get(kind)
    if spec is not None and text_at(body, f"{spec}.format") == "ignition":
        yield "bootstrap-kubeadm", _IGNITION, f"{spec}.format"


# ---------------------------------------------------------------------- V17


def watched(subject: Subject, known: tuple[Manager, ...]) -> Iterator[Problem]:
    """V17: a controller looks at the object's namespace and at its watch-filter label."""
    prefix = _OF_GROUP.get(subject.id.group)
    if prefix is None:
        return
    mine = [m for m in known if m.provider.startswith(prefix)]
    if not mine or any(_sees(m, subject) for m in mine):
        return
    scopes = sorted({_scope(m) for m in mine})
    yield Problem(
        rule="V17",
        severity="warning",
        id=subject.id,
        field=field("metadata"),
        reason=f"no controller looks at it: {'; '.join(scopes)}",
        hint=f"move it to a watched namespace, or give it the label {WATCH}",
    )


def _sees(manager: Manager, subject: Subject) -> bool:
    in_scope = manager.namespace in ("", subject.id.namespace)
    filtered = manager.watch_filter
    return in_scope and (not filtered or label(subject.body, WATCH) == filtered)


def _scope(manager: Manager) -> str:
    parts = [f"namespace {manager.namespace}"] if manager.namespace else []
    parts += [f"label {WATCH}={manager.watch_filter}"] if manager.watch_filter else []
    return f"{manager.provider} watches {' and '.join(parts)}"


# ---------------------------------------------------------------------- V6


def management_version(server: str, known: tuple[Manager, ...]) -> str:
    """V6: why Cluster API does not support its management cluster's Kubernetes; `""`: it does."""
    core, running = core_version(known), parse_loosely(server)
    if core is None or running is None:
        return ""
    return unsupported(core, running, management=True)
