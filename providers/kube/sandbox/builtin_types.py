"""The Go types of the built-in kinds, compiled from compact text: fields, list types, defaults.

From the OpenAPI of kube-apiserver 1.36 (list types, atomic structs) and `k8s.io/api` (pointers,
`omitempty`). One line a type, continued by two spaces: `Name` granular, `Name!` atomic, `Name~`
not all fields listed (an unlisted one is answered 501, never guessed). A field is
`name[list]{map}:Type?=default`:

    []       atomic list         [a,b]  associative list by a and b      [=]  set
    {}       granular map        {!}    atomic map
    :Type    str (when left out), int, bool, num, qty (quantity), ios (int or string), any, a type
    ?        a pointer, or always written: its zero value is kept
    =value   the server's default, in JSON
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from providers.kube.sandbox.schema import ANY, Listing, Schema

_FIELD = re.compile(
    r"^(?P<name>[\w$.-]+)(?P<list>\[[^]]*\])?(?P<map>\{!?\})?(?P<late>\?)?"
    r"(?::(?P<type>\w+))?(?P<pointer>\?)?(?:=(?P<default>.+))?$"
)

_SCALARS = {
    "str": Schema(type="string"),
    "int": Schema(type="integer"),
    "num": Schema(type="number"),
    "bool": Schema(type="boolean"),
    "qty": Schema(type="string", scalar="quantity"),
    "ios": Schema(scalar="int-or-string"),
    "any": ANY,
}


class TypeTable:
    """The types of a table text, compiled on first use: most processes need a handful."""

    def __init__(self, *texts: str) -> None:
        lines = [line for text in texts for line in text.strip().replace("\n  ", " ").splitlines()]
        self._source = {line.split(" ", 1)[0].rstrip("!~"): line for line in lines}
        self._compiled: dict[str, Schema] = {}

    def __getitem__(self, name: str) -> Schema:
        """The schema of a type; KeyError for a name the table lacks."""
        if name in _SCALARS:
            return _SCALARS[name]
        if name not in self._compiled:
            self._compiled[name] = self._struct(self._source[name])
        return self._compiled[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._source)

    def _struct(self, line: str) -> Schema:
        name, *fields = line.split(" ")
        return Schema(
            type="object",
            atomic=name.endswith("!"),
            partial=name.endswith("~"),
            fields=dict(self._field(text) for text in fields),
        )

    def _field(self, text: str) -> tuple[str, Schema]:
        found = _FIELD.match(text)
        if found is None:
            raise ValueError(f"not a field: {text!r}")
        inner = self[found["type"] or "str"]
        kept = bool(found["late"] or found["pointer"])
        default = msgspec.json.decode(found["default"]) if found["default"] else msgspec.UNSET
        if found["list"]:
            return found["name"], _list(found["list"][1:-1], inner, kept)
        if found["map"]:
            atomic = found["map"] == "{!}"
            return found["name"], Schema(
                type="object", extra=inner, atomic=atomic, dropped=not kept
            )
        dropped = not kept and inner.type in ("string", "integer", "number", "boolean")
        return found["name"], msgspec.structs.replace(inner, dropped=dropped, default=default)


def _list(keys: str, items: Schema, kept: bool) -> Schema:
    listing: Listing = "set" if keys == "=" else "map" if keys else "atomic"
    names = tuple(keys.split(",")) if listing == "map" else ()
    return Schema(type="array", listing=listing, keys=names, items=items, dropped=not kept)
