"""Charts made of texts, and a renderer that is shared by the tests of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers.helm.chart import Chart
from providers.helm.pool import Renderer, Request, Result

CHART = "apiVersion: v2\nname: c\nversion: 1.0.0\n"


def chart_of(files: dict[str, str | bytes] | str) -> Chart:
    """A chart of its files, or of its one template."""
    given = {"templates/a.yaml": files} if isinstance(files, str) else files
    whole = {"Chart.yaml": CHART, **given}
    return Chart.read(
        {p: t.encode() if isinstance(t, str) else t for p, t in whole.items()}, "charts/c"
    )


Render = Callable[..., Result]


@pytest.fixture(scope="session")
def render() -> Iterator[Render]:
    """Renders a chart within two seconds."""
    renderer = Renderer(seconds=2)

    def rendered(
        files: dict[str, str | bytes] | str, values: dict[str, Any] | None = None, **given: Any
    ) -> Result:
        request = Request(
            chart=chart_of(files), name="rel", namespace="apps", values=values or {}, **given
        )
        return next(renderer.render([request]))

    yield rendered
    renderer.close()
