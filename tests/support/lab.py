"""A clusters repo, its sandbox and a clock that a test drives: plan, apply, edit, plan again.

    lab = Lab(tmp_path)
    lab.write("clusters/c1.yaml", CLUSTER)
    lab.converge()                      # plan and apply
    assert lab.plan().changes == ()

Waiting moves the clock instead of the test: a rollout of minutes takes milliseconds.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from planner import app, events
from planner.app import ApplyOptions
from planner.changes import Change, Plan
from planner.plan import Options
from planner.workspace import Ids, Workspace
from providers.kube.api import JSON, JSON_PATCH, MERGE_PATCH, Request, Response, Transport
from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.server import SandboxFile

START = 1_800_000_000.0
FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management:
    - name: mgmt
      sandbox: {}
      paths: [crds, clusters]
"""
CRDS = Path(__file__).parent / "crds.yaml"


class Lab:
    """One fleet in a folder of its own."""

    def __init__(self, root: Path, *, fleet: str = FLEET, git: bool = True) -> None:
        self.root = root
        self.clock = ManualClock(START)
        self.events: list[events.Event] = []
        self._runs = itertools.count(1)
        self._git = git
        self.write("clusterform.yaml", fleet)
        (root / "crds").mkdir(exist_ok=True)
        (root / "clusters").mkdir(exist_ok=True)
        shutil.copy(CRDS, root / "crds" / "crds.yaml")
        if git:
            self.git("init", "-q", "-b", "main")
        self._workspace: Workspace | None = None

    @classmethod
    def reopen(cls, root: Path, start: float) -> Lab:
        """A lab over a fleet that another process has worked on; its clock goes on at `start`."""
        lab = cls.__new__(cls)
        lab.root, lab.clock, lab.events = root, ManualClock(start), []
        lab._runs, lab._git, lab._workspace = itertools.count(9000), True, None
        return lab

    # ------------------------------------------------------------------ the repository

    def write(self, path: str, content: str) -> None:
        """Write a file of the repository."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace texts in a file; each must be there."""
        content = (self.root / path).read_text()
        for old, new in changes:
            assert old in content, f"{old!r} is not in {path}"
            content = content.replace(old, new)
        self.write(path, content)

    def remove(self, path: str) -> None:
        """Delete a file of the repository."""
        (self.root / path).unlink()

    def commit(self, message: str = "change") -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def git(self, *arguments: str) -> str:
        """Run git with a fixed author and date, so that commit ids are the same everywhere."""
        environment = {
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "lab" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "lab@example.org" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")},
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    # ------------------------------------------------------------------ plan and apply

    @property
    def ids(self) -> Ids:
        """Time from the lab's clock; run ids that count."""
        return Ids(
            wall=self.clock.now,
            steady=self.clock.now,
            sleep=self.clock.sleep,
            run_id=lambda: f"run{next(self._runs):04d}",
            who="lab@test",
            host="test",
        )

    def workspace(self, ref: str | None = None, verbs: frozenset[str] | None = None) -> Workspace:
        """A fresh look at the repository; the sandbox behind it is the same file."""
        return Workspace(self.root, ref=ref, ids=self.ids, clock=self.clock, verbs=verbs)

    def plan(
        self, ref: str | None = None, verbs: frozenset[str] | None = None, **options: Any
    ) -> Plan:
        """A plan of the working tree, or of a revision, maybe by an identity with few rights."""
        return app.plan(self.workspace(ref, verbs), Options(**options))

    def apply(
        self,
        plan: Plan,
        *,
        interrupt: Callable[[events.Event, Callable[[], None]], None] | None = None,
        **options: Any,
    ) -> events.RunFinished:
        """Apply a plan; `interrupt(event, stop)` may stop the run at an event."""
        stops: list[Callable[[], None]] = []

        def emit(event: events.Event) -> None:
            self.events.append(event)
            if interrupt is not None and stops:
                interrupt(event, stops[0])

        self.events.clear()
        return app.apply(self.workspace(), plan, None, ApplyOptions(**options), emit, stops.append)

    def resume(self, run: str, **options: Any) -> events.RunFinished:
        """Finish an interrupted run."""
        self.events.clear()
        return app.resume(
            self.workspace(),
            run,
            ApplyOptions(**options),
            self.events.append,
            lambda _: None,
        )

    def converge(self, **options: Any) -> events.RunFinished:
        """Plan and apply, one write at a time so that uids repeat; everything must work."""
        finished = self.apply(self.plan(**options), parallel=1)
        problems = [r for r in finished.results if r.outcome != "done"]
        assert (problems, finished.unsettled) == ([], ())
        return finished

    # ------------------------------------------------------------------ the live side

    @property
    def sandbox(self) -> SandboxFile:
        """The sandbox's file: faults, request log."""
        if self._workspace is None:
            self._workspace = self.workspace()
        return self._workspace.sandbox("mgmt")

    @property
    def server(self) -> Transport:
        """The management cluster's API, as anybody may use it."""
        return self.sandbox.management()

    def request(
        self, method: str, path: str, body: Any = None, *, manager: str = "", **kind: str
    ) -> Response:
        """One request by somebody else."""
        query = (("fieldManager", manager),) if manager else ()
        return self.server.request(
            Request(
                method=method,
                path=path,
                query=query,
                body=msgspec.json.encode(body) if body is not None else b"",
                content_type=kind.get("content_type", JSON),
            )
        )

    def patch(self, path: str, body: Any, *, manager: str) -> dict[str, Any]:
        """A merge patch by another manager; must succeed."""
        answer = self.request("PATCH", path, body, manager=manager, content_type=MERGE_PATCH)
        assert answer.status == 200, answer.body
        decoded: dict[str, Any] = msgspec.json.decode(answer.body)
        return decoded

    def json_patch(self, path: str, body: Any, *, manager: str) -> None:
        """A JSON patch by another manager; must succeed."""
        answer = self.request("PATCH", path, body, manager=manager, content_type=JSON_PATCH)
        assert answer.status == 200, answer.body

    def get(self, path: str) -> dict[str, Any] | None:
        """A live object, or None."""
        answer = self.request("GET", path)
        if answer.status == 404:
            return None
        decoded: dict[str, Any] = msgspec.json.decode(answer.body)
        return decoded

    def list(self, path: str) -> list[dict[str, Any]]:
        """Live objects of a collection."""
        decoded: dict[str, Any] = msgspec.json.decode(self.request("GET", path).body)
        return list(decoded["items"])

    def pass_time(self, seconds: float) -> None:
        """Let the simulated controllers work."""
        self.clock.sleep(seconds)
        self.request("GET", "/api/v1/namespaces")


def capi(kind: str, namespace: str, name: str = "") -> str:
    """The path of a Cluster API collection or object by its plural."""
    group = {
        "kubeadmcontrolplanes": "controlplane.cluster.x-k8s.io",
        "kubeadmconfigtemplates": "bootstrap.cluster.x-k8s.io",
        "devclusters": "infrastructure.cluster.x-k8s.io",
        "devmachinetemplates": "infrastructure.cluster.x-k8s.io",
        "devmachines": "infrastructure.cluster.x-k8s.io",
    }.get(kind, "cluster.x-k8s.io")
    path = f"/apis/{group}/v1beta2/namespaces/{namespace}/{kind}"
    return f"{path}/{name}" if name else path


def by_verb(plan: Plan) -> dict[str, list[str]]:
    """Verb → the objects, in words: the quickest way to say what a plan does."""
    found: dict[str, list[str]] = {}
    for change in plan.changes:
        found.setdefault(change.verb.value, []).append(str(change.id))
    return {verb: sorted(names) for verb, names in sorted(found.items())}


def change_of(plan: Plan, kind: str, name: str = "") -> Change:
    """The one change of a kind (and name)."""
    found = [c for c in plan.changes if c.id.kind == kind and name in ("", c.id.name)]
    assert len(found) == 1, [str(c.id) for c in plan.changes]
    return found[0]


def kinds(plan: Plan) -> Iterator[str]:
    """Kinds of the changes, in order."""
    return (c.id.kind for c in plan.changes)
