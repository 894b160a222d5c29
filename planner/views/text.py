"""A plan for the terminal: the first screen decides, then every change with cause and effect.

Order and words: docs of the plan in README.md. Colour is never needed to understand anything; it
is plain ANSI of our own, because a styling library costs more than planning at 10,000 changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.changes import Change, Plan, Verb
from planner.views.clean import clean, plural
from planner.views.counts import counts, destroys_cluster
from planner.views.danger import dangers
from planner.views.effects import how
from planner.views.grouping import Family
from planner.views.names import Names, cluster_name, object_name, pattern_name
from planner.views.sections import SYMBOLS, Entry, Section, kinds_text, sections, title, verdict
from planner.views.summary import finding_lines, headline, limits, provenance, quiet_text
from planner.views.values import (
    cause_text,
    change_text,
    changed_lines,
    field_path,
    is_block,
)

_HEAD = 56
"""Column at which verdicts and effects begin."""
_PATH = 34
_FINDINGS = 10
_OUTLIERS = 5
_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
_COLORS = {"+": "green", "~": "yellow", "-/+": "red", "±": "cyan", "-": "red", ">": "cyan"}


def plan_text(
    plan: Plan,
    *,
    verbose: bool,
    color: bool,
    saved: str = "",
    width: int = 100,
    next_step: bool = True,
) -> str:
    """The whole plan, ending in a line end.

    `saved`: the file it was saved to. `next_step`: say how to apply it, where nobody asks.
    """
    view = _TextView(plan, verbose=verbose, color=color, width=width)
    return "\n".join(view.lines(saved, next_step=next_step)) + "\n"


class _TextView:
    """One rendering: options that every line depends on, and the lines."""

    def __init__(self, plan: Plan, *, verbose: bool, color: bool, width: int) -> None:
        self.plan = plan
        self.verbose = verbose
        self.color = color
        self.width = width
        self.names = Names([u.key for u in plan.units] + [c.unit for c in plan.changes])

    def lines(self, saved: str, *, next_step: bool) -> Iterator[str]:
        """All lines in order."""
        yield self.paint(provenance(self.plan), "bold")
        if self.verbose:
            yield from self._details()
        if self.plan.basis.partial:
            yield f"only part of the fleet: {clean(' '.join(self.plan.basis.partial))}"
        warned = list(self._dangers())
        yield from ["", *warned] if warned else []
        for section in sections(self.plan, verbose=self.verbose):
            yield ""
            yield from self._section(section)
        found = list(self._findings())
        yield from ["", *found] if found else []
        yield ""
        yield from self._end(saved, next_step=next_step)

    def paint(self, text: str, style: str) -> str:
        """The text in a colour, where colour is wanted."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.color and style else text

    # ------------------------------------------------------------------ above the changes

    def _details(self) -> Iterator[str]:
        plan = self.plan
        if plan.basis.commit:
            yield f"  commit {clean(plan.basis.commit)}"
        yield from (f"  uncommitted {clean(path)}" for path in plan.basis.uncommitted)
        if plan.basis.tool:
            yield f"  planned by {clean(plan.basis.tool)}"

    def _dangers(self) -> Iterator[str]:
        for danger in dangers(self.plan, self.names, verbose=self.verbose):
            yield self.paint(f"! {danger.text}", "red")
            if danger.hint:
                yield f"  {danger.hint}"

    # ------------------------------------------------------------------ changes

    def _section(self, section: Section) -> Iterator[str]:
        head = title(section, self.names)
        yield self._columns(f"  {head}", verdict(section), style="bold")
        for entry in section.entries:
            yield from self._entry(entry)
        yield from self._folded(section)
        if section.new and len(section.units) > 1:
            yield f"      {self.names.clusters(section.units, verbose=self.verbose)}"
        if section.order:
            yield self.paint(f"  = order: {section.order}", "dim")

    def _columns(self, left: str, right: str, *, style: str = "") -> str:
        if not right:
            return self.paint(left, style)
        return f"{self.paint(left, style)}{' ' * max(2, _HEAD - len(left))}{right}"

    def _folded(self, section: Section) -> Iterator[str]:
        inside = section.folded_addons
        outside = [c for c in section.folded if c not in inside] if inside else section.folded
        each = " each" if len(section.units) > 1 else ""
        hint = "-v lists them" if section.new else f"{kinds_text(outside)}; -v lists them"
        if outside:
            left = f"  + {plural(len(outside), 'object')}{each}"
            yield self._columns(left, hint, style="green")
        if inside:
            left = f"  + {plural(len(inside), 'add-on object')}{each}"
            after = "static: after the control plane is initialized" if section.new else "static"
            yield self._columns(left, after, style="green")

    def _entry(self, entry: Entry) -> Iterator[str]:
        change = entry.change
        symbol = SYMBOLS.get(change.verb, "?")
        left = f"  {symbol} {clean(change.id.kind)} {self._name(entry)}"
        effects = [how(entry.face)]
        if entry.removal is not None:
            effects.append("deleted, then made anew")
        if change.verb is Verb.PRUNE:
            effects = ["pruned once nothing uses it"]
        text = " · ".join(e for e in dict.fromkeys(effects) if e)
        yield self._columns(left, text, style=_COLORS.get(symbol, ""))
        yield from self._fields(change)
        yield from (f"      takes back {clean(t.manager)}'s" for t in ())
        yield from self._consequences(change)
        if entry.family is not None:
            yield from self._members(entry.family)

    def _name(self, entry: Entry) -> str:
        change = entry.change
        if entry.family is not None:
            namespace, name = pattern_name(change)
            shown = clean(f"{namespace}/{name}" if namespace else name)
            return f"{shown} (a new generation)" if change.verb is Verb.ROTATE else shown
        name = object_name(change.id, change.unit)
        if change.verb is Verb.ROTATE and change.predecessor:
            return f"{clean(change.predecessor)} → {name}"
        if destroys_cluster(change) and change.cascade:
            return f"{name}, and by cascade {clean(', '.join(change.cascade))}"
        return name

    def _consequences(self, change: Change) -> Iterator[str]:
        if destroys_cluster(change) and change.reason:
            yield f"      {clean(change.reason)}"
        if change.survives:
            yield f"      survives: {clean('; '.join(change.survives))}"

    def _fields(self, change: Change) -> Iterator[str]:
        rows = []
        for field in change.fields:
            block = is_block(field)
            value = "changed lines:" if block else change_text(field, 400 if self.verbose else 44)
            rows.append(
                (self._path(field_path(field)), value, cause_text(field), field if block else None)
            )
        if not rows:
            return
        left = max(len(path) for path, *_ in rows)
        middle = max((len(v) for _, v, _, _ in rows if len(v) <= 48), default=0)
        for path, value, cause, field in rows:
            line = f"      {path.ljust(left)}  {value.ljust(middle)}"
            if len(line) + 2 + len(cause) <= self.width or len(line.rstrip()) + 2 <= 60:
                yield f"{line}  {self.paint(cause, 'dim')}"
            else:
                yield line.rstrip()
                yield f"      {' ' * left}  {self.paint(cause, 'dim')}"
            if field is not None:
                yield from (f"        {text}" for text in changed_lines(field))

    def _path(self, path: str) -> str:
        if self.verbose or len(path) <= _PATH:
            return path
        return f"…{path[-(_PATH - 1) :]}"

    def _members(self, family: Family) -> Iterator[str]:
        where = self.names.clusters((c.unit for c in family.alike), verbose=self.verbose)
        shown = family.outliers if self.verbose else family.outliers[:_OUTLIERS]
        yield f"      {where}"
        for variant in shown:
            units = self.names.clusters((c.unit for c in variant), verbose=self.verbose)
            values = ", ".join(change_text(f) for f in _differing(variant[0], family.alike[0]))
            yield f"      differs in {units}: {values}"
        if len(shown) < len(family.outliers):
            hidden = sum(len(v) for v in family.outliers[_OUTLIERS:])
            yield f"      differs in {plural(hidden, 'more cluster')}: -v lists them"

    # ------------------------------------------------------------------ below the changes

    def _findings(self) -> Iterator[str]:
        found = list(finding_lines(self.plan, self.names))
        shown = found if self.verbose else found[:_FINDINGS]
        for text, hint in shown:
            yield f"  {text}"
            if hint:
                yield f"    {hint}"
        if len(shown) < len(found):
            yield f"  {plural(len(found) - len(shown), 'more finding')}: -v lists them"

    def _end(self, saved: str, *, next_step: bool) -> Iterator[str]:
        plan = self.plan
        found = counts(plan)
        if not plan.changes:
            yield quiet_text(plan)
            if not plan.complete:
                yield f"      {limits(plan, found, self.names)}"
            return
        yield self.paint(headline(plan, found), "bold")
        yield f"      {limits(plan, found, self.names)}"
        if plan.mode == "drift":
            yield "clusterform apply takes it back; clusterform plan shows all that it would do."
            return
        yield f"Digest {plan.digest}"
        if plan.refusals:
            yield self.paint("This plan is refused: apply will not start it.", "red")
        elif saved:
            yield (
                f"Saved to {clean(saved)}. Apply exactly this with:"
                f" clusterform apply {clean(saved)}"
            )
        elif next_step and plan.mode == "apply":
            yield "Not saved: with -o plan.json, clusterform apply plan.json does exactly this."


def _differing(variant: Change, face: Change) -> list:  # type: ignore[type-arg]
    """The fields in which an outlier has other values."""
    cluster = cluster_name(variant.unit)
    del cluster
    return [
        f
        for f, other in zip(variant.fields, face.fields, strict=True)
        if (f.before, f.after, f.by, f.known) != (other.before, other.after, other.by, other.known)
    ]
