"""Reading Flux's objects: typed access to fields, and one error that names what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from state.errors import ClusterformError
from state.resource import JsonObject, split_api_version

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class Shape(msgspec.Struct, frozen=True, gc=False):
    """A part of an object, with its place for messages."""

    body: JsonObject
    at: str
    """`spec.sourceRef`; `""` for the object itself."""
    where: str
    """`Kustomization apps/shop`."""

    @classmethod
    def of(cls, body: JsonObject, group: str, versions: Iterable[str]) -> Shape:
        """The whole object. Raises ClusterformError('flux-field') for another group or version."""
        kind, api_version = body.get("kind"), body.get("apiVersion")
        metadata = body.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        names = (metadata.get("namespace"), metadata.get("name"))
        where = f"{kind} {'/'.join(str(name) for name in names if name)}"
        shape = cls(body, "", where)
        found = split_api_version(api_version) if isinstance(api_version, str) else ("", "")
        if found[0] != group or found[1] not in versions:
            raise shape.wrong(
                "apiVersion", f"known are {', '.join(f'{group}/{one}' for one in versions)}"
            )
        return shape

    def wrong(self, field: str, why: str) -> ClusterformError:
        """The error about one of its fields."""
        place = f"{self.at}.{field}" if self.at else field
        return ClusterformError("flux-field", f"{place}: {why}", where=self.where)

    def _get(self, field: str, kind: type, what: str, required: bool = False) -> Any:
        found = self.body.get(field)
        if found is None:
            if required:
                raise self.wrong(field, "it must be set")
            return None
        if not isinstance(found, kind):
            raise self.wrong(field, f"it takes {what}")
        return found

    def text(
        self, field: str, default: str = "", *, required: bool = False, among: Iterable[str] = ()
    ) -> str:
        """A text; `default` where it is not set or empty."""
        found = self._get(field, str, "a text", required)
        if required and not found:
            raise self.wrong(field, "it must be set")
        if found and among and found not in among:
            raise self.wrong(field, f"it is one of {', '.join(among)}")
        return found or default

    def flag(self, field: str) -> bool:
        """True or false; false where it is not set."""
        return bool(self._get(field, bool, "true or false"))

    def part(self, field: str, *, required: bool = False) -> Shape:
        """A mapping; an empty one where it is not set."""
        found = self._get(field, dict, "a mapping", required)
        return Shape(found or {}, f"{self.at}.{field}" if self.at else field, self.where)

    def parts(self, field: str) -> tuple[Shape, ...]:
        """A list of mappings."""
        place = f"{self.at}.{field}" if self.at else field
        return tuple(
            Shape(one, f"{place}[{index}]", self.where)
            for index, one in enumerate(self._list(field, dict, "mappings"))
        )

    def dicts(self, field: str) -> tuple[JsonObject, ...]:
        """A list of mappings, as written."""
        return tuple(self._list(field, dict, "mappings"))

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(self._list(field, str, "texts"))

    def _list(self, field: str, kind: type, what: str) -> list[Any]:
        found = self._get(field, list, f"a list of {what}") or []
        for index, one in enumerate(found):
            if not isinstance(one, kind):
                raise self.wrong(f"{field}[{index}]", f"the list takes {what}")
        return found

    def text_map(self, field: str) -> dict[str, str]:
        """Texts by name. A number or a boolean is an error, as the API server says it."""
        found = self._get(field, dict, "a mapping of texts") or {}
        for name, value in found.items():
            if not isinstance(value, str):
                raise self.wrong(f"{field}.{name}", "it takes a text: quote it")
        return dict(found)


def duration(shape: Shape, field: str) -> float | None:
    """Go's durations (`1m30s`) in seconds; None where it is not set."""
    text = shape.text(field)
    if not text:
        return None
    matches = list(_DURATION.finditer(text))
    if "".join(match[0] for match in matches) != text:
        raise shape.wrong(field, "it takes a duration such as 10m or 1h30m")
    return sum(float(match[1]) * _SECONDS[match[2]] for match in matches)
