"""What CustomResourceDefinitions say of a kind, as checks need it, and the file that keeps it.

`sources lock` writes `clusterform.schemas.jsonl` beside `clusterform.lock`, which has its digest:
one line for each version of a kind, with the management clusters that serve it so. Descriptions,
formats and rules that nobody here looks at are left out, so that the file is small and its diff is
what changed (docs/sources.md).
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.base import value
from state.errors import ClusterformError
from state.resource import GroupKind, JsonObject, canonical

FILE = "clusterform.schemas.jsonl"

_INNER = ("items", "additionalProperties")
_KEPT = (
    *("type", "required", "enum", "minProperties", "minItems", "minLength"),
    *("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"),
)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a kind that is served."""

    schema: JsonObject = {}
    """OpenAPI v3; `{}`: it has none."""
    deprecated: str = ""
    """What the server warns of when it is used."""


Definition = dict[str, Version]
"""The versions of a kind that are served; v1beta2 → what it says."""
Definitions = dict[tuple[str, GroupKind], Definition]
"""By cluster and kind."""


def definition(body: JsonObject) -> tuple[GroupKind, Definition]:
    """The kind of a CustomResourceDefinition (apiextensions.k8s.io/v1), and what it serves."""
    spec = body.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    kind = GroupKind(str(spec.get("group")), str(value(spec, "names.kind")))
    found: Definition = {}
    for version in spec.get("versions") or ():
        if not isinstance(version, dict) or version.get("served") is False:
            continue
        schema = value(version, "schema.openAPIV3Schema")
        name = str(version.get("name"))
        found[name] = Version(
            schema=schema if isinstance(schema, dict) else {},
            deprecated=_warning(version, f"{kind.group}/{name} {kind.kind}"),
        )
    return kind, found


def _warning(version: JsonObject, what: str) -> str:
    """As the API server says it (apiextensions-apiserver, `deprecationWarning`)."""
    if version.get("deprecated") is not True:
        return ""
    said = version.get("deprecationWarning")
    return said if isinstance(said, str) and said else f"{what} is deprecated"


# ---------------------------------------------------------------------- the file


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a kind, as some management clusters serve it."""

    group: str
    kind: str
    version: str
    clusters: tuple[str, ...]
    deprecated: str = ""
    schema: JsonObject = {}


def write(found: Definitions) -> bytes:
    """The file's bytes: sorted, each schema once."""
    users: dict[tuple[str, str, str, str, bytes], list[str]] = {}
    for (cluster, kind), versions in found.items():
        for name, each in versions.items():
            content = canonical(pruned(each.schema))
            key = (kind.group, kind.kind, name, each.deprecated, content)
            users.setdefault(key, []).append(cluster)
    lines = [
        _Line(
            group=group,
            kind=kind,
            version=name,
            clusters=tuple(sorted(clusters)),
            deprecated=deprecated,
            schema=msgspec.json.decode(content),
        )
        for (group, kind, name, deprecated, content), clusters in sorted(users.items())
    ]
    return msgspec.json.Encoder(order="deterministic").encode_lines(lines)


def read(content: bytes) -> Definitions:
    """Raises ClusterformError('bad-lock')."""
    try:
        lines = msgspec.json.Decoder(_Line).decode_lines(content)
    except msgspec.DecodeError as error:
        raise bad_file(str(error)) from None
    found: Definitions = {}
    for line in lines:
        version = Version(schema=line.schema, deprecated=line.deprecated)
        for cluster in line.clusters:
            key = (cluster, GroupKind(line.group, line.kind))
            found.setdefault(key, {})[line.version] = version
    return found


def bad_file(why: str) -> ClusterformError:
    """What is said of a file that is not the lock's."""
    return ClusterformError(
        "bad-lock",
        f"{FILE} cannot be used: {why}",
        where=FILE,
        hint="take it and clusterform.lock from one commit, or run clusterform sources lock",
    )


def pruned(schema: JsonObject) -> JsonObject:
    """What `planner.schemas` reads of a schema."""
    found: JsonObject = {name: schema[name] for name in _KEPT if schema.get(name)}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        found["properties"] = {k: pruned(v) for k, v in properties.items() if isinstance(v, dict)}
    for name in _INNER:
        inner: Any = schema.get(name)
        if isinstance(inner, dict):
            found[name] = pruned(inner)
        elif inner is True:
            found[name] = True
    return found
