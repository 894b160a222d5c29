"""Where the submodules of a commit lie, by its `.gitmodules` (gitmodules(5), git-submodule(1))."""

from __future__ import annotations

import os
import posixpath
import re

from providers.locked import clean_url

_ENTRY = re.compile(r"submodule\.(.*)\.(path|url)", re.DOTALL)
_BASE = re.compile(r"([a-z][a-z0-9+.-]*://[^/]+/|[^/:]+:)(.*)", re.IGNORECASE)


def read(listed: bytes, parent: str) -> dict[str, str]:
    """URLs by path of what `git config --list --null` says; `parent`: URL of the repository.

    A relative URL begins with `./` or `../` and is meant from the parent's.
    """
    said: dict[str, dict[str, str]] = {}
    for entry in os.fsdecode(listed).split("\0"):
        key, _, value = entry.partition("\n")
        found = _ENTRY.fullmatch(key)
        if found:
            said.setdefault(found[1], {})[found[2]] = value
    return {
        one["path"]: absolute(one["url"], parent)
        for one in said.values()
        if "path" in one and "url" in one
    }


def absolute(url: str, parent: str) -> str:
    """A submodule's URL, without credentials. It cannot lead above the parent's host."""
    base = _BASE.fullmatch(parent.rstrip("/"))
    if not url.startswith(("./", "../")) or base is None:
        return clean_url(url)
    path = posixpath.normpath(posixpath.join("/", base[2], url)).lstrip("/")
    return clean_url(base[1] + path)
