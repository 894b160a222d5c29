"""One parsed document → a checked object as it would be applied, its sensitive values taken out.

What is dropped and why: docs/server-side-apply.md, "Writes" (empty metadata maps make every apply
of a custom resource a write; nulls are refused or owned), and what a server adds to objects that
were exported.
"""

from __future__ import annotations

from typing import Any

import msgspec

from planner.filereader import API_VERSION, GROUP
from providers import secrets, sops
from providers.yamldoc import Document, Finding
from state.fields import value_at
from state.resource import FieldPath, Hook, JsonObject, canonical, path_text, split_api_version

CLUSTER_ANNOTATION = "clusterform.dev/cluster"
"""Names the workload cluster (`namespace/name`) that an object lives in."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_EXPORTED = (
    "creationTimestamp",
    "uid",
    "resourceVersion",
    "managedFields",
    "generation",
    "selfLink",
    "deletionTimestamp",
)
_CRD = "CustomResourceDefinition"
_EMPTY_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
_NULLS_COUNT = frozenset(
    {
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("helm.fluxcd.io", "HelmRelease"),
        ("addons.cluster.x-k8s.io", "HelmChartProxy"),
        ("argoproj.io", "Application"),
    }
)
"""Kinds that carry Helm values, where null removes a chart's default."""


class Manifest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A checked object, without the file's name: what the cache of parsed files keeps."""

    index: int
    item: int
    line: int
    version: str
    kind: str
    namespace: str
    name: str
    cluster: str
    body: bytes
    secrets: tuple[secrets.Extracted, ...] = ()
    by: str = ""
    """Of a rendered object: the chart's template, or the file that a kustomization took."""
    once: bool = False
    """Of a rendered object: created where it is missing, never changed."""
    hook: Hook | None = None
    """Of a rendered object: a Helm hook."""
    sealed: str = ""
    """Of one that SOPS encrypted: a digest over its ciphertexts. What it says is not known."""


class Checked(msgspec.Struct):
    """What became of a document: an object, or nothing, and what is wrong."""

    manifest: Manifest | None
    findings: list[Finding]


class _Wrong(Exception):
    def __init__(self, code: str, summary: str, at: FieldPath = (), hint: str = "") -> None:
        super().__init__(summary)
        self.code, self.summary, self.at, self.hint = code, summary, at, hint


def check(document: Document, path: str, patterns: secrets.Patterns | None = None) -> Checked:
    """Check and normalise a document. Changes its body.

    `patterns`: sensitive fields of its kind; by default those of `providers.secrets`.
    """
    findings: list[Finding] = []

    def note(severity: Any, code: str, summary: str, hint: str = "") -> None:
        findings.append(
            Finding(
                severity=severity, code=code, summary=summary, path=path, line=document.line,
                hint=hint,
            )
        )  # fmt: skip

    body = document.body
    version, kind = body.get("apiVersion"), body.get("kind")
    if not (version and kind and isinstance(version, str) and isinstance(kind, str)):
        if "apiVersion" in body or "kind" in body:
            note(
                "error",
                "half-a-manifest",
                "apiVersion and kind must both be text: left out, its object would be deleted",
                "write both, or remove both if this is no manifest",
            )
            return Checked(None, findings)
        note("warning", "not-a-manifest", "no apiVersion and kind: not a manifest, left out")
        return Checked(None, findings)
    if (version, kind) == (API_VERSION, "Test"):
        return Checked(None, findings)  # read by `clusterform test`, wherever it lies
    try:
        dropped = _drop_exported(body)
        manifest = _manifest(document, version, kind, patterns)
    except _Wrong as wrong:
        note("error", wrong.code, f"{kind}: {wrong.summary}", wrong.hint)
        return Checked(None, findings)
    if dropped:
        note(
            "warning",
            "exported",
            f"{kind} {manifest.name} was exported from a server; left out: {', '.join(dropped)}",
            "remove these fields from the file",
        )
    return Checked(manifest, findings)


def _manifest(
    document: Document, version: str, kind: str, patterns: secrets.Patterns | None
) -> Manifest:
    body = document.body
    group = split_api_version(version)[0]
    if group == GROUP and kind != "WorkloadCluster":
        raise _Wrong("not-yet", f"not supported yet in a manifest: {API_VERSION} {kind}")
    namespace, name, cluster = _metadata(body)
    if patterns is None:
        patterns = secrets.sensitive(group, kind)
    sealed = sops.mark(body) if sops.is_encrypted(body) else ""
    hidden = _take_ciphertexts(body) if sealed and (group or kind != "Secret") else ()
    taken = (*hidden, *_take_secrets(group, kind, body, patterns))
    body.pop("sops", None) if sealed else None
    content = canonical(body)
    if b"null" in content:
        # The word may stand in a text; only then is this walk in vain.
        content = canonical(_without_nulls(body, keep=(group, kind) in _NULLS_COUNT))
    return Manifest(
        document.index, document.item, document.line, version, kind, namespace, name, cluster,
        content, taken, sealed=sealed,
    )  # fmt: skip


def _metadata(body: JsonObject) -> tuple[str, str, str]:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        raise _Wrong("no-name", "metadata.name is missing")
    name, namespace = metadata.get("name"), metadata.get("namespace") or ""
    if metadata.get("generateName"):
        raise _Wrong(
            "generate-name", "generateName cannot be planned", hint="give it a name of its own"
        )
    if name is None or name == "":
        raise _Wrong("no-name", "metadata.name is missing")
    if not isinstance(name, str) or not isinstance(namespace, str):
        raise _Wrong("wrong-type", "metadata.name and namespace must be text; quote them")
    for field, text in (("name", name), ("namespace", namespace)):
        if "/" in text or "%" in text or text in (".", "..") or len(text) > 253:
            raise _Wrong("bad-name", f"metadata.{field} is no valid name")
    for field in ("labels", "annotations"):
        _check_texts(field, metadata.get(field))
    cluster = _take_cluster(metadata)
    for field in _EMPTY_METADATA:
        if field in metadata and not metadata[field]:
            del metadata[field]
    return namespace, name, cluster


def _check_texts(field: str, texts: Any) -> None:
    if texts is None:
        return
    if not isinstance(texts, dict):
        raise _Wrong("wrong-type", f"metadata.{field} is not a mapping")
    for key in [key for key, value in texts.items() if value is None]:
        del texts[key]
    wrong = [key for key, value in texts.items() if type(value) is not str]
    if wrong:
        raise _Wrong("wrong-type", f"metadata.{field}: {wrong[0]} is not a text", hint="quote it")


def _take_cluster(metadata: JsonObject) -> str:
    annotations = metadata.get("annotations")
    if not annotations or CLUSTER_ANNOTATION not in annotations:
        return ""
    cluster: str = annotations.pop(CLUSTER_ANNOTATION)
    namespace, slash, name = cluster.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise _Wrong(
            "wrong-type", f"annotation {CLUSTER_ANNOTATION} is not namespace/name of a cluster"
        )
    return cluster


def _drop_exported(body: JsonObject) -> list[str]:
    # Generators write an empty status, and one with empty names into every CRD: no export.
    dropped = ["status"] if body.pop("status", None) and body["kind"] != _CRD else []
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return dropped
    dropped += [
        f"metadata.{field}"
        for field in _EXPORTED
        if field in metadata and metadata.pop(field) is not None
    ]
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and annotations.pop(LAST_APPLIED, None) is not None:
        dropped.append(f"annotation {LAST_APPLIED}")
    return dropped


def _take_secrets(
    group: str, kind: str, body: JsonObject, patterns: secrets.Patterns
) -> tuple[secrets.Extracted, ...]:
    taken = []
    for found in secrets.extract(group, kind, body, patterns):
        if isinstance(found, secrets.NotText):
            where = path_text(found.path)
            raise _Wrong(
                "not-text", f"{where} is not a text (its value is not shown)", hint="quote it"
            )
        taken.append(found)
    return tuple(taken)


def _take_ciphertexts(body: JsonObject) -> tuple[secrets.Extracted, ...]:
    """What SOPS encrypted outside of a core Secret, whose values are taken in any case."""
    taken = []
    for path, type_ in list(sops.ciphertexts(body)):
        holder = value_at(body, path[:-1])
        if isinstance(holder, dict):
            del holder[path[-1][2:]]
        else:  # its place in a list stays, for the value to be put back
            holder[int(path[-1][2:])] = ""
        transform = "plain" if type_ in ("str", "bytes") else "typed"
        taken.append(secrets.Extracted(path, path, transform))
    return tuple(taken)


def _without_nulls(value: Any, *, keep: bool) -> Any:
    # The depth is bounded by the limits of yamldoc.
    if isinstance(value, dict):
        return {
            name: _without_nulls(inner, keep=keep)
            if not (keep and name in ("values", "valuesObject", "valuesTemplate"))
            else inner
            for name, inner in value.items()
            if inner is not None
        }
    if isinstance(value, list):
        return [_without_nulls(inner, keep=keep) for inner in value]
    return value
