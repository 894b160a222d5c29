"""The run machine under random graphs, orders and failures: no clocks, no threads, no sleep."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.changes import ActionId, Change, Edge, Gate, Graph, Milestone, Verb
from planner.graph import descendants
from planner.schedule import Await, Finished, Instruction, Perform, Schedule, Skip
from state.resource import ResourceId

LATER = Milestone(name="rolled-out", deadline=60)


def action(number: int) -> ActionId:
    return ActionId(ResourceId("mgmt", "", "ConfigMap", "n", f"c{number:02d}"))


def change(number: int, verb: Verb = Verb.UPDATE) -> Change:
    return Change(
        action=action(number),
        version="v1",
        plural="configmaps",
        namespaced=True,
        unit="mgmt",
        verb=verb,
        body=msgspec.Raw(b"{}"),
    )


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Change], Graph]:
    """A DAG over up to 14 actions; some edges wait for a milestone, some go through a gate."""
    count = draw(st.integers(1, 14))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=25)) if pairs else []
    edges, gates = [], []
    for index, (before, after) in enumerate(chosen):
        kind = draw(st.sampled_from(["plain", "wait", "gate"]))
        if kind == "gate":
            name = f"gate{index}"
            gates.append(Gate(name=name, awaits=((action(before).resource, LATER),)))
            edges.append(Edge(before=action(before), after=name))
            edges.append(Edge(before=name, after=action(after)))
        else:
            until = LATER if kind == "wait" else Milestone()
            edges.append(Edge(before=action(before), after=action(after), until=until))
    return [change(n) for n in range(count)], Graph(gates=tuple(gates), edges=tuple(edges))


class Driver:
    """Plays workers and waiter in a random order; remembers what started when."""

    def __init__(self, changes: list[Change], graph: Graph, seed: int, failing: set[int]) -> None:
        self.graph = graph
        self.random = random.Random(seed)
        self.failing = {action(n) for n in failing}
        self.schedule = Schedule(changes, graph, parallel=3)
        self.started: list[ActionId] = []
        self.done: set[ActionId] = set()
        self.reached: set[ResourceId] = set()
        self.skipped: set[ActionId] = set()
        self.pending: list[Instruction] = []
        self.finished = 0
        self.most = 0

    def run(self) -> None:
        self.take(self.schedule.start())
        while self.pending:
            chosen = self.pending.pop(self.random.randrange(len(self.pending)))
            if isinstance(chosen, Await):
                self.reached.add(chosen.wait[0])
                self.take(self.schedule.reached(chosen.wait))
            elif isinstance(chosen, Perform) and chosen.action in self.failing:
                self.take(self.schedule.refused(chosen.action, "no"))
            elif isinstance(chosen, Perform):
                self.done.add(chosen.action)
                self.take(self.schedule.performed(chosen.action))

    def take(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Skip):
                self.skipped.add(instruction.action)
            elif isinstance(instruction, Finished):
                self.finished += 1
            else:
                if isinstance(instruction, Perform):
                    self.check_may_start(instruction.action)
                    self.started.append(instruction.action)
                self.pending.append(instruction)
        running = sum(isinstance(i, Perform) for i in self.pending)
        self.most = max(self.most, running)

    def check_may_start(self, started: ActionId) -> None:
        for edge in self.graph.edges:
            if edge.after == started and isinstance(edge.before, ActionId):
                assert edge.before in self.done
                assert edge.until.name == "applied" or edge.before.resource in self.reached


@given(graphs(), st.integers(0, 2**32), st.sets(st.integers(0, 13), max_size=3))
def test_failures_skip_exactly_their_descendants(
    drawn: tuple[list[Change], Graph], seed: int, failing: set[int]
) -> None:
    changes, graph = drawn
    driver = Driver(changes, graph, seed, failing)
    driver.run()
    failed = {a for a in driver.started if a in driver.failing}
    behind = {n for n in descendants(graph, failed) if isinstance(n, ActionId)} - failed
    assert driver.skipped == behind
    assert driver.done == {c.action for c in changes} - failed - behind
    assert len(driver.started) == len(set(driver.started))
    assert driver.finished == 1
    assert driver.most <= 3


@given(graphs(), st.integers(0, 2**32))
def test_an_interrupt_starts_nothing_more_and_everything_is_accounted_for(
    drawn: tuple[list[Change], Graph], seed: int
) -> None:
    changes, graph = drawn
    driver = Driver(changes, graph, seed, set())
    driver.take(driver.schedule.start())
    running = [i for i in driver.pending if isinstance(i, Perform)]
    driver.pending.clear()
    driver.take(driver.schedule.interrupt())
    for instruction in running:
        driver.done.add(instruction.action)
        driver.take(driver.schedule.performed(instruction.action))
    assert not driver.pending
    assert driver.finished == 1
    accounted = driver.schedule.done | set(driver.schedule.not_started)
    assert accounted == {c.action for c in changes}


def test_what_an_earlier_run_did_is_not_done_again() -> None:
    changes = [change(0), change(1)]
    graph = Graph(edges=(Edge(before=action(0), after=action(1)),))
    schedule = Schedule(changes, graph, parallel=3, done=[action(0)])
    assert schedule.start() == [Perform(action(1))]


def test_a_missed_milestone_skips_what_needs_it_and_not_who_made_it() -> None:
    graph = Graph(edges=(Edge(before=action(0), after=action(1), until=LATER),))
    schedule = Schedule([change(0), change(1)], graph, parallel=3)
    schedule.start()
    (waiting,) = schedule.performed(action(0))
    assert isinstance(waiting, Await)
    skip, finished = schedule.missed(waiting.wait, "stuck")
    assert isinstance(skip, Skip)
    assert isinstance(finished, Finished)
    assert "stuck" in skip.because
    assert schedule.done == {action(0)}


def test_without_waiting_only_prunes_and_the_last_gates_are_left() -> None:
    changes = [change(0), change(1, Verb.PRUNE)]
    gate = Gate(name="converged", awaits=((action(0).resource, LATER),))
    graph = Graph(
        gates=(gate,),
        edges=(
            Edge(before=action(0), after=action(1), until=LATER),
            Edge(before=action(0), after="converged"),
        ),
    )
    schedule = Schedule(changes, graph, parallel=3, wait=False)
    assert schedule.start() == [Perform(action(0))]
    assert schedule.performed(action(0)) == [Finished()]
    assert schedule.not_started == [action(1)]
