"""Lines that text and Markdown share: where the plan is from, what it comes to, what is limited."""

from __future__ import annotations

from collections.abc import Iterator

from planner import digests
from planner.changes import Basis, Finding, Plan
from planner.views.clean import clean, plural, shortened
from planner.views.counts import Counts, confidence_counts, verb_counts
from planner.views.danger import once
from planner.views.names import Names


def source(plan: Plan) -> str:
    """`4f2c9e1 (+1 uncommitted: clusterform.yaml)`, `not in Git`."""
    basis = plan.basis
    label = clean(basis.label.partition(" (+")[0] or basis.commit[:7] or "no commit")
    if not basis.uncommitted:
        return label
    first = clean(basis.uncommitted[0])
    count = len(basis.uncommitted)
    more = f", {count - 1} more" if count > 1 else ""
    return f"{label} (+{count} uncommitted: {first}{more})"


def provenance(plan: Plan) -> str:
    """`acme · 4f2c9e1 · mgmt-eu v1.36.3 · digest 8c1d-42f7`."""
    clusters = ", ".join(clean(f"{c.cluster} {c.version}".strip()) for c in plan.basis.clusters)
    parts = [clean(plan.basis.fleet), source(plan), clusters]
    if plan.digest and plan.mode != "drift":
        parts.append(f"digest {digests.short(plan.digest)}")
    return " · ".join(part for part in parts if part)


def approval_text(plan: Plan) -> str:
    """The digest to approve, or why there is none for the whole plan (docs/semantics.md 22)."""
    missing = [u.key for u in plan.units if not u.complete]
    if not missing:
        return f"Digest {plan.digest}"
    return (
        f"No digest of the whole: {plural(len(missing), 'unit')} could not be planned completely."
        " Approve unit by unit, by the saved plan."
    )


def quiet_text(plan: Plan) -> str:
    """What is said when there is nothing to do."""
    kinds = {f.kind for f in plan.findings}
    if not plan.complete:
        what = "drift" if plan.mode == "drift" else "changes"
        where = "could be read" if "unreadable" in kinds else "is not held back"
        return f"No {what} in what {where}."
    if "refused" in kinds and plan.mode != "drift":
        return "No changes that are allowed; what is refused stands above."
    clusters = plural(plan.totals.clusters, "cluster")
    matches = "matches" if plan.totals.clusters == 1 else "match"
    if plan.mode == "drift":
        return f"No drift. {clusters} {'is' if plan.totals.clusters == 1 else 'are'} as applied."
    if plan.mode == "destroy":
        return "No changes. There is nothing to destroy: what is targeted is gone already."
    if plan.basis.partial:
        return f"No changes in what was selected: {clean(' '.join(plan.basis.partial))}"
    what = source(plan) if plan.basis.commit else "the files, which are not in Git"
    return f"No changes. {clusters} {matches} {what}."


def headline(plan: Plan, found: Counts) -> str:
    """`Plan: 56 to add, … · machines: …`; a drift or destroy plan in its own words."""
    word = {"drift": "Drift", "destroy": "Destroy"}.get(plan.mode, "Plan")
    verbs = ", ".join(verb_counts(found, zeros=plan.mode == "apply"))
    if plan.mode == "drift":
        verbs = f"{plural(_drifted(found), 'object')} changed live · taking it back: {verbs}"
    return f"{word}: {verbs} · machines: {found.machines.words() or 'none touched'}"


def _drifted(found: Counts) -> int:
    return sum(found.verbs.values()) + found.ownership_only


def input_lines(basis: Basis) -> Iterator[str]:
    """What the plan was rendered from and with, beside the repository's own files."""
    if basis.lock:
        yield f"clusterform.lock {basis.lock}"
    for source in basis.sources:
        digest = f", {source.digest}" if source.digest else ""
        yield f"source {source.url} at {source.revision}, from {source.where}{digest}"
    yield from (f"rendered by {renderer}" for renderer in basis.renderers)
    for chart in basis.charts:
        said = [f"chart {chart.name} {chart.version} {chart.digest[:12]}", f"from {chart.where}"]
        said += [plural(chart.lookups, "lookup")] if chart.lookups else []
        said += [f"{plural(chart.tests, 'test hook')} left out"] if chart.tests else []
        yield ", ".join(said)


def limits(plan: Plan, found: Counts, names: Names) -> str:
    """`314 of 2,048 clusters · exact 315 · … · unreadable 1: team-e/lab-3 (refused), …`."""
    parts = [f"{found.touched:,} of {plural(found.clusters, 'cluster')}", *confidence_counts(found)]
    places = unreadable_text(plan, names)
    nothing = f": {places}, nothing planned there" if places else ""
    parts.append(f"unreadable {found.unreadable:,}{nothing}")
    if plan.totals.ignored:
        parts.append(f"ignored fields {plan.totals.ignored:,}")
    if plan.basis.lookups:
        places = plural(plan.basis.lookups, "lookup")
        parts.append(f"{places} in charts found nothing (rendered without a cluster)")
    return " · ".join(parts)


_PLACES = 3
_REASON = 200
"""Characters of a reason in the line of totals."""


def unreadable_text(plan: Plan, names: Names) -> str:
    """Where something could not be read, each place with its first reason; `""` for nowhere."""
    places: dict[str, str] = {}
    for finding in plan.findings:
        if finding.kind == "unreadable":
            reason = finding.summary.partition(": ")[2] or finding.summary
            places.setdefault(names.unit(finding.unit), clean(reason))
    if not places:
        return ""
    first = list(places.items())[:_PLACES]
    texts = [f"{place} ({shortened(reason, _REASON)})" for place, reason in first]
    if len(places) > _PLACES:
        texts.append(f"{len(places) - _PLACES} more places")
    return ", ".join(texts)


def _is_listed(finding: Finding, plan: Plan) -> bool:
    """Refusals stand above; what is unreadable stands in the totals where a line holds it all."""
    if finding.kind == "unreadable":
        return plan.totals.unreadable > _PLACES
    return finding.kind != "refused"


def finding_lines(plan: Plan, names: Names) -> Iterator[tuple[str, str]]:
    """(text, hint) of every finding that is no danger, the same one once with its count."""
    for finding, count in once(f for f in plan.findings if _is_listed(f, plan)):
        times = f" ({count:,} times)" if count > 1 else ""
        unit = names.unit(finding.unit) if finding.unit else ""
        unit = f"{unit}: " if unit and unit not in finding.summary else ""
        where = f" ({clean(finding.where)})" if finding.where and count == 1 else ""
        text = f"{clean(finding.kind)}: {unit if count == 1 else ''}{clean(finding.summary)}"
        yield f"{text}{where}{times}", clean(finding.hint)
