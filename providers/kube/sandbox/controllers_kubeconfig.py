"""The Secrets of a control plane, and what kubeadm leaves in a new workload cluster."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from providers.kube.sandbox.controllers_objects import CLUSTER_NAME, owner
from providers.kube.sandbox.world import World
from state.resource import JsonObject, canonical

MANAGER = "capi-kubeadm-control-plane"
_CERTIFICATES = ("ca", "etcd", "proxy", "sa")
_KUBEADM = "kubeadm"


def token_of(cluster: JsonObject) -> str:
    """The admin's token in the workload cluster of a Cluster."""
    metadata = cluster["metadata"]
    return _fake("token", metadata["namespace"], metadata["name"])[:40]


def workload_of(world: World, cluster: JsonObject) -> World:
    """The workload API server of a Cluster."""
    metadata = cluster["metadata"]
    return world.workload(metadata["namespace"], metadata["name"], token_of(cluster))


def _fake(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pem(label: str, *parts: str) -> str:
    """Something of the form of a certificate or key. It is none."""
    body = _base64(_fake(*parts) * 3)
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


def ensure_secrets(world: World, cluster: JsonObject, control_plane: JsonObject) -> None:
    """`<cluster>-{ca,etcd,proxy,sa}` and `<cluster>-kubeconfig`; those that users made stay."""
    metadata = cluster["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    for which in _CERTIFICATES:
        pair = {
            "tls.crt": _pem("CERTIFICATE", namespace, name, which),
            "tls.key": _pem("EC PRIVATE KEY", namespace, name, which, "key"),
        }
        _ensure_secret(world, cluster, control_plane, which, pair)
    ensure_kubeconfig(world, cluster, control_plane)


def ensure_kubeconfig(world: World, cluster: JsonObject, control_plane: JsonObject) -> None:
    """`<cluster>-kubeconfig`; one that users made stays."""
    kubeconfig = {"value": canonical(kubeconfig_of(cluster)).decode() + "\n"}
    _ensure_secret(world, cluster, control_plane, "kubeconfig", kubeconfig)


def _ensure_secret(
    world: World, cluster: JsonObject, control_plane: JsonObject, which: str, data: dict[str, str]
) -> None:
    cluster_name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    name = f"{cluster_name}-{which}"
    if world.get("", "Secret", namespace, name) is not None:
        return
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {CLUSTER_NAME: cluster_name},
        "ownerReferences": [owner(control_plane, controller=True)],
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "cluster.x-k8s.io/secret",
        "metadata": metadata,
        "data": {key: _base64(text) for key, text in data.items()},
    }
    world.create(secret, manager=MANAGER)


def kubeconfig_of(cluster: JsonObject) -> JsonObject:
    """A kubeconfig for the workload API server; JSON is YAML."""
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    user, context = f"{name}-admin", f"{name}-admin@{name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": f"https://{namespace}-{name}.sandbox.invalid:6443",
                    "certificate-authority-data": _base64(_pem("CERTIFICATE", namespace, name)),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": name, "user": user}}],
        "current-context": context,
        "preferences": {},
        "users": [{"name": user, "user": _credentials(cluster)}],
    }


def _credentials(cluster: JsonObject) -> JsonObject:
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    return {
        "client-certificate-data": _base64(_pem("CERTIFICATE", namespace, name, "admin")),
        "client-key-data": _base64(_pem("EC PRIVATE KEY", namespace, name, "admin", "key")),
        "token": token_of(cluster),
    }


def initialize(world: World, cluster: JsonObject, version: str) -> None:
    """What kubeadm makes. The server has its four namespaces already."""
    workload = workload_of(world, cluster)
    for made in _kubeadm_objects(cluster["metadata"]["name"], version):
        metadata = made["metadata"]
        key = ("" if made["apiVersion"] == "v1" else "apps", made["kind"], metadata["namespace"])
        if workload.get(*key, metadata["name"]) is None:
            workload.create(made, manager=_KUBEADM)


def _kubeadm_objects(cluster: str, version: str) -> Iterator[JsonObject]:
    system = "kube-system"
    yield _config_map(
        system, "kubeadm-config", ClusterConfiguration=_configuration(cluster, version)
    )
    yield _config_map(system, "kubelet-config", kubelet="kind: KubeletConfiguration\n")
    yield _config_map(system, "coredns", Corefile=".:53 {\n    forward . /etc/resolv.conf\n}\n")
    yield _config_map(system, "kube-proxy", **{"config.conf": "kind: KubeProxyConfiguration\n"})
    yield _config_map("kube-public", "cluster-info", kubeconfig="kind: Config\n")
    for namespace in ("default", "kube-node-lease", "kube-public", system):
        yield _object("v1", "ServiceAccount", namespace, "default")
    for name in ("coredns", "kube-proxy"):
        yield _object("v1", "ServiceAccount", system, name)
    proxy = _pods("kube-proxy", f"registry.k8s.io/kube-proxy:{version}")
    yield {**_object("apps/v1", "DaemonSet", system, "kube-proxy"), "spec": proxy}
    dns = {"replicas": 2, **_pods("coredns", "registry.k8s.io/coredns/coredns:v1.12.4")}
    yield {**_object("apps/v1", "Deployment", system, "coredns"), "spec": dns}


def _configuration(cluster: str, version: str) -> str:
    return f"kind: ClusterConfiguration\nclusterName: {cluster}\nkubernetesVersion: {version}\n"


def _object(api_version: str, kind: str, namespace: str, name: str) -> JsonObject:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _config_map(namespace: str, name: str, **data: str) -> JsonObject:
    return {**_object("v1", "ConfigMap", namespace, name), "data": data}


def _pods(name: str, image: str) -> JsonObject:
    labels = {"k8s-app": "kube-dns" if name == "coredns" else name}
    pod = {"serviceAccountName": name, "containers": [{"name": name, "image": image}]}
    return {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
