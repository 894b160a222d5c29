"""Small manifests for tests: one cluster with a control plane and a pool, on Dev infrastructure."""

from __future__ import annotations

NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {name: team-a}
"""

_TEMPLATE = """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: DevMachineTemplate
metadata: {{name: {name}, namespace: team-a}}
spec:
  template:
    spec:
      backend:
        inMemory:
          vm: {{provisioning: {{startupDuration: {startup}}}}}
"""

_CLUSTER = """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: DevCluster
metadata: {{name: {name}, namespace: team-a}}
spec:
  backend: {{inMemory: {{}}}}
---
{cp_template}---
{md_template}---
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata: {{name: {name}-md0, namespace: team-a}}
spec:
  template:
    spec:
      joinConfiguration:
        nodeRegistration:
          kubeletExtraArgs:
            - {{name: node-labels, value: pool=md0}}
---
apiVersion: controlplane.cluster.x-k8s.io/v1beta2
kind: KubeadmControlPlane
metadata: {{name: {name}, namespace: team-a}}
spec:
  replicas: {control_planes}
  version: {version}
  machineTemplate:
    spec:
      infrastructureRef:
        apiGroup: infrastructure.cluster.x-k8s.io
        kind: DevMachineTemplate
        name: {name}-cp
---
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {{name: {name}, namespace: team-a{annotations}}}
spec:
  clusterNetwork:
    pods: {{cidrBlocks: [10.244.0.0/16]}}
  infrastructureRef:
    apiGroup: infrastructure.cluster.x-k8s.io
    kind: DevCluster
    name: {name}
  controlPlaneRef:
    apiGroup: controlplane.cluster.x-k8s.io
    kind: KubeadmControlPlane
    name: {name}
---
apiVersion: cluster.x-k8s.io/v1beta2
kind: MachineDeployment
metadata: {{name: {name}-md0, namespace: team-a}}
spec:
  clusterName: {name}
{replicas}  selector: {{}}
  template:
    spec:
      clusterName: {name}
      version: {version}
      bootstrap:
        configRef:
          apiGroup: bootstrap.cluster.x-k8s.io
          kind: KubeadmConfigTemplate
          name: {name}-md0
      infrastructureRef:
        apiGroup: infrastructure.cluster.x-k8s.io
        kind: DevMachineTemplate
        name: {name}-md0
"""

ALLOW_DESTROY = ', annotations: {clusterform.dev/allow-destroy: "true"}'


def cluster(
    name: str = "c1",
    *,
    control_planes: int = 1,
    workers: int | None = 2,
    version: str = "v1.35.0",
    startup: str = "1s",
    annotations: str = "",
) -> str:
    """The manifests of one cluster; `workers=None` leaves replicas out."""
    return _CLUSTER.format(
        name=name,
        cp_template=machine_template(f"{name}-cp"),
        md_template=machine_template(f"{name}-md0", startup),
        control_planes=control_planes,
        replicas="" if workers is None else f"  replicas: {workers}\n",
        version=version,
        annotations=annotations,
    )


def machine_template(name: str, startup: str = "1s") -> str:
    """A machine template on its own, for pools to share."""
    return _TEMPLATE.format(name=name, startup=startup)


def addon(cluster_name: str, name: str = "cni", data: str = "one") -> str:
    """A ConfigMap and a DaemonSet that live in a workload cluster."""
    where = f"annotations: {{clusterform.dev/cluster: team-a/{cluster_name}}}"
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: kube-system, {where}}}
data: {{config: {data}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: kube-system, {where}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - {{name: agent, image: "registry.example.org/{name}:1.0"}}
      volumes:
        - {{name: config, configMap: {{name: {name}}}}}
"""
