"""Which contract a kind speaks, read from its CRD where an answer hangs on it."""

from __future__ import annotations

from collections.abc import Callable

from providers.builtin import KINDS, Served
from providers.contract import contract_of, needed, role_of, version_of
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.management import CRD
from state.live import Present
from state.resource import GroupKind, JsonObject, ResourceId


class Contracts:
    """Contracts by cluster and kind, each CRD read at most once.

    `client` should read, not watch: one object is wanted once. Who may not read CRDs gets no
    answer, and `providers.contract.done` then says less.
    """

    def __init__(self, client: Callable[[str], KubeClient | None]) -> None:
        self._client = client
        self._known: dict[tuple[str, GroupKind, str], str] = {}

    def of(self, id_: ResourceId, served: Served, body: JsonObject) -> str:
        """The contract of an object's kind and version; `""` where nothing hangs on it."""
        role = role_of(id_.group_kind)
        if role is None or not needed(role, body):
            return ""
        version = version_of(body)
        key = (id_.cluster, id_.group_kind, version)
        if key not in self._known:
            self._known[key] = self._read(id_, served.plural, version)
        return self._known[key]

    def _read(self, id_: ResourceId, plural: str, version: str) -> str:
        client = self._client(id_.cluster)
        if client is None:
            return ""
        name = f"{plural}.{id_.group}"
        crd = ResourceId(id_.cluster, CRD.group, CRD.kind, "", name)
        try:
            found = client.get(crd, f"{CRD.group}/v1", KINDS[CRD])
        except ApiError:
            return ""
        return contract_of(found.body, version) if isinstance(found, Present) else ""
