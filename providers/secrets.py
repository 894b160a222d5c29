"""Sensitive values: where they stand, how they leave a body, and how they are read back.

A value leaves its document the moment it is parsed and is never written anywhere; what stays is a
`SecretRef` to the file it came from (semantics 30). `Resolver` reads it back, in memory, for the
comparison and the write. No message here quotes a value.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from providers import git, sops, yamldoc
from providers.topologysecrets import topology_secrets
from state.errors import ClusterformError
from state.fields import value_at
from state.resource import (
    FieldPath,
    GitBlob,
    GroupKind,
    JsonObject,
    RenderedRelease,
    ResourceId,
    SecretRef,
    SecretSource,
    WorktreeFile,
    path_text,
)


class Renders(Protocol):
    """Releases, rendered again where a value of theirs is needed."""

    def bodies(self, source: RenderedRelease) -> Sequence[JsonObject]:
        """The objects that a release renders to, values and all, by their index."""

    def value(self, ref: SecretRef) -> str | None:
        """The value where it is known without rendering."""

    def prepare(self, refs: Collection[SecretRef]) -> None:
        """Render what is needed for these, many releases at a time."""


Rendered = Callable[[RenderedRelease], Renders]
"""What knows a release; raises ClusterformError('secret-moved') where there is none."""
Patterns = tuple[FieldPath, ...]
"""Field paths in which `f:*` stands for every key and `i:*` for every item."""

_KUBEADM = (
    ("f:files", "i:*", "f:content"),
    ("f:users", "i:*", "f:passwd"),
    ("f:initConfiguration", "f:bootstrapTokens", "i:*", "f:token"),
    ("f:initConfiguration", "f:certificateKey"),
    ("f:joinConfiguration", "f:controlPlane", "f:certificateKey"),
    ("f:joinConfiguration", "f:discovery", "f:bootstrapToken", "f:token"),
    ("f:joinConfiguration", "f:discovery", "f:tlsBootstrapToken"),
    ("f:joinConfiguration", "f:discovery", "f:file", "f:kubeConfig", "f:user", "f:token"),
    ("f:ignition", "f:containerLinuxConfig", "f:additionalConfig"),
)
_USERS = (("f:files", "i:*", "f:content"), ("f:users", "i:*", "f:passwd"))
_FILES = (("f:files", "i:*", "f:content"),)
_SPEC: FieldPath = ("f:spec",)
_TEMPLATE: FieldPath = ("f:spec", "f:template", "f:spec")


def _below(prefix: FieldPath, patterns: Patterns) -> Patterns:
    return tuple((*prefix, *pattern) for pattern in patterns)


_BOOTSTRAP, _CONTROL_PLANE = "bootstrap.cluster.x-k8s.io", "controlplane.cluster.x-k8s.io"
SENSITIVE: dict[tuple[str, str], Patterns] = {
    (_BOOTSTRAP, "KubeadmConfig"): _below(_SPEC, _KUBEADM),
    (_BOOTSTRAP, "KubeadmConfigTemplate"): _below(_TEMPLATE, _KUBEADM),
    (_CONTROL_PLANE, "KubeadmControlPlane"): _below((*_SPEC, "f:kubeadmConfigSpec"), _KUBEADM),
    (_CONTROL_PLANE, "KubeadmControlPlaneTemplate"): _below(
        (*_TEMPLATE, "f:kubeadmConfigSpec"), _KUBEADM
    ),
    (_BOOTSTRAP, "EKSConfig"): _below(_SPEC, _USERS),
    (_BOOTSTRAP, "EKSConfigTemplate"): _below(_TEMPLATE, _USERS),
    (_BOOTSTRAP, "NodeadmConfig"): _below(_SPEC, _USERS),
    (_BOOTSTRAP, "NodeadmConfigTemplate"): _below(_TEMPLATE, _USERS),
    (_BOOTSTRAP, "RKE2Config"): _below(_SPEC, _FILES),
    (_BOOTSTRAP, "RKE2ConfigTemplate"): _below(_TEMPLATE, _FILES),
    (_CONTROL_PLANE, "RKE2ControlPlane"): _below(_SPEC, _FILES),
    (_CONTROL_PLANE, "RKE2ControlPlaneTemplate"): _below(_TEMPLATE, _FILES),
    (_BOOTSTRAP, "TalosConfig"): ((*_SPEC, "f:data"),),
    (_BOOTSTRAP, "TalosConfigTemplate"): ((*_TEMPLATE, "f:data"),),
}
"""Sensitive fields by group and kind. Core Secrets have their own rule, `extract`."""


def sensitive(group: str, kind: str) -> Patterns:
    """The default table. A `Secret` of another group than core is no core Secret."""
    return SENSITIVE.get((group, kind), ())


class Extracted(NamedTuple):
    """A value that left a body."""

    path: FieldPath
    """Where it belongs in the body that is applied."""
    source: FieldPath
    """Where it stands in the document."""
    transform: str
    pin: str = ""
    """Of a rendered value that Git shows in clear: its HMAC, to know it again (`Pins`)."""


class NotText(NamedTuple):
    """A sensitive field that does not hold a string."""

    path: FieldPath


def extract(
    group: str, kind: str, body: JsonObject, patterns: Patterns
) -> list[Extracted | NotText]:
    """Remove the sensitive values from a body; the mappings that held them stay."""
    if not group and kind == "Secret":
        return _extract_secret(body)
    found: list[Extracted | NotText] = []
    for pattern in patterns:
        for holder, path in _holders(body, pattern[:-1], ()):
            names = _names(holder, pattern[-1])
            found += [_take(holder, name, (*path, f"f:{name}")) for name in names]
    for path in list(topology_secrets(GroupKind(group, kind), body)):
        found.append(Extracted(path, path, "plain"))
        holder = value_at(body, path[:-1])
        if isinstance(holder, dict):
            del holder[path[-1][2:]]
        else:  # its place in a list stays, for the value to be put back
            holder[int(path[-1][2:])] = ""
    return found


def _extract_secret(body: JsonObject) -> list[Extracted | NotText]:
    """`stringData` is folded into `data` as the server does it: sent as it is, we would own
    `f:stringData` and never prune a key of `data` (docs/server-side-apply.md, "Writes")."""
    found: dict[str, Extracted | NotText] = {}
    wrong: list[Extracted | NotText] = []
    for field, transform in (("data", "plain"), ("stringData", "base64")):
        holder = body.pop(field, None)
        if holder is not None and not isinstance(holder, dict):
            wrong.append(NotText((f"f:{field}",)))
            continue
        for name, value in (holder or {}).items():
            source = (f"f:{field}", f"f:{name}")
            if value is None:
                continue
            text = isinstance(value, str)
            path = ("f:data", f"f:{name}")
            found[name] = Extracted(path, source, transform) if text else NotText(source)
    if found:
        body["data"] = {}
    return [*wrong, *(found[name] for name in sorted(found))]


def _take(holder: JsonObject, name: str, path: FieldPath) -> Extracted | NotText:
    value = holder.pop(name)
    return Extracted(path, path, "plain") if isinstance(value, str) else NotText(path)


def _names(holder: Any, element: str) -> list[str]:
    if not isinstance(holder, dict) or not element.startswith("f:"):
        return []
    names = list(holder) if element == "f:*" else [element[2:]]
    return [name for name in names if holder.get(name) is not None]


def _holders(value: Any, pattern: FieldPath, path: FieldPath) -> Iterator[tuple[Any, FieldPath]]:
    if not pattern:
        yield value, path
        return
    element, rest = pattern[0], pattern[1:]
    if isinstance(value, list) and element == "i:*":
        for index, item in enumerate(value):
            yield from _holders(item, rest, (*path, f"i:{index}"))
    elif isinstance(value, dict):
        for name in _names(value, element):
            yield from _holders(value[name], rest, (*path, f"f:{name}"))


class Pins:
    """HMACs of uncommitted files under a key that never leaves this machine.

    A plain hash would let anybody who reads a plan test guesses of a short secret.
    """

    def __init__(self, key_dir: Path) -> None:
        self._folder = key_dir
        self._key = b""

    def pin(self, path: str, content: bytes) -> str:
        """The pin of a file; makes the key where there is none yet."""
        if not self._key:
            self._key = _read_key(self._folder) or _make_key(self._folder)
        return self._mac(path, content)

    def matches(self, path: str, content: bytes, pin: str) -> bool:
        """The file is what it was when it was pinned, on this machine."""
        if not self._key:
            self._key = _read_key(self._folder)
        return bool(self._key) and hmac.compare_digest(self._mac(path, content), pin)

    def _mac(self, path: str, content: bytes) -> str:
        return hmac.new(self._key, path.encode() + b"\0" + content, hashlib.sha256).hexdigest()


def private_folder(folder: Path) -> None:
    """Make a folder for this user alone that ignores itself in Git, unless it is there."""
    if folder.exists():
        return
    above = folder.parent.exists()
    private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    if above:
        (folder / ".gitignore").write_text("*\n")


def _read_key(folder: Path) -> bytes:
    path = folder / "key"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _bad_key(path, error.strerror or "unreadable") from None
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.geteuid():
            raise _bad_key(path, "it belongs to or can be read by somebody else")
        key = file.read(64)
    if len(key) != 32:
        raise _bad_key(path, "it is damaged")
    return key


def _bad_key(path: Path, why: str) -> ClusterformError:
    return ClusterformError(
        "bad-key",
        f"the key that pins uncommitted secrets cannot be used: {why}",
        hint="delete it; plans made with it must be made again",
        where=str(path),
    )


def _make_key(folder: Path) -> bytes:
    private_folder(folder)
    folder.chmod(0o700)
    fresh = folder / f"key.{os.getpid()}.{os.urandom(4).hex()}"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(os.urandom(32))
        # A link appears whole, and the first of two processes wins.
        os.link(fresh, folder / "key")
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _read_key(folder)


class Resolver:
    """Reads sensitive values back; keeps the parsed files, in memory, as long as it lives."""

    def __init__(self, root: Path, key_dir: Path, rendered: Rendered | None = None) -> None:
        """`rendered`: what a release renders to now; without it, such values cannot be read."""
        self._root = root
        self._pins = Pins(key_dir)
        self._rendered = rendered
        self._files: dict[SecretSource, list[yamldoc.Document]] = {}
        self._opened: dict[SecretSource, list[yamldoc.Document]] = {}
        self._objects: dict[tuple[RenderedRelease, int], JsonObject] = {}

    def resolve(self, ref: SecretRef, *, decrypt: bool = False) -> str:
        """The value, transformed as its body needs it; of what SOPS encrypted only to `decrypt`.

        Raises ClusterformError('secret-moved', 'sops').
        """
        if isinstance(ref.source, RenderedRelease):
            return self._of_release(ref.source, ref, decrypt)
        if ref.source not in self._files:
            content = self._content(ref.source)
            documents, _ = yamldoc.parse(content, ref.source.path, yamldoc.COMPONENTS)
            self._files[ref.source] = documents
        for document in self._files[ref.source]:
            if (document.index, document.item) == (ref.document, ref.item):
                body = document.body
                if sops.is_encrypted(body):
                    body = self._decrypted(ref) if decrypt else _still_encrypted(ref.source.path)
                value = _value(body, ref.path)
                if isinstance(value, str):
                    return transformed(value, ref.transform)
        raise _moved(ref.source.path, f"it has no text at {path_text(ref.path)}")

    def _decrypted(self, ref: SecretRef) -> JsonObject:
        """The document of a file, opened; each file once."""
        assert not isinstance(ref.source, RenderedRelease)
        if ref.source not in self._opened:
            content = self._content(ref.source)
            self._opened[ref.source] = sops.opened(content, ref.source.path)
        for document in self._opened[ref.source]:
            if (document.index, document.item) == (ref.document, ref.item):
                return document.body
        raise _moved(ref.source.path, "it decrypts to other documents")

    def resolve_all(self, refs: Collection[SecretRef]) -> dict[SecretRef, str]:
        """All of them for who is about to write them, decrypted; errors as of `resolve`."""
        rendered = [r.source for r in refs if isinstance(r.source, RenderedRelease)]
        if rendered and self._rendered is not None:
            self._rendered(rendered[0]).prepare(refs)
        return {ref: self.resolve(ref, decrypt=True) for ref in refs}

    def _of_release(self, source: RenderedRelease, ref: SecretRef, decrypt: bool) -> str:
        if self._rendered is None:
            raise _moved(source.path, "it is not rendered here")
        renders = self._rendered(source)
        known = renders.value(ref)
        if known is not None:
            return known
        bodies = renders.bodies(source)
        body = bodies[ref.document] if ref.document < len(bodies) else None
        if body is not None and sops.is_encrypted(body):
            key = (source, ref.document)
            if key not in self._objects:
                self._objects[key] = (
                    sops.opened_object(body, source.release)
                    if decrypt
                    else _still_encrypted(source.release)
                )
            body = self._objects[key]
        value = _value(body, ref.path) if body is not None else None
        if not isinstance(value, str):
            raise _moved(source.path, f"it renders no text at {path_text(ref.path)}")
        return transformed(value, ref.transform)

    def _content(self, source: GitBlob | WorktreeFile) -> bytes:
        if isinstance(source, GitBlob):
            try:
                return git.read_blob(self._root, source.blob)
            except ClusterformError as error:
                raise _moved(source.path, f"{error.brief}; fetch the commit it is in") from error
        try:
            content = git.read_file(self._root, source.path)
        except ClusterformError as error:
            raise _moved(source.path, error.brief) from error
        if not self._pins.matches(source.path, content, source.pin):
            raise _moved(source.path, "it changed since, or the plan is from another machine")
        return content


def resolve(ref: SecretRef, root: Path, key_dir: Path) -> str:
    """One value; for many, keep a `Resolver`."""
    return Resolver(root, key_dir).resolve(ref)


def _value(body: Any, path: FieldPath) -> Any:
    for element in path:
        tag, name = element[0], element[2:]
        if tag == "f" and isinstance(body, dict):
            body = body.get(name)
        elif tag == "i" and isinstance(body, list) and int(name) < len(body):
            body = body[int(name)]
        else:
            return None
    return body


def _still_encrypted(where: str) -> NoReturn:
    raise ClusterformError("sops", f"{where} is encrypted by SOPS, and a plan decrypts nothing")


def transformed(value: str, transform: str) -> str:
    """A value as its body needs it."""
    return base64.b64encode(value.encode()).decode() if transform == "base64" else value


def _moved(path: str, why: str) -> ClusterformError:
    return ClusterformError(
        "secret-moved",
        f"a secret in {path} is not what the plan was made from",
        detail=why,
        hint="commit the file, so that the plan holds anywhere, or make a new plan here",
        where=path,
    )


_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def sensitive_paths(group: str, kind: str, body: JsonObject) -> list[FieldPath]:
    """Where sensitive values stand in this body, live or desired: nothing there may be shown.

    The client-side apply annotation counts: it holds a copy of the whole object.
    """
    found: list[FieldPath] = []
    if not group and kind == "Secret":
        found += [(f"f:{f}", f"f:{n}") for f in ("data", "stringData") for n in body.get(f) or ()]
    for pattern in sensitive(group, kind):
        for holder, path in _holders(body, pattern[:-1], ()):
            found += [(*path, f"f:{name}") for name in _names(holder, pattern[-1])]
    found += topology_secrets(GroupKind(group, kind), body)
    if _LAST_APPLIED in (body["metadata"].get("annotations") or {}):
        found.append(("f:metadata", "f:annotations", f"f:{_LAST_APPLIED}"))
    return found


def hidden_paths(
    id_: ResourceId,
    before: JsonObject,
    after: JsonObject,
    secrets: Iterable[tuple[FieldPath, SecretRef]],
    once: Iterable[FieldPath],
) -> set[FieldPath]:
    """What of an object must not be shown: by its kind, and where a render put a secret value.

    `once`: fields that held one when the object was last written. An item of a list is hidden with
    its whole list: items move.
    """
    found = {
        *sensitive_paths(id_.group, id_.kind, before),
        *sensitive_paths(id_.group, id_.kind, after),
    }
    for path in (*(path for path, _ in secrets), *once):
        if path not in found:
            found.add(_with_list(path))
    return found


def unhashed_paths(
    id_: ResourceId, body: JsonObject, hidden: Iterable[FieldPath]
) -> set[FieldPath]:
    """Where values of a live object must not enter a hash: by its kind, and `hidden` ones."""
    found = set(sensitive_paths(id_.group, id_.kind, body))
    return found | {_with_list(path) for path in hidden}


def _with_list(path: FieldPath) -> FieldPath:
    items = (n for n, element in enumerate(path) if element[0] == "i")
    return path[: next(items, len(path))]


def told_by_kind(id_: ResourceId, path: FieldPath) -> bool:
    """The kind alone says that a field is sensitive."""
    if not id_.group and id_.kind == "Secret":
        return path[0] == "f:data"
    return any(_fits(path, pattern) for pattern in sensitive(id_.group, id_.kind))


def _fits(path: FieldPath, pattern: FieldPath) -> bool:
    return len(path) == len(pattern) and all(
        element == wanted or (wanted[1:] == ":*" and element[:2] == wanted[:2])
        for element, wanted in zip(path, pattern, strict=True)
    )
