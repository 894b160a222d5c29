"""Where things come from, in words: `clusterform explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planner.explain import Explained
from planner.views.clean import clean
from state.resource import canonical


def explained_text(found: Iterable[Explained]) -> str:
    """A paragraph for each object; for a field the values that it depends on."""
    return "\n\n".join("\n".join(_lines(each)) for each in found) + "\n"


def _lines(found: Explained) -> Iterator[str]:
    resource = found.resource
    yield clean(str(resource.id)) + (
        f"  in {resource.id.cluster.partition('/')[2]}" if "/" in resource.id.cluster else ""
    )
    yield f"  from {clean(str(resource.origin))}"
    for step in resource.origin.via:
        at = f"  {step.at}" if step.at != str(resource.origin) else ""
        yield f"  by   {clean(str(step))}{clean(at)}"
    if not found.field:
        return
    value = "(sensitive)" if found.sensitive else canonical(found.value).decode()
    yield f"  {clean(found.field)} = {clean(value)}"
    if found.at:
        yield f"    written at {clean(found.at)}"
    for source in found.sources:
        given = "" if source.value is None else f" = {canonical(source.value).decode()}"
        yield f"    value {clean(source.path)}{clean(given)}  {clean(source.where)}"
    if found.rendered and not found.sources:
        yield "    no value changes it: the template writes it"
    elif not found.at and not found.rendered:
        yield "    built by kustomize: the file is known, the line is not"
