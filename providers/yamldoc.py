"""The only door to YAML: bytes of a file → JSON documents, within limits, as kubectl reads them.

Documents are built in one pass over libyaml's event stream by a loop of our own: PyYAML's loaders
build recursively (a file of 100,000 `[` ends the process with SIGSEGV), keep the last of two equal
keys silently, expand alias bombs, and resolve scalars by other rules than kubectl. The limits are
those of docs/fleet-file.md. No message quotes a scalar value: it may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from providers.yamlfinding import (
    COMPONENTS,
    MANIFEST,
    MIB,
    Finding,
    Limits,
    Refused,
    Severity,
    boolean,
    check_bytes,
    foreign_tag,
    limit,
    syntax,
)
from providers.yamlnodes import Mark, compose, descend
from providers.yamlscalar import (
    AMBIGUOUS,
    SUSPECT,
    NotJson,
    key_text,
    resolve,
    resolve_by_kustomize,
    resolve_tagged,
)
from state.errors import ClusterformError
from state.resource import FieldPath, JsonObject

__all__ = [
    "COMPONENTS", "MANIFEST", "Document", "Finding", "Limits", "line_of", "parse", "position_of",
]  # fmt: skip

CORE = "tag:yaml.org,2002:"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a file; the items of a `kind: List` are documents of their own."""

    index: int
    """Of the YAML document in its file, from 0, counting empty ones."""
    item: int
    """Index in the enclosing List, -1 when the document stands alone."""
    line: int
    """Of its first key, from 1."""
    body: JsonObject


def parse(
    content: bytes, path: str, limits: Limits = MANIFEST, *, by_kustomize: bool = False
) -> tuple[list[Document], list[Finding]]:
    """All objects of a file, and what is wrong with it; what stands before an error is kept.

    `by_kustomize`: plain scalars as they are once kustomize has read and written them.
    """
    reader = _Reader(path, limits, by_kustomize)
    try:
        check_bytes(content, limits)
        reader.read(content)
    except Refused as refused:
        reader.findings.append(refused.finding(path))
    except yaml.MarkedYAMLError as error:
        reader.findings.append(syntax(error.problem, error.problem_mark).finding(path))
    except yaml.reader.ReaderError as error:
        reader.findings.append(syntax(error.reason, None).finding(path))
    return reader.documents, reader.findings


def position_of(
    content: bytes, document: int, field: FieldPath, item: int = -1
) -> tuple[int, int] | None:
    """Line and column (from 1) of a field's key or a list's item; None where it is not written.

    For messages about a file that `parse` accepted: it reads the file again.
    """
    node = compose(events(content), document)
    mark = node.mark if node else None
    for element in ("f:items", f"i:{item}", *field) if item >= 0 else field:
        node, mark = descend(node, element)
    return None if mark is None else (mark.line + 1, mark.column + 1)


def line_of(content: bytes, document: int, field: FieldPath, item: int = -1) -> int | None:
    """The line of a field, from 1 (see `position_of`)."""
    found = position_of(content, document, field, item)
    return found[0] if found else None


_ITEM: Any = object()
"""In place of a key: the container is a list."""
_KEY: Any = object()
"""The container is a mapping and its next key is due."""
_MERGE: Any = object()
"""The value of `<<` is due."""
_KEY_SUSPECT = SUSPECT | {"<"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_FINDINGS = 20
"""Of one file; what comes after them is not read."""


class _Reader:
    """The state of reading one file."""

    __slots__ = (
        "aliases", "anchors", "by_kustomize", "documents", "escapes", "expanded", "findings",
        "limits", "merged", "merges", "nodes", "open", "path",
    )  # fmt: skip

    def __init__(self, path: str, limits: Limits, by_kustomize: bool) -> None:
        self.path = path
        self.limits = limits
        self.documents: list[Document] = []
        self.findings: list[Finding] = []
        self.nodes = 0
        self.expanded = 0
        self.escapes = False
        self.by_kustomize = by_kustomize
        self._forget()

    def _forget(self) -> None:
        self.anchors: dict[str, Any] = {}
        self.open: dict[int, str] = {}
        self.merged: dict[int, set[str]] = {}
        self.aliases = 0
        self.merges = 0

    def read(self, content: bytes) -> None:
        """Fill `documents`. Raises Refused or yaml.YAMLError where reading has to end."""
        self.escapes = b"\\" in content
        next_event = events(content)
        index = -1
        while (event := next_event()) is not None and type(event) is not StreamEndEvent:
            if type(event) is not DocumentStartEvent:
                continue
            index += 1
            if index == self.limits.documents:
                raise limit(f"more than {index} documents in a file", event.start_mark)
            self._forget()
            before = len(self.findings)
            body, mark = self._construct(next_event)
            if not any(found.severity == "error" for found in self.findings[before:]):
                self._add(content, index, body, mark)

    def _add(self, content: bytes, index: int, body: Any, mark: Mark) -> None:
        if body is None:
            return
        if not isinstance(body, dict):
            self._note(Refused("not-an-object", "the document is not an object", mark))
        elif is_list(body):
            self._unfold(content, index, body)
        else:
            self.documents.append(Document(index=index, item=-1, line=mark.line + 1, body=body))

    def _unfold(self, content: bytes, index: int, body: JsonObject) -> None:
        items, _ = descend(compose(events(content), index), "f:items")
        nodes = items.items if items else ()
        for item, (inner, node) in enumerate(zip(body["items"], nodes, strict=False)):
            mark = node.mark
            if not isinstance(inner, dict):
                self._note(Refused("not-an-object", "an item of a List is not an object", mark))
            elif is_list(inner):
                self._note(Refused("nested-list", "a List inside a List", mark))
            else:
                found = Document(index=index, item=item, line=mark.line + 1, body=inner)
                self.documents.append(found)

    def _construct(self, next_event: Callable[[], Any]) -> tuple[Any, Mark]:
        """The value of one document, without recursion: this loop is all the time that parsing
        takes beside libyaml's own, so it only calls out for what is rare."""
        root: list[Any] = []
        container: Any = root
        key: Any = _ITEM
        stack: list[tuple[Any, Any]] = []
        depth, most, nodes = self.limits.depth, self.limits.nodes, self.nodes
        longest, escapes = self.limits.scalar, self.escapes
        first: Any = None
        while True:
            event = next_event()
            kind = type(event)
            nodes += 1
            if first is None:
                first = event.start_mark
            if nodes > most:
                raise limit(f"more than {most:,} values in a file", event.start_mark)
            if kind is ScalarEvent:
                value = event.value
                plain, quoted = event.implicit
                if key is _KEY:
                    if (plain and (not value or value[0] in _KEY_SUSPECT)) or event.anchor:
                        value = self._plain_key(event)
                    elif not (plain or quoted):
                        value = self._tagged(event)
                    elif escapes and quoted:
                        self._check_text(event)
                    if value in container:
                        self._repeated(container, value, event)
                    key = value
                    continue
                if plain:
                    if not value or value[0] in SUSPECT:
                        value = self._plain(event)
                elif not quoted:
                    value = self._tagged(event)
                elif escapes:
                    self._check_text(event)
                if event.anchor:
                    self.anchors[event.anchor] = value
                if type(value) is str and len(value) > longest:
                    raise limit(f"a text of more than {longest // MIB} MiB", event.start_mark)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                value = {} if kind is MappingStartEvent else []
                if event.anchor or event.tag or key is _KEY or len(stack) >= depth:
                    self._check_start(event, value, key, len(stack))
                if key is _ITEM:
                    container.append(value)
                    stack.append((container, _ITEM))
                elif key is _MERGE:
                    stack.append((container, _MERGE))
                else:
                    container[key] = value
                    stack.append((container, _KEY))
                container, key = value, _KEY if kind is MappingStartEvent else _ITEM
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = container
                container, key = stack.pop()
                if self.open and id(value) in self.open:
                    self.anchors[self.open.pop(id(value))] = value
                if key is _MERGE:
                    self._merge(container, value, event)
                    key = _KEY
                continue
            elif kind is AliasEvent:
                value = self._alias(event, key, len(stack))
            elif kind is DocumentEndEvent:
                self.nodes = nodes
                return root[0], first
            if key is _ITEM:
                container.append(value)
            elif key is _MERGE:
                self._merge(container, value, event)
                key = _KEY
            else:
                container[key] = value
                key = _KEY

    def _note(self, refused: Refused, severity: Severity = "error") -> None:
        self.findings.append(refused.finding(self.path, severity))
        if len(self.findings) >= _FINDINGS:
            raise Refused(
                "yaml-too-many",
                f"more than {_FINDINGS} findings; the rest is not read",
                refused.mark,
            )

    def _plain(self, event: ScalarEvent) -> Any:
        if event.tag:
            # `! 12` is text; PyYAML calls it plain all the same.
            return event.value
        if event.value in AMBIGUOUS and not self.by_kustomize:
            self._note(boolean(event, "value"), "warning")
        try:
            if self.by_kustomize:
                return resolve_by_kustomize(event.value)
            return resolve(event.value)
        except NotJson as error:
            raise Refused("yaml-value", str(error), event.start_mark) from None

    def _plain_key(self, event: ScalarEvent) -> Any:
        plain = event.implicit[0] and not event.tag
        if plain and event.value == "<<":
            return _MERGE
        if event.anchor:
            self.anchors[event.anchor] = self._plain(event) if plain else event.value
        elif plain and event.value in AMBIGUOUS and not self.by_kustomize:
            self._note(boolean(event, "key"), "warning")
        if not plain or (self.by_kustomize and event.value in AMBIGUOUS):
            return event.value
        try:
            return key_text(event.value)
        except NotJson as error:
            raise Refused("yaml-value", str(error), event.start_mark) from None

    def _tagged(self, event: ScalarEvent) -> Any:
        tag = str(event.tag)
        if tag not in _TAGS:
            raise foreign_tag(event)
        try:
            if tag == f"{CORE}binary":
                return base64.b64decode("".join(event.value.split()), validate=True).decode()
            return resolve_tagged(tag, event.value)
        except (NotJson, binascii.Error, UnicodeDecodeError) as error:
            summary = str(error) if isinstance(error, NotJson) else "!!binary is not base64 of text"
            raise Refused("yaml-value", summary, event.start_mark) from None

    def _check_text(self, event: ScalarEvent) -> None:
        if _CONTROL.search(event.value):
            raise Refused("yaml-control", "a control character in a text", event.start_mark)

    def _check_start(self, event: Any, value: Any, key: Any, depth: int) -> None:
        if depth >= self.limits.depth:
            raise limit(f"nested deeper than {self.limits.depth}", event.start_mark)
        if key is _KEY:
            raise Refused("yaml-value", "a list or mapping cannot be a key", event.start_mark)
        if event.tag not in (None, "!", f"{CORE}map" if isinstance(value, dict) else f"{CORE}seq"):
            raise foreign_tag(event)
        if event.anchor:
            self.anchors.pop(event.anchor, None)
            self.open[id(value)] = event.anchor

    def _repeated(self, container: JsonObject, key: str, event: ScalarEvent) -> None:
        inherited = self.merged.get(id(container), set())
        if key in inherited:
            inherited.remove(key)
            return
        name = "<<" if key is _MERGE else key
        self._note(
            Refused(
                "yaml-duplicate-key",
                f"the key {name!r} stands twice in the same mapping",
                event.start_mark,
                hint="remove one: kubectl would silently take the last",
            )
        )

    def _alias(self, event: AliasEvent, key: Any, depth: int) -> Any:
        self.aliases += 1
        if self.aliases > self.limits.aliases:
            raise limit(f"more than {self.limits.aliases} aliases", event.start_mark)
        if key is _KEY:
            raise Refused("yaml-value", "an alias cannot be a key", event.start_mark)
        if event.anchor in self.open.values():
            raise Refused("yaml-value", "an anchor that contains itself", event.start_mark)
        if event.anchor not in self.anchors:
            raise Refused("yaml-value", "an alias without its anchor", event.start_mark)
        return self._copy(self.anchors[event.anchor], depth, event.start_mark)

    def _copy(self, value: Any, depth: int, mark: Mark) -> Any:
        # Charged by nodes and by text, so that a large text is no bomb either.
        self.expanded += 1 + (len(value) // 64 if isinstance(value, str) else 0)
        if self.expanded > self.limits.nodes or depth > self.limits.depth:
            raise limit("the aliases expand to more than the file may hold", mark)
        if isinstance(value, dict):
            return {name: self._copy(inner, depth + 1, mark) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._copy(inner, depth + 1, mark) for inner in value]
        return value

    def _merge(self, container: JsonObject, value: Any, event: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        self.merges += len(sources)
        if self.merges > self.limits.merges:
            raise limit(f"more than {self.limits.merges} merged mappings", event.start_mark)
        if not all(isinstance(source, dict) for source in sources):
            raise Refused("yaml-value", "<< takes mappings only", event.start_mark)
        inherited = self.merged.setdefault(id(container), set())
        for source in reversed(sources):
            # Like go-yaml v2: what stands later wins, be it merged or written out.
            container.update(source)
            inherited.update(source)


_TAGS = frozenset(
    CORE + name for name in ("str", "int", "float", "bool", "null", "timestamp", "binary")
)


def is_list(body: JsonObject) -> bool:
    """A `kind: List` (or `ConfigMapList`, …), whose items kubectl applies one by one."""
    kind = body.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(body.get("items"), list)


def events(content: bytes) -> Callable[[], Any]:
    """A function that gives libyaml's next event, None after the last."""
    try:
        from yaml._yaml import CParser
    except ImportError:
        raise ClusterformError(
            "no-libyaml",
            "PyYAML is installed without libyaml",
            detail="Its pure Python parser is ten times slower and accepts other files.",
            hint="install a PyYAML wheel for this platform: pip install --force-reinstall PyYAML",
        ) from None
    next_event: Callable[[], Any] = CParser(content).get_event
    return next_event
