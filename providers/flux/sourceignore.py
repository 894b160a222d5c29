"""Which files of a source its artifact leaves out: `.sourceignore` files, `spec.ignore`, defaults.

Source: fluxcd/pkg/sourceignore v0.18.0 (a copy of go-git's gitignore, which differs from Git's own)
and fluxcd/pkg/artifact, SourceIgnoreFilter: with any rule of its own a source keeps only the rules
about Git's files, and the other defaults no longer hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from providers.flux.glob import BadPattern, Steps, matches

FILE = ".sourceignore"
_VCS = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
_DEFAULTS = (
    "*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
    ".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml",
    "cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
    "**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml",
)  # fmt: skip


class _Rule(msgspec.Struct, frozen=True, gc=False):
    domain: tuple[str, ...]
    include: bool
    folders_only: bool
    glob: tuple[str, ...]

    def applies(self, path: tuple[str, ...]) -> bool:
        below = path[len(self.domain) :]
        if not below or path[: len(self.domain)] != self.domain:
            return False
        return self._anchored(below) if len(self.glob) > 1 else self._anywhere(below)

    def _anywhere(self, path: tuple[str, ...]) -> bool:
        for index, name in enumerate(path):
            if _matches(self.glob[0], name):
                return not (self.folders_only and index == len(path) - 1)
        return False

    def _anchored(self, path: tuple[str, ...]) -> bool:
        matched = traverse = False
        for index, glob in enumerate(self.glob):
            if not glob:
                traverse = False
            elif glob == "**":
                if index == len(self.glob) - 1:
                    break
                traverse = True
            elif "**" in glob or not path:
                return False
            elif traverse:
                traverse = False
                # What was matched before stays matched unless the path runs out here.
                while path:
                    name, path = path[0], path[1:]
                    if _matches(glob, name):
                        matched = True
                        break
                    if not path:
                        matched = False
            elif _matches(glob, path[0]):
                matched = True
                path = path[1:]
            else:
                return False
        return matched and not (self.folders_only and not path)


def _matches(glob: str, name: str) -> bool:
    try:
        return matches(glob.encode(), name.encode(), Steps(10_000))
    except BadPattern:
        return False


def _rule(line: str, domain: tuple[str, ...]) -> _Rule:
    include = line.startswith("!")
    text = line[include:]
    if not text.endswith("\\ "):
        text = text.rstrip(" ")
    folders_only = text.endswith("/")
    text = text[:-1] if folders_only else text
    return _Rule(domain, include, folders_only, tuple(text.split("/")))


def _rules(text: str, domain: tuple[str, ...]) -> list[_Rule]:
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [_rule(line, domain) for line in lines if line.strip() and not line.startswith("#")]


def kept(paths: Iterable[str], ignore_files: Mapping[str, bytes], ignore: str | None) -> list[str]:
    """The paths that stay in the artifact, in their order.

    `ignore_files` holds the contents of the `.sourceignore` files among them, by path; `ignore` is
    `spec.ignore`. All paths are relative to the source's root.
    """
    rules: list[_Rule] = []
    for domain, path in sorted((tuple(path.split("/")[:-1]), path) for path in ignore_files):
        rules += _rules(ignore_files[path].decode(errors="replace"), domain)
    if ignore is not None:
        rules += _rules(ignore, ())
    standard = _VCS if rules else (*_VCS, *_DEFAULTS)
    rules = [_rule(line, ()) for line in standard] + rules
    rules.reverse()
    return [path for path in paths if not _ignored(tuple(path.split("/")), rules)]


def _ignored(path: tuple[str, ...], rules: list[_Rule]) -> bool:
    for rule in rules:
        if rule.applies(path):
            return not rule.include
    return False
