"""Managed topologies: a Cluster's objects, rendered from its ClusterClass.

Sources: cluster-api v1.14 `core/reconcilers/topology/cluster/`. Templates are named by their
content, so that a class rolls machines only where the rendered content differs
(docs/cluster-api.md, "What rolls machines"); a new version goes to the control plane, then to one
MachineDeployment after the other.
"""

from __future__ import annotations

import copy

from providers.classpatches import NotApplicable, Part, patched, variables
from providers.kube.sandbox.controllers_objects import (
    CLONED_FROM,
    CLONED_FROM_KIND,
    CLUSTER_NAME,
    CORE,
    DEPLOYMENT_NAME,
    follow,
    holds,
    key_of,
    labels_of,
    owner,
    ref_key,
    ref_to,
    suffix,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject
from providers.kube.sandbox.world import Key
from state.resource import JsonObject, canonical

MANAGER = "capi-topology"
OWNED = "topology.cluster.x-k8s.io/owned"
_DEPLOYMENT = "topology.cluster.x-k8s.io/deployment-name"


class _Missing(Exception):
    """Something that the class refers to is not there."""


class _Unsupported(Exception):
    """The class uses what the sandbox does not simulate: Go templates and external patches."""


def render(cluster: Subject) -> None:
    """Make and update what the class and the topology say; TopologyReconciled tells how far."""
    topology = cluster.spec["topology"]
    found = follow(
        cluster.world,
        {"apiGroup": CORE, "kind": "ClusterClass", **topology["classRef"]},
        cluster.namespace,
    )
    if found is None:
        why = f"ClusterClass {topology['classRef']['name']} does not exist"
        cluster.state("TopologyReconciled", False, why, "ClusterClassNotReconciled")
        cluster.world.wake(cluster.key, TIMINGS.retry)
        return
    cluster.metadata.setdefault("labels", {}).update({CLUSTER_NAME: cluster.name, OWNED: ""})
    try:
        reason, why = _Topology(cluster, found).apply()
    except (_Missing, _Unsupported, NotApplicable) as problem:
        cluster.state("TopologyReconciled", False, str(problem), "ReconcileFailed")
        cluster.world.wake(cluster.key, TIMINGS.retry)
        return
    cluster.state("TopologyReconciled", not reason, why, reason)


class _Topology:
    """One rendering of one Cluster."""

    def __init__(self, cluster: Subject, cluster_class: JsonObject) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.topology: JsonObject = cluster.spec["topology"]
        self.spec: JsonObject = cluster_class["spec"]
        self.namespace: str = cluster_class["metadata"]["namespace"]
        self.used: set[Key] = set()

    def apply(self) -> tuple[str, str]:
        """Why it is not reconciled yet, as reason and message."""
        self._infrastructure()
        control_plane = self._control_plane()
        pending = self._deployments(control_plane)
        self._clean()
        version = self.topology["version"]
        if not _upgraded(control_plane, version):
            return "ClusterUpgrading", f"Cluster is upgrading to {version}\n* control plane"
        if pending:
            listed = "".join(f"\n* MachineDeployment {name}" for name in pending)
            return "ClusterUpgrading", f"Cluster is upgrading to {version}{listed}"
        return "", ""

    # Templates

    def _source(self, ref: JsonObject, part: Part) -> JsonObject:
        """The template of the class, with the class's patches."""
        found = follow(self.world, ref, self.namespace)
        if found is None:
            raise _Missing(f"{ref['kind']} {ref['name']} does not exist")
        known = variables(self.spec, self.cluster.value, self._overrides(part))
        version = {"version": self.topology["version"]}
        known["builtin"] |= {"controlPlane": version, "machineDeployment": version}
        rendered = patched(found, self.spec, known, part)
        if rendered.open:
            raise _Unsupported("enabledIf, valueFrom.template and external are not simulated")
        return rendered.body

    def _overrides(self, part: Part) -> JsonObject | None:
        if part.role == "controlPlane":
            return (self.topology.get("controlPlane") or {}).get("variables")
        listed = (self.topology.get("workers") or {}).get("machineDeployments") or []
        return next((md.get("variables") for md in listed if md["name"] == part.name), None)

    def _template(self, ref: JsonObject, part: Part) -> JsonObject:
        """A template of the cluster's own, named by what it says."""
        source = self._source(ref, part)
        content = source["spec"]
        base = "-".join(filter(None, (self.cluster.name, part.name)))
        name = f"{base}-{suffix(source['kind'], canonical(content))}"
        group = key_of(source)[0]
        key = (group, source["kind"], self.cluster.namespace, name)
        self.used.add(key)
        metadata = self._metadata(source, name, part.name)
        known = self.world.get(*key)
        if known is None:
            value = {"apiVersion": source["apiVersion"], "kind": source["kind"]}
            self.world.create({**value, "metadata": metadata, "spec": content}, manager=MANAGER)
        else:
            self._from(known, metadata)
        return {"apiGroup": group, "kind": source["kind"], "name": name}

    def _from(self, known: JsonObject, wanted: JsonObject) -> None:
        """Say anew what it was cloned from; that is metadata only, so nothing rotates."""
        annotations = known["metadata"].setdefault("annotations", {})
        if any(annotations.get(k) != v for k, v in wanted["annotations"].items()):
            annotations.update(wanted["annotations"])
            Subject(self.world, key_of(known), known, MANAGER).save()

    def _metadata(self, source: JsonObject, name: str, deployment: str = "") -> JsonObject:
        group, kind, _, cloned = key_of(source)
        return {
            "name": name,
            "namespace": self.cluster.namespace,
            "labels": self._labels(deployment),
            "annotations": {CLONED_FROM: cloned, CLONED_FROM_KIND: f"{kind}.{group}"},
            "ownerReferences": [owner(self.cluster.value)],
        }

    def _labels(self, deployment: str = "") -> JsonObject:
        labels = {CLUSTER_NAME: self.cluster.name, OWNED: ""}
        return {**labels, _DEPLOYMENT: deployment} if deployment else labels

    # Objects

    def _infrastructure(self) -> None:
        part = Part("infrastructureCluster")
        source = self._source(self.spec["infrastructure"]["templateRef"], part)
        spec = (source["spec"]["template"].get("spec")) or {}
        current = self._current("infrastructureRef")
        kept = (current or {}).get("spec", {}).get("controlPlaneEndpoint")
        wanted = {**spec, "controlPlaneEndpoint": kept} if kept else spec
        self._ensure("infrastructureRef", current, source, wanted)

    def _control_plane(self) -> JsonObject:
        part = Part("controlPlane")
        class_part = self.spec["controlPlane"]
        source = self._source(class_part["templateRef"], part)
        spec = copy.deepcopy((source["spec"]["template"].get("spec")) or {})
        spec["version"] = self.topology["version"]
        replicas = (self.topology.get("controlPlane") or {}).get("replicas")
        spec["replicas"] = 1 if replicas is None else replicas
        machines = (class_part.get("machineInfrastructure") or {}).get("templateRef")
        if machines:
            ref = self._template(machines, part)
            template = spec.setdefault("machineTemplate", {})
            template.setdefault("spec", {})["infrastructureRef"] = ref
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
        spec.setdefault("rollout", {}).setdefault("strategy", rolling)
        return self._ensure("controlPlaneRef", self._current("controlPlaneRef"), source, spec)

    def _current(self, field: str) -> JsonObject | None:
        return follow(self.world, self.cluster.spec.get(field), self.cluster.namespace)

    def _ensure(
        self, field: str, current: JsonObject | None, source: JsonObject, spec: JsonObject
    ) -> JsonObject:
        """Create or update the object that a field of the Cluster refers to."""
        if current is None:
            name = f"{self.cluster.name}-{suffix(self.cluster.metadata['uid'], field)}"
            kind = source["kind"].removesuffix("Template")
            value = {"apiVersion": source["apiVersion"], "kind": kind, "spec": spec}
            value["metadata"] = self._metadata(source, name)
            current = self.world.create(value, manager=MANAGER)
        else:
            subject = Subject(self.world, key_of(current), current, MANAGER)
            current["spec"] = spec
            made = self._metadata(source, current["metadata"]["name"])["annotations"]
            current["metadata"].setdefault("annotations", {}).update(made)
            subject.save()
        self.cluster.spec[field] = ref_to(current)
        return current

    # Workers

    def _deployments(self, control_plane: JsonObject) -> list[str]:
        """Make and update MachineDeployments; those that wait for the new version."""
        version = self.topology["version"]
        pending: list[str] = []
        free = _upgraded(control_plane, version)
        listed = (self.topology.get("workers") or {}).get("machineDeployments") or []
        known = {labels_of(d).get(_DEPLOYMENT, ""): d for d in self._known()}
        for entry in listed:
            current = known.pop(entry["name"], None)
            running = current["spec"]["template"]["spec"]["version"] if current else version
            spec = self._deployment_spec(entry, version if free or not current else running)
            stored = self._ensure_deployment(entry, current, spec)
            if running != version or not _rolled_out(stored):
                free = False
                pending += [stored["metadata"]["name"]] if current and running != version else []
        for gone in known.values():
            self.world.delete(*key_of(gone))
        return pending

    def _known(self) -> list[JsonObject]:
        labels = {CLUSTER_NAME: self.cluster.name, OWNED: ""}
        return self.world.list(CORE, "MachineDeployment", self.cluster.namespace, labels)

    def _deployment_spec(self, entry: JsonObject, version: str) -> JsonObject:
        part = Part("machineDeployment", entry["name"], entry["class"])
        classes = (self.spec.get("workers") or {}).get("machineDeployments") or []
        found = next((c for c in classes if c["class"] == entry["class"]), None)
        if found is None:
            raise _Missing(f"MachineDeploymentClass {entry['class']} does not exist")
        config = self._template(found["bootstrap"]["templateRef"], part)
        infrastructure = self._template(found["infrastructure"]["templateRef"], part)
        rolling = {"maxSurge": 1, "maxUnavailable": 0}
        labels = self._labels(entry["name"])
        machine = {
            "clusterName": self.cluster.name,
            "version": version,
            "bootstrap": {"configRef": config},
            "infrastructureRef": infrastructure,
        }
        return {
            "clusterName": self.cluster.name,
            "replicas": entry.get("replicas", 1),
            "rollout": {"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": machine},
        }

    def _ensure_deployment(
        self, entry: JsonObject, current: JsonObject | None, spec: JsonObject
    ) -> JsonObject:
        ending = suffix(self.cluster.metadata["uid"], entry["name"])
        name = f"{self.cluster.name}-{entry['name']}-{ending}"
        carried = {**spec["template"]["metadata"]["labels"], DEPLOYMENT_NAME: name}
        spec["template"]["metadata"]["labels"] = carried
        if current is None:
            metadata = {
                "name": name,
                "namespace": self.cluster.namespace,
                "labels": self._labels(entry["name"]),
                "ownerReferences": [owner(self.cluster.value)],
            }
            made = {"apiVersion": f"{CORE}/v1beta2", "kind": "MachineDeployment"}
            return self.world.create({**made, "metadata": metadata, "spec": spec}, manager=MANAGER)
        subject = Subject(self.world, key_of(current), current, MANAGER)
        if entry.get("replicas") is None:
            spec["replicas"] = current["spec"].get("replicas", 1)
        current["spec"] = spec
        subject.save()
        return self.world.get(*subject.key) or current

    def _clean(self) -> None:
        """Templates that were rotated out go when no machines are made from them any more."""
        namespace = self.cluster.namespace
        for kind in ("MachineSet", "Machine"):
            for found in self.world.list(CORE, kind, namespace, {CLUSTER_NAME: self.cluster.name}):
                spec = found["spec"]["template"]["spec"] if kind == "MachineSet" else found["spec"]
                refs = ((spec.get("bootstrap") or {}).get("configRef"), spec["infrastructureRef"])
                self.used.update(key for ref in refs if (key := ref_key(ref, namespace)))
        for group, kind in {key[:2] for key in self.used}:
            for found in self.world.list(group, kind, namespace, self._labels()):
                if kind.endswith("Template") and key_of(found) not in self.used:
                    self.world.delete(*key_of(found))


def _upgraded(control_plane: JsonObject, version: str) -> bool:
    """The control plane runs the version, or no machine of it runs at all."""
    status = control_plane.get("status") or {}
    if not status.get("version"):
        return True
    fresh = status.get("observedGeneration") == control_plane["metadata"].get("generation")
    same = status["version"] == version == control_plane["spec"]["version"]
    return fresh and same and not holds(control_plane, "RollingOut")


def _rolled_out(deployment: JsonObject) -> bool:
    status = deployment.get("status") or {}
    fresh = status.get("observedGeneration") == deployment["metadata"].get("generation")
    wanted = deployment["spec"].get("replicas", 1)
    counters = {status.get(n, 0) for n in ("replicas", "upToDateReplicas", "availableReplicas")}
    running = {entry["version"] for entry in status.get("versions") or ()}
    same = running <= {deployment["spec"]["template"]["spec"]["version"]}
    return fresh and same and counters == {wanted} and not holds(deployment, "RollingOut")


# The class and the templates that others refer to
