"""What simulated controllers and admission see of a server, and the loop that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from state.resource import JsonObject

Key = tuple[str, str, str, str]
"""group, kind, namespace, name"""


class World(Protocol):
    """One API server, as a controller works with it. Times are simulated."""

    @property
    def now(self) -> float:
        """The moment this reconcile was due (unix seconds); stays the same while it runs."""
        ...

    def get(self, group: str, kind: str, namespace: str, name: str) -> JsonObject | None:
        """An object in its storage version; None if absent. The caller may change the result."""
        ...

    def list(
        self,
        group: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[JsonObject]:
        """Objects of a kind, of all namespaces for None, that carry all `labels`."""
        ...

    def create(self, obj: JsonObject, *, manager: str) -> JsonObject:
        """Create; admission does not judge controllers. Raises `Refused` if it exists."""
        ...

    def update(self, obj: JsonObject, *, manager: str) -> JsonObject:
        """Replace all but status, without a resourceVersion check; equal content writes nothing."""
        ...

    def update_status(self, obj: JsonObject, *, manager: str) -> JsonObject:
        """Replace the status."""
        ...

    def delete(self, group: str, kind: str, namespace: str, name: str) -> None:
        """Delete in the background; an absent object is fine."""
        ...

    def wake(self, key: Key, after: float) -> None:
        """Reconcile `key` again `after` seconds from now."""
        ...

    def stuck(self, key: Key) -> str | None:
        """A fault says that this object never becomes ready; the reason to show."""
        ...

    def workload(self, namespace: str, name: str, token: str) -> World:
        """The workload API server of a cluster, created on first use.

        It answers at `https://<namespace>-<name>.sandbox.invalid:6443` to this token.
        """
        ...

    def forget_workload(self, namespace: str, name: str) -> None:
        """The workload API server of a cluster is gone, with everything in it; none is fine."""
        ...


Reconciler = Callable[[World, Key], None]
Reconcilers = Mapping[tuple[str, str], Reconciler]

AdmissionOperation = Literal["CREATE", "UPDATE", "DELETE"]

Admission = Callable[[JsonObject, JsonObject | None, AdmissionOperation, World], Sequence[str]]
"""(object, old, operation, world) → warnings. Raises `Refused`. Mutating ones change the object.

On DELETE the object is the one to be deleted and `old` is None.
"""


class Admissions(msgspec.Struct, frozen=True):
    """The admission chain: the mutating ones run before validation, for no-op writes too."""

    mutating: tuple[Admission, ...] = ()
    validating: tuple[Admission, ...] = ()
