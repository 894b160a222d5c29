"""A plan for the terminal: the first screen decides, then every change with cause and effect.

Colour is never needed to understand anything; it is plain ANSI of our own, because a styling
library costs more than all the rest of the rendering at 10,000 changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.changes import Change, FieldChange, Plan, Verb
from planner.views.clean import clean, plural, wrapped
from planner.views.counts import counts, destroys_cluster
from planner.views.danger import dangers
from planner.views.effects import how, part_lines
from planner.views.grouping import Family
from planner.views.names import Names
from planner.views.sections import (
    Entry,
    Section,
    entry_name,
    is_loss,
    kinds_text,
    outlier_text,
    sections,
    symbol,
    title,
    verdict,
)
from planner.views.summary import (
    approval_text,
    finding_lines,
    headline,
    input_lines,
    limits,
    provenance,
    quiet_text,
)
from planner.views.values import (
    LIMIT,
    cause_text,
    change_text,
    changed_lines,
    field_path,
    is_block,
)

_HEAD = 56
"""Column at which verdicts and effects begin, where there is room."""
_PATH = 32
_VALUE = 30
"""Least width of the column of values."""
_FINDINGS = 10
_OUTLIERS = 5
_VERBOSE_LIMIT = 400
_COLORS = {"+": "32", "~": "33", "-/+": "31", "±": "36", "-": "31", ">": "36"}
_RED, _BOLD, _DIM = "31", "1", "2"


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
        yield from self._head()
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
        return f"\x1b[{style}m{text}\x1b[0m" if self.color and style else text

    # ------------------------------------------------------------------ above the changes

    def _head(self) -> Iterator[str]:
        plan = self.plan
        for line in wrapped(provenance(plan), self.width, "  "):
            yield self.paint(line, _BOLD)
        if self.verbose and plan.basis.commit:
            yield f"  commit {clean(plan.basis.commit)}"
        if self.verbose:
            yield from (f"  uncommitted {clean(path)}" for path in plan.basis.uncommitted)
            yield f"  planned by {clean(plan.basis.tool or 'an unknown version')}"
            yield from (f"  {clean(line)}" for line in input_lines(plan.basis))
        if plan.basis.partial:
            yield f"only part of the fleet: {clean(' '.join(plan.basis.partial))}"

    def _dangers(self) -> Iterator[str]:
        for danger in dangers(self.plan, self.names, verbose=self.verbose):
            for line in wrapped(f"! {danger.text}", self.width, "  "):
                yield self.paint(line, _RED)
            yield from wrapped(f"  {danger.hint}", self.width, "  ") if danger.hint else ()

    # ------------------------------------------------------------------ changes

    def _section(self, section: Section) -> Iterator[str]:
        yield from self._columns(f"  {title(section, self.names)}", verdict(section), _BOLD)
        if section.rendered_from:
            for line in wrapped(f"  from {section.rendered_from}", self.width, "    "):
                yield self.paint(line, _DIM)
        for entry in section.entries:
            yield from self._entry(entry)
        yield from self._folded(section)
        if section.new and len(section.units) > 1:
            clusters = self.names.clusters(section.units, verbose=self.verbose)
            yield from wrapped(f"      {clusters}", self.width, "      ")
        if section.order:
            for line in wrapped(f"  = order: {section.order}", self.width, "    "):
                yield self.paint(line, _DIM)

    def _columns(self, left: str, right: str, style: str) -> Iterator[str]:
        """Two columns; the right one moves to the left, then to its own line, when it is long."""
        painted = self.paint(left, style)
        room = self.width - len(right)
        if not right:
            yield from (self.paint(part, style) for part in wrapped(left, self.width, "      "))
        elif len(left) + 2 <= room:
            yield painted + " " * (max(len(left) + 2, min(_HEAD, room)) - len(left)) + right
        else:
            yield painted
            yield from wrapped(f"      {right}", self.width, "      ")

    def _folded(self, section: Section) -> Iterator[str]:
        inside = section.folded_addons
        outside = [c for c in section.folded if c not in inside] if inside else section.folded
        if not section.new:
            inside, outside = (), section.folded
        each = " each" if len(section.units) > 1 else ""
        if outside:
            kinds = "" if section.new else f"{kinds_text(outside, 3)}; "
            left = f"  + {plural(len(outside), 'object')}{each}"
            yield from self._columns(left, f"{kinds}-v lists them", _COLORS["+"])
        if inside:
            left = f"  + {plural(len(inside), 'add-on object')}{each}"
            after = "static: after the control plane is initialized"
            yield from self._columns(left, after, _COLORS["+"])

    def _entry(self, entry: Entry) -> Iterator[str]:
        change, mark = entry.change, symbol(entry.change)
        left = f"  {mark} {clean(change.id.kind)} {entry_name(entry)}"
        if destroys_cluster(change) and change.cascade:
            left += f", and by cascade {clean(', '.join(change.cascade))}"
        effects = [how(entry.face)]
        if change.verb is Verb.REPLACE:
            effects.append("deleted, then made anew")
        text = " · ".join(effect for effect in effects if effect)
        yield from self._columns(left, text, _COLORS.get(mark, ""))
        for line in part_lines(entry.face.impact, 1000 if self.verbose else 12):
            yield from wrapped(f"      {line}", self.width, "        ")
        yield from self._fields(change)
        yield from self._consequences(change)
        if entry.family is not None:
            yield from self._members(entry.family)

    def _consequences(self, change: Change) -> Iterator[str]:
        if destroys_cluster(change) and change.reason:
            yield f"      {clean(change.reason)}"
        if change.survives:
            survivors = f"      survives: {clean('; '.join(change.survives))}"
            yield from wrapped(survivors, self.width, "      ")

    def _fields(self, change: Change) -> Iterator[str]:
        """Path, before → after, cause: aligned; the cause on its own line where it is too long."""
        limit = _VERBOSE_LIMIT if self.verbose else LIMIT
        rows = [
            (self._path(f), "changed lines:" if is_block(f) else change_text(f, limit), f)
            for f in change.fields
        ]
        left = max((len(path) for path, _, _ in rows if len(path) <= _PATH), default=0)
        middle = max((len(v) for _, v, _ in rows if len(v) <= LIMIT), default=0)
        for path, value, field in rows:
            cause = cause_text(field)
            if len(value) > self.width - left - 8 and not self.verbose:
                value = change_text(field, (self.width - left - 11) // 2)
            line = f"      {path.ljust(left)}  {value.ljust(max(middle, _VALUE))}"
            if len(line) + 2 + len(cause) > self.width:
                line = f"      {path.ljust(left)}  {value}"
            if len(line) + 2 + len(cause) <= self.width:
                yield f"{line}  {self.paint(cause, _DIM)}"
            else:
                yield line.rstrip()
                yield f"      {' ' * left}  {self.paint(cause, _DIM)}"
            if is_block(field):
                yield from (f"        {text}" for text in changed_lines(field))

    def _path(self, field: FieldChange) -> str:
        path = field_path(field)
        if self.verbose or len(path) <= _PATH:
            return path.ljust(_PATH)
        return f"…{path[1 - _PATH :]}"

    def _members(self, family: Family) -> Iterator[str]:
        """Which clusters: folded by namespace, by name where something is lost."""
        full = self.verbose or is_loss(family.alike[0])
        clusters = self.names.clusters((c.unit for c in family.alike), verbose=full)
        yield from wrapped(f"      {clusters}", self.width, "      ")
        shown = family.outliers if full else family.outliers[:_OUTLIERS]
        for variant in shown:
            units = self.names.clusters((c.unit for c in variant), verbose=full)
            differs = outlier_text(variant[0], family.alike[0])
            yield from wrapped(f"      differs in {units}: {differs}", self.width, "        ")
        if len(shown) < len(family.outliers):
            hidden = sum(len(v) for v in family.outliers[_OUTLIERS:])
            yield f"      differs in {plural(hidden, 'more cluster')}: -v lists them"

    # ------------------------------------------------------------------ below the changes

    def _findings(self) -> Iterator[str]:
        found = list(finding_lines(self.plan, self.names))
        shown = found if self.verbose else found[:_FINDINGS]
        for text, hint in shown:
            yield from wrapped(f"  {text}", self.width, "    ")
            yield from wrapped(f"    {hint}", self.width, "    ") if hint else ()
        if len(shown) < len(found):
            yield f"  {plural(len(found) - len(shown), 'more finding')}: -v lists them"

    def _end(self, saved: str, *, next_step: bool) -> Iterator[str]:
        plan = self.plan
        found = counts(plan)
        places = wrapped(f"      {limits(plan, found, self.names)}", self.width, "        ")
        if not plan.changes:
            yield quiet_text(plan)
            yield from [] if plan.complete else places
            return
        yield from (
            self.paint(line, _BOLD) for line in wrapped(headline(plan, found), self.width, "      ")
        )
        yield from places
        if plan.mode == "drift":
            yield "clusterform apply takes it back; clusterform plan shows all that it would do."
            return
        yield from wrapped(approval_text(plan), self.width, "      ")
        if plan.refusals:
            yield self.paint("This plan is refused: apply will not start it.", _RED)
        elif saved:
            file = clean(saved)
            yield f"Saved to {file}. Apply exactly this with: clusterform apply {file}"
        elif next_step and plan.mode == "apply":
            yield "Not saved: with -o plan.json, clusterform apply plan.json does exactly this."
