"""Go's `path.Match` over bytes, with a bound on its work.

Source: fluxcd/pkg/envsubst v1.7.1, path/match.go: Go's own with one difference, `*` also passes a
slash. It takes one way through a text and never goes back, so some patterns miss what they could
match; Go's does the same.
"""

from __future__ import annotations

from state.errors import ClusterformError


class Steps:
    """How many characters may still be compared."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> None:
        """Raises ClusterformError('pattern-limit') when nothing is left."""
        self.left -= count
        if self.left < 0:
            raise ClusterformError("pattern-limit", "its patterns compare too much")


class BadPattern(Exception):
    """The pattern is malformed where the value made the matcher look at it."""


def matches(pattern: bytes, name: bytes, steps: Steps) -> bool:
    """Glob matching as Go's `path.Match`, but `*` also passes a slash."""
    while pattern:
        star = pattern.startswith(b"*")
        pattern = pattern.lstrip(b"*")
        end = _chunk_end(pattern)
        chunk, pattern = pattern[:end], pattern[end:]
        if star and not chunk:
            return True
        rest = _match_chunk(chunk, name, steps)
        if rest is not None and (not rest or pattern):
            name = rest
            continue
        found = None
        for start in range(1, len(name) + 1) if star else ():
            rest = _match_chunk(chunk, name[start:], steps)
            if rest is not None and (pattern or not rest):
                found = rest
                break
        if found is None:
            return False
        name = found
    return not name


def _chunk_end(pattern: bytes) -> int:
    inside = False
    at = 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"\\":
            at += 1
        elif char in (b"[", b"]"):
            inside = char == b"["
        elif char == b"*" and not inside:
            break
        at += 1
    return min(at, len(pattern))


def _match_chunk(chunk: bytes, text: bytes, steps: Steps) -> bytes | None:
    """What is left of `text` after the chunk; None where it does not match."""
    while chunk:
        steps.take(1)
        if not text:
            return None
        first = chunk[:1]
        if first == b"[":
            code, width = _rune(text)
            text = text[width:]
            hit, chunk = _match_class(chunk[1:], code)
            if not hit:
                return None
            continue
        if first == b"?":
            text = text[_rune(text)[1] :]
        else:
            if first == b"\\":
                chunk = chunk[1:]
                if not chunk:
                    raise BadPattern
            if chunk[:1] != text[:1]:
                return None
            text = text[1:]
        chunk = chunk[1:]
    return text


def _match_class(chunk: bytes, code: int) -> tuple[bool, bytes]:
    negated = chunk.startswith(b"^")
    chunk = chunk[negated:]
    hit = False
    ranges = 0
    while not (chunk.startswith(b"]") and ranges):
        low, chunk = _class_char(chunk)
        high = low
        if chunk.startswith(b"-"):
            high, chunk = _class_char(chunk[1:])
        hit = hit or low <= code <= high
        ranges += 1
    return hit != negated, chunk[1:]


def _class_char(chunk: bytes) -> tuple[int, bytes]:
    if chunk[:1] in (b"", b"-", b"]"):
        raise BadPattern
    if chunk.startswith(b"\\"):
        chunk = chunk[1:]
        if not chunk:
            raise BadPattern
    code, width = _rune(chunk)
    rest = chunk[width:]
    if not rest or (code == _REPLACEMENT and width == 1):
        raise BadPattern
    return code, rest


_REPLACEMENT = 0xFFFD


def _rune(data: bytes) -> tuple[int, int]:
    """The first character and its bytes; a byte that begins none counts as U+FFFD."""
    for width in range(1, 5):
        try:
            return ord(data[:width].decode()), width
        except (UnicodeDecodeError, TypeError):
            continue
    return _REPLACEMENT, 1
