"""`clusterform.yaml` and the providers file → what they declare, strictly, with line and column.

Every mistake of a file is reported at once, and an unknown field names the nearest valid one. What
later versions will read is refused by name, so that nobody believes it works.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, get_args

from planner.filereader import Exists, FileReader
from planner.profilefile import read_gitops, read_profiles
from providers.yamldoc import Finding
from state.desired import (
    Blueprint,
    FleetSpec,
    Guards,
    IgnoreRule,
    ManagementSpec,
    ProviderSpec,
    ProviderType,
)
from state.resource import FieldPath, JsonObject

DEFAULT_MANAGEMENT = "sandbox"
_LATER_SPEC = ("waves",)
_LATER_MANAGEMENT = ("kind", "cluster")
_TARGETS = ("sandbox", "context", "inCluster")
_PROVIDER_TYPES = get_args(ProviderType)


def implied_fleet(folder: str) -> FleetSpec:
    """The fleet of a folder of manifests without a Fleet file."""
    management = ManagementSpec(name=DEFAULT_MANAGEMENT, paths=(".",))
    name = re.sub(r"[^a-z0-9-]+", "-", folder.lower())[:50].strip("-")
    return FleetSpec(name=name or "fleet", management=(management,))


def read_fleet(content: bytes, path: str, exists: Exists) -> tuple[FleetSpec, list[Finding]]:
    """The Fleet file; where there are errors, as much of it as could be read."""
    reader = FileReader(content, path, exists)
    body = reader.document("Fleet")
    if not body:
        return FleetSpec(name="", management=(), path=path), reader.findings
    name = reader.metadata_name(body)
    known = ("management", "guards", "ignore", "sources", "blueprints", "profiles", "decryption")
    spec = reader.fields(body.get("spec", {}), ("f:spec",), known, _LATER_SPEC)
    at: FieldPath = ("f:spec", "f:management")
    entries = [
        _management(reader, entry, (*at, f"i:{index}"))
        for index, entry in enumerate(reader.items(spec.get("management"), at))
    ]
    if not entries:
        reader.error("no-management", "the Fleet has no management cluster", at[:-1])
    reader.unique([entry.name for entry in entries], at, "management cluster")
    at = ("f:spec", "f:ignore")
    ignore = [
        _ignore(reader, entry, (*at, f"i:{index}"))
        for index, entry in enumerate(reader.items(spec.get("ignore", []), at))
    ]
    fleet = FleetSpec(
        name=name,
        management=tuple(entries),
        guards=_guards(reader, spec.get("guards", {}), ("f:spec", "f:guards")),
        ignore=tuple(ignore),
        sources=_sources(reader, spec.get("sources", {})),
        blueprints=_blueprints(reader, spec.get("blueprints", {})),
        profiles=read_profiles(reader, spec.get("profiles", {})),
        decryption=_decryption(reader, spec.get("decryption")),
        path=path,
    )
    return fleet, reader.findings


def read_providers(
    content: bytes, path: str, exists: Exists, management: str
) -> tuple[tuple[ProviderSpec, ...], list[Finding]]:
    """The providers file of a management cluster."""
    reader = FileReader(content, path, exists)
    body = reader.document("Providers", extra=("providers",))
    at: FieldPath = ("f:providers",)
    found = []
    for index, entry in enumerate(reader.items(body.get("providers"), at)):
        here = (*at, f"i:{index}")
        fields = reader.fields(entry, here, ("name", "type", "version", "path"))
        found.append(
            ProviderSpec(
                management=management,
                name=reader.text(fields, "name", here),
                type=reader.choice(fields, "type", here, _PROVIDER_TYPES, required=True),
                version=reader.text(fields, "version", here),
                path=reader.inside(fields.get("path"), (*here, "f:path")),
            )
        )
    reader.unique([provider.tag for provider in found], at, "provider")
    return tuple(found), reader.findings


def _management(reader: FileReader, entry: Any, at: FieldPath) -> ManagementSpec:
    known = ("name", "paths", "providers", "gitops", "mode", "readKubeconfigSecret", *_TARGETS)
    fields = reader.fields(entry, at, known, _LATER_MANAGEMENT)
    if reader.choice(fields, "mode", at, ("push", "gitops")) == "gitops":
        reader.error("not-yet", "not supported yet: mode gitops", (*at, "f:mode"))
    for name in ("sandbox", "inCluster"):
        if name in fields:
            reader.fields(fields[name], (*at, f"f:{name}"), ())
    targets = [name for name in _TARGETS if name in fields]
    if isinstance(entry, dict) and not any(name in entry for name in _LATER_MANAGEMENT):
        _one_target(reader, targets, at)
    paths = (*at, "f:paths")
    return ManagementSpec(
        name=reader.label(reader.text(fields, "name", at), (*at, "f:name")),
        paths=tuple(
            reader.inside(path, (*paths, f"i:{index}"))
            for index, path in enumerate(reader.items(fields.get("paths"), paths))
        ),
        providers=reader.inside(fields["providers"], (*at, "f:providers"))
        if "providers" in fields
        else "",
        gitops=read_gitops(reader, fields["gitops"], (*at, "f:gitops"))
        if "gitops" in fields
        else None,
        context=reader.text(fields, "context", at) if "context" in fields else "",
        in_cluster="inCluster" in fields,
        read_secret=_read_secret(reader, fields, at),
    )


def _one_target(reader: FileReader, targets: list[str], at: FieldPath) -> None:
    if len(targets) == 1:
        return
    reader.error(
        "no-target" if not targets else "two-targets",
        "a management cluster needs one of `context`, `inCluster: {}`, `sandbox: {}`"
        + (f", not {' and '.join(targets)}" if targets else ""),
        at,
        hint="`context: NAME` is a context of your kubeconfig; `sandbox: {}` the built-in cluster",
    )


def _read_secret(reader: FileReader, fields: JsonObject, at: FieldPath) -> str:
    if "readKubeconfigSecret" not in fields:
        return ""
    name = reader.text(fields, "readKubeconfigSecret", at)
    if "{cluster}" not in name:
        reader.error(
            "wrong-type",
            f"{reader.name((*at, 'f:readKubeconfigSecret'))} does not say where the cluster's"
            " name goes",
            (*at, "f:readKubeconfigSecret"),
            hint='write it as "{cluster}-reader-kubeconfig"',
        )
    return name


_GUARDS = {
    "maxClustersChanged": "max_clusters_changed",
    "maxMachinesReplaced": "max_machines_replaced",
    "maxDeletesPercent": "max_deletes_percent",
}


def _guards(reader: FileReader, value: Any, at: FieldPath) -> Guards:
    fields = reader.fields(value, at, ("destroyClusters", *_GUARDS))
    given: dict[str, Any] = {}
    if "destroyClusters" in fields:
        given["destroy_clusters"] = reader.choice(fields, "destroyClusters", at, ("deny", "allow"))
    for field, name in _GUARDS.items():
        if field not in fields:
            continue
        number = fields[field]
        if number is None:
            given[name] = None  # written out: no limit
            continue
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            reader.error("wrong-type", f"{field} is not a whole number from 0", (*at, f"f:{field}"))
        else:
            given[name] = number
    return Guards(**given)


def _ignore(reader: FileReader, entry: Any, at: FieldPath) -> IgnoreRule:
    fields = reader.fields(entry, at, ("kind", "paths", "when"))
    below = (*at, "f:paths")
    pointers = []
    for index, pointer in enumerate(reader.items(fields.get("paths"), below)):
        if isinstance(pointer, str) and pointer.startswith("/") and len(pointer) > 1:
            pointers.append(_from_pointer(pointer))
        else:
            reader.error(
                "wrong-type",
                "not a JSON pointer",
                (*below, f"i:{index}"),
                hint="write it as /spec/replicas",
            )
    return IgnoreRule(
        kind=reader.text(fields, "kind", at),
        paths=tuple(pointers),
        when=reader.choice(fields, "when", at, ("autoscaler-annotations",)),
    )


def _decryption(reader: FileReader, value: Any) -> str:
    """`{provider: sops}`, as a Flux Kustomization writes it."""
    if value is None:
        return ""
    at: FieldPath = ("f:spec", "f:decryption")
    fields = reader.fields(value, at, ("provider",))
    return str(reader.choice(fields, "provider", at, ("sops",), required=True))


def _sources(reader: FileReader, value: Any) -> tuple[tuple[str, str], ...]:
    """URL → folder; a folder may lie beside the fleet's."""
    at: FieldPath = ("f:spec", "f:sources")
    found = []
    for url, folder in reader.mapping(value, at).items():
        if not isinstance(folder, str) or not folder or folder.startswith("/"):
            reader.error(
                "wrong-type",
                f"{reader.name((*at, f'f:{url}'))} is not a folder",
                (*at, f"f:{url}"),
                hint="write a path relative to the fleet's root, such as ../charts",
            )
            continue
        found.append((url, posixpath.normpath(folder)))
    return tuple(found)


_FORMS = ("chart", "kustomize", "template")


def _blueprints(reader: FileReader, value: Any) -> tuple[Blueprint, ...]:
    at: FieldPath = ("f:spec", "f:blueprints")
    found = []
    for name, entry in reader.mapping(value, at).items():
        here = (*at, f"f:{name}")
        fields = reader.fields(entry, here, (*_FORMS, "version"))
        forms = [form for form in _FORMS if form in fields]
        if len(forms) != 1:
            reader.error("one-of", f"{reader.name(here)} needs one of {', '.join(_FORMS)}", here)
            continue
        path = reader.inside(fields[forms[0]], (*here, f"f:{forms[0]}"))
        version = reader.text(fields, "version", here) if "version" in fields else ""
        found.append(Blueprint(name=name, version=version, **{forms[0]: path}))
    return tuple(found)


def _from_pointer(pointer: str) -> FieldPath:
    """A JSON pointer as a field path: `/spec/list/0/a~1b` (RFC 6901)."""
    return tuple(
        f"i:{part}" if part.isdecimal() else f"f:{part.replace('~1', '/').replace('~0', '~')}"
        for part in pointer[1:].split("/")
    )
