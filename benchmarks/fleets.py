"""Synthetic fleets: N clusters of 12 objects, as raw manifests in a Git repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {{name: bench}}
spec:
  management:
    - name: mgmt
      sandbox: {{}}
      paths: [crds, clusters]
  guards: {{maxMachinesReplaced: 1000000}}
"""
TEAMS = 50
PER_CLUSTER = 12


def make(root: Path, clusters: int, *, workers: int = 3, pools: int = 2) -> int:
    """Write a fleet and commit it; returns the number of objects of the clusters."""
    (root / "crds").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "support" / "crds.yaml", root / "crds")
    (root / "clusterform.yaml").write_text(FLEET.format())
    _git(root, "init", "-q", "-b", "main")
    return add(root, 0, clusters, workers=workers, pools=pools)


def add(root: Path, first: int, last: int, *, workers: int = 3, pools: int = 2) -> int:
    """Clusters `first` to `last` (not included) of a fleet, committed; returns their objects."""
    for number in range(first, last):
        team, name = names(number)
        folder = root / "clusters" / team
        folder.mkdir(parents=True, exist_ok=True)
        text = cluster(team, name, workers=workers, pools=pools)
        (folder / f"{name}.yaml").write_text(text)
    (root / "clusters" / "namespaces.yaml").write_text(
        "---\n".join(
            f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: team-{n:02d}}}\n"
            for n in range(min(TEAMS, last))
        )
    )
    commit(root)
    return (last - first) * (6 + 3 * pools)


def names(number: int) -> tuple[str, str]:
    """Namespace and name of a cluster."""
    return f"team-{number % TEAMS:02d}", f"c{number:05d}"


def change(root: Path, clusters: int) -> int:
    """Change 1 % of the objects in Git and commit: data of a ConfigMap, replicas of a pool."""
    chosen = one_percent(clusters)
    for position, number in enumerate(chosen):
        team, name = names(number)
        path = root / "clusters" / team / f"{name}.yaml"
        before, after = ("  replicas: 3\n  rollout", "  replicas: 4\n  rollout")
        if position % 2 == 0:
            before, after = ("tier: gold", "tier: silver")
        path.write_text(path.read_text().replace(before, after, 1))
    commit(root)
    return len(chosen)


def one_percent(clusters: int) -> list[int]:
    """Clusters in which one object changes, spread evenly: 1 % of all objects, at least one."""
    count = max(1, clusters * PER_CLUSTER // 100)
    return sorted({position * clusters // count for position in range(count)})


def commit(root: Path) -> None:
    """Commit everything."""
    _git(root, "add", "-A")
    _git(root, "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qm", "fleet")


def undo(root: Path) -> None:
    """Take the last commit back."""
    _git(root, "reset", "-q", "--hard", "HEAD~1")


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def cluster(namespace: str, name: str, *, workers: int, pools: int) -> str:
    """One cluster: 6 objects and 3 for each pool."""
    parts = [_infra(namespace, name), _template(namespace, f"{name}-cp", "4")]
    parts += [_plane(namespace, name), _cluster(namespace, name), *_extras(namespace, name)]
    for pool in range(pools):
        pool_name = f"{name}-md{pool}"
        parts += [
            _template(namespace, pool_name, "8"),
            _bootstrap(namespace, pool_name),
            _pool(namespace, name, pool_name, workers),
        ]
    return "---\n".join(parts)


def _infra(namespace: str, name: str) -> str:
    return f"""\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: DevCluster
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{team: {namespace}, env: prod}}
spec:
  backend:
    inMemory: {{}}
"""


def _template(namespace: str, name: str, size: str) -> str:
    return f"""\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: DevMachineTemplate
metadata:
  name: {name}
  namespace: {namespace}
spec:
  template:
    spec:
      backend:
        inMemory:
          vm:
            provisioning: {{startupDuration: {size}s, startupJitter: "0.2"}}
          node:
            provisioning: {{startupDuration: 1s, startupJitter: "0.2"}}
          apiServer:
            provisioning: {{startupDuration: 1s, startupJitter: "0.2"}}
          etcd:
            provisioning: {{startupDuration: 1s, startupJitter: "0.2"}}
"""


def _bootstrap(namespace: str, name: str) -> str:
    return f"""\
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata:
  name: {name}
  namespace: {namespace}
spec:
  template:
    spec:
      joinConfiguration:
        nodeRegistration:
          criSocket: unix:///var/run/containerd/containerd.sock
          kubeletExtraArgs:
            - {{name: node-labels, value: "pool={name}"}}
            - {{name: eviction-hard, value: "nodefs.available<5%"}}
      preKubeadmCommands:
        - sysctl -w net.ipv4.ip_forward=1
        - systemctl enable --now containerd
"""


def _plane(namespace: str, name: str) -> str:
    return f"""\
apiVersion: controlplane.cluster.x-k8s.io/v1beta2
kind: KubeadmControlPlane
metadata:
  name: {name}
  namespace: {namespace}
spec:
  replicas: 3
  version: v1.35.2
  kubeadmConfigSpec:
    clusterConfiguration:
      apiServer:
        extraArgs:
          - {{name: audit-log-maxage, value: "30"}}
          - {{name: profiling, value: "false"}}
  machineTemplate:
    spec:
      infrastructureRef:
        apiGroup: infrastructure.cluster.x-k8s.io
        kind: DevMachineTemplate
        name: {name}-cp
"""


def _cluster(namespace: str, name: str) -> str:
    return f"""\
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{team: {namespace}, wave: rest}}
spec:
  clusterNetwork:
    pods: {{cidrBlocks: [10.244.0.0/16]}}
    services: {{cidrBlocks: [10.96.0.0/16]}}
  infrastructureRef:
    apiGroup: infrastructure.cluster.x-k8s.io
    kind: DevCluster
    name: {name}
  controlPlaneRef:
    apiGroup: controlplane.cluster.x-k8s.io
    kind: KubeadmControlPlane
    name: {name}
"""


def _extras(namespace: str, name: str) -> list[str]:
    return [
        f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}-facts
  namespace: {namespace}
  labels: {{cluster.x-k8s.io/cluster-name: {name}}}
data: {{region: eu-west-1, tier: gold, owner: "{namespace}@example.org"}}
""",
        f"""\
apiVersion: cluster.x-k8s.io/v1beta2
kind: MachineHealthCheck
metadata:
  name: {name}
  namespace: {namespace}
spec:
  clusterName: {name}
  selector:
    matchLabels: {{cluster.x-k8s.io/control-plane: ""}}
  checks:
    nodeStartupTimeoutSeconds: 600
""",
    ]


def _pool(namespace: str, cluster_name: str, name: str, workers: int) -> str:
    return f"""\
apiVersion: cluster.x-k8s.io/v1beta2
kind: MachineDeployment
metadata:
  name: {name}
  namespace: {namespace}
spec:
  clusterName: {cluster_name}
  replicas: {workers}
  rollout:
    strategy:
      type: RollingUpdate
      rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}
  selector: {{}}
  template:
    metadata:
      labels: {{pool: {name}}}
    spec:
      clusterName: {cluster_name}
      version: v1.35.2
      bootstrap:
        configRef:
          apiGroup: bootstrap.cluster.x-k8s.io
          kind: KubeadmConfigTemplate
          name: {name}
      infrastructureRef:
        apiGroup: infrastructure.cluster.x-k8s.io
        kind: DevMachineTemplate
        name: {name}
"""
