"""Objects as YAML with comments that say where each comes from: `clusterform render`."""

from __future__ import annotations

from collections.abc import Iterable

from planner.views.clean import clean
from providers.flux import goyaml
from state.resource import JsonObject, Resource

WITHHELD = "(sensitive)"


def manifests(resources: Iterable[Resource]) -> str:
    """A YAML stream, sorted by cluster and id; sensitive values are withheld."""
    return "".join(f"---\n{_origin(r)}{goyaml.emit(_shown(r))}" for r in resources)


def _origin(resource: Resource) -> str:
    lines = [f"# {resource.origin}"]
    lines += [f"#   {step}" for step in resource.origin.via]
    if resource.id.cluster.count("/"):
        lines.append(f"#   in the workload cluster {resource.id.cluster.partition('/')[2]}")
    return "".join(f"{clean(line)}\n" for line in lines)


def _shown(resource: Resource) -> JsonObject:
    body = resource.decoded()
    for path, _ in resource.secrets:
        holder: object = body
        for element in path[:-1]:
            if isinstance(holder, dict):
                holder = holder.setdefault(element[2:], {})
            elif isinstance(holder, list):
                holder = holder[int(element[2:])]
        if isinstance(holder, dict):
            holder[path[-1][2:]] = WITHHELD
        elif isinstance(holder, list):
            holder[int(path[-1][2:])] = WITHHELD
    return body
