"""Releases of one chart, rendered: `python -P benchmarks/charts.py [RELEASES]`.

A repository of HelmReleases that share a chart of 32 objects is made in a temporary folder and
loaded twice, each time in a process of its own: without a cache, and with what the first one
remembered. Wall and CPU count the workers too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

OBJECTS = 32
HELPERS = """{{- define "labels" -}}
cluster.x-k8s.io/cluster-name: {{ .Release.Name }}
team: {{ .Values.team | default "none" | quote }}
{{- range $k, $v := .Values.labels }}
{{ $k }}: {{ $v | quote }}
{{- end }}
{{- end }}
"""
POOL = """{{- $pool := index .Values.pools "INDEX" | default dict }}
{{- $spec := dict "instanceType" ($pool.type | default .Values.type) "rootVolume" .Values.volume }}
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: AWSMachineTemplate
metadata:
  name: {{ .Release.Name }}-INDEX-{{ $spec | toYaml | sha256sum | trunc 8 }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  template:
    spec:
      {{- toYaml $spec | nindent 6 }}
      sshKeyName: {{ .Values.ssh | quote }}
      subnet: {filters: [{name: "tag:zone", values: {{ .Values.zones | toJson }}}]}
      iamInstanceProfile: {{ printf "nodes.%s" .Values.region }}
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: fleet\nversion: 1.0.0\n",
    "values.yaml": "type: m6i.large\nvolume: {size: 80, type: gp3}\nssh: ops\nregion: eu-west-1\n"
    "zones: [a, b, c]\nlabels: {env: prod, tier: gold}\npools: {}\n",
    "templates/_helpers.tpl": HELPERS,
}
RELEASE = """apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: c%d, namespace: team-%d}
spec:
  interval: 5m
  chart: {spec: {chart: ./fleet, sourceRef: {kind: GitRepository, name: charts, namespace: x}}}
  values: {team: t%d, pools: {"3": {type: m6i.x%d}}}
"""
FLEET = """apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: bench}
spec:
  management: [{name: mgmt, sandbox: {}, paths: [clusters]}]
  sources: {"ssh://git@x/charts": charts}
"""
SOURCE = """apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: charts, namespace: x}
spec: {url: "ssh://git@x/charts", interval: 1h}
"""


def make(root: Path, releases: int) -> None:
    files = {f"charts/fleet/{path}": text for path, text in CHART.items()}
    for index in range(OBJECTS):
        files[f"charts/fleet/templates/pool-{index}.yaml"] = POOL.replace("INDEX", str(index))
    files |= {"clusterform.yaml": FLEET, "clusters/source.yaml": SOURCE}
    for n in range(releases):
        files[f"clusters/c{n}.yaml"] = RELEASE % (n, n % 20, n % 7, n)
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "fleet"]):
        subprocess.run(
            ["git", "-c", "user.name=b", "-c", "user.email=b@example.org", *command],
            cwd=root, check=True,
        )  # fmt: skip


def load(root: Path) -> None:
    """One load in this process, as one line of JSON."""
    from planner.workspace import Workspace

    began, own = time.perf_counter(), time.process_time()
    loaded = Workspace(root, controllers=False).checked()
    wall, own = time.perf_counter() - began, time.process_time() - own
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = next(
        int(line.split()[1]) // 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    print(
        json.dumps(
            {
                "objects": len(loaded.documents),
                "wall": round(wall, 2),
                "own_cpu": round(own, 2),
                "workers_cpu": round(workers.ru_utime + workers.ru_stime, 2),
                "peak_mb": peak,
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


def main() -> None:
    releases = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory(prefix="clusterform-bench-") as folder:
        root = Path(folder)
        make(root, releases)
        for name in ("cold", "warm"):
            done = subprocess.run(
                [sys.executable, "-P", __file__, "--load", str(root)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            print(f"{name}: {done.stdout.strip()}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        load(Path(sys.argv[2]))
    else:
        main()
