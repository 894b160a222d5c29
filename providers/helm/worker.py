"""The process that renders: one request in, one answer out. Knows only Helm's engine.

A chart of a pull request may loop, eat memory or print without end: whoever started this process
ends it then. It reads the folders it is told to, and nothing else is in its environment. Messages
are MessagePack behind their length in eight bytes.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import IO, Any

import msgspec

from providers.helm import binary
from providers.helm.made import OUTPUT, Made, Text, Unreadable, objects_of
from state.resource import JsonObject

MEMORY = 1 << 30
"""Bytes of private memory that may be written to (RLIMIT_DATA); an idle one has 130 MiB. The
address space says nothing: Go reserves 1.7 GiB of it and touches a twentieth."""
MESSAGE = 1 << 20
NO_MEMORY = 3
"""Exit code: this process itself, not the engine, ran out of memory."""
_KEPT = 32
"""Charts that stay loaded."""


class Ask(msgspec.Struct, kw_only=True):
    """One render."""

    chart: str
    """Folder of the chart."""
    name: str
    namespace: str
    values: JsonObject
    crds: bool = True
    events: tuple[str, ...] = ()
    """Of hooks that are run."""
    by_kustomize: bool = False
    """Templates are read as kustomize would write them again."""
    seconds: int = 10
    """Of CPU."""
    helm: str = ""
    """The binary to render with; empty: the engine in this process."""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()


class Answer(msgspec.Struct, kw_only=True):
    """The objects, or why there are none."""

    objects: list[Made] = []
    skipped: tuple[str, ...] = ()
    problem: str = ""
    """In Helm's words."""


def receive(stream: IO[bytes]) -> bytes:
    """The next message; empty at the end."""
    size = int.from_bytes(stream.read(8), "big")
    return stream.read(size)


def send(stream: IO[bytes], message: bytes) -> None:
    """Send one message."""
    stream.write(len(message).to_bytes(8, "big") + message)
    stream.flush()


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    encoder = msgspec.msgpack.Encoder()
    decoder = msgspec.msgpack.Decoder(Ask)
    charts: dict[str, Any] = {}
    while message := receive(sys.stdin.buffer):
        ask = decoder.decode(message)
        _limit_cpu(ask.seconds)
        try:
            found = list(_by_binary(ask) if ask.helm else _by_engine(ask, charts))
            texts = [text for text in found if ask.crds or not text.crd]
            objects, skipped = objects_of(texts, ask.events, by_kustomize=ask.by_kustomize)
            answer = encoder.encode(Answer(objects=objects, skipped=skipped))
        except (binary.Failed, Unreadable) as error:
            answer = encoder.encode(Answer(problem=str(error)[:MESSAGE]))
        except MemoryError:
            os._exit(NO_MEMORY)
        except Exception as error:  # noqa: BLE001  # the boundary of the process
            answer = encoder.encode(Answer(problem=_said(error)))
        send(sys.stdout.buffer, answer)


def _limit_cpu(seconds: int) -> None:
    """The next render ends by itself, even when nobody is left to end this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _by_binary(ask: Ask) -> list[Text]:
    return binary.render(
        ask.helm,
        chart=ask.chart,
        name=ask.name,
        namespace=ask.namespace,
        values=ask.values,
        kube_version=ask.kube_version,
        api_versions=ask.api_versions,
    )


def _by_engine(ask: Ask, charts: dict[str, Any]) -> list[Text]:
    import helm_python

    chart = charts.get(ask.chart)
    if chart is None:
        chart = helm_python.Chart.load(ask.chart)
        # The engine takes charts inside that are switched off out of the loaded chart (measured,
        # 0.2.2): the next release would never see them again.
        if not os.path.isdir(os.path.join(ask.chart, "charts")):
            if len(charts) >= _KEPT:
                charts.clear()
            charts[ask.chart] = chart
    texts = chart.render(ask.values, name=ask.name, namespace=ask.namespace)
    found = [Text(path.partition("/")[2], text) for path, text in texts.items()]
    if ask.crds:
        crds = chart.crds
        found += [Text(c["filename"].partition("/")[2], c["data"], crd=True) for c in crds]
    return found


def _said(error: Exception) -> str:
    import helm_python

    if isinstance(error, helm_python.HelmError):
        return str(error)[:MESSAGE]
    return f"{type(error).__name__} in the renderer"


if __name__ == "__main__":
    main()
