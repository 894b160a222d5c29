"""Options that several commands share, and what they have in common: the global ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from planner import select
from planner.plan import Options

F = TypeVar("F", bound=Callable[..., Any])
_DURATION = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$")


class Duration(click.ParamType[float]):
    """`90`, `90s`, `15m`, `1h30m` → seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds, or a usage error."""
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.match(str(value))
        if not found or not any(found.groups()):
            self.fail(f"{value!r} is no duration; write 90s, 15m or 1h30m", param, ctx)
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return float(hours * 3600 + minutes * 60 + seconds)


def _all(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


selection = _all(
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="SELECTOR",
        help="Only what matches, and what it needs: cluster=team-a/shop-*, kind=…, layer=…,"
        " label:KEY=VALUE. Repeatable.",
    ),
    click.option(
        "--exclude",
        "excludes",
        multiple=True,
        metavar="SELECTOR",
        help="Everything but what matches and what needs it. Repeatable.",
    ),
)
planning = _all(
    click.option("--ref", metavar="REV", help="Plan a revision instead of the working tree."),
    click.option(
        "--refresh",
        type=click.Choice(["fast", "full", "off"]),
        default="fast",
        show_default=True,
        help="fast: ask the server about what cannot be proven; full: about everything;"
        " off: about nothing.",
    ),
    click.option(
        "--allow-destroy",
        multiple=True,
        metavar="NAMESPACE/NAME",
        help="Let this Cluster go although its file vanished. Repeatable.",
    ),
    click.option(
        "--adopt",
        multiple=True,
        metavar="KIND/NAMESPACE/NAME",
        help="Take this HelmRelease or Kustomization over from whoever runs it: it is suspended"
        " first. May hold *. Repeatable.",
    ),
)
applying = _all(
    click.option(
        "--parallelism",
        type=click.IntRange(1, 64),
        default=10,
        show_default=True,
        help="Writes in flight.",
    ),
    click.option(
        "--timeout",
        type=Duration(),
        default=0.0,
        metavar="DURATION",
        help="Stop starting new writes after this time.",
    ),
    click.option(
        "--lock-timeout",
        type=Duration(),
        default=0.0,
        metavar="DURATION",
        help="Wait this long for another apply to finish.",
    ),
    click.option(
        "--no-wait",
        is_flag=True,
        help="Do not wait for rollouts at the end; old templates are left for later.",
    ),
)


def plan_options(
    *,
    mode: str = "apply",
    targets: tuple[str, ...] = (),
    excludes: tuple[str, ...] = (),
    refresh: str = "fast",
    allow_destroy: tuple[str, ...] = (),
    adopt: tuple[str, ...] = (),
) -> Options:
    """The planner's options from the command line's."""
    return Options(
        mode=mode,
        targets=tuple(select.parse(t) for t in targets),
        excludes=tuple(select.parse(e) for e in excludes),
        refresh=refresh,
        allow_destroy=allow_destroy,
        adopt=adopt,
    )
