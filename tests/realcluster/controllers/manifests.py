"""Clusters on the in-memory backend as documents that a test edits: plain ones and topologies."""

from __future__ import annotations

import copy
from typing import Any

import yaml

Doc = dict[str, Any]
Docs = dict[str, Doc]
"""`Kind/name` → manifest. An edit changes them in place; `None` values are never written."""

_INFRA = "infrastructure.cluster.x-k8s.io"
_BOOTSTRAP = "bootstrap.cluster.x-k8s.io"
_PLANE = "controlplane.cluster.x-k8s.io"
_CORE = "cluster.x-k8s.io"
_SECOND = {"provisioning": {"startupDuration": "1s"}}
VERSION = "v1.35.0"


def text(docs: Docs) -> str:
    """The documents as one YAML file."""
    return "---\n".join(yaml.safe_dump(doc, sort_keys=False) for doc in docs.values())


def doc(version: str, kind: str, namespace: str, name: str, **rest: Any) -> Doc:
    """One manifest; `metadata` in `rest` is merged."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata |= rest.pop("metadata", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def machine_template(namespace: str, name: str) -> Doc:
    """Machines in memory; every part of one comes up within a second."""
    backend = {"inMemory": {p: copy.deepcopy(_SECOND) for p in ("vm", "node", "apiServer", "etcd")}}
    return doc(
        f"{_INFRA}/v1beta2",
        "DevMachineTemplate",
        namespace,
        name,
        spec={"template": {"spec": {"backend": backend}}},
    )


def slower(template: Doc, seconds: int = 2) -> None:
    """Another content of a machine template: its nodes come up later."""
    memory = template["spec"]["template"]["spec"]["backend"]["inMemory"]
    memory["node"]["provisioning"]["startupDuration"] = f"{seconds}s"


def join_labels(value: str) -> Doc:
    """A kubeadm join configuration with a node label."""
    argument = {"name": "node-labels", "value": f"pool={value}"}
    return {"joinConfiguration": {"nodeRegistration": {"kubeletExtraArgs": [argument]}}}


def plain(
    namespace: str, *, control_plane: int = 1, workers: int = 3, version: str = VERSION
) -> Docs:
    """A cluster `c1` of seven objects: a control plane and one MachineDeployment `c1-md0`."""
    docs = [
        doc("v1", "Namespace", "", namespace),
        doc(
            f"{_INFRA}/v1beta2",
            "DevCluster",
            namespace,
            "c1",
            # A DevCluster without annotations makes the dev provider of v1.14.0 panic.
            metadata={"annotations": {"example.org/team": "a"}},
            spec={"backend": {"inMemory": {}}},
        ),
        machine_template(namespace, "c1-cp"),
        machine_template(namespace, "c1-md0"),
        doc(
            f"{_BOOTSTRAP}/v1beta2",
            "KubeadmConfigTemplate",
            namespace,
            "c1-md0",
            spec={"template": {"spec": join_labels("a")}},
        ),
        doc(
            f"{_PLANE}/v1beta2",
            "KubeadmControlPlane",
            namespace,
            "c1-cp",
            spec={
                "replicas": control_plane,
                "version": version,
                "machineTemplate": {
                    "spec": {"infrastructureRef": _ref(_INFRA, "DevMachineTemplate", "c1-cp")}
                },
            },
        ),
        doc(
            f"{_CORE}/v1beta2",
            "Cluster",
            namespace,
            "c1",
            spec={
                "clusterNetwork": {
                    "pods": {"cidrBlocks": ["10.244.0.0/16"]},
                    "services": {"cidrBlocks": ["10.96.0.0/16"]},
                },
                "infrastructureRef": _ref(_INFRA, "DevCluster", "c1"),
                "controlPlaneRef": _ref(_PLANE, "KubeadmControlPlane", "c1-cp"),
            },
        ),
        deployment(namespace, "c1-md0", replicas=workers, version=version),
    ]
    return {f"{d['kind']}/{d['metadata']['name']}": d for d in docs}


def deployment(
    namespace: str, name: str, *, replicas: int, template: str = "c1-md0", version: str = VERSION
) -> Doc:
    """A MachineDeployment of cluster `c1`."""
    return doc(
        f"{_CORE}/v1beta2",
        "MachineDeployment",
        namespace,
        name,
        spec={
            "clusterName": "c1",
            "replicas": replicas,
            "selector": {},
            "template": {
                "spec": {
                    "clusterName": "c1",
                    "version": version,
                    "bootstrap": {"configRef": _ref(_BOOTSTRAP, "KubeadmConfigTemplate", template)},
                    "infrastructureRef": _ref(_INFRA, "DevMachineTemplate", template),
                }
            },
        },
    )


def _ref(group: str, kind: str, name: str) -> Doc:
    return {"apiGroup": group, "kind": kind, "name": name}


def topology(
    namespace: str,
    *,
    clusters: tuple[str, ...] = ("t1",),
    md0: int = 2,
    md1: int = 1,
    version: str = VERSION,
) -> Docs:
    """A class `dev` with one variable of workers, and clusters with two MachineDeployments each."""
    docs = [doc("v1", "Namespace", "", namespace), *_class(namespace)]
    docs += [
        managed_cluster(namespace, name, md0=md0, md1=md1, version=version) for name in clusters
    ]
    return {f"{d['kind']}/{d['metadata']['name']}": d for d in docs}


def _class(namespace: str) -> list[Doc]:
    worker = {
        "class": "worker",
        "bootstrap": {"templateRef": _typed(_BOOTSTRAP, "KubeadmConfigTemplate", "dev-worker")},
        "infrastructure": {"templateRef": _typed(_INFRA, "DevMachineTemplate", "dev-worker")},
    }
    names = {"machineDeploymentClass": {"names": ["*"]}}
    start = "/spec/template/spec/backend/inMemory/node/provisioning/startupDuration"
    socket = "/spec/template/spec/joinConfiguration/nodeRegistration/criSocket"
    return [
        doc(
            f"{_INFRA}/v1beta2",
            "DevClusterTemplate",
            namespace,
            "dev",
            spec={"template": {"spec": {"backend": {"inMemory": {}}}}},
        ),
        doc(
            f"{_PLANE}/v1beta2",
            "KubeadmControlPlaneTemplate",
            namespace,
            "dev",
            spec={"template": {"spec": {"kubeadmConfigSpec": join_labels("cp")}}},
        ),
        machine_template(namespace, "dev-cp"),
        machine_template(namespace, "dev-worker"),
        doc(
            f"{_BOOTSTRAP}/v1beta2",
            "KubeadmConfigTemplate",
            namespace,
            "dev-worker",
            spec={"template": {"spec": join_labels("a")}},
        ),
        doc(
            f"{_CORE}/v1beta2",
            "ClusterClass",
            namespace,
            "dev",
            spec={
                "infrastructure": {"templateRef": _typed(_INFRA, "DevClusterTemplate", "dev")},
                "controlPlane": {
                    "templateRef": _typed(_PLANE, "KubeadmControlPlaneTemplate", "dev"),
                    "machineInfrastructure": {
                        "templateRef": _typed(_INFRA, "DevMachineTemplate", "dev-cp")
                    },
                },
                "workers": {"machineDeployments": [worker]},
                "variables": [
                    _variable("startup", "1s"),
                    _variable("pool", "a"),
                ],
                "patches": [
                    _patch("startup", _INFRA, "DevMachineTemplate", names, start),
                    {
                        **_patch("pool", _BOOTSTRAP, "KubeadmConfigTemplate", names, socket),
                        "enabledIf": '{{ ne .pool "a" }}',
                    },
                ],
            },
        ),
    ]


def _typed(group: str, kind: str, name: str) -> Doc:
    return {"apiVersion": f"{group}/v1beta2", "kind": kind, "name": name}


def _variable(name: str, default: str) -> Doc:
    schema = {"type": "string", "default": default}
    return {"name": name, "required": False, "schema": {"openAPIV3Schema": schema}}


def _patch(variable: str, group: str, kind: str, names: Doc, path: str) -> Doc:
    selector = {"apiVersion": f"{group}/v1beta2", "kind": kind, "matchResources": names}
    step = {"op": "add", "path": path, "valueFrom": {"variable": variable}}
    return {"name": variable, "definitions": [{"selector": selector, "jsonPatches": [step]}]}


def managed_cluster(
    namespace: str, name: str, *, md0: int = 2, md1: int = 1, version: str = VERSION
) -> Doc:
    """A cluster of the class `dev`."""
    return doc(
        f"{_CORE}/v1beta2",
        "Cluster",
        namespace,
        name,
        spec={
            "clusterNetwork": {
                "pods": {"cidrBlocks": ["192.168.0.0/16"]},
                "services": {"cidrBlocks": ["10.128.0.0/12"]},
            },
            "topology": {
                "classRef": {"name": "dev"},
                "version": version,
                "controlPlane": {"replicas": 1},
                "workers": {
                    "machineDeployments": [
                        {"class": "worker", "name": "md-0", "replicas": md0},
                        {"class": "worker", "name": "md-1", "replicas": md1},
                    ]
                },
            },
        },
    )
