"""Checked access to one of our own files: fields by name, findings with line and column.

Every mistake is collected and a neutral value stands in, so that one reading reports them all.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

from providers import yamldoc
from providers.yamldoc import Finding
from state.resource import FieldPath, JsonObject

API_VERSION = "clusterform.dev/v1"
GROUP = "clusterform.dev"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")

Exists = Callable[[str], bool]
"""The tree holds this file or folder."""


class FileReader:
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

    def mapping(self, value: Any, at: FieldPath) -> JsonObject:
        """A mapping with keys of the user's choice."""
        if not isinstance(value, dict):
            self.error("wrong-type", f"{self.name(at)} is not a mapping", at)
            return {}
        return value

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

    def where(self, at: FieldPath) -> str:
        """`file:line` of a field."""
        found = yamldoc.position_of(self.content, self.index, at)
        return f"{self.path}:{found[0]}" if found else self.path

    def error(
        self,
        code: str,
        summary: str,
        at: FieldPath,
        hint: str = "",
        severity: Literal["error", "warning"] = "error",
    ) -> None:
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
                severity=severity,
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
