"""Who owns which field: `metadata.managedFields`, and what apply and update do to it.

Pure. Rules: structured-merge-diff `merge/update.go`, apimachinery `pkg/util/managedfields`
(strip meta, before-first-apply, ancient-changes, times); recorded cases in
`tests/data/ssa-noop-cases.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from providers.kube.sandbox import fieldset
from providers.kube.sandbox.fieldset import FieldSet
from providers.kube.sandbox.merge import Comparison, compare, merge, reconcile, remove, same
from providers.kube.sandbox.schema import Schema
from state.resource import FieldPath, JsonObject

Operation = Literal["Apply", "Update"]

_UPDATERS_KEPT = 10
"""More Update entries than this are folded into `ancient-changes` (capmanagers.go)."""


class Manager(msgspec.Struct, frozen=True, order=True):
    """The identity of an entry. An Apply entry's version is not part of it."""

    operation: str
    name: str
    subresource: str = ""
    version: str = ""


class Owned(msgspec.Struct, frozen=True):
    """What a manager owns, in which version of the kind, since when."""

    version: str
    fields: FieldSet
    time: str | None = None


Owners = dict[Manager, Owned]


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is writing: becomes an entry. `ignored` are top-level fields this endpoint resets."""

    name: str
    version: str
    time: str
    subresource: str = ""
    ignored: frozenset[str] = frozenset()

    def manager(self, operation: Operation) -> Manager:
        """The entry this writer writes to."""
        version = self.version if operation == "Update" else ""
        return Manager(operation, self.name, self.subresource, version)


class Conflict(msgspec.Struct, frozen=True):
    """Another manager owns a field that the config would change."""

    manager: Manager
    version: str
    path: FieldPath

    @property
    def who(self) -> str:
        """As the server names the manager: `"kubectl-edit" using apps/v1`."""
        named = f'"{self.manager.name}"'
        if self.manager.subresource:
            named += f' with subresource "{self.manager.subresource}"'
        return named if self.manager.operation == "Apply" else f"{named} using {self.version}"

    @property
    def field(self) -> str:
        """The field as the server writes it."""
        return fieldset.server_text(self.path)


class ApplyConflicts(Exception):
    """The apply was not forced and would change fields of others."""

    def __init__(self, conflicts: Iterable[Conflict]) -> None:
        super().__init__("conflict")
        self.conflicts = tuple(conflicts)


def decode(entries: Iterable[JsonObject] | None) -> Owners:
    """The owners in a `managedFields` list."""
    owners: Owners = {}
    for entry in entries or ():
        if "manager" not in entry and "fieldsV1" not in entry:
            continue
        operation = entry.get("operation", "Update")
        version = entry.get("apiVersion", "")
        manager = Manager(
            operation,
            entry.get("manager", ""),
            entry.get("subresource", ""),
            version if operation == "Update" else "",
        )
        fields = fieldset.parse(entry.get("fieldsV1") or {})
        owners[manager] = Owned(version, fields, entry.get("time"))
    return owners


def encode(owners: Owners) -> list[JsonObject]:
    """The `managedFields` list: Apply before Update, then by time, then by name."""
    order = sorted(
        owners.items(),
        key=lambda o: (o[0].operation, o[1].time or "", o[0].name, o[1].version, o[0].subresource),
    )
    return [_entry(manager, owned) for manager, owned in order]


def _entry(manager: Manager, owned: Owned) -> JsonObject:
    entry: JsonObject = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": owned.version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldset.render(owned.fields),
    }
    if owned.time:
        entry["time"] = owned.time
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def differ(left: Owners, right: Owners) -> bool:
    """Ownership differs. Times alone are no difference (apiserver fieldmanager/equality.go)."""
    if left.keys() != right.keys():
        return True
    return any(
        left[m].version != right[m].version or left[m].fields != right[m].fields for m in left
    )


_STRIPPED_METADATA = frozenset(
    (
        *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName"),
        *("generation", "managedFields", "resourceVersion"),
    )
)


def _stripped(fields: FieldSet) -> FieldSet:
    """Without the fields that nobody owns: identity and what the server itself keeps."""
    kept = {e: c for e, c in fields.items() if e not in ("f:apiVersion", "f:kind", ".")}
    metadata = kept.pop("f:metadata", None)
    if metadata:
        inner = {e: c for e, c in metadata.items() if e != "." and e[2:] not in _STRIPPED_METADATA}
        if inner:
            kept["f:metadata"] = inner
    return kept


def _served(owners: Owners, versions: frozenset[str], schema: Schema) -> Owners:
    """Entries in a version that is no longer served are dropped; the others follow the schema."""
    return {
        manager: Owned(owned.version, reconcile(schema, owned.fields), owned.time)
        for manager, owned in owners.items()
        if owned.version in versions
    }


def update(
    schema: Schema,
    versions: frozenset[str],
    live: JsonObject,
    new: JsonObject,
    owners: Owners,
    writer: Writer,
) -> Owners:
    """Owners after a PUT, POST or (non-apply) PATCH turned `live` into `new`."""
    found = _ignoring(compare(schema, live, new), writer.ignored)
    kept = _served(owners, versions, schema)
    taken = {
        manager: Owned(
            owned.version,
            fieldset.difference(fieldset.difference(owned.fields, found.touched), found.removed),
            owned.time,
        )
        for manager, owned in kept.items()
    }
    left = {manager: owned for manager, owned in taken.items() if owned.fields}
    mine = _stripped(found.touched)
    if mine:
        manager = writer.manager("Update")
        previous = left.get(manager)
        fields = fieldset.union(previous.fields, mine) if previous else mine
        left[manager] = Owned(writer.version, fields, writer.time)
    return _capped(left)


def _ignoring(found: Comparison, ignored: frozenset[str]) -> Comparison:
    return Comparison(
        fieldset.without(found.removed, ignored),
        fieldset.without(found.modified, ignored),
        fieldset.without(found.added, ignored),
    )


def _capped(owners: Owners) -> Owners:
    updaters = sorted(
        (m for m in owners if m.operation == "Update" and not m.subresource),
        key=lambda m: (owners[m].time or "", m),
    )
    surplus = updaters[: max(0, len(updaters) - _UPDATERS_KEPT)]
    if not surplus:
        return owners
    kept = {m: o for m, o in owners.items() if m not in surplus}
    for manager in surplus:
        owned = owners[manager]
        ancient = Manager("Update", "ancient-changes", "", owned.version)
        before = kept.get(ancient)
        fields = fieldset.union(before.fields, owned.fields) if before else owned.fields
        kept[ancient] = Owned(owned.version, fields, owned.time)
    return kept


class Applied(msgspec.Struct, frozen=True):
    """The merged object and its owners; `changed` is False for a config that alters no value."""

    value: JsonObject
    owners: Owners
    changed: bool


def apply(
    schema: Schema,
    versions: frozenset[str],
    live: JsonObject,
    config: JsonObject,
    owners: Owners,
    writer: Writer,
    *,
    force: bool,
    exists: bool,
) -> Applied:
    """Server-side apply of `config` on `live`. Raises `ApplyConflicts`.

    `live` is the object without managedFields, or just its identity if it does not exist.
    """
    if exists and not owners:
        owners = _before_first_apply(schema, versions, live, writer)
    before = _served(owners, versions, schema)
    manager = writer.manager("Apply")
    last = before.get(manager)
    wanted = fieldset.without(fieldset.of_value(schema, config), writer.ignored)
    fields = _stripped(wanted)
    after = {**before, manager: Owned(writer.version, fields, last.time if last else None)}
    merged = merge(schema, live, config)
    if last is not None:
        # With the name the config keeps `metadata` itself; entries no longer show that.
        merged = _pruned(schema, merged, last.fields, [wanted, *(o.fields for o in after.values())])
    for name in writer.ignored:
        _keep(live, merged, name)
    changed = not same(live, merged)
    if changed:
        after[manager] = Owned(writer.version, fields, writer.time)
        after = _yielded(after, compare(schema, live, merged), manager, force=force)
    left = {m: o for m, o in after.items() if o.fields}
    return Applied(merged, left, changed)


def _keep(live: Mapping[str, Any], merged: JsonObject, name: str) -> None:
    """An endpoint resets the fields that are not its own (status on the main resource)."""
    if name in live:
        merged[name] = live[name]
    else:
        merged.pop(name, None)


def _before_first_apply(
    schema: Schema, versions: frozenset[str], live: JsonObject, writer: Writer
) -> Owners:
    """Fields of an object without any managedFields belong to `before-first-apply`."""
    earlier = msgspec.structs.replace(writer, name="before-first-apply", subresource="")
    identity: JsonObject = {key: live[key] for key in ("apiVersion", "kind")}
    return update(schema, versions, identity, live, {}, earlier)


def _yielded(owners: Owners, found: Comparison, me: Manager, *, force: bool) -> Owners:
    """The others' ownership after our change; without `force`, any loss is a conflict."""
    touched, conflicts, left = found.touched, [], dict(owners)
    for manager, owned in owners.items():
        if manager == me:
            continue
        lost = fieldset.intersection(owned.fields, touched)
        conflicts += [Conflict(manager, owned.version, path) for path in fieldset.paths(lost)]
        rest = fieldset.difference(fieldset.difference(owned.fields, lost), found.removed)
        left[manager] = Owned(owned.version, rest, owned.time)
    if conflicts and not force:
        raise ApplyConflicts(conflicts)
    return left


def _pruned(
    schema: Schema, merged: JsonObject, last: FieldSet, managed: Iterable[FieldSet]
) -> JsonObject:
    """`merged` without what we applied last time and nobody, we included, owns now."""
    owned: FieldSet = {}
    for fields in managed:
        owned = fieldset.union(owned, fields)
    owned, last = fieldset.with_named(schema, owned), fieldset.with_named(schema, last)
    if not fieldset.difference(last, owned):
        return merged
    members = _members(schema, merged)
    pruned = remove(schema, merged, last)
    kept = fieldset.union(_members(schema, pruned), owned)
    restored = remove(schema, merged, fieldset.difference(members, kept))
    gone = fieldset.difference(members, _members(schema, restored))
    result: JsonObject = remove(schema, merged, fieldset.intersection(gone, last))
    return result


def _members(schema: Schema, value: object) -> FieldSet:
    return fieldset.with_named(schema, fieldset.of_value(schema, value))
