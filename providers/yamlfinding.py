"""What a YAML file may hold, and what is said, with its place, of one that holds something else."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from providers.yamlnodes import Mark

Severity = Literal["error", "warning"]


MIB = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may hold (docs/fleet-file.md, "Limits"); beyond it the file is refused."""

    file_bytes: int = MIB
    documents: int = 500
    depth: int = 64
    nodes: int = 200_000
    """Of the whole file, and again of everything that its aliases expand to."""
    aliases: int = 100
    """In one document."""
    merges: int = 20
    """Mappings merged by `<<` in one document."""
    scalar: int = MIB


MANIFEST = Limits()
COMPONENTS = Limits(file_bytes=8 * MIB, nodes=1_000_000)
"""For provider components: releases of CAPI providers are single files of several MiB of CRDs."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell the user about a file. Never holds a sensitive value of it."""

    severity: Severity
    code: str
    summary: str
    detail: str = ""
    path: str
    line: int = 0
    """From 1; 0 where the finding is about the whole file."""
    column: int = 0
    hint: str = ""

    @property
    def where(self) -> str:
        """`path:line:column`, as far as known."""
        return ":".join([self.path, *(str(part) for part in (self.line, self.column) if part)])


class Refused(Exception):
    """Reading of a file ends here."""

    def __init__(
        self, code: str, summary: str, mark: Mark | None = None, *, hint: str = ""
    ) -> None:
        super().__init__(summary)
        self.code, self.summary, self.mark, self.hint = code, summary, mark, hint

    def finding(self, path: str, severity: Severity = "error") -> Finding:
        """What to tell the user."""
        line, column = (self.mark.line + 1, self.mark.column + 1) if self.mark else (0, 0)
        return Finding(
            severity=severity,
            code=self.code,
            summary=self.summary,
            path=path,
            line=line,
            column=column,
            hint=self.hint,
        )


def limit(what: str, mark: Mark | None = None) -> Refused:
    """A limit is passed."""
    return Refused("yaml-limit", what, mark, hint="split the file, or write it out in full")


def syntax(problem: str | None, mark: Mark | None) -> Refused:
    """libyaml could not read the file."""
    # libyaml's problems are fixed sentences; PyYAML's `context` may quote the file and is left out.
    return Refused("yaml-syntax", f"not YAML: {problem or 'unreadable'}", mark)


def boolean(event: Any, what: str) -> Refused:
    """A word that is a boolean and may have been meant as text."""
    return Refused(
        "yaml-boolean",
        f"a plain y, n, yes, no, on or off is a boolean: this {what} is not text",
        event.start_mark,
        hint="quote it if it is text, else write true or false",
    )


def foreign_tag(event: Any) -> Refused:
    """A tag that kubectl would ignore or misread."""
    return Refused("yaml-tag", "only the core YAML tags are allowed", event.start_mark)


class _Line(msgspec.Struct):
    """A mark without the parser."""

    line: int
    column: int = 0


def check_bytes(content: bytes, limits: Limits) -> None:
    """Raises Refused for a file that is too large or not UTF-8."""
    if len(content) > limits.file_bytes:
        raise limit(f"the file has more than {limits.file_bytes // MIB} MiB")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start)
        raise Refused("yaml-encoding", "the file is not UTF-8", _Line(line)) from None
