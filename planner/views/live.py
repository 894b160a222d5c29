"""The live board on a terminal. The only module that imports rich."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live as RichLive
from rich.text import Text

from planner import events
from planner.views.board import Board

_STYLES = {"✔": "green", "▶": "cyan", "✖": "red", "↷": "yellow", "⋯": "dim"}


class Live:
    """Draws the board a few times a second, in place; it is gone when the run ends."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._console = Console(
            file=stream, no_color=not color, highlight=False, markup=False, emoji=False
        )
        self._board = Board()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._live = RichLive(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._live.stop()

    def emit(self, event: events.Event) -> None:
        """Take the event in; the next drawing shows it."""
        with self._lock:
            self._board.note(event)

    def _render(self) -> Text:
        with self._lock:
            lines = self._board.lines(
                time.monotonic() - self._began,
                self._console.width - 1,
                max(8, self._console.height - 2),
            )
        text = Text(no_wrap=True, overflow="ellipsis")
        for line in lines:
            style = _STYLES.get(line[1:2], "") if line.startswith(" ") else "bold"
            text.append(line + "\n", style=style)
        return text
