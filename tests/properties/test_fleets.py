"""Whatever a small fleet is and whatever is done to it: what every plan and apply must keep."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import app, planfile
from planner.changes import ActionId, Change, Plan, Verb
from planner.events import Done, RunFinished
from planner.plan import Options
from planner.planfile import decode, encode, encode_plan
from planner.workspace import Workspace
from providers.kube.sandbox.faults import Fault
from state.errors import ClusterformError
from tests.support.fleets import (
    BASES,
    EDITS,
    RARE,
    Cluster,
    Edit,
    Fleet,
    add_cluster,
    applied,
    kubeadm_file,
    lose_cluster,
    made_by_hand,
    secret_type,
    template,
    upgrade,
)
from tests.support.lab import START, Lab

pytestmark = pytest.mark.slow
MODES = ("plain", "plain", "no-wait", "stuck", "interrupt")
ROOT = Path(__file__).parents[2]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every base fleet, applied once; examples work on copies."""
    root = tmp_path_factory.mktemp("fleets")
    for number, fleet in enumerate(BASES):
        applied(root / f"base{number}", fleet)
    return root


class Case(msgspec.Struct):
    """One example: a copy of an applied fleet, edited."""

    lab: Lab
    fleet: Fleet

    @property
    def options(self) -> Options:
        """A removal is allowed as long as there is something to remove."""
        _, records = self.lab.workspace().records()
        known = {id_.qualified_name for id_ in records if id_.kind == "Cluster"}
        return Options(allow_destroy=tuple(a for a in self.fleet.allow if a in known))

    def plan(self) -> Plan:
        return app.plan(self.lab.workspace(), self.options)


def case_of(home: Path, base: int, edits: list[Edit]) -> Case:
    root = home / f"example{next(_numbers)}"
    shutil.copytree(home / f"base{base}", root)
    lab = Lab.reopen(root, START + 10_000)
    fleet = BASES[base]
    for edit in edits:
        fleet = edit(lab, fleet)
    fleet.write(lab)
    if fleet.fault:
        lab.sandbox.fault(fleet.fault)
    return Case(lab, fleet)


def done_with(case: Case) -> None:
    case.lab.sandbox.close()
    shutil.rmtree(case.lab.root)


bases = st.integers(0, len(BASES) - 1)
some_edits = st.builds(
    lambda first, others: list(dict.fromkeys([first, *others])),
    st.sampled_from((*RARE, *EDITS[:2])),
    st.lists(st.sampled_from(EDITS), min_size=1, max_size=4, unique=True),
)


# ---------------------------------------------------------------- (a) plan after apply

VERBS = [*(v for v in Verb if v is not Verb.SUSPEND), "no-op", "unreadable"]
"""These fleets are plain manifests: they have no release to suspend."""


def test_a_plan_after_apply_is_empty_and_every_verb_occurs(home: Path) -> None:
    seen: Counter[str] = Counter()
    examples = 0

    @given(bases, some_edits, st.sampled_from(MODES), st.integers(1, 12))
    def holds(base: int, edits: list[Edit], mode: str, moment: int) -> None:
        nonlocal examples
        case = case_of(home, base, edits)
        plan = case.plan()
        examples += 1
        seen.update({c.verb for c in plan.changes})
        seen.update(["unreadable"] if not plan.complete else [])
        seen.update(["no-op"] if len(plan.changes) < plan.totals.resources else [])
        finished = performed(case, plan, mode, moment)
        check_order(case, plan, finished)
        case.lab.sandbox.clear_faults()
        settle(case, plan, finished)
        done_with(case)

    holds()
    shares = {str(verb): seen[verb] / examples for verb in VERBS}
    assert {verb: share for verb, share in shares.items() if share < 0.05} == {}, shares


def performed(case: Case, plan: Plan, mode: str, moment: int) -> RunFinished:
    """Apply in one of the ways in which a run can go."""
    lab = case.lab
    if mode == "no-wait":
        return lab.apply(plan, wait=False, poll=1.0)
    if mode == "stuck":
        stuck = Fault(kind="stuck", path=".*/Machine/.*/c1-md0-.*", reason="Stuck", count=None)
        lab.sandbox.fault(stuck)
        return lab.apply(plan, poll=8.0)
    if mode == "interrupt":
        count = itertools.count(1)
        interrupted = lab.apply(
            plan,
            interrupt=lambda e, stop: (
                stop() if isinstance(e, Done) and next(count) == moment else None
            ),
            parallel=2,
            poll=1.0,
        )
        return lab.resume(interrupted.run, poll=1.0)
    return lab.apply(plan, poll=1.0)


def settle(case: Case, plan: Plan, finished: RunFinished) -> None:
    """What was not done stands in the next plan, nothing else; then everything settles."""
    left = {r.action for r in finished.results if r.outcome != "done"}
    if plan.complete:
        assert {str(c.action) for c in case.plan().changes} == left
    for _ in range(3):
        again = case.plan()
        if not again.changes:
            break
        case.lab.pass_time(600)
        case.lab.apply(again, poll=1.0)
    last = case.plan()
    assert last.changes == (), [f"{c.verb} {c.action}" for c in last.changes]


# ---------------------------------------------------------------- (e) order


def check_order(case: Case, plan: Plan, finished: RunFinished) -> None:
    """No write before what it needs; referrers go before what they refer to."""
    done = {r.action for r in finished.results if r.outcome == "done"}
    at = written_at(case, plan)
    after: defaultdict[Any, set[Any]] = defaultdict(set)
    for edge in plan.graph.edges:
        after[edge.before].add(edge.after)
    for change in plan.writes:
        if str(change.action) not in done:
            continue
        for later in reachable(change.action, after):
            if isinstance(later, ActionId) and change.action in at and later in at:
                assert at[change.action] < at[later], f"{later} before {change.action}"


def reachable(node: Any, after: dict[Any, set[Any]]) -> set[Any]:
    found: set[Any] = set()
    work = [node]
    while work:
        for following in after.get(work.pop(), set()) - found:
            found.add(following)
            work.append(following)
    return found


def written_at(case: Case, plan: Plan) -> dict[ActionId, int]:
    """The place of each action's successful write in the server's log."""
    log = [r for r in case.lab.sandbox.requests() if r.time >= START + 10_000 and r.status < 300]
    found = {}
    for change in plan.writes:
        method = "DELETE" if change.deletes else "PATCH"
        hits = [
            r.seq
            for r in log
            if (r.method, r.path, r.server) == (method, path_of(change), server_of(change))
            and not r.dry_run
            and (change.deletes or r.field_manager == "clusterform")
        ]
        if hits:
            found[change.action] = hits[0]
    return found


def server_of(change: Change) -> str:
    return change.id.cluster.partition("/")[2]


def path_of(change: Change) -> str:
    root = f"/apis/{change.version}" if "/" in change.version else f"/api/{change.version}"
    home = f"{root}/namespaces/{change.id.namespace}" if change.namespaced else root
    return f"{home}/{change.plural}/{change.id.name}"


# ---------------------------------------------------------------- (b) (c) (d) (f) plans


def shuffled(workspace: Workspace, seed: int) -> Workspace:
    loaded = workspace.loaded
    documents = list(loaded.documents)
    random.Random(seed).shuffle(documents)
    workspace.__dict__["loaded"] = msgspec.structs.replace(loaded, documents=tuple(documents))
    return workspace


@given(bases, some_edits, st.integers(0, 1000))
def test_a_plan_is_a_function_of_its_input(
    home: Path, base: int, edits: list[Edit], seed: int
) -> None:
    case = case_of(home, base, edits)
    before = len(case.lab.sandbox.requests())
    records = case.lab.workspace().records()
    plan = case.plan()
    content = encode_plan(plan)
    assert encode_plan(case.plan()) == content
    assert encode_plan(app.plan(shuffled(case.lab.workspace(), seed), case.options)) == content
    for request in case.lab.sandbox.requests()[before:]:
        assert request.method == "GET" or (request.method == "PATCH" and request.dry_run)
    assert case.lab.workspace().records() == records
    check_file(plan, seed)
    done_with(case)


def check_file(plan: Plan, seed: int) -> None:
    """Decoding is the inverse of encoding; no flipped bit of a file's plan passes."""
    whole = encode(plan, created=START, tool="t", host="h")
    assert decode(whole, "x")[0] == plan
    start = whole.index(b'"plan":') + len(b'"plan":')
    dice = random.Random(seed)
    for _ in range(20):
        place = dice.randrange(start, len(whole) - 2)
        edited = bytearray(whole)
        edited[place] ^= 1 << dice.randrange(8)
        with pytest.raises(ClusterformError) as refused:
            planfile.decode(bytes(edited), "x")
        assert refused.value.code == "bad-plan"


def said(plan: Plan) -> list[Any]:
    """What a plan does, without the lines and blobs that it comes from."""
    return [
        (c.action, c.verb, bytes(c.body), c.impact, c.takes, c.depends_on) for c in plan.changes
    ]


@settings(max_examples=25)
@given(bases, some_edits, st.integers(0, 1000))
def test_how_documents_are_spread_over_files_changes_no_plan(
    home: Path, base: int, edits: list[Edit], seed: int
) -> None:
    case = case_of(home, base, edits)
    plan = case.plan()
    documents: list[str] = []
    for path in sorted((case.lab.root / "clusters").glob("*.yaml")):
        documents += path.read_text().split("---\n")
        path.unlink()
    random.Random(seed).shuffle(documents)
    case.lab.write("clusters/a.yaml", "---\n".join(documents[::2]))
    case.lab.write("clusters/b/c.yaml", "---\n".join(documents[1::2]))
    case.lab.commit()
    spread = case.plan()
    assert said(spread) == said(plan)
    assert spread.graph == plan.graph
    done_with(case)


PLAN_OF = """
import sys, pathlib
from planner import app, planfile
from tests.support.lab import Lab, START
lab = Lab.reopen(pathlib.Path(sys.argv[1]), START + 20_000)
sys.stdout.buffer.write(planfile.encode_plan(app.plan(lab.workspace())))
"""


def test_hash_seeds_change_no_byte_of_a_plan(home: Path) -> None:
    edits = [secret_type, made_by_hand, template, kubeadm_file, upgrade, add_cluster, lose_cluster]
    case = case_of(home, 1, edits)
    plans = {
        subprocess.run(
            [sys.executable, "-c", PLAN_OF, str(case.lab.root)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (0, 1, 2)
    }
    assert len(plans) == 1
    assert len(plans.pop()) > 10_000
    done_with(case)


@settings(max_examples=25)
@given(bases, some_edits)
def test_an_added_cluster_leaves_the_other_changes_as_they_are(
    home: Path, base: int, edits: list[Edit]
) -> None:
    case = case_of(home, base, edits)
    alone = case.plan()
    case.lab.write("clusters/new.yaml", Cluster("new", addon="one").text())
    case.lab.commit()
    both = case.plan()
    others = [c for c in both.changes if not c.unit.startswith("mgmt/team-a/new")]
    assert others == list(alone.changes)
    done_with(case)
