"""Measurements → rows with a target beside each number (ARCHITECTURE.md, Speed)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

Numbers = dict[str, Any]

NOISE = 1.05
"""Up to this ratio a target counts as met: the machine is not that steady."""
CLIENT_WARM = 75.0
PARSE = 330.0
"""Raw manifests, cold: parsing one document comes on top."""
CLIENT_COLD = 100.0 + PARSE
CHANGED = 1.5
GRAPH = 2.5e6 / 120_000
VIEW = 0.2e6 / 10_000
NODE = 10.0
EVENTS = 1000.0
HELP, ONE = 150.0, 800.0
PEAK = {10: 120.0, 100: 120.0, 1_000: 120.0, 10_000: 500.0}
CLIENT_WHOLE = {10_000: 9.0}


class Row(msgspec.Struct, frozen=True):
    """One line. `target` 0: none in the table of targets; `more`: the larger number is better."""

    size: str
    what: str
    value: float
    unit: str
    target: float = 0.0
    more: bool = False

    @property
    def ratio(self) -> float:
        """How many times the target it takes: above 1 misses it."""
        if not self.target or not self.value:
            return 0.0
        return self.target / self.value if self.more else self.value / self.target


def rows(size: int, found: dict[str, Numbers]) -> Iterator[Row]:
    """The lines of one fleet size."""
    label = f"{size:,}"
    cold, warm, first = found["cold"], found["warm"], found["first"]
    count = warm["objects"]

    def each(seconds: float, of: float = count) -> float:
        return seconds / of * 1e6

    stages = warm["stages"]
    yield Row(label, "load, cold (parses YAML)", each(cold["stages"]["load"]), "µs/object", PARSE)
    yield Row(label, "load, warm", each(stages["load"]), "µs/object")
    yield Row(label, "records", each(stages["records"]), "µs/object")
    rendering = stages["render"] + stages["resolve"]
    yield Row(label, "render, units, resolve", each(rendering), "µs/object")
    yield Row(label, "LIST and decode", each(stages["read"]), "µs/object")
    yield Row(label, "  the sandbox's own part of it", each(warm["server"]), "µs/object")
    yield Row(label, "prove and compare", each(stages["prove"]), "µs/object")
    yield Row(label, "no change, client, warm", each(warm["client"]), "µs/object", CLIENT_WARM)
    yield Row(label, "no change, client, cold", each(cold["client"]), "µs/object", CLIENT_COLD)
    yield Row(label, "no change, wall, warm", warm["wall"], "s", CLIENT_WHOLE.get(size, 0.0))
    yield Row(label, "no change, peak memory", warm["peak"], "MB", PEAK.get(size, 0.0))
    lists = found["read"]
    yield Row(label, "  floor: the bare LISTs", lists["peak"], "MB")
    yield Row(label, "no change ÷ the bare LISTs, wall", warm["wall"] / lists["wall"], "×")
    for name in ("changed", "drifted"):
        times = (found[name]["client"] + found[name]["server"]) / (warm["client"] + warm["server"])
        yield Row(label, f"1 % {name} ÷ no change, CPU", times, "×", CHANGED)
    yield Row(label, "first plan, client", each(first["client"], first["objects"]), "µs/object")
    graph = each(first["stages"]["graph"], first["changes"])
    yield Row(label, "graph of the first plan", graph, "µs/change", GRAPH)
    for form in ("text", "markdown", "json"):
        spent = each(first[form], first["changes"])
        yield Row(label, f"first plan as {form}", spent, "µs/change", VIEW)
    yield Row(label, "scheduling", each(first["scheduled"], first["nodes"]), "µs/node", NODE)
    if "apply" in found:
        yield from _apply(label, found["apply"])


def _apply(label: str, apply: Numbers) -> Iterator[Row]:
    count = apply["changes"]
    yield Row(label, "first apply, wall", apply["wall"] / count * 1e6, "µs/object")
    yield Row(label, "  client CPU of it", apply["client"] / count * 1e6, "µs/object")
    yield Row(label, "  the sandbox's CPU of it", apply["server"] / count * 1e6, "µs/object")
    yield Row(label, "  requests", round(apply["requests"], 2), "/object", 1.0)
    yield Row(label, "  for the lock and the records", apply["around"], "requests")
    yield Row(label, "  commits of the journal", apply["commits"], "/object")
    yield Row(label, "first apply, peak memory", apply["peak"], "MB")


def whole(found: dict[str, Any]) -> Iterator[Row]:
    """The lines of whole processes and of the journal."""
    yield Row("-", "--help", found["help"] * 1000, "ms", HELP)
    yield Row("-", "  python -c pass", found["python"] * 1000, "ms")
    yield Row("-", "plan of one cluster", found["one"] * 1000, "ms", ONE)
    journal = found["journal"]
    yield Row("-", "journal, a commit for each", journal["by_1"], "/s", EVENTS, more=True)
    yield Row("-", "journal, 16 in a commit", journal["by_16"], "/s", EVENTS, more=True)


def machines(size: int, count: int, found: dict[str, Numbers]) -> Iterator[Row]:
    """The lines of a fleet with machines, of which the facts of a change are read."""
    label = f"{size:,} × {count}"
    warm, changed = found["warm"], found["changed"]
    yield Row(label, "no change, wall, warm", warm["wall"], "s")
    times = (changed["client"] + changed["server"]) / (warm["client"] + warm["server"])
    yield Row(label, "1 % changed ÷ no change, CPU", times, "×", CHANGED)
    yield Row(label, "1 % changed, wall", changed["wall"], "s")
    yield Row(label, "  impact (reads machines), client", changed["stages"]["impact"], "s")
    yield Row(label, "1 % changed, peak memory", changed["peak"], "MB")


def text(listed: list[Row]) -> str:
    """The table for a terminal."""
    lines = [f"{'clusters':>11}  {'what':<36} {'measured':>11} {'target':>8} {'ratio':>6}"]
    last = ""
    for row in listed:
        if row.size != last:
            lines.append("")
        shown = row.size if row.size != last else ""
        last = row.size
        target = f"{'≥' if row.more else '≤'} {row.target:,.4g}" if row.target else ""
        ratio = f"{row.ratio:.2f}" + ("  missed" if row.ratio > NOISE else "") if row.ratio else ""
        value = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}"
        lines.append(
            f"{shown:>11}  {row.what:<36} {value:>7} {row.unit:<10} {target:>9} {ratio:>6}".rstrip()
        )
    return "\n".join(lines)
