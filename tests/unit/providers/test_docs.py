"""docs/providers.md says what the tables say."""

from __future__ import annotations

import os
from pathlib import Path

from providers.descriptor import Durations, Provider, Role
from providers.registry import PROVIDERS

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
BEGIN, END = "<!-- made from the tables by `make golden` -->\n", "<!-- end -->"


def minutes(durations: Durations | None) -> str:
    if durations is None:
        return "–"
    first = (durations.infrastructure, durations.control_plane, durations.workers)
    new = ", ".join(str(seconds // 60) for seconds in first)
    return f"{new} · {durations.rollout // 60} · {durations.removal // 60}"


def row(provider: Provider) -> str:
    roles = (Role.CLUSTER, Role.CONTROL_PLANE, Role.POOL, Role.IDENTITY, Role.HOST)
    named = [
        f"`{key.kind}`"
        for role in roles
        for key, kind in provider.kinds.items()
        if kind.role is role
    ]
    dead = provider.legacy or next((k.legacy for k in provider.kinds.values() if k.legacy), "")
    cells = (
        provider.title + (" †" if dead else ""),
        ", ".join(named),
        provider.source,
        ", ".join(provider.versions),
        provider.contract,
        minutes(provider.durations),
    )
    return f"| {' | '.join(cells)} |"


def table() -> str:
    head = (
        "Provider",
        "Kinds beside machines and templates",
        "Read",
        "API",
        "Contract",
        "Deadlines",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [row(p) for p in sorted(PROVIDERS, key=lambda p: p.title.lower())]
    return "\n".join(
        [*lines, "", "† with kinds that have no future: `validate` and `plan` say why.", ""]
    )


def test_the_page_has_the_tables() -> None:
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    wanted = f"{before}{BEGIN}{table()}{END}{after}"
    if os.environ.get("GOLDEN"):
        PAGE.write_text(wanted)
        text = wanted
    assert text == wanted, "make golden, read the diff"
