"""One measurement in a process of its own: `python -P benchmarks/stages.py NAME ROOT [ARGUMENT]`.

Each goes through the application's own entry points and prints one JSON object. CPU is counted by
process, less what the built-in API server used, which runs in the same process.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from planner import app, edges
from planner import plan as planning
from planner.app import ApplyOptions
from planner.apply import Run
from planner.changes import Plan
from planner.schedule import Await, Perform, Schedule
from planner.workspace import Workspace
from providers.kube.api import MERGE_PATCH, Request
from providers.kube.sandbox.server import Sandbox
from state.journal import Journal
from state.journal import Run as JournalRun

Numbers = dict[str, Any]
_STAGES = {
    "_render": "render",
    "_units": "render",
    "_name_templates": "render",
    "_select_desired": "render",
    "_refresh": "read",
    "_work": "prove",
    "_explain": "impact",
    "_assemble": "assemble",
}


class Clock:
    """CPU seconds by stage; what the API server uses is taken out of the stage it runs in."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.server = 0.0
        self.requests = 0
        self._lock = threading.Lock()

    def watch_server(self) -> None:
        """Count what every request costs the built-in API server."""
        answer = Sandbox.request

        def counted(server: Sandbox, request: Request) -> Any:
            began = time.thread_time()
            try:
                return answer(server, request)
            finally:
                used = time.thread_time() - began
                with self._lock:
                    self.server += used
                    self.requests += 1

        Sandbox.request = counted  # type: ignore[method-assign]

    def client(self) -> float:
        """CPU seconds of this process without its API server."""
        return time.process_time() - self.server

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, its client CPU added to the stage."""

        def counted(*arguments: Any, **named: Any) -> Any:
            began = self.client()
            try:
                return call(*arguments, **named)
            finally:
                self.spent[stage] = self.spent.get(stage, 0.0) + self.client() - began

        return counted

    def watch_plan(self) -> None:
        """Count every phase of planning."""
        for name, stage in _STAGES.items():
            whole = getattr(planning._Planning, name)
            setattr(planning._Planning, name, self.timed(stage, whole))
        edges.build = self.timed("graph", edges.build)
        Workspace.checked = self.timed("load", Workspace.checked)  # type: ignore[method-assign]
        Workspace.records = self.timed("records", Workspace.records)  # type: ignore[method-assign]


def peak() -> float:
    """The most memory that this process has held, in MB (`ru_maxrss` would include the parent)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def workspace(root: Path) -> Workspace:
    return Workspace(root, controllers=False)


def about(made: Plan) -> Numbers:
    return {
        "digest": made.digest[:12],
        "objects": made.totals.resources,
        "changes": len(made.changes),
    }


def plan(root: Path, preload: str) -> Numbers:
    """A plan: every stage's client CPU, wall, and memory.

    `preload` imports first what only a plan with changes needs: start-up is measured elsewhere.
    """
    return planned(root, preload)[1]


def planned(root: Path, preload: str) -> tuple[Plan, Numbers]:
    for name in preload.split():
        importlib.import_module(name)
    clock = Clock()
    clock.watch_server()
    clock.watch_plan()
    wall, cpu = time.perf_counter(), clock.client()
    made = app.plan(workspace(root))
    wall, cpu = time.perf_counter() - wall, clock.client() - cpu
    clock.spent["resolve"] = cpu - sum(clock.spent.values())
    return made, {
        **about(made),
        "wall": wall,
        "client": cpu,
        "server": clock.server,
        "requests": clock.requests,
        "stages": clock.spent,
        "peak": peak(),
    }


def first(root: Path, preload: str) -> Numbers:
    """The first plan of a fleet; then it is rendered in every format and scheduled."""
    made, numbers = planned(root, preload)
    return {**numbers, **rendered(made), **scheduled(made)}


def read(root: Path, _: str) -> Numbers:
    """The lists of a plan, unpaged, not even decoded: the floor under it, in time and memory."""
    space = workspace(root)
    server = space.sandbox("mgmt").management()
    wanted = {(d.version, d.kind) for d in space.checked().documents}
    client = space.api("mgmt")
    wall = 0.0
    size = objects = 0
    for version, kind in sorted(wanted):
        served = client.served(version).get(kind)
        if served is None:
            continue
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        began = time.perf_counter()
        answer = server.request(Request(method="GET", path=f"{base}/{served.plural}"))
        wall += time.perf_counter() - began
        size += len(answer.body)
        objects += answer.body.count(b'"managedFields":')
    return {"digest": "", "objects": objects, "wall": wall, "bytes": size, "peak": peak()}


def rendered(made: Plan) -> Numbers:
    from planner.views import jsonview, markdown, text

    numbers: Numbers = {}
    formats: tuple[tuple[str, Callable[[Plan], str]], ...] = (
        ("text", lambda plan: text.plan_text(plan, verbose=False, color=False)),
        ("markdown", markdown.plan_markdown),
        ("json", jsonview.plan_json),
    )
    for name, render in formats:
        began = time.process_time()
        numbers[f"{name}_bytes"] = len(render(made))
        numbers[name] = time.process_time() - began
    return numbers


def scheduled(made: Plan) -> Numbers:
    """Run by the scheduler with writes that take no time and milestones that are there at once."""
    began = time.process_time()
    machine = Schedule(made.writes, made.graph, parallel=10)
    todo, performed = machine.start(), 0
    while todo:
        following = []
        for instruction in todo:
            if isinstance(instruction, Perform):
                performed += 1
                following += machine.performed(instruction.action)
            elif isinstance(instruction, Await):
                following += machine.reached(instruction.wait)
        todo = following
    seconds = time.process_time() - began
    assert performed == len(made.writes), "the schedule did not come to its end"
    nodes = len(made.writes) + len(made.graph.gates)
    return {"nodes": nodes, "edges": len(made.graph.edges), "scheduled": seconds}


def journal(root: Path, _: str) -> Numbers:
    """Durable lines a second: one a commit, and sixteen (a full round of workers) a commit."""
    path = root / ".clusterform" / "bench-journal.db"
    path.unlink(missing_ok=True)
    kept = Journal(path)
    run = JournalRun(run="r", fleet="f", started=0.0, who="w", digest="", plan=b"")
    kept.begin(run)
    rates = {}
    for together, rounds in ((1, 200), (16, 100)):
        lines = [(f"mgmt/core/ConfigMap/team-a/c{n}#0", "intent", {}) for n in range(together)]
        began = time.perf_counter()
        for _ in range(rounds):
            kept.append("r", 0.0, lines)
        rates[f"by_{together}"] = together * rounds / (time.perf_counter() - began)
    count = len(kept.entries("r"))
    kept.close()
    return {"digest": "", "objects": count, **rates}


def apply(root: Path, _: str) -> Numbers:
    """The first apply of a fleet, nothing awaited."""
    clock = Clock()
    clock.watch_server()
    space = workspace(root)
    made = app.plan(space)
    requests, server = clock.requests, clock.server
    commits, append = 0, Journal.append

    def counted(*arguments: Any) -> None:
        nonlocal commits
        commits += 1
        append(*arguments)

    Journal.append = counted  # type: ignore[method-assign]
    execute, inside = Run.execute, 0

    def executed(run: Run) -> Any:
        nonlocal inside
        before = clock.requests
        try:
            return execute(run)
        finally:
            inside = clock.requests - before

    Run.execute = executed  # type: ignore[method-assign]
    wall, cpu = time.perf_counter(), clock.client()
    finished = app.apply(
        space, made, None, ApplyOptions(wait=False), lambda _: None, lambda _: None
    )
    wall, cpu = time.perf_counter() - wall, clock.client() - cpu
    done = finished.count("done")
    assert done == len(made.writes), f"{done} of {len(made.writes)} writes happened"
    return {
        **about(made),
        "wall": wall,
        "client": cpu,
        "server": clock.server - server,
        "requests": inside / done,
        "around": clock.requests - requests - inside,
        "commits": commits / done,
        "peak": peak(),
    }


def drift(root: Path, chosen: str) -> Numbers:
    """Not a measurement: somebody edits one object live in each of these clusters."""
    server = workspace(root).sandbox("mgmt").management()
    for position, where in enumerate(chosen.split(",")):
        namespace, name = where.split("/")
        manager, kind, body = "kubectl-edit", f"configmaps/{name}-facts", {"data": {"tier": "tin"}}
        base = "/api/v1"
        if position % 2:
            manager, kind = "kubectl-scale", f"machinedeployments/{name}-md0"
            base, body = "/apis/cluster.x-k8s.io/v1beta2", {"spec": {"replicas": 5}}
        answer = server.request(
            Request(
                method="PATCH",
                path=f"{base}/namespaces/{namespace}/{kind}",
                query=(("fieldManager", manager),),
                body=msgspec.json.encode(body),
                content_type=MERGE_PATCH,
            )
        )
        assert answer.status == 200, answer.body
    return {"digest": "", "objects": position + 1}


def main() -> None:
    name, root, argument = [*sys.argv[1:], ""][:3]
    known = (plan, first, read, journal, apply, drift)
    measure = {call.__name__: call for call in known}[name]
    print(msgspec.json.encode(measure(Path(root), argument)).decode())


if __name__ == "__main__":
    main()
