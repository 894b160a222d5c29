"""The whole story on the built-in management cluster: `make demo`.

Works in `.clusterform/demo` of this checkout, which it makes anew each time. Every line that begins
with `$` is a command that you can run there yourself.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from planner.workspace import Workspace
from providers.kube.api import MERGE_PATCH, Request

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".clusterform" / "demo"
CLUSTERFORM = Path(sys.executable).parent / "clusterform"
PROD = "clusters/team-a/shop-prod.yaml"
DEV = "clusters/team-a/shop-dev.yaml"


def main() -> int:
    """Tell the story; 0 if every step did what it says."""
    started = time.monotonic()
    prepare()
    say("A clusters repo: two workload clusters, the providers that they need, and add-ons")
    run("sandbox", "up")
    run("plan", "-o", "plan.json")
    say("Exactly this plan is applied, each object once what it needs is there")
    run("apply", "plan.json")
    run("status")

    say("A pull request: upgrade and resize production, new machine type, a new cluster")
    pull_request()
    run("plan", "-o", "plan.json")
    run("apply", "plan.json")
    run("plan")

    say("Meanwhile somebody scales production by hand")
    scale_by_hand("shop-prod-workers", 6)
    run("drift", expect=2)
    run("apply", "--auto-approve")

    say("The development cluster is not needed any more")
    run("destroy", "--target", "cluster=team-a/shop-dev", "--auto-approve")
    git("rm", "-q", DEV, DEV.replace(".yaml", "-addons.yaml"))
    git("commit", "-q", "-m", "remove shop-dev")
    run("plan")
    run("state", "history")
    say(f"Done in {time.monotonic() - started:.0f} s. The fleet is in {HOME.relative_to(ROOT)}")
    return 0


def prepare() -> None:
    """A fresh copy of the example, in a repository of its own."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.parent.mkdir(mode=0o700, exist_ok=True)
    (HOME.parent / ".gitignore").write_text("*\n")
    shutil.copytree(ROOT / "examples" / "quickstart", HOME, ignore=shutil.ignore_patterns(".*"))
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "two clusters")


def pull_request() -> None:
    """Scale, upgrade, rotate a template, add a cluster: one commit."""
    edit(PROD, ("version: v1.34.3", "version: v1.35.2"))
    edit(PROD, ("clusterName: shop-prod\n  replicas: 3", "clusterName: shop-prod\n  replicas: 4"))
    template = "kind: DevMachineTemplate\nmetadata:\n  name: shop-prod-workers\n"
    before, found, after = (HOME / PROD).read_text().partition(template)
    after = after.replace("startupDuration: 1s", "startupDuration: 2s", 1)
    (HOME / PROD).write_text(before + found + after)
    stage = (HOME / PROD).read_text().replace("shop-prod", "shop-stage")
    stage = stage.replace("replicas: 3", "replicas: 1").replace("replicas: 4", "replicas: 1")
    (HOME / "clusters/team-a/shop-stage.yaml").write_text(stage)
    git("add", "clusters")
    git("commit", "-q", "-m", "shop: upgrade and grow production, add stage")
    echo("$ git show --stat --oneline")
    echo(git("show", "--stat", "--oneline"))


def scale_by_hand(name: str, replicas: int) -> None:
    """What kubectl would do, against the sandbox."""
    echo(f"$ kubectl -n team-a scale machinedeployment {name} --replicas={replicas}\n")
    server = Workspace(HOME).sandbox("mgmt").management()
    answer = server.request(
        Request(
            method="PATCH",
            path=f"/apis/cluster.x-k8s.io/v1beta2/namespaces/team-a/machinedeployments/{name}",
            query=(("fieldManager", "kubectl-scale"),),
            content_type=MERGE_PATCH,
            body=msgspec.json.encode({"spec": {"replicas": replicas}}),
        )
    )
    if answer.status != 200:
        raise SystemExit(f"the demo could not scale: HTTP {answer.status}")


def edit(path: str, *changes: tuple[str, str]) -> None:
    """Replace texts that must be in the file."""
    content = (HOME / path).read_text()
    for old, new in changes:
        if old not in content:
            raise SystemExit(f"the demo is out of date: {old!r} is not in {path}")
        content = content.replace(old, new)
    (HOME / path).write_text(content)


def git(*arguments: str) -> str:
    """Run git in the demo's repository, whatever the user's own settings are."""
    who = ("-c", "user.name=demo", "-c", "user.email=demo@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=HOME, check=True, capture_output=True, text=True
    )
    return done.stdout


def run(*arguments: str, expect: int = 0) -> None:
    """Run clusterform as a user would, output and all."""
    echo("$ clusterform " + shlex.join(arguments))
    done = subprocess.run([CLUSTERFORM, *arguments], cwd=HOME, env=os.environ, check=False)
    echo("")
    if done.returncode != expect:
        raise SystemExit(f"clusterform {arguments[0]} ended with {done.returncode}")


def say(text: str) -> None:
    """A heading."""
    echo(f"── {text} " + "─" * max(0, 96 - len(text)) + "\n")


def echo(text: str) -> None:
    """Print at once, so that the order with the commands' own output holds."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
