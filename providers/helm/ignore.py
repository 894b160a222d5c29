"""What `.helmignore` leaves out of a chart's folder when it is packed.

Source: helm/helm v4.2, pkg/ignore/rules.go, and `filepath.Match` of Go: a rule without a slash
is held against the last name, one with a slash against the whole path; `**` is an error; of a
negated rule everything is left out that does not fit it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from state.errors import ClusterformError

FILE = ".helmignore"
_ALWAYS = "templates/.?*"
_PART = re.compile(r"\*+|\?|\\.|\[\^?(?:\\.|[^\]\\])+\]|[^*?\\\[]", re.DOTALL)
_IN_CLASS = re.compile(r"\\.|.", re.DOTALL)


class _Rule(msgspec.Struct, frozen=True):
    """One line."""

    names: tuple[re.Pattern[str], ...]
    """Of the names of a path: no `*` goes beyond one."""
    whole: bool
    folder: bool
    negated: bool

    def leaves_out(self, path: str, is_folder: bool) -> bool:
        """It decides that the path is left out."""
        found = path.split("/") if self.whole else [path.rpartition("/")[2]]
        fits = (
            (is_folder or not self.folder)
            and len(found) == len(self.names)
            and all(rule.fullmatch(name) for rule, name in zip(self.names, found, strict=True))
        )
        return fits is not self.negated


def kept(files: Mapping[str, bytes], where: str) -> dict[str, bytes]:
    """The files that are packed. Raises ClusterformError('bad-chart') for a rule that is none."""
    rules = list(_rules(files.get(FILE, b"").decode(errors="replace"), where))
    known: dict[str, bool] = {}

    def out(path: str, *, is_folder: bool) -> bool:
        if path not in known:
            above = path.rpartition("/")[0]
            known[path] = (above != "" and out(above, is_folder=True)) or any(
                rule.leaves_out(path, is_folder) for rule in rules
            )
        return known[path]

    return {path: files[path] for path in files if not out(path, is_folder=False)}


def _rules(text: str, where: str) -> Iterator[_Rule]:
    for line in (*text.removeprefix("\ufeff").splitlines(), _ALWAYS):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        rule = said.removeprefix("!")
        inner = rule.removesuffix("/").removeprefix("/")
        try:
            names = tuple(_compiled(name) for name in inner.split("/"))
        except ValueError:
            names = ()
        if "**" in said or not names:
            raise ClusterformError("bad-chart", f"{where}/{FILE}: {said[:80]!r} is no rule of Helm")
        yield _Rule(
            names=names,
            whole="/" in rule.removesuffix("/"),
            folder=rule.endswith("/"),
            negated=said.startswith("!"),
        )


def _compiled(name: str) -> re.Pattern[str]:
    """Linear: between two stars the first place that fits is as good as any other.

    Raises ValueError.
    """
    parts = _PART.findall(name)
    if "".join(parts) != name:
        raise ValueError
    runs = [""]
    for part in parts:
        if part[0] == "*":
            runs.append("")
        else:
            runs[-1] += _expression(part)
    head, *rest = runs
    if rest:
        head += "".join(f"(?>.*?{run})" for run in rest[:-1]) + f".*{rest[-1]}"
    try:
        return re.compile(head, re.DOTALL)
    except re.error:
        raise ValueError from None


def _expression(part: str) -> str:
    if part == "?":
        return "."
    if len(part) == 1 or part[0] != "[":
        return re.escape(part[-1])
    negated = part.startswith("[^")
    inner = _IN_CLASS.findall(part[1 + negated : -1])
    return f"[{'^' * negated}{''.join(c if c == '-' else re.escape(c[-1]) for c in inner)}]"
