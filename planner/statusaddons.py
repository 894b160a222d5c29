"""Which add-ons of a cluster are there and ready, by the records and the cluster's own API."""

from __future__ import annotations

from collections import Counter

from planner.statusparts import state_of
from planner.statustree import Node, Ratio
from planner.units import ADDONS
from planner.workspace import Workspace
from providers.base import Health
from providers.builtin import Served
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.readiness import Relatives, check
from providers.registry import rules
from state.errors import ClusterformError
from state.live import Absent, Present, Unreadable
from state.recorded import Records
from state.resource import ResourceId, split_api_version

Found = tuple[Ratio | None, Node | None]


class Addons:
    """Looks for add-ons; what was seen counts for `every` seconds, for they are read one by one."""

    def __init__(self, workspace: Workspace, every: float = 0.0) -> None:
        self._workspace = workspace
        self._every = every
        self._records: Records | None = None
        self._problem = ""
        self._seen: dict[str, tuple[float, Found]] = {}

    def of(self, unit: str) -> Found:
        """How many of a cluster's recorded add-ons are there and ready, and which are not."""
        now = self._workspace.ids.steady()
        when, found = self._seen.get(unit, (0.0, None))
        if found is None or now - when >= self._every:
            found = _addons(self._workspace, unit, self._known())
            self._seen[unit] = (now, found)
        return found

    def problem(self) -> str:
        """Why the records could not be read, or `""`."""
        self._known()
        return self._problem

    def _known(self) -> Records:
        if self._records is None:
            try:
                _, self._records = self._workspace.records()
            except ClusterformError as error:
                self._records, self._problem = {}, f"records: {error.brief}"
        return self._records


def _addons(workspace: Workspace, unit: str, records: Records) -> Found:
    mine = [i for i, r in sorted(records.items()) if r.unit == unit + ADDONS]
    if not mine:
        return None, None
    wanted = len(mine)
    api = workspace.kube.api(unit)
    if not isinstance(api, KubeClient):
        return Ratio(0, wanted), _node("unknown", api.reason)
    try:
        kinds = _Kinds(api)
        missing = [t for i in mine if (t := _trouble(kinds, i))]
    except ApiError as error:
        return Ratio(0, wanted), _node("unknown", error.brief)
    places = Counter(i.namespace or i.kind for i in mine)
    text = ", ".join(f"{where} {count}" for where, count in sorted(places.items()))
    state = "waiting" if missing else "ready"
    return Ratio(wanted - len(missing), wanted), _node(state, text, tuple(missing))


def _node(state: str, text: str, children: tuple[Node, ...] = ()) -> Node:
    return Node(kind="", name="add-ons", state=state, text=text, role="addOns", children=children)


class _Kinds:
    """apiVersion and URL name of kinds by discovery, each group asked once."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self._versions: dict[str, str] | None = None
        self._served: dict[str, dict[str, Served]] = {}

    def of(self, id_: ResourceId) -> tuple[str, Served] | None:
        """How to read an object; None while its kind is not served in the preferred version."""
        if self._versions is None:
            self._versions = {}
            for version in self.client.api_versions():
                self._versions.setdefault(split_api_version(version)[0], version)
        version = self._versions.get(id_.group, "")
        if version and version not in self._served:
            self._served[version] = self.client.served(version)
        served = self._served.get(version, {}).get(id_.kind)
        return (version, served) if served else None


def _trouble(kinds: _Kinds, id_: ResourceId) -> Node | None:
    how = kinds.of(id_)
    found = kinds.client.get(id_, *how) if how else Absent(id_)
    name = id_.qualified_name
    if isinstance(found, Unreadable):
        return Node(kind=id_.kind, name=name, state="unknown", text=found.reason)
    if not isinstance(found, Present):
        return Node(kind=id_.kind, name=name, state="waiting", text="is not there")
    ready = rules(id_.group, id_.kind).ready
    if ready is None:
        return None
    state = check(ready, found.body, Relatives())
    if state.health is Health.REACHED:
        return None
    return Node(
        kind=id_.kind, name=name, state=state_of(state), text=state.message, since=state.since
    )
