"""Plans of HelmReleases of one chart: `python -P benchmarks/releases.py [RELEASES]`.

The repository of examples/flux-v1 with its dev cluster copied N times, in 50 namespaces. It becomes
live by `app.apply` on the built-in API server without controllers, and is planned in processes of
their own: before there is anything, without changes (without a cache, then with one), with other
values in 1 % of the releases, and with another version of the chart, which changes all of them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

EXAMPLE = Path(__file__).parents[1] / "examples" / "flux-v1"
NAMESPACES = 50
RELEASE = """apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata: {name: c%(n)d, namespace: team-%(team)d}
spec:
  releaseName: c%(n)d
  chart: {git: "ssh://git@git.example.org/acme/charts", ref: main, path: dev-cluster}
  values:
    kubernetesVersion: v1.35.2
    controlPlane: {replicas: 3}
    nodePools: {md0: {type: 1s, count: %(count)d}}
"""
CHART = "charts/dev-cluster/Chart.yaml"
TEMPLATE = "charts/dev-cluster/templates/control-plane.yaml"


def make(root: Path, releases: int) -> None:
    """The repository, committed."""
    for folder in ("charts", "management"):
        shutil.copytree(EXAMPLE / folder, root / folder)
    shutil.copy(EXAMPLE / "clusterform.yaml", root / "clusterform.yaml")
    (root / "clusters").mkdir()
    namespaces = [
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: team-{n}}}\n"
        for n in range(NAMESPACES)
    ]
    (root / "clusters" / "namespaces.yaml").write_text("---\n".join(namespaces))
    for n in range(releases):
        write(root, n, 2)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "fleet"]):
        git(root, *command)


def git(root: Path, *command: str) -> None:
    identity = ["-c", "user.name=b", "-c", "user.email=b@example.org"]
    subprocess.run(["git", *identity, *command], cwd=root, check=True)


def write(root: Path, number: int, count: int) -> None:
    """One release."""
    values = {"n": number, "team": number % NAMESPACES, "count": count}
    (root / "clusters" / f"c{number}.yaml").write_text(RELEASE % values)


def one_percent(root: Path, releases: int) -> None:
    """Another size of the pool in every hundredth release."""
    for number in range(0, releases, 100):
        write(root, number, 4)


def other_chart(root: Path) -> None:
    """A new version of the chart, with another setting of the kubelet in its control plane."""
    chart, template = root / CHART, root / TEMPLATE
    chart.write_text(chart.read_text().replace("version: ", "version: 9", 1))
    text = template.read_text()
    assert 'value: "50"' in text
    template.write_text(text.replace('value: "50"', 'value: "60"'))


def plan(root: Path) -> None:
    """One plan in this process, as one line of JSON."""
    from planner import app
    from planner.workspace import Workspace

    began = time.perf_counter()
    made = app.plan(Workspace(root, controllers=False))
    wall = time.perf_counter() - began
    mine, workers = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    peak = next(
        int(line.split()[1]) // 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    assert not [f for f in made.findings if f.kind in ("error", "blocked", "refused")]
    print(
        json.dumps(
            {
                "objects": made.totals.resources,
                "changes": len(made.changes),
                "wall": round(wall, 2),
                "own_cpu": round(mine.ru_utime + mine.ru_stime, 2),
                "workers_cpu": round(workers.ru_utime + workers.ru_stime, 2),
                "peak_mb": peak,
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


def settle(root: Path) -> None:
    """Everything applied, nothing waited for."""
    from planner import app
    from planner.app import ApplyOptions
    from planner.workspace import Workspace

    workspace = Workspace(root, controllers=False)
    began = time.perf_counter()
    done = app.apply(
        workspace,
        app.plan(workspace),
        None,
        ApplyOptions(wait=False),
        lambda _: None,
        lambda _: None,
    )
    print(json.dumps({"applied": done.count("done"), "wall": round(time.perf_counter() - began)}))


def run(name: str, what: str, root: Path) -> None:
    command = [sys.executable, "-P", __file__, what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"{name}: {done.stdout.strip()}", flush=True)


def main() -> None:
    releases = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory(prefix="clusterform-bench-") as folder:
        root = Path(folder)
        make(root, releases)
        cache = root / ".clusterform" / "cache"
        run("first plan, cold", "--plan", root)
        run("first plan, warm", "--plan", root)
        run("apply", "--apply", root)
        shutil.rmtree(cache)
        run("no change, cold", "--plan", root)
        run("no change, warm", "--plan", root)
        one_percent(root, releases)
        run("1 % of the releases", "--plan", root)
        git(root, "checkout", "-q", ".")
        other_chart(root)
        run("another chart version, cold", "--plan", root)
        run("another chart version, warm", "--plan", root)


if __name__ == "__main__":
    steps = {"--plan": plan, "--apply": settle}
    if len(sys.argv) > 2 and sys.argv[1] in steps:
        steps[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
