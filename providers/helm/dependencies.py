"""Charts inside a chart: what lies in `charts/`, held against Chart.yaml and Chart.lock.

Source: helm/helm v4.2, pkg/chart/loader (what of `charts/` is a chart) and internal/resolver
(`HashReq`, the lock's digest). Which of them take part is decided by the engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

import msgspec

from providers import yamldoc
from providers.helm.archive import read_archive
from providers.helm.constraint import satisfies
from state.errors import ClusterformError
from state.resource import JsonObject

_DEEPEST = 8
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


def units(files: Mapping[str, bytes], where: str, prefix: str = "") -> Iterator[Unit]:
    """A chart and all charts inside, each checked.

    Raises ClusterformError('bad-chart', 'bad-archive', 'chart-dependencies').
    """
    if prefix.count("charts/") > _DEEPEST:
        raise ClusterformError("bad-chart", f"{where}: charts lie more than {_DEEPEST} deep")
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


def _check(unit: Unit, found: list[tuple[str, str]], where: str) -> None:
    """Every declared dependency lies there in a version that fits, and in that of the lock."""
    old = unit.metadata.get("apiVersion", "v1") == "v1"
    holder = _document(unit.files, "requirements.yaml", where) if old else unit.metadata
    declared = _dicts(holder.get("dependencies"))
    if not declared:
        return
    for one in declared:
        name, wanted = str(one.get("name", "")), str(one.get("version", ""))
        versions = [version for known, version in found if known == name]
        if not versions:
            raise _missing(where, f"it depends on {name} {wanted}, which is not in charts/")
        if wanted and not any(satisfies(version, wanted) for version in versions):
            raise _missing(
                where, f"it depends on {name} {wanted}, and charts/ has {', '.join(versions)}"
            )
    lock_name = "requirements.lock" if old else "Chart.lock"
    if lock_name not in unit.files:
        return
    lock = _document(unit.files, lock_name, where)
    locked = _dicts(lock.get("dependencies"))
    for one in locked:
        name, version = str(one.get("name", "")), str(one.get("version", ""))
        versions = [known for mine, known in found if mine == name]
        if version not in versions:
            raise _missing(
                where, f"{lock_name} says {name} {version}, and charts/ has {', '.join(versions)}"
            )
    # Helm 2 counted differently: its locks are held by their versions alone.
    if not old and lock.get("digest") != lock_digest(declared, locked):
        raise _missing(where, f"{lock_name} was made from other dependencies than Chart.yaml's")


def lock_digest(declared: list[JsonObject], locked: list[JsonObject]) -> str:
    """What `helm dependency update` writes: SHA-256 over both lists as Go's JSON."""
    both = [[_as_go(one) for one in found] for found in (declared, locked)]
    text = json.dumps(both, separators=(",", ":"), ensure_ascii=False)
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


def _missing(where: str, why: str) -> ClusterformError:
    return ClusterformError(
        "chart-dependencies",
        f"{where}: {why}",
        hint=f"run `helm dependency update` in {where} and commit charts/: a plan fetches nothing",
    )
