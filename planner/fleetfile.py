"""`clusterform.yaml` and the providers file → what they declare, strictly, with line and column.

Every mistake of a file is reported at once, and an unknown field names the nearest valid one. What
later versions will read is refused by name, so that nobody believes it works.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

from providers import yamldoc
from providers.yamldoc import Finding
from state.desired import (
    FleetSpec,
    Guards,
    IgnoreRule,
    ManagementSpec,
    ProviderSpec,
    ProviderType,
)
from state.resource import FieldPath, JsonObject

API_VERSION = "clusterform.dev/v1"
GROUP = "clusterform.dev"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
DEFAULT_MANAGEMENT = "sandbox"
_LATER_SPEC = ("waves", "profiles", "blueprints", "sources")
_LATER_MANAGEMENT = ("kind", "cluster")
_TARGETS = ("sandbox", "context", "inCluster")
_PROVIDER_TYPES = get_args(ProviderType)

Exists = Callable[[str], bool]
"""The tree holds this file or folder."""


def implied_fleet(folder: str) -> FleetSpec:
    """The fleet of a folder of manifests without a Fleet file."""
    management = ManagementSpec(name=DEFAULT_MANAGEMENT, paths=(".",))
    name = re.sub(r"[^a-z0-9-]+", "-", folder.lower())[:50].strip("-")
    return FleetSpec(name=name or "fleet", management=(management,))


def read_fleet(content: bytes, path: str, exists: Exists) -> tuple[FleetSpec, list[Finding]]:
    """The Fleet file; where there are errors, as much of it as could be read."""
    reader = _FileReader(content, path, exists)
    body = reader.document("Fleet")
    if not body:
        return FleetSpec(name="", management=(), path=path), reader.findings
    name = reader.metadata_name(body)
    spec = reader.fields(
        body.get("spec", {}), ("f:spec",), ("management", "guards", "ignore"), _LATER_SPEC
    )
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
        path=path,
    )
    return fleet, reader.findings


def read_providers(
    content: bytes, path: str, exists: Exists, management: str
) -> tuple[tuple[ProviderSpec, ...], list[Finding]]:
    """The providers file of a management cluster."""
    reader = _FileReader(content, path, exists)
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


def _management(reader: _FileReader, entry: Any, at: FieldPath) -> ManagementSpec:
    known = ("name", "paths", "providers", "mode", "readKubeconfigSecret", *_TARGETS)
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
        context=reader.text(fields, "context", at) if "context" in fields else "",
        in_cluster="inCluster" in fields,
        read_secret=_read_secret(reader, fields, at),
    )


def _one_target(reader: _FileReader, targets: list[str], at: FieldPath) -> None:
    if len(targets) == 1:
        return
    reader.error(
        "no-target" if not targets else "two-targets",
        "a management cluster needs one of `context`, `inCluster: {}`, `sandbox: {}`"
        + (f", not {' and '.join(targets)}" if targets else ""),
        at,
        hint="`context: NAME` is a context of your kubeconfig; `sandbox: {}` the built-in cluster",
    )


def _read_secret(reader: _FileReader, fields: JsonObject, at: FieldPath) -> str:
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


def _guards(reader: _FileReader, value: Any, at: FieldPath) -> Guards:
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


def _ignore(reader: _FileReader, entry: Any, at: FieldPath) -> IgnoreRule:
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


def _from_pointer(pointer: str) -> FieldPath:
    """A JSON pointer as a field path: `/spec/list/0/a~1b` (RFC 6901)."""
    return tuple(
        f"i:{part}" if part.isdecimal() else f"f:{part.replace('~1', '/').replace('~0', '~')}"
        for part in pointer[1:].split("/")
    )


class _FileReader:
    """Checked access to one of our own files; collects findings and gives neutral values."""

    def __init__(self, content: bytes, path: str, exists: Exists) -> None:
        self.content = content
        self.path = path
        self.exists = exists
        self.documents, self.findings = yamldoc.parse(content, path)
        self.kind = ""
        self.index = 0

    def document(self, kind: str, extra: tuple[str, ...] = ("spec",)) -> JsonObject:
        """The only document of the file, of this kind; `{}` after an error."""
        self.kind = kind
        if len(self.documents) != 1:
            if not self.findings:
                self.error("not-one-document", f"expected one document of kind {kind}", ())
            return {}
        self.index = self.documents[0].index
        body = self.documents[0].body
        if body.get("apiVersion") != API_VERSION or body.get("kind") != kind:
            self.error(
                "wrong-kind", f"expected apiVersion {API_VERSION} and kind {kind}", ("f:kind",)
            )
            return {}
        return self.fields(body, (), ("apiVersion", "kind", "metadata", *extra))

    def metadata_name(self, body: JsonObject) -> str:
        """`metadata.name`; labels and annotations may stand beside it."""
        known = ("name", "labels", "annotations")
        metadata = self.fields(body.get("metadata", {}), ("f:metadata",), known)
        return self.label(self.text(metadata, "name", ("f:metadata",)), ("f:metadata", "f:name"))

    def fields(
        self, value: Any, at: FieldPath, known: Iterable[str], later: Iterable[str] = ()
    ) -> JsonObject:
        """The known fields of a mapping; every other one is a finding."""
        if not isinstance(value, dict):
            self.error("wrong-type", f"{self.name(at)} is not a mapping", at)
            return {}
        known = tuple(known)
        for name in value:
            here = (*at, f"f:{name}")
            if name in later:
                self.error("not-yet", f"not supported yet: {self.name(here)}", here)
            elif name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                self.error(
                    "unknown-field",
                    f'unknown field "{name}" in {self.name(at)}',
                    here,
                    hint=f'did you mean "{near[0]}"?' if near else _choices(known),
                )
        return {name: found for name, found in value.items() if name in known}

    def items(self, value: Any, at: FieldPath) -> list[Any]:
        """A list; a missing one is a finding."""
        if value is None and self.documents:
            self.error("missing", f"{self.name(at)} is missing", at)
        elif value is not None and not isinstance(value, list):
            self.error("wrong-type", f"{self.name(at)} is not a list", at)
        return value if isinstance(value, list) else []

    def text(self, fields: JsonObject, name: str, at: FieldPath) -> str:
        """A field that holds a text; a missing one is a finding."""
        value = fields.get(name)
        here = (*at, f"f:{name}")
        if value is None:
            self.error("missing", f"{self.name(here)} is missing", here)
        elif not isinstance(value, str) or not value:
            self.error("wrong-type", f"{self.name(here)} is not a text; quote it", here)
        return value if isinstance(value, str) else ""

    def choice(
        self,
        fields: JsonObject,
        name: str,
        at: FieldPath,
        options: tuple[str, ...],
        *,
        required: bool = False,
    ) -> Any:
        """One of a few words; `""` where it is missing and need not be there."""
        if name not in fields and not required:
            return ""
        value = self.text(fields, name, at)
        if value and value not in options:
            near = difflib.get_close_matches(value, options, n=1, cutoff=0.5)
            hint = f'did you mean "{near[0]}"?' if near else _choices(options)
            here = (*at, f"f:{name}")
            self.error("unknown-value", f'unknown value "{value}" of {self.name(here)}', here, hint)
        return value if value in options else options[0]

    def inside(self, value: Any, at: FieldPath) -> str:
        """A path that exists and stays inside the fleet's root."""
        if not isinstance(value, str) or not value:
            self.error("wrong-type", f"{self.name(at)} is not a path", at)
            return ""
        path = posixpath.normpath(value)
        if path.startswith(("/", "../")) or path == ".." or "\\" in value:
            self.error("outside", f"{self.name(at)} leads out of the fleet's folder", at)
            return ""
        if path != "." and not self.exists(path):
            self.error(
                "no-such-path",
                f"{self.name(at)} does not exist: {path}",
                at,
                hint="paths are relative to the fleet's root; links are not followed",
            )
        return path

    def label(self, name: str, at: FieldPath) -> str:
        """A name that becomes part of object names and label values: an RFC 1123 label."""
        if name and not _LABEL.fullmatch(name):
            self.error(
                "bad-name",
                f"{self.name(at)} is no valid name",
                at,
                hint="use lower-case letters, digits and '-', at most 50 characters",
            )
        return name

    def unique(self, names: list[str], at: FieldPath, what: str) -> None:
        """No name stands twice in a list."""
        for index, name in enumerate(names):
            if name and name in names[:index]:
                self.error("duplicate", f'two of "{name}": {what}', (*at, f"i:{index}"))

    def error(self, code: str, summary: str, at: FieldPath, hint: str = "") -> None:
        """A finding at a field, or at the nearest one above that is written."""
        found = None
        while found is None and self.documents:
            found = yamldoc.position_of(self.content, self.index, at)
            if not at:
                break
            at = at[:-1]
        line, column = found or (0, 0)
        self.findings.append(
            Finding(
                severity="error",
                code=code,
                summary=summary,
                path=self.path,
                line=line,
                column=column,
                hint=hint,
            )
        )

    def name(self, at: FieldPath) -> str:
        """A field for people: `Fleet spec.management[0]`."""
        text = "".join(f"[{part[2:]}]" if part.startswith("i:") else f".{part[2:]}" for part in at)
        return f"{self.kind} {text[1:]}" if text else self.kind


def _choices(options: Iterable[str]) -> str:
    names = ", ".join(options)
    return f"valid here: {names}" if names else "nothing is valid here"
