"""Flux's `postBuild` substitution of one object, and the places where it would surprise.

An object is written as YAML, its expressions are replaced in that text, and the text is read again:
so `replicas: ${n}` becomes a number, a value may bring a whole mapping, and a value with a quote in
it can break the object. Source: fluxcd/pkg/kustomize v1.35.6, kustomize_varsub.go; recorded answers
of it: `tests/data/flux-substitute.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers import yamldoc
from providers.base import mapping
from providers.flux import envsubst, goyaml
from state.errors import ClusterformError
from state.resource import FieldPath, JsonObject, canonical, split_api_version

ANNOTATION = "kustomize.toolkit.fluxcd.io/substitute"
_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_LIMITS = yamldoc.Limits(file_bytes=2 * envsubst.OUTPUT_LIMIT, nodes=1_000_000)


def is_disabled(body: JsonObject) -> bool:
    """The object asks to be left alone, by an annotation or a label."""
    metadata = mapping(body.get("metadata"))
    return any(
        mapping(metadata.get(field)).get(ANNOTATION) == "disabled"
        for field in ("labels", "annotations")
    )


def variables(*sources: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a Kustomization: `substituteFrom` in order, then `substitute`.

    Each source holds the texts of a ConfigMap's or Secret's `data` (decoded) or of the field
    itself; a later one wins. Newlines are removed from values, as Flux does.
    Raises ClusterformError('invalid-variable') for a name or value that Flux refuses.
    """
    merged: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            if not isinstance(value, str):
                raise _invalid(name, "its value is no text")
            merged[name] = value.replace("\n", "")
    for name in sorted(merged):
        if _NAME.fullmatch(name) is None:
            raise _invalid(name, f"a name is {_NAME.pattern}")
    return merged


def _invalid(name: str, why: str) -> ClusterformError:
    return ClusterformError(
        "invalid-variable",
        f"{name!r} cannot be a variable: {why}",
        detail="Flux would fail to build the whole Kustomization.",
    )


def substitute(
    body: JsonObject, values: Mapping[str, str], *, strict: bool = True, always: bool = False
) -> JsonObject:
    """The object with its expressions replaced; itself where nothing is to be done.

    With no variables at all Flux leaves every object as it is, `$${…}` and defaults included,
    unless `always` (`substituteStrategy: Always`).
    Raises ClusterformError of `envsubst.evaluate`, and ('substitution-broke-yaml') where the result
    is no object any more.
    """
    if not (values or always) or is_disabled(body):
        return body
    content = canonical(body)
    if b"${" not in content and b"$$" not in content:
        return body
    text = envsubst.evaluate(goyaml.emit(body), values, strict=strict)
    documents, findings = yamldoc.parse(text.encode(), "", _LIMITS)
    errors = [found for found in findings if found.severity == "error"]
    if errors or len(documents) != 1 or documents[0].item >= 0:
        raise ClusterformError(
            "substitution-broke-yaml",
            "after substitution the object is no YAML object any more",
            detail=errors[0].summary if errors else "",
            hint="a value with `: `, quotes or braces changes what stands around it: quote the "
            "expression, or the value",
        )
    return documents[0].body


class Warned(msgspec.Struct, frozen=True, gc=False):
    """An expression in a script that substitution changes, though a shell was to read it."""

    path: FieldPath
    expression: str
    """The variable, or `$$`."""
    effect: str


_SCRIPTS = frozenset(
    ("content", "preKubeadmCommands", "postKubeadmCommands", "preK3sCommands", "postK3sCommands",
     "preRKE2Commands", "postRKE2Commands", "preBootstrapCommands", "postBootstrapCommands",
     "bootCommands", "userData", "data", "additionalConfig")
)  # fmt: skip
_BOOTSTRAP_GROUPS = ("bootstrap.cluster.x-k8s.io", "controlplane.cluster.x-k8s.io")


def shell_places(
    body: JsonObject, values: Mapping[str, str], *, strict: bool = True
) -> list[Warned]:
    """Where substitution touches scripts of machines: cloud-init files and commands.

    A variable that is set may be meant; every other one is the shell's (`${HOME}`,
    `${PROXY:-none}`, `$$`) or clusterctl's (`${CLUSTER_NAME}`).
    """
    group = split_api_version(str(body.get("apiVersion") or ""))[0]
    if group not in _BOOTSTRAP_GROUPS or is_disabled(body):
        return []
    found = []
    for path, text in _texts(body, (), False):
        found += [Warned(path, name, effect) for name, effect in _effects(text, values, strict)]
    return found


def _texts(value: Any, path: FieldPath, script: bool) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _texts(value[key], (*path, f"f:{key}"), script or key in _SCRIPTS)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, f"i:{index}"), script)
    elif script and isinstance(value, str) and "$" in value:
        yield path, value


def _effects(text: str, values: Mapping[str, str], strict: bool) -> Iterator[tuple[str, str]]:
    try:
        parts = envsubst.parse(text)
    except ClusterformError as error:
        yield "", f"fails the build: {error.brief}"
        return
    seen = set()
    for part in parts:
        for expression in part.walk() if isinstance(part, envsubst.Expression) else ():
            if expression.name in values or expression.name in seen:
                continue
            seen.add(expression.name)
            if expression.has_default:
                yield expression.name, "is replaced by its default before the machine sees it"
            else:
                yield expression.name, "fails the build" if strict else "becomes empty"
    if re.search(r"\$\$(?!\{)", text):
        yield "$$", "becomes $"
