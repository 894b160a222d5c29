"""Identity and desired form of one Kubernetes object (semantics: docs/semantics.md 1 to 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from state.writer import OURS, Writer

JsonObject = dict[str, Any]
"""A decoded JSON object. Values are what `json` gives: no bytes, dates or tuples."""

FieldPath = tuple[str, ...]
"""Address of a field, each element as Kubernetes writes it in `FieldsV1`.

`f:<name>` a struct field or map key · `k:{"name":"x"}` the item of an associative list with these
keys (canonical JSON) · `v:<json>` the item of a set · `i:<n>` the n-th item, from 0.
Source: sigs.k8s.io/structured-merge-diff, fieldpath/serialize-pe.go.
"""

_CANONICAL = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """JSON bytes with sorted keys and no white space: equal values give equal bytes."""
    return _CANONICAL.encode(value)


def digest(*parts: bytes) -> str:
    """SHA-256 over the length-prefixed parts, in hex (64 characters)."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


class GroupKind(msgspec.Struct, frozen=True, order=True, gc=False):
    """A kind without its version. The core group is `""`."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class ResourceId(msgspec.Struct, frozen=True, order=True, gc=False):
    """Which object, in which cluster. Never includes an API version (semantics 1).

    `cluster` is the key of a cluster: a management cluster's name (`mgmt-eu`), or
    `<management>/<namespace>/<name>` for a workload cluster. `namespace` is `""` for cluster-scoped
    kinds. Order: cluster, group, kind, namespace, name.
    """

    cluster: str
    group: str
    kind: str
    namespace: str
    name: str

    @property
    def group_kind(self) -> GroupKind:
        """The kind without cluster, namespace and name."""
        return GroupKind(self.group, self.kind)

    @property
    def qualified_name(self) -> str:
        """`namespace/name`, or `name` for cluster-scoped kinds."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def text(self) -> str:
        """`cluster/group/Kind/namespace/name`; the core group is `core`, no namespace is `-`."""
        group, namespace = self.group or "core", self.namespace or "-"
        return f"{self.cluster}/{group}/{self.kind}/{namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.qualified_name}"

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """The id that `text` prints. Raises ValueError for anything else."""
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or not all(parts):
            raise ValueError(f"not a resource id: {text!r}")
        cluster, group, kind, namespace, name = parts
        return cls(
            cluster,
            "" if group == "core" else group,
            kind,
            "" if namespace == "-" else namespace,
            name,
        )


class Step(msgspec.Struct, frozen=True, gc=False):
    """One expansion on the way from a file to an object: what was expanded, and by what."""

    what: str
    """`HelmRelease team-a/shop`, `Kustomization flux-system/apps`, `kustomization apps/base`."""
    at: str = ""
    """`file:line` where it is written."""
    by: str = ""
    """`chart aws-cluster 1.4.0, templates/cluster.yaml`, or the file that a kustomization took."""

    def __str__(self) -> str:
        return self.what + (f" ({self.by})" if self.by else "")


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a document was written: for messages, causes and `explain`; never in a digest."""

    path: str
    """Relative to the fleet's root, with forward slashes."""
    line: int
    """First line of the document, from 1; 0 where only the file is known (kustomize)."""
    document: int = 0
    """Index of the document in its file, from 0; items of a List share their List's index."""
    blob: str = ""
    """Git blob id of the file as read; `""` when the file is uncommitted or Git is not used."""
    item: int = -1
    """Index in the enclosing `kind: List`, from 0; -1 when the document stands alone."""
    via: tuple[Step, ...] = ()
    """How the object came of the document, the outermost expansion first; `()`: it is written so.
    Where there are steps, path and line are those of the innermost release or kustomization."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class GitBlob(msgspec.Struct, frozen=True, gc=False, tag="git-blob"):
    """A committed file, named by its content; readable on any machine that has the repository."""

    blob: str
    path: str


class WorktreeFile(msgspec.Struct, frozen=True, gc=False, tag="worktree"):
    """An uncommitted file, pinned by an HMAC under a key of this machine (semantics 30)."""

    path: str
    pin: str


class RenderedRelease(msgspec.Struct, frozen=True, gc=False, tag="rendered"):
    """What a release or kustomization renders to; the value is rendered again where it is needed.

    `inputs` is a digest over the sources of everything it is rendered from (blob ids, pins, the
    chart's digest), never over a value: equal inputs, equal render.
    """

    release: str
    """`mgmt/HelmRelease/team-a/shop`."""
    inputs: str

    @property
    def path(self) -> str:
        """What to name in a message."""
        return self.release


SecretSource = GitBlob | WorktreeFile | RenderedRelease


class SecretRef(msgspec.Struct, frozen=True, gc=False):
    """Where a sensitive value is found. It stands in every artefact where the value would.

    `path` addresses the value inside `document` (and `item` of a List); `transform` is what the
    body needs: `plain`, or `base64` where `stringData` was folded into `data`.
    """

    source: SecretSource
    document: int
    path: FieldPath
    item: int = -1
    transform: str = "plain"


class Release(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an object belongs to: a Helm release, a Flux Kustomization, an overlay, a profile.

    Recorded with the object, so that a later plan can tell an upgrade from what Helm or Flux would
    uninstall and install again (gitops-helm: HelmRelease v2, `releaseName`, `targetNamespace`,
    `storageNamespace`, chart name).
    """

    kind: str
    """`HelmRelease`, `Kustomization`, `WorkloadCluster`, `kustomization`, `profile`; of a chart
    that a test renders by itself, `chart`."""
    namespace: str = ""
    name: str
    chart: str = ""
    version: str = ""
    release_name: str = ""
    target_namespace: str = ""
    storage_namespace: str = ""
    suspended: bool = False
    keeps: bool = False
    """What leaves it stays where it is (`prune: false`)."""

    @property
    def text(self) -> str:
        """`HelmRelease team-a/shop`."""
        return (
            f"{self.kind} {self.namespace}/{self.name}"
            if self.namespace
            else (f"{self.kind} {self.name}")
        )


class Hook(msgspec.Struct, frozen=True, gc=False):
    """The moments of a Helm release at which an object is applied, instead of with the others."""

    events: tuple[str, ...]
    """`pre-install`, `post-install`, `pre-upgrade`, `post-upgrade`."""
    weight: int = 0
    """Lower ones come first."""


class Resource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One desired object.

    `body` is canonical JSON as it would be applied, less the values at `secrets` (absent there) and
    at `live_refs` (left to whoever owns them, semantics 12).
    """

    id: ResourceId
    version: str
    """The `apiVersion` it is written in."""
    body: bytes
    origin: Origin
    secrets: tuple[tuple[FieldPath, SecretRef], ...] = ()
    live_refs: tuple[FieldPath, ...] = ()
    logical: str = ""
    """The name in Git where it differs from `id.name`: rotated templates (semantics 16)."""
    unit: str = ""
    """The unit of work it belongs to (semantics 2); set by resolve."""
    release: Release | None = None
    """What it was rendered from; None: it is written as it is."""
    once: bool = False
    """Created where it is missing, never changed: a CRD of a chart, `ssa: IfNotPresent`."""
    hook: Hook | None = None
    """Of a Helm hook: applied when its release is installed or upgraded, and only then."""
    sealed: str = ""
    """Of one that SOPS encrypted: a digest over its ciphertexts. Never taken for gone; written only
    where the fleet says so, by whoever has the keys (docs/security.md)."""
    writer: Writer = OURS
    """Whom it is written as."""

    def decoded(self) -> JsonObject:
        """A fresh dict of the body; safe to change."""
        decoded: JsonObject = msgspec.json.decode(self.body)
        return decoded


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` → (`apps`, `v1`); `v1` → (`""`, `v1`)."""
    group, _, version = api_version.rpartition("/")
    return group, version


def path_text(path: Iterable[str]) -> str:
    """A field path for people, as the API server writes it: `.spec.lm[name="x"].port`."""
    text = []
    for element in path:
        tag, rest = element[0], element[2:]
        if tag == "f":
            text.append(f".{rest}" if _plain(rest) else f"[{rest}]")
        elif tag == "k":
            keys = msgspec.json.decode(rest)
            inner = ",".join(f"{key}={canonical(value).decode()}" for key, value in keys.items())
            text.append(f"[{inner}]")
        elif tag == "v":
            text.append(f"[={rest}]")
        else:
            text.append(f"[{rest}]")
    return "".join(text)


def _plain(name: str) -> bool:
    return bool(name) and not any(char in name for char in "./[]= ")
