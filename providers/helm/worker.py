"""The process that renders: one request a line in, one answer a line out. Knows only Helm's engine.

A chart of a pull request may loop, eat memory or print without end: whoever started this process
ends it then. It reads the folders it is told to, and nothing else is in its environment.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path
from typing import Any

import msgspec

from providers import yamldoc
from state.resource import JsonObject

MEMORY = 6 << 30
"""Bytes of address space; an idle one takes 2.5 GiB of it, most never touched."""
OUTPUT = 32 << 20
_LIMITS = yamldoc.Limits(file_bytes=OUTPUT, documents=20_000, nodes=4_000_000, scalar=4 << 20)
_NOTHING = re.compile(r"\A(\s*(#[^\n]*)?\n?|---\s*\n)*\Z")


class Ask(msgspec.Struct):
    """One render."""

    chart: str
    """Folder of the chart."""
    name: str
    namespace: str
    values: JsonObject
    crds: bool = True


class Made(msgspec.Struct):
    """One object of a render."""

    template: str
    body: JsonObject
    crd: bool = False


class Answer(msgspec.Struct):
    """The objects in no order but that of templates, or why there are none."""

    objects: list[Made] = []
    problem: str = ""


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import helm_python

    charts: dict[str, Any] = {}
    decoder = msgspec.json.Decoder(Ask)
    for line in sys.stdin.buffer:
        ask = decoder.decode(line)
        try:
            if ask.chart not in charts:
                charts[ask.chart] = helm_python.Chart.load(ask.chart)
            answer = _rendered(charts[ask.chart], ask)
        except helm_python.HelmError as error:
            answer = Answer(problem=str(error)[:2000])
        except Exception as error:  # noqa: BLE001  # the boundary of the process
            answer = Answer(problem=f"{type(error).__name__}: {error}"[:2000])
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def _rendered(chart: Any, ask: Ask) -> Answer:
    texts: dict[str, str] = chart.render(ask.values, name=ask.name, namespace=ask.namespace)
    if sum(map(len, texts.values())) > OUTPUT:
        return Answer(problem=f"it renders to more than {OUTPUT >> 20} MiB")
    found: list[Made] = []
    if ask.crds:
        found += _crds(Path(ask.chart))
    for path in sorted(texts):
        name = path.rpartition("/")[2]
        if name == "NOTES.txt" or name.startswith("_") or _NOTHING.match(texts[path]):
            continue
        documents, findings = yamldoc.parse(texts[path].encode(), path, _LIMITS)
        errors = [f for f in findings if f.severity == "error"]
        if errors:
            return Answer(problem=f"{path} renders to no valid YAML: {errors[0].summary}")
        short = path.partition("/")[2]
        found += [Made(template=short, body=d.body) for d in documents]
    return Answer(objects=found)


def _crds(folder: Path) -> list[Made]:
    """What lies in `crds/`: not templates, and installed before everything else."""
    found = []
    for path in sorted((folder / "crds").rglob("*.y*ml")):
        documents, _ = yamldoc.parse(path.read_bytes(), str(path), yamldoc.COMPONENTS)
        template = str(path.relative_to(folder))
        found += [Made(template=template, body=d.body, crd=True) for d in documents]
    return found


if __name__ == "__main__":
    main()
