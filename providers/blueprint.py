"""Managed topologies: what the machines of a Cluster are made from, rendered as its class says.

The topology controller gives machines new templates where the *rendered content* differs, never
because a name does (Cluster API v1.14.0, core/reconcilers/topology/cluster/structuredmerge and
exp/topology/desiredstate; docs/cluster-api.md). What only a controller can compute stays open
(`providers.classpatches`). What an edit does: `providers.topologyimpact`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from providers.base import count, value
from providers.classpatches import NotApplicable, Part, patched, variables
from providers.controlplane import KUBEADM
from state.resource import JsonObject, canonical, split_api_version

CONTROL_PLANE_OWNER = "control plane"
UPGRADE_CONCURRENCY = "topology.cluster.x-k8s.io/upgrade-concurrency"
DEFER_UPGRADE = "topology.cluster.x-k8s.io/defer-upgrade"
HOLD_UPGRADE = "topology.cluster.x-k8s.io/hold-upgrade-sequence"

Template = Callable[[str, str, str, str], JsonObject | None]
"""(group, kind, namespace, name) → the template; None if it does not exist. May raise NotKnown."""


class NotKnown(Exception):
    """What a topology is made from cannot be told; the message says why."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The control plane, a MachineDeployment or a MachinePool of a topology."""

    name: str
    """`control plane`, `MachineDeployment md-0`, `MachinePool mp-0`."""
    version: str
    replicas: int | None
    """None: whoever scales it decides."""
    content: dict[str, Any]
    """What decides whether machines are replaced, by the field that says so."""
    open: bytes
    """Canonical JSON of what only a controller can compute."""
    config: JsonObject = {}
    """Of the control plane: its kubeadmConfigSpec, which not every machine sees all of."""
    kubeadm: bool = True
    """Of the control plane: False, another provider decides what an edit does."""
    rollout: JsonObject = {}
    """`after` and `before`: what falls due without any other change."""
    strategy: JsonObject = {}
    order: str = ""
    held: str = ""
    """Why a new version does not reach it yet; "" if nothing holds it."""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """A Cluster's topology, rendered."""

    owners: dict[str, Owner]
    concurrency: int = 1
    """MachineDeployments that take up a new version at a time."""


def blueprint(cluster: JsonObject, class_body: JsonObject, template: Template) -> Blueprint:
    """The topology of `cluster` as its class renders it. Raises: NotKnown."""
    try:
        return _checked(_Renderer(cluster, class_body, template).run())
    except NotApplicable as error:
        raise NotKnown(str(error)) from error
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise NotKnown(f"its class or topology is not of the expected form ({error})") from error


def _checked(found: Blueprint) -> Blueprint:
    """Owners whose fields can be computed with; whoever reads Git may have written anything."""
    for owner in found.owners.values():
        if owner.replicas is not None and count(owner.replicas) is None:
            raise NotKnown(f"replicas of {owner.name} are not a number of machines")
        if not isinstance(owner.strategy, dict) or not isinstance(owner.config, dict):
            raise NotKnown(f"the rollout of {owner.name} is not of the expected form")
    return found


class _Renderer:
    def __init__(self, cluster: JsonObject, class_body: JsonObject, template: Template) -> None:
        self.cluster = cluster
        self.topology: JsonObject = cluster["spec"]["topology"]
        self.spec: JsonObject = class_body["spec"]
        self.namespace = str(class_body["metadata"].get("namespace"))
        self.version = str(self.topology.get("version"))
        self.template = template

    def run(self) -> Blueprint:
        owners = {CONTROL_PLANE_OWNER: self._control_plane()}
        workers = self.topology.get("workers") or {}
        held = ""
        for entry in workers.get("machineDeployments") or ():
            held = held or _annotation(entry, HOLD_UPGRADE)
            deferred = held or _annotation(entry, DEFER_UPGRADE)
            owner = self._worker(entry, "machineDeployment", deferred)
            owners[owner.name] = owner
        for entry in workers.get("machinePools") or ():
            owner = self._worker(entry, "machinePool", _annotation(entry, DEFER_UPGRADE))
            owners[owner.name] = owner
        annotations = self.cluster["metadata"].get("annotations") or {}
        told = str(annotations.get(UPGRADE_CONCURRENCY, "1"))
        return Blueprint(owners=owners, concurrency=int(told) if told.isdigit() else 1)

    def _control_plane(self) -> Owner:
        of_class = self.spec["controlPlane"]
        of_cluster = self.topology.get("controlPlane") or {}
        part = Part("controlPlane")
        source, open_ = self._rendered(of_class, part, of_cluster, self._builtin(of_cluster))
        inner = value(source, "spec.template.spec", {}) or {}
        kubeadm = source.get("kind") == KUBEADM.kind + "Template"
        content: dict[str, Any] = (
            {} if kubeadm else {"its control plane template": _content(source)}
        )
        machines = of_class.get("machineInfrastructure")
        if machines:
            infra, more = self._rendered(machines, part, of_cluster, self._builtin(of_cluster))
            content["its machine template"] = _content(infra)
            open_ += more
        replicas = of_cluster.get("replicas")
        strategy = value(inner, "rollout.strategy") or value(inner, "rolloutStrategy") or {}
        return Owner(
            name=CONTROL_PLANE_OWNER,
            version=self.version,
            replicas=1 if replicas is None else replicas,
            content=content,
            open=canonical({"": open_}),
            strategy=strategy,
            config=(value(inner, "kubeadmConfigSpec", {}) or {}) if kubeadm else {},
            kubeadm=kubeadm,
            rollout={
                **(inner.get("rollout") or {}),
                **(of_cluster.get("rollout") or {}),
                **({"after": inner["rolloutAfter"]} if "rolloutAfter" in inner else {}),
            },
        )

    def _worker(self, entry: JsonObject, role: str, held: str) -> Owner:
        kind = "MachineDeployment" if role == "machineDeployment" else "MachinePool"
        listed = (self.spec.get("workers") or {}).get(f"{role}s") or ()
        of_class = next((c for c in listed if c.get("class") == entry.get("class")), None)
        if of_class is None:
            raise NotKnown(f"its class has no {kind} class {entry.get('class')}")
        part = Part(role, str(entry.get("name")), str(entry.get("class")))
        parts = of_class.get("template") or of_class  # v1beta1 has one level more
        builtin = self._builtin(entry)
        config, open_ = self._rendered(parts["bootstrap"], part, entry, builtin)
        infra, more = self._rendered(parts["infrastructure"], part, entry, builtin)
        return Owner(
            name=f"{kind} {entry.get('name')}",
            version=self.version,
            replicas=entry.get("replicas"),
            content={
                "its bootstrap template": _content(config),
                "its machine template": _content(infra),
                "spec.template.spec.failureDomain": entry.get("failureDomain")
                or of_class.get("failureDomain"),
            },
            open=canonical({"": [*open_, *more]}),
            strategy=value(entry, "rollout.strategy")
            or value(of_class, "rollout.strategy")
            or entry.get("strategy")
            or of_class.get("strategy")
            or {},
            order=str(value(entry, "deletion.order") or value(of_class, "deletion.order") or ""),
            rollout=entry.get("rollout") or {},
            held=held,
        )

    def _builtin(self, entry: JsonObject) -> JsonObject:
        """Builtin variables of one part. Names that controllers give are left out: they stay."""
        return {
            "version": self.version,
            "replicas": entry.get("replicas"),
            "class": entry.get("class"),
            "topologyName": entry.get("name"),
            "metadata": entry.get("metadata") or {},
        }

    def _rendered(
        self, of_class: JsonObject, part: Part, entry: JsonObject, builtin: JsonObject
    ) -> tuple[JsonObject, list[JsonObject]]:
        reference = of_class.get("templateRef") or of_class.get("ref") or {}
        group = reference.get("apiGroup") or split_api_version(str(reference.get("apiVersion")))[0]
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        found = self.template(str(group), kind, self.namespace, name)
        if found is None:
            raise NotKnown(f"{kind} {self.namespace}/{name} of its class does not exist")
        known = variables(self.spec, self.cluster, entry.get("variables"))
        known["builtin"][part.role] = builtin
        if part.role != "controlPlane":
            plane = self.topology.get("controlPlane") or {}
            known["builtin"]["controlPlane"] = self._builtin(plane)
        rendered = patched(found, self.spec, known, part)
        return rendered.body, list(rendered.open)


def _content(template: JsonObject) -> Any:
    """What makes the controller rotate a template: its kind, and anything in its spec."""
    group = split_api_version(str(template.get("apiVersion")))[0]
    return {"kind": f"{template.get('kind')}.{group}", "spec": template.get("spec") or {}}


def _annotation(entry: JsonObject, name: str) -> str:
    return name if name in (value(entry, "metadata.annotations") or {}) else ""
