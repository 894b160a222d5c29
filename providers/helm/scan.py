"""What templates ask for, found without running them: functions, capabilities, chance.

A scan over the actions (`{{ … }}`) of a template: comments count for nothing, texts only where
`tpl` may evaluate them. Source of the grammar: Go, text/template/parse/lex.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

RANDOM = frozenset(
    {
        *("randAlphaNum", "randAlpha", "randNumeric", "randAscii", "randBytes", "randInt"),
        *("uuidv4", "shuffle", "now", "ago", "htpasswd", "bcrypt", "encryptAES"),
        *("genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert"),
        *("genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey"),
    }
)
"""Functions of Sprig that give another result each time, by chance or by the clock."""
_COMMENT = re.compile(r"\{\{(?:-\s)?/\*(?:[^*]|\*(?!/))*\*/(?:\s-)?\}\}")
_COMMENT_BEGINS = re.compile(r"\{\{(?:-\s)?/\*")
_TOKEN = re.compile(
    r"(?P<end>\}\})|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<word>[.$]?[A-Za-z_]\w*)|(?P<open>[\"'`])|[^A-Za-z_.$\"'`}]+|.",
    re.DOTALL,
)


def words(template: str) -> Iterator[str]:
    """Identifiers of all actions: functions and keywords as they are, fields and variables with
    their dot or dollar, texts with their quotes. Ends where a text or comment is never closed: no
    engine takes such a template."""
    at = template.find("{{")
    while at >= 0:
        if _COMMENT_BEGINS.match(template, at):
            comment = _COMMENT.match(template, at)
            if comment is None:
                return
            at = template.find("{{", comment.end())
            continue
        at += 2
        while match := _TOKEN.match(template, at):
            at = match.end()
            if match.lastgroup == "end":
                break
            if match.lastgroup == "open":
                return
            if match.lastgroup in ("word", "text"):
                yield match[0]
        at = template.find("{{", at)


def is_text(word: str) -> bool:
    """A text of a template, not one of its names."""
    return word[0] in "\"'`"
