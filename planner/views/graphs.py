"""The order of a plan: text in the order it happens, DOT and Mermaid for pictures."""

from __future__ import annotations

from collections.abc import Iterator

from planner.changes import Change, Edge, Gate, Plan, Verb
from planner.graph import Node, node_key, order
from planner.views.clean import clean, plural
from planner.views.names import Names, object_name, step_text
from planner.views.sections import SYMBOLS
from planner.views.waits import deadline_words, milestone_words

_TAIL = "end of the run"


def graph_text(plan: Plan, form: str) -> str:
    """The graph in one form: `text`, `dot` or `mermaid`. Ends in a line end."""
    view = _Graph(plan)
    lines = {"dot": view.dot, "mermaid": view.mermaid}.get(form, view.text)()
    return "\n".join(lines) + "\n"


class _Graph:
    """Nodes numbered in the order of execution, edges by the node that waits."""

    def __init__(self, plan: Plan) -> None:
        self.names = Names([u.key for u in plan.units] + [c.unit for c in plan.changes])
        self.changes: dict[Node, Change] = {c.action: c for c in plan.changes}
        self.gates: dict[Node, Gate] = {g.name: g for g in plan.graph.gates}
        self.order = order(plan.graph, plan.changes)
        self.number = {node: n for n, node in enumerate(self.order, 1)}
        self.edges = plan.graph.edges
        self.incoming: dict[Node, list[Edge]] = {}
        for edge in self.edges:
            self.incoming.setdefault(edge.after, []).append(edge)
        self.units: dict[str, list[Node]] = {}
        for node in self.order:
            self.units.setdefault(self.unit(node), []).append(node)

    def unit(self, node: Node) -> str:
        """The unit that a node belongs to."""
        if isinstance(node, str):
            gate = self.gates.get(node)
            return gate.unit if gate else ""
        return self.changes[node].unit if node in self.changes else node.resource.cluster

    def label(self, node: Node) -> str:
        """`~ MachineDeployment shop-prod-md0`, `◇ team-a/shop-prod reachable`."""
        if isinstance(node, str):
            return f"◇ {clean(node)}"
        change = self.changes.get(node)
        symbol = SYMBOLS.get(change.verb, "?") if change else "?"
        if change and change.verb is Verb.REPLACE:
            symbol = "+" if node.step else "-"
        name = object_name(node.resource, self.unit(node))
        step = step_text(change) if change else ""
        return f"{symbol} {clean(node.resource.kind)} {name}{step}"

    # ------------------------------------------------------------------ text

    def text(self) -> Iterator[str]:
        """Steps by unit, each with what it waits for and why."""
        if not self.order:
            yield "Nothing to do, so there is no order."
            return
        waits = plural(len(self.gates), "point") + " of waiting"
        yield f"{plural(len(self.changes), 'step')}, {waits}, {plural(len(self.edges), 'edge')}"
        width = len(str(len(self.order)))
        for unit, nodes in self.units.items():
            yield ""
            yield self.names.unit(unit) if unit else _TAIL
            for node in nodes:
                yield f"  {self.number[node]:>{width}}  {self.label(node)}"
                yield from self._reasons(node, " " * (width + 6))

    def _reasons(self, node: Node, indent: str) -> Iterator[str]:
        if isinstance(node, str):
            gate = self.gates.get(node)
            for id_, milestone in gate.awaits if gate else ():
                limit = deadline_words(milestone.deadline)
                words = f"{milestone_words(milestone)}{', ' + limit if limit else ''}"
                yield f"{indent}waits for {clean(str(id_))}: {words}"
        alike: dict[tuple[str, str], list[int]] = {}
        for edge in self.incoming.get(node, ()):
            alike.setdefault((_until(edge), clean(edge.reason)), []).append(
                self.number[edge.before]
            )
        for (until, reason), numbers in sorted(alike.items(), key=lambda item: min(item[1])):
            yield f"{indent}after {ranges(numbers)}{until}: {reason or 'declared'}"

    # ------------------------------------------------------------------ pictures

    def dot(self) -> Iterator[str]:
        """Graphviz: one cluster a unit, edges with reason and what is waited for."""
        yield "digraph plan {"
        yield "  rankdir=LR;"
        yield "  node [shape=box, style=rounded];"
        for index, (unit, nodes) in enumerate(self.units.items()):
            yield f"  subgraph cluster_{index} {{"
            yield f"    label={_quoted(self.names.unit(unit) if unit else _TAIL)};"
            for node in nodes:
                shape = ", shape=diamond" if isinstance(node, str) else ""
                yield f"    n{self.number[node]} [label={_quoted(self.label(node))}{shape}];"
            yield "  }"
        for edge in self._sorted_edges():
            label = _quoted(_edge_label(edge))
            yield f"  n{self.number[edge.before]} -> n{self.number[edge.after]} [label={label}];"
        yield "}"

    def mermaid(self) -> Iterator[str]:
        """Mermaid flowchart, for Markdown that renders it."""
        yield "flowchart LR"
        for index, (unit, nodes) in enumerate(self.units.items()):
            yield f"  subgraph u{index}[{_mermaid(self.names.unit(unit) if unit else _TAIL)}]"
            for node in nodes:
                left, right = ("{", "}") if isinstance(node, str) else ("[", "]")
                yield f"    n{self.number[node]}{left}{_mermaid(self.label(node))}{right}"
            yield "  end"
        for edge in self._sorted_edges():
            label = _mermaid(_edge_label(edge))
            yield f"  n{self.number[edge.before]} -->|{label}| n{self.number[edge.after]}"

    def _sorted_edges(self) -> list[Edge]:
        return sorted(self.edges, key=lambda e: (node_key(e.before), node_key(e.after)))


def _until(edge: Edge) -> str:
    """` gone (within 30 min)`; `""` where the write is enough."""
    if edge.until.name == "applied":
        return ""
    limit = deadline_words(edge.until.deadline)
    return f" {milestone_words(edge.until)}" + (f" ({limit})" if limit else "")


def _edge_label(edge: Edge) -> str:
    until = "" if edge.until.name == "applied" else f"{milestone_words(edge.until)}: "
    return clean(until + edge.reason)


def ranges(numbers: list[int]) -> str:
    """`1 to 12, 15`: sorted numbers, runs of three and more folded."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(texts)


def _quoted(text: str) -> str:
    """A DOT string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_ENTITIES = str.maketrans({c: f"#{ord(c)};" for c in '"#;<>&|`{}[]()'})


def _mermaid(text: str) -> str:
    """A quoted Mermaid label: what its grammar or HTML would read is an entity."""
    return f'"{text.translate(_ENTITIES)}"'
