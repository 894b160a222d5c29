"""Which action may start now: a machine without clocks, threads or requests.

Inputs go in by method (`performed`, `reached`, `missed`, `interrupt`); what to do comes out as
instructions. A ready set, no waves: an action starts the moment its own edges allow it. A failure
skips exactly its descendants, each with the cause; everything else goes on.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable

import msgspec

from planner.changes import ActionId, Change, Edge, Graph, Verb
from planner.graph import Node, node_key
from providers.base import APPLIED, Milestone
from state.resource import ResourceId

Wait = tuple[ResourceId, Milestone]


class Perform(msgspec.Struct, frozen=True):
    """Send the write of this action; its intent has to be durable first."""

    action: ActionId


class Await(msgspec.Struct, frozen=True):
    """Watch for a milestone and report `reached` or `missed`."""

    wait: Wait


class Skip(msgspec.Struct, frozen=True):
    """This action will not be tried; `because` names what failed."""

    action: ActionId
    because: str


class Finished(msgspec.Struct, frozen=True):
    """Nothing is running and nothing can start any more."""


Instruction = Perform | Await | Skip | Finished


class Schedule:
    """The run of one plan. Not thread-safe: one scheduler thread owns it."""

    def __init__(
        self,
        changes: Iterable[Change],
        graph: Graph,
        *,
        parallel: int,
        done: Collection[ActionId] = (),
        wait: bool = True,
    ) -> None:
        self._changes = {c.action: c for c in changes}
        self._parallel = parallel
        self._gates = {g.name: g for g in graph.gates}
        self._out: dict[Node, list[Edge]] = {}
        self._missing: dict[Node, int] = dict.fromkeys(self._nodes(), 0)
        for edge in graph.edges:
            if edge.before in self._missing and edge.after in self._missing:
                self._out.setdefault(edge.before, []).append(edge)
                self._missing[edge.after] += 1
        self._held = set() if wait else self._unwaited()
        self._ready: list[tuple[tuple[int, str, int], Node]] = []
        self._running: set[ActionId] = set()
        self._waits: dict[Wait, list[Edge | str]] = {}
        self._open: dict[str, set[Wait]] = {}
        self._settled: set[Wait] = set()
        self.done: set[ActionId] = set()
        self.failed: dict[Node, str] = {}
        self.skipped: dict[ActionId, str] = {}
        self._stopping = False
        self._finished = False
        self._before = frozenset(done)

    def _nodes(self) -> list[Node]:
        return [*self._changes, *self._gates]

    def _unwaited(self) -> set[Node]:
        """Without waiting at the end: the last gates, and prunes, which need a rollout's end."""
        last = {name for name in self._gates if not self._out.get(name)}
        prunes = {a for a, c in self._changes.items() if c.verb is Verb.PRUNE}
        feeding = {
            e.before
            for edges in self._out.values()
            for e in edges
            if e.after in prunes and isinstance(e.before, str)
        }
        only_prunes = {g for g in feeding if all(e.after in prunes for e in self._out[g])}
        return {*last, *prunes, *only_prunes}

    # ------------------------------------------------------------------ inputs

    def start(self) -> list[Instruction]:
        """The first instructions. Actions that an earlier run finished count as done."""
        for node, missing in self._missing.items():
            if not missing:
                self._push(node)
        return self._advance()

    def performed(self, action: ActionId) -> list[Instruction]:
        """The write happened."""
        self._running.discard(action)
        return self._advance(self._complete(action))

    def refused(self, action: ActionId, message: str) -> list[Instruction]:
        """The write did not happen and will not."""
        self._running.discard(action)
        return self._advance(self._fail(action, message))

    def reached(self, wait: Wait) -> list[Instruction]:
        """A milestone was reached."""
        self._settled.add(wait)
        instructions: list[Instruction] = []
        for waiter in self._waits.pop(wait, ()):
            if isinstance(waiter, Edge):
                self._satisfy(waiter)
            else:
                instructions += self._gate_progress(waiter, wait)
        return self._advance(instructions)

    def missed(self, wait: Wait, message: str) -> list[Instruction]:
        """A milestone will not be reached in time; what needs it is skipped."""
        instructions: list[Instruction] = []
        cause = f"{wait[0]} did not reach {wait[1].name}: {message}"
        for waiter in self._waits.pop(wait, ()):
            if isinstance(waiter, Edge):
                instructions += self._skip_from(waiter.after, cause)
            else:
                self._open.pop(waiter, None)
                instructions += self._fail(waiter, cause)
        return self._advance(instructions)

    def interrupt(self) -> list[Instruction]:
        """Start nothing new; waits are given up."""
        self._stopping = True
        self._waits.clear()
        return self._advance()

    # ------------------------------------------------------------------ outcome

    @property
    def not_started(self) -> list[ActionId]:
        """Actions without an outcome: interrupted, or left out by not waiting."""
        return sorted(
            a
            for a in self._changes
            if a not in self.done
            and a not in self.skipped
            and a not in self.failed
            and a not in self._running
        )

    # ------------------------------------------------------------------ moves

    def _push(self, node: Node) -> None:
        if node not in self._held:
            heapq.heappush(self._ready, (node_key(node), node))

    def _advance(self, first: list[Instruction] | None = None) -> list[Instruction]:
        instructions = first or []
        while self._ready and not self._stopping:
            if isinstance(self._ready[0][1], ActionId) and len(self._running) >= self._parallel:
                break
            _, node = heapq.heappop(self._ready)
            instructions += self._begin(node)
        if not self._running and not self._waits and (self._stopping or not self._ready):
            if not self._finished:
                instructions.append(Finished())
            self._finished = True
        return instructions

    def _begin(self, node: Node) -> list[Instruction]:
        if isinstance(node, str):
            return self._open_gate(node)
        if node in self._before:
            return self._complete(node)
        self._running.add(node)
        return [Perform(node)]

    def _open_gate(self, name: str) -> list[Instruction]:
        waits = {w for w in self._gates[name].awaits if w not in self._settled}
        if not waits:
            return self._release(name)
        self._open[name] = waits
        ordered = sorted(waits, key=lambda w: (w[0], w[1].name))
        return [i for wait in ordered for i in self._await(wait, name)]

    def _gate_progress(self, name: str, wait: Wait) -> list[Instruction]:
        left = self._open.get(name)
        if left is None:
            return []
        left.discard(wait)
        if left:
            return []
        del self._open[name]
        return self._release(name)

    def _await(self, wait: Wait, waiter: Edge | str) -> list[Instruction]:
        known = self._waits.get(wait)
        if known is not None:
            known.append(waiter)
            return []
        self._waits[wait] = [waiter]
        return [Await(wait)]

    def _complete(self, action: ActionId) -> list[Instruction]:
        self.done.add(action)
        if action.step:  # what its object had reached before says nothing of it now
            self._settled = {w for w in self._settled if w[0] != action.resource}
        return self._release(action)

    def _release(self, node: Node) -> list[Instruction]:
        """The node is over: let go of what waits for it, or begin to wait for its milestone."""
        instructions: list[Instruction] = []
        for edge in self._out.get(node, ()):
            if edge.after in self._held:
                continue
            wait = None if isinstance(node, str) else (node.resource, edge.until)
            if wait is None or edge.until == APPLIED or wait in self._settled:
                self._satisfy(edge)
            elif not self._stopping:
                instructions += self._await(wait, edge)
        return instructions

    def _satisfy(self, edge: Edge) -> None:
        self._missing[edge.after] -= 1
        over = edge.after in self.skipped or edge.after in self.failed
        if not self._missing[edge.after] and not over:
            self._push(edge.after)

    def _fail(self, node: Node, message: str) -> list[Instruction]:
        self.failed[node] = message
        cause = f"needs {node}: {message}" if isinstance(node, str) else f"needs {node}"
        instructions: list[Instruction] = []
        for edge in self._out.get(node, ()):
            instructions += self._skip_from(edge.after, cause)
        return instructions

    def _skip_from(self, node: Node, cause: str) -> list[Instruction]:
        """Skip a node and everything behind it; what already runs or is over stays as it is."""
        instructions: list[Instruction] = []
        work = [node]
        while work:
            current = work.pop()
            if isinstance(current, ActionId):
                if current in self.skipped or current in self.done or current in self._running:
                    continue
                self.skipped[current] = cause
                instructions.append(Skip(current, cause))
            elif current in self.failed:
                continue
            else:
                self.failed[current] = cause
            work += [edge.after for edge in self._out.get(current, ())]
        return instructions
