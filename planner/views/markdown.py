"""A plan as a pull-request comment: verdict first, details folded, never longer than the limit.

When it does not fit, whole blocks are left out and counted; what is destroyed, replaced or deleted
is then listed in full before anything else. Data stands in code spans and fences only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from planner import digests
from planner.changes import Change, Confidence, FieldChange, Plan, Verb
from planner.views.clean import clean, plural
from planner.views.counts import (
    Counts,
    confidence_counts,
    counts,
    destroys_cluster,
    is_second_half,
    verb_counts,
)
from planner.views.danger import Danger, dangers
from planner.views.effects import how, part_lines
from planner.views.fences import cell, fence, span, summary
from planner.views.graphs import graph_text
from planner.views.names import Names, object_name
from planner.views.sections import (
    Entry,
    Section,
    entry_name,
    is_loss,
    kinds_text,
    outlier_text,
    sections,
    symbol,
    verdict,
)
from planner.views.summary import approval_text, finding_lines, quiet_text, source, unreadable_text
from planner.views.values import cause_text, changed_lines, field_path, is_block, sides

LIMIT = 65_000
"""Characters of a comment: GitHub takes 65,536."""
_NOTICE = 600
"""Characters kept free for the words about what was cut."""
_ORDER_STEPS = 200
"""Plans with more steps show their order by `clusterform graph` only."""
_ICONS = {
    "refused": "🛑 refused",
    "destroys": "⛔ destroys",
    "replaces": "🔁 machines",
    "unknown": "❓ unknown",
    "recreates": "♻️ recreates",
    "deletes": "🗑️ deletes",
    "takes": "✏️ takes back",
}
_CUT_WORDS = {
    Verb.CREATE: "to add",
    Verb.UPDATE: "to change",
    Verb.ROTATE: "to rotate",
    Verb.REPLACE: "to replace",
    Verb.DELETE: "to destroy",
    Verb.ADOPT: "to adopt",
    Verb.SUSPEND: "to suspend",
    Verb.PRUNE: "to prune",
    Verb.FORGET: "to forget",
}


class Block(msgspec.Struct, frozen=True):
    """A piece that is shown whole or not at all, and the changes that it stands for."""

    text: str
    changes: tuple[Change, ...] = ()


def plan_markdown(plan: Plan, *, limit: int = LIMIT) -> str:
    """The comment, ending in a line end and at most `limit` characters long."""
    names = Names([u.key for u in plan.units] + [c.unit for c in plan.changes])
    found = counts(plan)
    blocks = list(_blocks(plan, names))
    whole = _joined([_head(plan, found, names), *(b.text for b in blocks), _foot(plan)])
    return whole if len(whole) <= limit else _cut(plan, found, names, blocks, limit)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


# ---------------------------------------------------------------------- head and foot


def _head(plan: Plan, found: Counts, names: Names, *, room: int = 0) -> str:
    """Verdict, table of dangers, totals. `room`: characters for the dangers, 0 for no limit."""
    title = (
        f"### clusterform {plan.mode if plan.mode != 'apply' else 'plan'}: {_verdict(plan, found)}"
    )
    listed = dangers(plan, names)
    table = _table(listed)
    if room and len(table) > room:
        table = _table([_shorter(d, room // max(1, len(listed))) for d in listed])
    return _joined([title, table, _totals(plan, found), _limits(plan, found, names)]).rstrip("\n")


def _verdict(plan: Plan, found: Counts) -> str:
    if not plan.changes:
        return quiet_text(plan).partition(".")[0]
    machines = found.machines
    clusters = sum(1 for c in plan.changes if destroys_cluster(c))
    parts = []
    if plan.refusals:
        parts.append("refused")
    if clusters:
        parts.append(f"{plural(clusters, 'cluster')} destroyed")
    if machines.replaced:
        bound = "up to " if machines.at_most else ""
        parts.append(f"{bound}{plural(machines.replaced, 'machine')} replaced")
    if machines.removed:
        parts.append(f"{plural(machines.removed, 'machine')} removed")
    if machines.unknown:
        parts.append(f"{plural(machines.unknown, 'effect')} unknown")
    if found.of(Verb.REPLACE):
        parts.append(f"{plural(found.of(Verb.REPLACE), 'object')} replaced")
    lost = found.of(Verb.DELETE) - clusters
    if lost:
        parts.append(f"{plural(lost, 'object')} deleted")
    words = ", ".join(parts) or "no machine touched"
    return f"**{words}** · {found.touched:,} of {plural(found.clusters, 'cluster')}"


def _table(listed: list[Danger]) -> str:
    if not listed:
        return ""
    rows = []
    for danger in listed:
        hint = f"<br>{cell(danger.hint)}" if danger.hint else ""
        rows.append(f"| {_ICONS.get(danger.kind, '⚠️')} | {cell(danger.subject)}{hint} |")
    return "\n".join(["| | |", "|---|---|", *rows])


def _shorter(danger: Danger, room: int) -> Danger:
    if len(danger.subject) <= room:
        return danger
    kept = danger.subject[: max(40, room - 60)]
    return msgspec.structs.replace(danger, subject=f"{kept} … cut here, listed in full below")


def _totals(plan: Plan, found: Counts) -> str:
    parts = verb_counts(found, zeros=False) if plan.changes else []
    words = found.machines.words()
    if words:
        parts.append(f"machines: {words}")
    if plan.digest and plan.mode != "drift":
        parts.append(f"digest {span(digests.short(plan.digest))}")
    parts.append(f"source {span(source(plan))}")
    if plan.basis.clusters:
        listed = ", ".join(f"{c.cluster} {c.version}".strip() for c in plan.basis.clusters)
        parts.append(f"from {span(listed)}")
    if plan.basis.partial:
        parts.append(f"only {span(' '.join(plan.basis.partial))}")
    return " · ".join(parts)


def _limits(plan: Plan, found: Counts, names: Names) -> str:
    parts = confidence_counts(found)
    places = unreadable_text(plan, names)
    parts.append(f"unreadable {found.unreadable:,}" + (f": {span(places)}" if places else ""))
    if plan.totals.ignored:
        parts.append(f"ignored fields {plan.totals.ignored:,}")
    return " · ".join(parts)


def _foot(plan: Plan) -> str:
    if not plan.changes or plan.mode == "drift":
        return ""
    if plan.refusals:
        return "This plan is refused: `apply` will not start it."
    if not plan.complete:
        part = "What could not be read is not part of this plan and cannot be approved with it.\n\n"
    else:
        part = ""
    if not all(unit.complete for unit in plan.units):
        return f"{part}{approval_text(plan)}"
    return (
        f"{part}Approve by the full digest: {span(plan.digest)}\n\n"
        f"After the merge: {span('clusterform apply --expect-digest ' + plan.digest)}"
    )


# ---------------------------------------------------------------------- blocks


def _blocks(plan: Plan, names: Names) -> Iterator[Block]:
    for section in sections(plan):
        yield _section_block(section, names)
    lines = [f"{text}\n    {hint}" if hint else text for text, hint in finding_lines(plan, names)]
    if lines:
        yield Block(_details(plural(len(lines), "finding"), fence("\n".join(lines))))
    if plan.graph.edges and len(plan.changes) <= _ORDER_STEPS:
        title = f"Order of {plural(len(plan.changes), 'step')}"
        yield Block(_details(title, fence(graph_text(plan, "text"))))


def _details(title: str, content: str, *, opened: bool = False) -> str:
    """A folded block; `title` is HTML of our own or escaped by `summary`."""
    mark = " open" if opened else ""
    return f"<details{mark}><summary>{title}</summary>\n\n{content}\n\n</details>"


def _section_block(section: Section, names: Names) -> Block:
    if len(section.units) == 1:
        title = summary(names.unit(section.units[0]))
    else:
        new = "new " if section.new else ""
        title = plural(len(section.units), f"{new}cluster")
        if len(section.entries) == 1:
            entry = section.entries[0]
            title += f": same change to {summary(f'{entry.change.id.kind} {entry_name(entry)}')}"
    words = verdict(section)
    lines = [f"# from {section.rendered_from}"] if section.rendered_from else []
    lines += [line for entry in section.entries for line in _entry_lines(entry, names)]
    if section.folded:
        inside = len(section.folded_addons)
        each = " each" if len(section.units) > 1 else ""
        addons = f", {inside:,} of them add-ons" if inside else ""
        count = plural(len(section.folded), "object")
        lines.append(f"+ {count}{each}: {kinds_text(section.folded)}{addons}")
    if len(section.units) > 1 and section.new:
        lines.append(f"  {names.clusters(section.units, verbose=True)}")
    if section.order:
        lines.append(f"# order: {section.order}")
    text = _details(f"{title}: {words}" if words else title, fence("\n".join(lines), "diff"))
    return Block(text, section.changes)


def _entry_lines(entry: Entry, names: Names) -> Iterator[str]:
    change = entry.change
    effect = how(entry.face)
    yield f"{_diff_mark(entry)} {clean(change.id.kind)} {entry_name(entry)}" + (
        f"   {effect}" if effect else ""
    )
    yield from (f"!   {line}" for line in part_lines(entry.face.impact))
    if change.verb is Verb.REPLACE:
        yield "!   deleted, then made anew under the same name"
    if destroys_cluster(change):
        yield f"#   {clean(change.reason)}"
        yield from (f"-   and by cascade {clean(text)}" for text in change.cascade)
        yield from (f"#   survives: {clean(text)}" for text in change.survives)
    for field in change.fields:
        yield from _field_lines(field)
    if entry.family is not None:
        alike = [c.unit for c in entry.family.alike]
        yield f"#   in {names.clusters(alike, verbose=is_loss(change))}"
        for variant in entry.family.outliers:
            units = names.clusters((c.unit for c in variant), verbose=is_loss(change))
            yield f"#   differs in {units}: {outlier_text(variant[0], entry.family.alike[0])}"


def _diff_mark(entry: Entry) -> str:
    if entry.face.impact.touched and not entry.change.deletes:
        return "!"
    mark = symbol(entry.change)
    return "!" if mark in ("-/+", "±") else mark


def _field_lines(field: FieldChange) -> Iterator[str]:
    path, cause = field_path(field), cause_text(field)
    if is_block(field):
        yield f"!   {path}   # {cause}"
        for line in changed_lines(field):
            mark = line[:1] if line[:1] in "+-" else " "
            yield f"{mark}     {line[2:] if mark != ' ' else line}"
        return
    before, after = sides(field, 200)
    if before:
        yield f"-   {path} {before}"
    yield f"{'+' if after != '(removed)' else '#'}   {path} {after}   # {cause}"


# ---------------------------------------------------------------------- what does not fit


def _cut(plan: Plan, found: Counts, names: Names, blocks: list[Block], limit: int) -> str:
    """Head, all losses, then blocks while they fit, then what is missing, then the foot."""
    foot = _foot(plan)
    losses = _losses(plan, names, limit * 3 // 5)
    head = _head(plan, found, names, room=max(1_000, limit // 6))
    room = limit - len(_joined([head, losses, foot])) - _NOTICE
    shown: list[str] = []
    hidden: list[Change] = []
    left_out = 0
    for block in blocks:
        if len(block.text) + 2 <= room:
            shown.append(block.text)
            room -= len(block.text) + 2
        else:
            left_out += 1
            hidden += block.changes
    notice = _notice(hidden, left_out)
    text = _joined([head, losses, *shown, notice, foot])
    return text if len(text) <= limit else _bare(plan, found, limit)


def _bare(plan: Plan, found: Counts, limit: int) -> str:
    """For plans whose very names are longer than a comment: numbers, and where to read them."""
    text = _joined(
        [
            f"### clusterform: {_verdict(plan, found)}",
            ", ".join(verb_counts(found)),
            "**Nothing of this plan fits here. Do not approve by this comment:"
            " read `clusterform show plan.json`**",
        ]
    )
    return text[: limit - 1].rstrip("\n") + "\n"


def _notice(hidden: list[Change], left_out: int) -> str:
    verbs = Counter(c.verb for c in hidden if not is_second_half(c))
    listed = ", ".join(f"{verbs[v]:,} {word}" for v, word in _CUT_WORDS.items() if verbs[v])
    details = f": details of {plural(sum(verbs.values()), 'change')} ({listed})" if listed else ""
    return (
        f"**Cut to fit:** {plural(left_out, 'block')} not shown{details}."
        " The whole plan: `clusterform show plan.json`"
    )


def _losses(plan: Plan, names: Names, room: int) -> str:
    """Every destroyed, replaced or deleted object, by unit and kind, as compact as it has to be."""
    lost = [c for c in plan.changes if is_loss(c) and not is_second_half(c)]
    lost = [c for c in lost if c.confidence is not Confidence.UNPROVEN]
    if not lost:
        return ""
    by_unit: dict[str, dict[str, list[str]]] = {}
    for change in lost:
        mark = "-/+" if change.verb is Verb.REPLACE else "-"
        kinds = by_unit.setdefault(names.unit(change.unit), {})
        label = f"{mark} {clean(change.id.kind)}"
        kinds.setdefault(label, []).append(object_name(change.id, change.unit))
    lines = [
        f"{unit}: " + "; ".join(f"{kind} {', '.join(listed)}" for kind, listed in kinds.items())
        for unit, kinds in by_unit.items()
    ]
    title = f"**All {plural(len(lost), 'object')} that go or are replaced:**"
    text = "\n".join(lines)
    if len(text) > room:
        text = _fewer(lines, room)
        title = (
            f"**{plural(len(lost), 'object')} go or are replaced; they do not all fit here."
            " Do not approve by this comment: read `clusterform show plan.json`**"
        )
    return f"{title}\n\n{fence(text)}"


def _fewer(lines: list[str], room: int) -> str:
    kept: list[str] = []
    for number, line in enumerate(lines):
        if len(line) + 1 > room:
            kept.append(f"… and {len(lines) - number:,} more clusters")
            break
        kept.append(line)
        room -= len(line) + 1
    return "\n".join(kept)
