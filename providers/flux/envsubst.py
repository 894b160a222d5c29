"""`${…}` expressions exactly as Flux reads them: a fork of drone/envsubst, oddities included.

Source: fluxcd/pkg/envsubst v1.7.1 (parse/parse.go, parse/scan.go, funcs.go, path/match.go); held to
it by `tests/data/flux-substitute.json`, which the real package answered. What surprises:
`${x-y}` is no expression but an error; `:+` and `:?` act as `:-`; lengths and offsets count bytes;
the arguments of an expression are evaluated even where its variable is set; an argument is one text
or one expression (only defaults take several); `}` ends a default, whatever was opened inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from providers.flux.glob import BadPattern, Steps, matches
from state.errors import ClusterformError

PATTERN_STEPS = 200_000
"""Characters compared by all patterns of a text; matching takes the square of a value's length."""
OUTPUT_LIMIT = 8 << 20
DEPTH_LIMIT = 32
"""Expressions inside expressions."""

_DEFAULTS = frozenset(("=", ":=", ":-", ":?", ":+"))


class Expression(msgspec.Struct, frozen=True, gc=False):
    """`${name}` with an operator; `arguments` are texts and expressions."""

    name: str
    operator: str = ""
    arguments: tuple[str | Expression, ...] = ()

    @property
    def has_default(self) -> bool:
        """It stands without its variable, in strict mode too."""
        return self.operator in _DEFAULTS

    def walk(self) -> Iterator[Expression]:
        """Itself and those in its arguments."""
        yield self
        for argument in self.arguments:
            if isinstance(argument, Expression):
                yield from argument.walk()


Part = str | Expression
Lookup = Callable[[str], str | None]
"""The value of a variable; None where it is not set."""
Apply = Callable[[str, str, tuple[str, ...]], str]
"""What an operator makes of a value and its arguments."""


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a text; `$$` has become `$`. Raises ClusterformError('bad-substitution')."""
    parts: list[Part] = []
    scanner = _Scanner(text)
    while not scanner.at_end():
        if scanner.opens():
            parts.append(_expression(scanner, 1))
        else:
            parts.append(scanner.text_until_expression())
    return tuple(parts)


def evaluate(text: str, variables: Mapping[str, str], *, strict: bool) -> str:
    """The text with its expressions replaced.

    Raises ClusterformError('bad-substitution') for what cannot be read, ('variable-not-set') in
    strict mode, ('substitution-limit').
    """

    steps = Steps(PATTERN_STEPS)

    def value(name: str) -> str | None:
        return variables.get(name) if strict else variables.get(name, "")

    def apply(found: str, operator: str, arguments: tuple[str, ...]) -> str:
        return _operate(found, operator, arguments, steps)

    return execute(parse(text), value, apply)


def execute(parts: tuple[Part, ...], value: Lookup, apply: Apply) -> str:
    """The parts with their expressions replaced, by a dialect's operators."""
    pieces: list[str] = []
    size = 0
    for part in parts:
        piece = part if isinstance(part, str) else _execute(part, value, apply)
        size += len(piece)
        if size > OUTPUT_LIMIT:
            raise _limit(f"the result has more than {OUTPUT_LIMIT >> 20} MiB")
        pieces.append(piece)
    return "".join(pieces)


def _execute(expression: Expression, value: Lookup, apply: Apply) -> str:
    arguments = tuple(
        argument if isinstance(argument, str) else _execute(argument, value, apply)
        for argument in expression.arguments
    )
    found = value(expression.name)
    if found is None:
        if not expression.has_default:
            raise ClusterformError(
                "variable-not-set",
                f"the variable {expression.name!r} is not set",
                detail="Flux substitutes strictly: the whole Kustomization would fail to build.",
                hint="set it, give it a default (${name:=default}), or write $${name} for a shell",
            )
        found = ""
    return apply(found, expression.operator, arguments)


class _Scanner:
    """A position in a text."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def at_end(self) -> bool:
        return self.at >= len(self.text)

    def peek(self, ahead: int = 0) -> str:
        """The next character; `""` at the end."""
        return self.text[self.at + ahead : self.at + ahead + 1]

    def opens(self) -> bool:
        return self.text.startswith("${", self.at)

    def take(self, wanted: str) -> bool:
        """Step over `wanted` if it is next."""
        if self.text.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def text_until_expression(self) -> str:
        """Plain text; `$$` is one `$` that opens nothing."""
        pieces: list[str] = []
        while not self.at_end():
            dollar = self.text.find("$", self.at)
            if dollar < 0:
                dollar = len(self.text)
            pieces.append(self.text[self.at : dollar])
            self.at = dollar
            if self.opens():
                break
            if self.peek():
                pieces.append("$")
                self.at += 2 if self.peek(1) == "$" else 1
        return "".join(pieces)

    def name(self) -> str:
        start = self.at
        while (char := self.peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
            self.at += 1
        return self.text[start : self.at]

    def argument(self, ends: str, *, escapes: bool = False) -> str:
        """Text up to one of `ends` or an expression; at least one character."""
        pieces: list[str] = []
        while (char := self.peek()) and char not in ends and not self.opens():
            if escapes and char + self.peek(1) in ("$$", "\\/", "\\\\"):
                self.at += 1
            pieces.append(self.peek())
            self.at += 1
        if not pieces:
            raise _bad("an operator without its argument")
        return "".join(pieces)


def _bad(why: str) -> ClusterformError:
    return ClusterformError(
        "bad-substitution",
        f"a ${{…}} expression that Flux cannot read: {why}",
        hint="write $${…} where a shell or another tool is meant, or switch substitution off for "
        "the object: kustomize.toolkit.fluxcd.io/substitute: disabled",
    )


def _limit(what: str) -> ClusterformError:
    return ClusterformError("substitution-limit", f"substitution is too large: {what}")


def _expression(scanner: _Scanner, depth: int) -> Expression:
    """What follows at `${`."""
    if depth > DEPTH_LIMIT:
        raise _limit(f"more than {DEPTH_LIMIT} expressions inside each other")
    scanner.at += 2
    if scanner.take("#"):
        name = scanner.name()
        _close(scanner, name)
        return Expression(name, "#")
    name = scanner.name()
    if not name:
        raise _bad("no variable name after ${")
    operator = scanner.peek()
    reader = _READERS.get(operator)
    if reader is not None:
        return reader(scanner, name, depth)
    _close(scanner, name)
    return Expression(name)


def _close(scanner: _Scanner, name: str) -> None:
    if not name or not scanner.take("}"):
        raise _bad(f"no closing brace after {name!r}" if name else "no variable name after ${#")


def _argument(scanner: _Scanner, ends: str, depth: int, *, escapes: bool = False) -> Part:
    if scanner.opens():
        return _expression(scanner, depth + 1)
    return scanner.argument(ends, escapes=escapes)


def _colon(scanner: _Scanner, name: str, depth: int) -> Expression:
    after = scanner.peek(1)
    if after and after in "=-?+":
        return _default(scanner, name, depth)
    if after > "\x7f":
        raise _bad(f"what follows {name}: is no position")
    scanner.at += 1
    arguments = [_argument(scanner, ":}", depth)]
    if scanner.take(":"):
        while scanner.take(":"):
            pass
        arguments.append(_argument(scanner, "}", depth))
    _close(scanner, name)
    return Expression(name, ":", tuple(arguments))


def _default(scanner: _Scanner, name: str, depth: int) -> Expression:
    operator = "=" if scanner.peek() == "=" else scanner.peek() + scanner.peek(1)
    scanner.at += len(operator)
    arguments: list[Part] = []
    while scanner.peek() != "}":
        arguments.append(_argument(scanner, "}", depth))
    scanner.at += 1
    return Expression(name, operator, tuple(arguments))


def _case(scanner: _Scanner, name: str, _depth: int) -> Expression:
    operator = scanner.peek()
    operator += scanner.peek(1) if scanner.peek(1) in (",", "^") else ""
    scanner.at += len(operator)
    _close(scanner, name)
    return Expression(name, operator)


def _remove(scanner: _Scanner, name: str, depth: int) -> Expression:
    operator = scanner.peek()
    operator += operator if scanner.peek(1) == operator else ""
    scanner.at += len(operator)
    argument = _argument(scanner, "}", depth)
    _close(scanner, name)
    return Expression(name, operator, (argument,))


def _replace(scanner: _Scanner, name: str, depth: int) -> Expression:
    after = scanner.peek(1)
    operator = f"/{after}" if after and after in "/#%" else "/"
    scanner.at += len(operator)
    arguments = [_argument(scanner, "/", depth, escapes=True)]
    if not scanner.take("/"):
        raise _bad(f"a replacement in {name!r} without its second slash")
    while scanner.take("/"):
        pass
    if scanner.peek() != "}":
        arguments.append(_argument(scanner, "}", depth, escapes=True))
    _close(scanner, name)
    return Expression(name, operator, tuple(arguments))


_READERS: dict[str, Callable[[_Scanner, str, int], Expression]] = {
    ":": _colon,
    "=": _default,
    ",": _case,
    "^": _case,
    "/": _replace,
    "#": _remove,
    "%": _remove,
}


def _operate(value: str, operator: str, arguments: tuple[str, ...], steps: Steps) -> str:
    if operator == "#" and not arguments:
        return str(len(value.encode()))
    if operator in ("#", "##"):
        return _trimmed(value, arguments[0], operator == "##", steps)
    if operator in ("%", "%%"):
        # The pattern is mirrored character by character, as Flux does: `[a-z]` becomes `]z-a[`.
        return _trimmed(value[::-1], arguments[0][::-1], operator == "%%", steps)[::-1]
    function = _OPERATORS.get(operator)
    if function is not None:
        return function(value, arguments)
    return value or "".join(arguments)


def _upper(char: str) -> str:
    changed = char.upper()
    return changed if len(changed) == 1 else char


def _lower(char: str) -> str:
    return char.lower()[:1]


def _whole(text: str) -> int | None:
    """Go's `strconv.Atoi`."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _slice(value: str, arguments: tuple[str, ...]) -> str:
    data = value.encode()
    start = _whole(arguments[0])
    if start is None:
        return value
    if start < 0:
        start = max(len(data) + start, 0)
    if len(arguments) == 1:
        return _text(data[start:])
    length = _whole(arguments[1])
    if length is None:
        return value
    end = len(data) + length if length < 0 else start + length
    return _text(data[start:end] if end >= start else b"")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _bad("a slice counts bytes, and this one cuts a character in two") from None


def _first(value: str, arguments: tuple[str, ...]) -> str:
    return value.replace(arguments[0], "".join(arguments[1:]), 1)


def _every(value: str, arguments: tuple[str, ...]) -> str:
    old, new = arguments[0], "".join(arguments[1:])
    if len(value) + (value.count(old) + 1) * len(new) > OUTPUT_LIMIT:
        raise _limit(f"a replacement makes more than {OUTPUT_LIMIT >> 20} MiB")
    return value.replace(old, new)


def _prefix(value: str, arguments: tuple[str, ...]) -> str:
    if len(arguments) == 2 and value.startswith(arguments[0]):
        return value.replace(arguments[0], arguments[1], 1)
    return value


def _suffix(value: str, arguments: tuple[str, ...]) -> str:
    if len(arguments) == 2 and value.endswith(arguments[0]):
        return value.removesuffix(arguments[0]) + arguments[1]
    return value


def _trimmed(value: str, pattern: str, longest: bool, steps: Steps) -> str:
    """The value less the prefix that matches; an empty prefix never does.

    All prefixes are tried before the shortest is taken: a pattern that one of them proves
    malformed leaves the value as it is.
    """
    data, glob = value.encode(), pattern.encode()
    found = 0
    try:
        for end in range(len(data), 0, -1):
            if matches(glob, data[:end], steps):
                found = end
                if longest:
                    break
    except BadPattern:
        return value
    return _text(data[found:])


_OPERATORS: dict[str, Callable[[str, tuple[str, ...]], str]] = {
    ",": lambda value, _: _lower(value[:1]) + value[1:],
    ",,": lambda value, _: "".join(map(_lower, value)),
    "^": lambda value, _: _upper(value[:1]) + value[1:],
    "^^": lambda value, _: "".join(map(_upper, value)),
    ":": _slice,
    "/": _first,
    "//": _every,
    "/#": _prefix,
    "/%": _suffix,
}
