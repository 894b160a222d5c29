"""Charts inside a chart: what lies in `charts/`, held against Chart.yaml and Chart.lock.

Source: helm/helm v4.2, pkg/chart/loader (what of `charts/` is a chart), internal/resolver
(`HashReq`, `HashV2Req`: the lock's digest) and pkg/downloader/manager.go (`Build`: what the lock
names goes into `charts/`). Which of them take part is decided by the engine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping

import msgspec

from providers import yamldoc
from providers.helm.archive import read_archive
from providers.helm.constraint import satisfies
from state.errors import ClusterformError
from state.resource import JsonObject

LOCKS = ("Chart.lock", "requirements.lock")
"""Of today, and of Helm 2."""
DEEPEST = 8
"""Charts inside of charts."""
MOST = 100
"""Dependencies of one chart that are looked for elsewhere: each is a request."""
_FIELDS = (
    *("name", "version", "repository", "condition", "tags", "enabled"),
    *("import-values", "alias"),
)
"""Of a dependency, in the order in which Go writes them."""


class Unit(msgspec.Struct, frozen=True):
    """A chart, or one inside of it."""

    prefix: str
    """`""` for the chart itself, `charts/common/` for one inside."""
    files: Mapping[str, bytes]
    metadata: JsonObject


class Dependency(msgspec.Struct, frozen=True):
    """A chart that a lock names, at one version."""

    name: str
    version: str
    repository: str


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart says of its dependencies, and its lock."""

    declared: list[JsonObject]
    locked: list[JsonObject] | None
    """None: there is no lock."""
    digest: str
    holder: str
    lock: str
    """Names of the two files."""
    old: bool
    """Of Helm 2."""

    @property
    def fits(self) -> bool:
        """The lock was made from these dependencies.

        Helm writes the URL of an alias (`@name`) into the lock before it counts.
        """
        locked = self.locked or []
        named = [
            {**one, "repository": there.get("repository")} if is_alias(one) else one
            for one, there in zip(self.declared, locked, strict=False)
        ] + self.declared[len(locked) :]
        known = [lock_digest(named, locked)]
        known += [_digest_of_helm_2(self.declared)] if self.old else []
        return self.digest in known


def units(files: Mapping[str, bytes], where: str, prefix: str = "") -> Iterator[Unit]:
    """A chart and all charts inside, each checked.

    Raises ClusterformError('bad-chart', 'bad-archive', 'chart-dependencies').
    """
    if prefix.count("charts/") > DEEPEST:
        raise ClusterformError("bad-chart", f"{where}: charts lie more than {DEEPEST} deep")
    metadata = _document(files, "Chart.yaml", where)
    inner = list(_inside(files, f"{where}/charts"))
    own = Unit(prefix, files, metadata)
    yield own
    found = []
    for name, below in inner:
        for unit in units(below, f"{where}/charts/{name}", f"{prefix}charts/{name}/"):
            if unit.files is below:
                found.append((str(unit.metadata.get("name")), str(unit.metadata.get("version"))))
            yield unit
    _check(own, found, where)


def _inside(files: Mapping[str, bytes], where: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The charts of `charts/`: folders and archives, but nothing that begins with `.` or `_`."""
    folders: dict[str, dict[str, bytes]] = {}
    for path in sorted(files):
        folder, _, rest = path.partition("/")
        name, _, below = rest.partition("/")
        if folder != "charts" or not name or name[0] in "._":
            continue
        if below:
            folders.setdefault(name, {})[below] = files[path]
        elif name.endswith(".tgz"):
            yield name, read_archive(files[path], f"{where}/{name}")
    yield from ((name, below) for name, below in folders.items() if "Chart.yaml" in below)


def _document(files: Mapping[str, bytes], name: str, where: str) -> JsonObject:
    documents, findings = yamldoc.parse(files.get(name, b""), f"{where}/{name}")
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        raise ClusterformError("bad-chart", f"{where}/{name}: {errors[0].summary}")
    return documents[0].body if documents else {}


def absent(files: Mapping[str, bytes], where: str) -> tuple[Dependency, ...]:
    """What the lock of a chart's folder names and its `charts/` does not have.

    Nothing where there is no lock. Raises ClusterformError('bad-chart', 'bad-archive',
    'chart-dependencies').
    """
    said = _said(files, _document(files, "Chart.yaml", where), where)
    if not said.declared or not said.locked:
        return ()
    found: dict[str, set[str]] = {}
    for name, below in _inside(files, f"{where}/charts"):
        inner = _document(below, "Chart.yaml", f"{where}/charts/{name}")
        found.setdefault(str(inner.get("name")), set()).add(str(inner.get("version")))
    locked = sorted(
        {(_text(one, "name"), _text(one, "version")): one for one in said.locked}.items()
    )
    there = {name: {version for (known, version), _ in locked if known == name} for name in found}
    # Where charts/ has a version that the lock does not name, somebody put it there.
    wanted = [
        Dependency(name, version, _text(one, "repository"))
        for (name, version), one in locked
        if version not in found.get(name, set())
        and found.get(name, set()) <= there.get(name, set())
    ]
    if wanted and not said.fits:
        raise _does_not_fit(said, where)
    if len(wanted) > MOST:
        raise ClusterformError("bad-chart", f"{where}/{said.lock} names more than {MOST} charts")
    for one in wanted:
        if not _NAME.fullmatch(one.name) or not _NAME.fullmatch(one.version):
            raise ClusterformError(
                "bad-chart",
                f"{where}/{said.lock}: {f'{one.name} {one.version}'[:80]!r} is no chart's version",
            )
    return tuple(one for one in wanted if one.repository)


_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,99}")


def _said(files: Mapping[str, bytes], metadata: JsonObject, where: str) -> _Said:
    old = metadata.get("apiVersion", "v1") == "v1"
    holder, name = ("requirements.yaml" if old else "Chart.yaml"), LOCKS[old]
    body = _document(files, holder, where) if old else metadata
    declared = _dicts(body.get("dependencies"))
    lock = _document(files, name, where) if declared and name in files else None
    return _Said(
        declared=declared,
        locked=None if lock is None else _dicts(lock.get("dependencies")),
        digest=_text(lock or {}, "digest"),
        holder=holder,
        lock=name,
        old=old,
    )


def _check(unit: Unit, found: list[tuple[str, str]], where: str) -> None:
    """Every declared dependency lies there in a version that fits, and in that of the lock."""
    said = _said(unit.files, unit.metadata, where)
    if not said.declared:
        return
    for one in said.declared:
        name, wanted = _text(one, "name"), _text(one, "version")
        versions = [version for known, version in found if known == name]
        if not versions:
            lock = f", and there is no {said.lock}" if said.locked is None else ""
            raise _missing(where, f"it depends on {name} {wanted}, which is not in charts/{lock}")
        if wanted and not any(satisfies(version, wanted) for version in versions):
            raise _missing(
                where, f"it depends on {name} {wanted}, and charts/ has {', '.join(versions)}"
            )
    for one in said.locked or ():
        name, version = _text(one, "name"), _text(one, "version")
        versions = [known for mine, known in found if mine == name]
        if version not in versions:
            raise _missing(
                where, f"{said.lock} says {name} {version}, and charts/ has {', '.join(versions)}"
            )
    if said.locked is not None and not said.fits:
        raise _does_not_fit(said, where)


def is_alias(one: JsonObject) -> bool:
    """Its repository is a name that one machine's `helm repo add` knows."""
    return _text(one, "repository").startswith(("@", "alias:"))


def lock_digest(declared: list[JsonObject], locked: list[JsonObject]) -> str:
    """What `helm dependency update` writes: SHA-256 over both lists as Go's JSON."""
    both = [[_as_go(one) for one in found] for found in (declared, locked)]
    return _sha256_of_go(both)


def _digest_of_helm_2(declared: list[JsonObject]) -> str:
    """What Helm 2 wrote into requirements.lock."""
    return _sha256_of_go({"dependencies": [_as_go(one) for one in declared]})


def _sha256_of_go(found: object) -> str:
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _as_go(one: JsonObject) -> JsonObject:
    always = {"name": "", "repository": ""} | {
        k: one[k] for k in ("name", "repository") if k in one
    }
    return {
        field: always.get(field, one.get(field))
        for field in _FIELDS
        if field in always or one.get(field)
    }


def _dicts(found: object) -> list[JsonObject]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(one: JsonObject, field: str) -> str:
    found = one.get(field)
    return "" if found is None else str(found)


def _missing(where: str, why: str) -> ClusterformError:
    return ClusterformError(
        "chart-dependencies",
        f"{where}: {why}",
        hint=f"run `helm dependency update` in {where} and commit charts/, or Chart.lock alone, "
        "which clusterform sources lock then pins: a plan fetches nothing",
    )


def _does_not_fit(said: _Said, where: str) -> ClusterformError:
    return ClusterformError(
        "chart-dependencies",
        f"{where}: {said.lock} does not fit {said.holder}: it was made from other dependencies",
        hint=f"run `helm dependency update` in {where} and commit {said.lock}",
    )
