"""What a change was decided from, in a form that can be compared later (docs/semantics.md 24).

A fingerprint maps field paths to a short hash over value and owners. Status, finalizers and owner
references are not among the paths of a change, so that controllers do not disturb a plan. Values of
sensitive paths never enter a hash: presence and owners do, and the resourceVersion stands in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from state.fields import MISSING, leaves, own_entry, owners, sent_paths, set_at, trie, value_at
from state.live import Present
from state.resource import FieldPath, JsonObject, canonical, digest

Fingerprint = dict[str, str]
_SEPARATOR = "\x1f"


def path_key(path: FieldPath) -> str:
    """A path as a JSON object key."""
    return _SEPARATOR.join(path)


def path_of(key: str) -> FieldPath:
    """The path that `path_key` made the key from."""
    return tuple(key.split(_SEPARATOR))


def watched_paths(
    body: JsonObject, live: Present, reads: Iterable[FieldPath]
) -> tuple[FieldPath, ...]:
    """What we would send, what we would stop sending, and what the kind's rules read."""
    entry = own_entry(live)
    owned = leaves(trie(entry)) if entry else ()
    return tuple(sorted({*sent_paths(body, live), *owned, *reads}))


def fingerprint(
    live: Present, paths: Iterable[FieldPath], sensitive: Collection[FieldPath] = ()
) -> Fingerprint:
    """Short hashes (16 hex digits) of value and owners at each path of a live object.

    The values at `sensitive` paths are taken out of the whole body first, so that no hash of a map
    or list around one can be used to guess it.
    """
    body = _masked(live.body, sensitive) if sensitive else live.body
    return {path_key(path): _hash(live, body, path) for path in paths}


def _masked(body: JsonObject, sensitive: Collection[FieldPath]) -> JsonObject:
    masked: JsonObject = msgspec.json.decode(canonical(body))
    for path in sensitive:
        if value_at(masked, path) is not MISSING:
            set_at(masked, path, "+")
    return masked


def _hash(live: Present, body: JsonObject, path: FieldPath) -> str:
    value = value_at(body, path)
    shown = b"-" if value is MISSING else canonical(value)
    return digest(shown, *(o.encode() for o in owners(live, path)))[:16]


def leaf_hashes(body: JsonObject, live: Present) -> dict[str, str]:
    """Short hash of every value in `body` (which holds no secret): what the records keep."""
    return {
        path_key(path): digest(canonical(value_at(body, path)))[:16]
        for path in sent_paths(body, live)
    }
