"""ConfigMaps and Secrets that releases take values from: those of the repository, else live ones.

Flux and the Helm Operator read them from the cluster. What stands in Git is what will be there;
what does not, or is encrypted there, a plan reads from the management cluster, and says so. Without
a cluster (`validate`, `render`, `test`) it is not known: nothing is made of its release then.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec

from planner.expand.index import Index, identity_of
from planner.expansions import UsedSource
from planner.load import LoadedDocument
from providers.builtin import Served
from providers.secrets import Pins
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.live import Absent, Observation, Present
from state.resource import ResourceId, SecretRef, canonical, digest

Reveal = Callable[[SecretRef], str]
Look = Callable[[ResourceId, Served], Observation]
"""Reads a ConfigMap or Secret of a management cluster."""

UNKNOWN = "values-unknown"
"""Code of the error where only a cluster could say: a warning for who has none."""
_PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets"}


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of one, decoded, in memory."""

    texts: dict[str, str]
    identity: str
    """Changes whenever they may have changed; shows nothing of them."""


class InputValues:
    """Finds them, for one expansion."""

    def __init__(self, pins: Pins, reveal: Reveal, look: Look | None) -> None:
        """`look`: None where there is no cluster to ask."""
        self._pins = pins
        self._reveal = reveal
        self._look = look
        self._known: dict[ResourceId, Data | None] = {}
        self.used: set[UsedSource] = set()
        """What was read from clusters."""
        self.findings: list[Finding] = []

    def find(
        self,
        asker: LoadedDocument,
        field: str,
        wanted: tuple[str, str, str],
        index: Index,
        *,
        optional: bool,
    ) -> Data | None:
        """The data that `field` of `asker` names; None for an optional one that is nowhere.

        `wanted`: kind, namespace, name. Raises ClusterformError('no-values', 'values-unknown',
        'values-unreadable', 'sealed').
        """
        kind, namespace, name = wanted
        document = index.get(asker.management, kind, namespace, name)
        if document is not None and not document.sealed:
            return self._declared(document)
        id_ = ResourceId(asker.management, "", kind, namespace, name)
        if id_ not in self._known:
            if self._look is None and optional:
                self._leave_out(asker, field, id_)
                return None
            self._known[id_] = self._live(id_, sealed=document is not None)
        if self._known[id_] is None and not optional:
            raise ClusterformError(
                "no-values",
                f"{field}: {kind} {namespace}/{name} is neither in Git nor in {id_.cluster}",
                hint="declare it beside the release, or mark it optional",
            )
        return self._known[id_]

    def _leave_out(self, asker: LoadedDocument, field: str, id_: ResourceId) -> None:
        warning = Finding(
            severity="warning",
            code=UNKNOWN,
            summary=f"{asker.kind} {asker.home}/{asker.name}: rendered without the optional"
            f" {id_.kind} {id_.namespace}/{id_.name} of {field}: a plan looks for it in"
            f" {id_.cluster}",
            path=asker.origin.path,
            line=asker.origin.line,
        )
        self.findings.append(warning)

    def _declared(self, document: LoadedDocument) -> Data:
        body = msgspec.json.decode(document.body)
        found = {str(k): str(v) for k, v in (body.get("data") or {}).items()}
        if document.kind == "Secret":
            for path, ref in document.secrets:
                found[path[-1][2:]] = self._reveal(ref)
            found = _decoded(found, f"Secret {document.home}/{document.name}")
        return Data(texts=found, identity=identity_of(document, self._pins))

    def _live(self, id_: ResourceId, *, sealed: bool) -> Data | None:
        name = f"{id_.kind} {id_.namespace}/{id_.name}"
        why = "is encrypted by SOPS" if sealed else "is not in Git"
        if self._look is None:
            raise ClusterformError(
                UNKNOWN,
                f"not rendered: its values from {name}, which {why}, are known to a plan only",
                hint="clusterform plan reads it from the cluster",
            )
        found = self._look(id_, Served(_PLURALS[id_.kind], True))
        if isinstance(found, Absent):
            if sealed:
                raise ClusterformError(
                    "sealed",
                    f"{name} is encrypted by SOPS and not in {id_.cluster} yet: its values are"
                    " not known to a plan",
                    hint="let Flux decrypt and apply it first, or put what decides about clusters"
                    " into a ConfigMap",
                )
            return None
        if not isinstance(found, Present):
            raise ClusterformError(
                "values-unreadable",
                f"{name}, which {why}, cannot be read from {id_.cluster}: {found.reason}",
                hint="releases take values from it; `get` on it lets a plan read it",
            )
        return self._of(found, name)

    def _of(self, live: Present, name: str) -> Data:
        texts = {str(k): str(v) for k, v in (live.body.get("data") or {}).items()}
        if live.id.kind == "Secret":
            # Its content is not hashed: a plan is shown to people (docs/security.md).
            mark = f"{live.uid}:{live.resource_version}"
            texts = _decoded(texts, name)
        else:
            mark = digest(canonical(texts))
        self.used.add(UsedSource(url=name, where=f"live in {live.id.cluster}"))
        return Data(texts=texts, identity=f"live:{name}:{mark}")


def _decoded(texts: dict[str, str], name: str) -> dict[str, str]:
    """Raises ClusterformError('no-values') for what is no base64 of UTF-8."""
    try:
        return {key: base64.b64decode(value).decode() for key, value in texts.items()}
    except ValueError:
        raise ClusterformError("no-values", f"{name} holds what is not UTF-8 in base64") from None
