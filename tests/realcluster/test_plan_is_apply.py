"""Plan equals apply, on a real API server: what is printed happens, field by field, and no more.

Each case: a fleet that is in sync, random edits in Git and random changes by others, a plan, its
apply, and the next plan. Cases are chained, since every one leaves a fleet in sync.
"""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from planner.changes import Change, Plan, Verb
from planner.events import RunFinished
from providers.kube.api import APPLY_PATCH, MERGE_PATCH, Request
from state.resource import FieldPath
from tests.realcluster import worlds
from tests.realcluster.lab import RealLab
from tests.realcluster.server import ControlPlane
from tests.realcluster.worlds import Body, Drift, Step

CHAIN = 5
FULL = os.environ.get("FULL") == "1"
CASES = 2_500 if FULL else 150
"""For each of the two halves below, which run beside each other."""
_SKIPPED = ("status", "managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


class World:
    """One namespace, its fleet in Git, and what is live in it."""

    def __init__(self, lab: RealLab, namespace: str) -> None:
        self.lab = lab
        self.namespace = namespace
        self.git: list[Body] = []
        self.made = [0]
        self.counts: Counter[str] = Counter()

    def write(self) -> None:
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        documents = [home, *self.git]
        text = "\n---\n".join(json.dumps(d) for d in documents)
        self.lab.write("clusters/all.yaml", text)

    def live(self) -> dict[tuple[str, str], Body]:
        """Every object of our kinds in the namespace."""
        found: dict[tuple[str, str], Body] = {}
        for kind in worlds.NAMES:
            for item in self.lab.list(worlds.collection(kind, self.namespace)):
                item.setdefault("kind", kind)
                item.setdefault("apiVersion", worlds.KINDS[kind].body["apiVersion"])
                found[kind, item["metadata"]["name"]] = item
        return found

    def disturb(self, drift: Drift) -> None:
        """Do what somebody else does; what the server refuses did not happen."""
        present = sorted(self.live().items())
        if not present:
            return
        (kind, name), body = present[drift.index % len(present)]
        path = worlds.collection(kind, self.namespace, name)
        edits = worlds.KINDS[kind].edits
        where, values = edits[drift.edit % len(edits)]
        value = values[drift.value % len(values)]
        match drift.how:
            case "patch" | "apply" if ".0." not in where:
                change: Body = {"metadata": {}}
                worlds.put(change, where, value)
                if value is None:
                    _null(change, where)
                self.send(drift, path, body, change)
            case "scale" if worlds.KINDS[kind].scalable:
                scale = {"spec": {"replicas": drift.value}}
                self.merge(f"{path}/scale", scale, "kubectl")
            case "label":
                self.merge(path, {"metadata": {"labels": {"seen": "yes"}}}, drift.manager)
            case "delete" if worlds.KINDS[kind].removable:
                self.lab.request("DELETE", path)
            case "status":
                self.merge(f"{path}/status", {"status": {"observedGeneration": 1}}, "controller")
            case "finalizer":
                finalizers = {"metadata": {"finalizers": None}}
                self.merge(path, finalizers, "controller")
            case _:
                pass

    def send(self, drift: Drift, path: str, body: Body, change: Body) -> None:
        if drift.how == "patch":
            self.merge(path, change, drift.manager)
            return
        config = {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            **change,
            "metadata": {**change["metadata"], "name": body["metadata"]["name"]},
        }
        request = Request(
            method="PATCH",
            path=path,
            query=(("fieldManager", drift.manager), ("force", "true")),
            body=msgspec.json.encode(config),
            content_type=APPLY_PATCH,
        )
        self.lab.server.request(request)

    def merge(self, path: str, change: Body, manager: str) -> None:
        self.lab.request("PATCH", path, change, manager=manager, content_type=MERGE_PATCH)


def _null(change: Body, where: str) -> None:
    *above, last = where.split(".")
    node = change
    for part in above:
        node = node.setdefault(part, {})
    node[last] = None


# ------------------------------------------------------------------- what must have happened


def shown(body: Body) -> Body:
    """The object as a plan speaks of it."""
    kept = {k: v for k, v in body.items() if k not in _SKIPPED}
    kept["metadata"] = {k: v for k, v in body["metadata"].items() if k not in _SKIPPED}
    annotations = kept["metadata"].get("annotations", {})
    if not annotations:
        kept["metadata"].pop("annotations", None)
    return kept


def settle(value: Any) -> Any:
    """Comparable: keyed lists in the order of their keys, empty maps as nothing."""
    if isinstance(value, dict):
        inner = {k: settle(v) for k, v in sorted(value.items())}
        return {k: v for k, v in inner.items() if v not in ({}, None)}
    if isinstance(value, list):
        items = [settle(v) for v in value]
        return sorted(items, key=lambda v: json.dumps(v, sort_keys=True))
    return value


def with_printed(before: Body, change: Change) -> Body:
    """The live object with the printed changes made by hand."""
    after = copy.deepcopy(shown(before))
    for field in change.fields:
        place(after, field.path, field.after)
    return after


def place(body: Any, path: FieldPath, value: Any) -> None:
    """Put a value at a path as it is printed; UNSET takes it out."""
    node = body
    for element in path[:-1]:
        node = _below(node, element, make=value is not msgspec.UNSET)
        if node is None:
            return
    last = path[-1]
    if last.startswith("f:"):
        if value is msgspec.UNSET:
            node.pop(last[2:], None)
        else:
            node[last[2:]] = value
        return
    item = _below(node, last, make=False)
    if item is not None:
        node.remove(item)
    if value is not msgspec.UNSET:
        node.append(value)


def _below(node: Any, element: str, *, make: bool) -> Any:
    tag, key = element[0], element[2:]
    if tag == "f":
        if key not in node and not make:
            return None
        return node.setdefault(key, {})
    wanted = json.loads(key)
    if tag == "i":
        return node[wanted]
    for item in node:
        if item == wanted or (
            isinstance(wanted, dict)
            and isinstance(item, dict)
            and all(item.get(k) == v for k, v in wanted.items())
        ):
            return item
    return None


def check(before: dict[Any, Body], after: dict[Any, Body], plan: Plan, run: RunFinished) -> None:
    """Each object against what the plan said of it."""
    outcome = {r.action: r.outcome for r in run.results}
    changes = {(c.id.kind, c.id.name): c for c in plan.writes if c.id.kind != "Namespace"}
    for key in sorted({*before, *after, *changes}):
        change = changes.get(key)
        was, now = before.get(key), after.get(key)
        if change is None:
            assert now == was, f"{key} was not in the plan and changed"
            continue
        assert outcome[str(change.action)] == "done", (key, run.results)
        if change.verb is Verb.FORGET:
            assert now == was, f"{key} is left as it is"
        elif change.deletes:
            assert now is None, f"{key} was to be deleted"
        elif was is None:
            assert now is not None, f"{key} was to be created"
            assert change.verb is Verb.CREATE
            covers(json.loads(bytes(change.body)), now)
        else:
            assert now is not None
            same_but_for_what_is_printed(key, was, now, change)


def same_but_for_what_is_printed(key: Any, was: Body, now: Body, change: Change) -> None:
    assert was["metadata"]["uid"] == now["metadata"]["uid"]
    expected, found = settle(with_printed(was, change)), settle(shown(now))
    if any(f.sensitive for f in change.fields):
        expected.pop("data", None)
        found.pop("data", None)
    for field in change.fields:
        if not field.known:
            for body in (expected, found):
                place(body, field.path, msgspec.UNSET)
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    assert applied not in found["metadata"].get("annotations", {})
    assert found == expected, (key, [(f.path, f.before, f.after) for f in change.fields])


def covers(wanted: Any, live: Any, at: str = "") -> None:
    """Every value that was sent is live."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            if value not in ({}, "", 0, False, []):
                assert key in live, f"{at}.{key}"
                covers(value, live[key], f"{at}.{key}")
    elif isinstance(wanted, list):
        assert len(wanted) == len(live), at
        for index, value in enumerate(wanted):
            covers(value, live[index], f"{at}[{index}]")
    else:
        assert wanted == live or "cpu" in at or ".hard" in at, at


# --------------------------------------------------------------------------------- the cases


def one_case(world: World, step: Step) -> None:
    for drift in step.live:
        world.disturb(drift)
    for edit in step.git:
        edit(world.git, world.namespace, world.made)
    world.write()
    before = world.live()
    plan = world.lab.plan()
    run = world.lab.apply(plan, wait=False)
    after = world.live()
    check(before, after, plan, run)
    again = world.lab.plan()
    assert [(str(c.id), c.verb, c.fields, c.releases) for c in again.changes] == []
    assert again.complete == plan.complete
    world.counts.update(c.verb.value for c in plan.changes)
    world.counts["cases"] += 1
    world.counts["objects"] += len(before)
    world.counts["findings"] += len(plan.findings)


@pytest.mark.parametrize("half", ["a", "b"])
@pytest.mark.timeout(3600 if FULL else 400)
def test_what_is_printed_happens_and_nothing_else(
    half: str,
    plane: ControlPlane,
    tmp_path: Path,
    unique: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    counts: Counter[str] = Counter()
    numbers = iter(range(10**6))

    # a failure is not shrunk: on a server that would take longer than reading it does
    @seed(1 if half == "a" else 2)  # the halves draw different fleets, the same ones every time
    @settings(max_examples=CASES // CHAIN, derandomize=False, phases=(Phase.generate,))
    @given(kinds=worlds.starts, chain=st.lists(worlds.steps, min_size=CHAIN, max_size=CHAIN))
    def run(kinds: tuple[str, ...], chain: list[Step]) -> None:
        namespace = unique(f"w{half}")
        lab = RealLab(tmp_path / str(next(numbers)), plane, fleet=namespace, git=False)
        world = World(lab, namespace)
        for kind in kinds:
            world.made[0] += 1
            world.git.append(worlds.first_body(kind, f"o{world.made[0]}", namespace))
        world.write()
        lab.apply(lab.plan(), wait=False)
        for step in chain:
            one_case(world, step)
        counts.update(world.counts)
        lab.request("DELETE", f"/api/v1/namespaces/{namespace}")

    run()
    with capsys.disabled():
        print(f"\nplan = apply, half {half}: {dict(sorted(counts.items()))}")
    assert counts["cases"] >= CASES * 9 // 10
