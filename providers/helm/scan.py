"""What templates ask for, found without running them: functions, capabilities, chance.

A scan over the actions (`{{ … }}`) of a template: comments count for nothing, texts only where
`tpl` may evaluate them. Source of the grammar: Go, text/template/parse/lex.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

RANDOM = frozenset(
    {
        *("randAlphaNum", "randAlpha", "randNumeric", "randAscii", "randBytes", "randInt"),
        *("uuidv4", "shuffle", "now", "ago", "htpasswd", "bcrypt", "encryptAES"),
        *("genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert"),
        *("genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey"),
    }
)
"""Functions of Sprig that give another result each time, by chance or by the clock."""
_UNORDERED = frozenset({"keys", "values"})
"""Functions of Sprig that list a map as Go iterates over it: in another order each time (measured:
6 names, 12 renders, 5 orders)."""
_SETTLES = frozenset({"sortAlpha", "len", "has", "mustHas", "empty"})
"""What makes of such a list something that its order has no part in."""
_COMMENT = re.compile(r"\{\{(?:-\s)?/\*(?:[^*]|\*(?!/))*\*/(?:\s-)?\}\}")
_COMMENT_BEGINS = re.compile(r"\{\{(?:-\s)?/\*")
_TOKEN = re.compile(
    r"(?P<end>\}\})|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<word>[.$]?[A-Za-z_]\w*)|(?P<open>[\"'`])|[^A-Za-z_.$\"'`}]+|.",
    re.DOTALL,
)


def words(template: str) -> Iterator[str]:
    """Identifiers of all actions: functions and keywords as they are, fields and variables with
    their dot or dollar, texts with their quotes."""
    return chain.from_iterable(actions(template))


def actions(template: str) -> Iterator[list[str]]:
    """The words of each action. Ends where a text or comment is never closed: no engine takes such
    a template."""
    at = template.find("{{")
    while at >= 0:
        if _COMMENT_BEGINS.match(template, at):
            comment = _COMMENT.match(template, at)
            if comment is None:
                return
            at = template.find("{{", comment.end())
            continue
        at += 2
        found: list[str] = []
        while match := _TOKEN.match(template, at):
            at = match.end()
            if match.lastgroup == "end":
                break
            if match.lastgroup == "open":
                return
            if match.lastgroup in ("word", "text"):
                found.append(match[0])
        yield found
        at = template.find("{{", at)


def by_chance(template: str) -> Iterator[str]:
    """Functions of a template whose results differ each time.

    A list of a map's names is one unless the same action settles its order, or an action that
    names the variable which the list went to.
    """
    found = list(actions(template))
    settled = {word for words in found if not _SETTLES.isdisjoint(words) for word in words}
    for words in found:
        yield from (word for word in words if word in RANDOM)
        listed = _UNORDERED.intersection(words)
        if not listed or words[0] in ("if", "else") or not _SETTLES.isdisjoint(words):
            continue
        if words[0][0] != "$" or words[0] not in settled:
            yield from (f"{name} without sortAlpha" for name in sorted(listed))


def is_text(word: str) -> bool:
    """A text of a template, not one of its names."""
    return word[0] in "\"'`"
