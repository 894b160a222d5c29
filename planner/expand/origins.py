"""Where the changed fields of rendered objects come from: the line of the value, or the template.

Found as `explain` finds it (`trace`), for as many fields as a plan can afford; the others
keep the line of their release. What is found for one release of a chart holds for the others whose
value agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from planner.changes import Cause, Change, FieldChange
from planner.expand.expansion import Expansion
from planner.expand.jobs import Job
from planner.load import LoadedDocument
from state.fields import MISSING, value_at
from state.resource import FieldPath

RENDERS = 600
"""Renders that one plan spends on origins."""

ContentOf = Callable[[str, str], bytes | None]


class Origins:
    """The origins of one plan. Call it with all of its changes, in their order."""

    def __init__(
        self, expansion: Expansion, documents: Iterable[LoadedDocument], content: ContentOf
    ) -> None:
        self._expansion = expansion
        self._documents = {key: d for d in documents if d.inputs for key in _keys(d)}
        self._content = content
        self._left = RENDERS
        self._known: dict[tuple[str, str, str, FieldPath], list[FieldPath]] = {}

    def traced(self, change: Change) -> Change:
        """The change with the origins of its fields; itself where nothing is known better."""
        if change.origin is None or not change.origin.via or not change.fields:
            return change
        id_ = change.id
        cluster = id_.cluster.partition("/")[2]
        name = change.logical or id_.name
        document = self._documents.get((cluster, id_.kind, id_.namespace, name))
        if document is None:
            return change
        fields = tuple(self._field(change, document, field) for field in change.fields)
        return msgspec.structs.replace(change, fields=fields)

    def _field(self, change: Change, document: LoadedDocument, field: FieldChange) -> FieldChange:
        if field.cause not in (Cause.GIT, Cause.BOTH) or field.sensitive or not field.origin:
            return field
        job = self._expansion.job_of(document)
        if job is None or job.chart is None or field.after is msgspec.UNSET:
            return field
        found = self._sources(change, document, job, field)
        if found is None:
            return field
        if not found:
            template = f"{job.chart.chart.where}/{change.origin.via[-1].by.rpartition(', ')[2]}"  # type: ignore[union-attr]
            return msgspec.structs.replace(field, origin=template)
        for path in found:
            place = self._expansion.place(job, path, self._content)
            if place:
                return msgspec.structs.replace(field, origin=place)
        return field

    def _sources(
        self, change: Change, document: LoadedDocument, job: Job, field: FieldChange
    ) -> list[FieldPath] | None:
        """The values behind a field; None where that is not known and too dear to find out."""
        assert job.chart is not None
        assert change.origin is not None
        ending = document.name.removeprefix(job.chart.name)
        key = (job.chart.chart.digest, change.origin.via[-1].by, ending, field.path)
        if key not in self._known:
            cost = self._expansion.cost(job)
            if cost > self._left:
                return None
            self._left -= cost
            self._known[key] = self._expansion.field_sources(document, field.path)[1]
        found = self._known[key]
        values = self._expansion.values(job)
        fits = [path for path in found if value_at(values, path) is not MISSING]
        return fits if fits or not found else None


def _keys(document: LoadedDocument) -> set[tuple[str, str, str, str]]:
    """Of a kind with namespaces, and of one without: which it is only the cluster knows."""
    homes = {document.namespace, document.home}
    return {(document.cluster, document.kind, home, document.name) for home in homes}
