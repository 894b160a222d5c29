"""What a reviewer must not miss, before anything else: what is lost, taken or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from planner.changes import Change, Finding, Plan, Verb
from planner.views.clean import clean, plural
from planner.views.counts import destroys_cluster, is_counted
from planner.views.effects import Machines, machines
from planner.views.names import Names, object_name
from providers.base import Effect


class Danger(msgspec.Struct, frozen=True, kw_only=True):
    """One warning. `kind`: destroys, replaces, deletes, recreates, takes, unknown, refused."""

    kind: str
    text: str
    """With its verb: `destroys 1 cluster: …`."""
    subject: str
    """Without it, for tables."""
    hint: str = ""


def dangers(plan: Plan, names: Names, *, verbose: bool = False) -> list[Danger]:
    """All warnings: what guards refuse first, then clusters, machines, objects, fields."""
    written = [c for c in plan.changes if is_counted(c)]
    return [
        *_refusals(plan),
        *_clusters(written, names),
        *_machines(plan.changes, names, verbose),
        *_unknown(written, names),
        *_objects(written, names, verbose),
        *_takes(written, names, verbose),
    ]


def _refusals(plan: Plan) -> Iterator[Danger]:
    for refusal in plan.refusals:
        yield Danger(
            kind="refused",
            text=f"REFUSED: {clean(refusal.summary)}",
            subject=clean(refusal.summary),
            hint=clean(refusal.override),
        )
    for finding, count in once(f for f in plan.findings if f.kind == "refused"):
        more = f" ({count:,} times)" if count > 1 else ""
        if finding.code and finding.where and count == 1:
            more = f" at {clean(finding.where)}"
        yield Danger(
            kind="refused",
            text=f"not planned: {clean(finding.summary)}{more}",
            subject=clean(finding.summary) + more,
            hint=clean(finding.hint),
        )


def once(findings: Iterable[Finding]) -> list[tuple[Finding, int]]:
    """Findings that say the same, once, with how often, in order of first appearance."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.kind, finding.summary, finding.hint), []).append(finding)
    return [(same[0], sum(f.count for f in same)) for same in found.values()]


def _clusters(written: list[Change], names: Names) -> Iterator[Danger]:
    gone = [c for c in written if destroys_cluster(c)]
    if gone:
        subject = ", ".join(f"{names.cluster(c.unit)} ({_cascade(c)})" for c in gone)
        yield Danger(
            kind="destroys",
            text=f"destroys {plural(len(gone), 'cluster')}: {subject}",
            subject=subject,
        )


def _cascade(change: Change) -> str:
    if change.impact.effect is Effect.UNKNOWN:
        return "machines unknown"
    count = change.impact.destroyed
    total = plural(count, "machine") if count else "no machines"
    return f"{total}: {clean(', '.join(change.cascade))}" if change.cascade else total


def _machines(changes: Iterable[Change], names: Names, verbose: bool) -> Iterator[Danger]:
    touching = [c for c in changes if c.impact.touched and not destroys_cluster(c)]
    by_unit = {unit for change in touching for unit in _units(change)}
    if not by_unit:
        return
    found = machines(touching)
    units = names.clusters(by_unit, verbose=verbose)
    where = f"in {plural(len(by_unit), 'cluster')}: {units}" if len(by_unit) > 1 else f"in {units}"
    words = _losses(found)
    if words:
        yield Danger(kind="replaces", text=f"{words} {where}", subject=f"{words} {where}")


def _units(change: Change) -> set[str]:
    """Where the machines are: of a class in the clusters that are made from it."""
    clusters = {p.cluster for p in change.impact.parts if p.touched and p.cluster}
    return {f"{change.unit}/{cluster}" for cluster in clusters} or {change.unit}


def _losses(found: Machines) -> str:
    parts = [
        (found.replaced, "replaces"),
        (found.removed, "removes"),
        (found.destroyed, "destroys"),
    ]
    texts = [f"{verb} {count:,}" for count, verb in parts if count]
    if not texts:
        return ""
    if found.at_most:
        texts = [text.replace(" ", " at most ", 1) for text in texts]
    first = f"{texts[0]} machine{'' if texts[0].endswith(' 1') else 's'}"
    return " and ".join([first, *texts[1:]])


def _unknown(written: list[Change], names: Names) -> Iterator[Danger]:
    found = [c for c in written if c.impact.effect is Effect.UNKNOWN and not destroys_cluster(c)]
    if found:
        subject = names.clusters(c.unit for c in found)
        yield Danger(
            kind="unknown",
            text=f"what happens to machines is not known in {subject}",
            subject=subject,
        )


def _objects(written: list[Change], names: Names, verbose: bool) -> Iterator[Danger]:
    for verb, kind, word in (
        (Verb.REPLACE, "recreates", "deletes and makes anew"),
        (Verb.DELETE, "deletes", "deletes"),
    ):
        found = [c for c in written if c.verb is verb and not destroys_cluster(c)]
        if found:
            subject = _listed(found, names, verbose)
            text = f"{word} {plural(len(found), 'object')}: {subject}"
            yield Danger(kind=kind, text=text, subject=subject)


_FEW = 3


def _listed(found: list[Change], names: Names, verbose: bool) -> str:
    """A few objects by name, many by kind and cluster; every one is listed further below."""
    if len(found) <= _FEW or verbose:
        return ", ".join(
            f"{clean(c.id.kind)} {object_name(c.id, c.unit)} in {names.unit(c.unit)}" for c in found
        )
    kinds = Counter(clean(c.id.kind) for c in found)
    texts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
    return f"{texts} in {names.clusters(c.unit for c in found)}"


def _takes(written: list[Change], names: Names, verbose: bool) -> Iterator[Danger]:
    taking = [c for c in written if c.takes]
    if not taking:
        return
    managers = Counter(clean(t.manager) for c in taking for t in c.takes)
    by = ", ".join(
        f"{name} ({count:,})" if len(managers) > 1 else name
        for name, count in sorted(managers.items())
    )
    fields = plural(sum(managers.values()), "field")
    where = names.clusters((c.unit for c in taking), verbose=verbose)
    yield Danger(
        kind="takes",
        text=f"takes {fields} from {by} in {where}",
        subject=f"{fields} from {by} in {where}",
    )
