"""Reading what is awaited from watches: one for each kind and namespace, resumed by bookmarks.

A look through here is cheap and may be a moment old, so it only says *when* to look: whoever acts
on what it shows reads the object itself first (`planner.waits`). Where a watch is refused or down,
the look is that read. Source: Kubernetes API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from providers.builtin import Served
from providers.capi import CLUSTER_NAME
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from state.live import Absent, Observation, Present
from state.resource import ResourceId

WATCH_SECONDS = 60.0
"""A watch is asked anew after so long: a cut connection is noticed by then."""
_FIRST_LIST_SECONDS = 3.0
_TOO_SHORT = 1.0
_LONGEST_PAUSE = 30.0


class _Watch:
    """The objects of one kind in one namespace (`""`: everywhere), kept current by a thread."""

    def __init__(
        self,
        client: KubeClient,
        version: str,
        kind: str,
        served: Served,
        namespace: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._version = version
        self._kind = kind
        self._served = served
        self._namespace = namespace
        self._sleep = sleep
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str], Present] = {}
        self._of_cluster: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._first = threading.Event()
        self._stopped = False
        self._waited = False
        self.refused = False
        """This identity may not list or watch here; it stays so."""
        self.current = False
        """The list is complete and the watch on it stands."""
        self._thread = threading.Thread(
            target=self._run, name=f"watch-{kind}-{namespace}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end with its present request."""
        self._stopped = True

    def ready(self) -> bool:
        """Wait a little for the first list; whether the watch stands now."""
        if not self._waited:
            self._waited = True
            self._first.wait(_FIRST_LIST_SECONDS)
        return self.current

    def get(self, key: tuple[str, str]) -> Present | None:
        """The object of a (namespace, name)."""
        with self._lock:
            return self._objects.get(key)

    def everything(self) -> list[Present]:
        """All objects, by namespace and name."""
        with self._lock:
            return [self._objects[key] for key in sorted(self._objects)]

    def of_cluster(self, namespace: str, name: str) -> list[Present]:
        """The objects that carry a cluster's name as label."""
        with self._lock:
            keys = sorted(self._of_cluster.get((namespace, name), ()))
            return [self._objects[key] for key in keys]

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        """Whatever goes wrong, looks are reads until the watch stands again."""
        pause = 1.0
        while not self._stopped:
            useful = False
            try:
                useful = self._follow(self._list())
            except ApiError as error:
                if error.code in _FOR_GOOD:
                    self.refused = error.code == "api-forbidden"
                    self._stopped = True
            except Exception:  # noqa: BLE001 - a credential, a broken answer: read, and try again
                useful = False
            finally:
                self.current = False
                self._first.set()
            pause = 1.0 if useful else min(_LONGEST_PAUSE, pause * 2)
            if not self._stopped:
                self._sleep(pause)

    def _list(self) -> str:
        found, version = self._client.snapshot(
            self._version, self._kind, self._served, namespace=self._namespace
        )
        with self._lock:
            self._objects.clear()
            self._of_cluster.clear()
            for present in found:
                self._keep(present)
        self.current = True
        self._first.set()
        return version

    def _follow(self, version: str) -> bool:
        """Watch on and on from where the last one ended, until the server has forgotten it.

        Whether that was of use: a watch that ends at once with nothing is not asked for again
        and again.
        """
        useful = False
        while not self._stopped:
            heard = False
            started = time.monotonic()
            try:
                for what, mark, present in self._client.events(
                    self._version,
                    self._kind,
                    self._served,
                    namespace=self._namespace,
                    since=version,
                    seconds=WATCH_SECONDS,
                ):
                    version, heard = mark, True
                    if present is not None:
                        self._take(what, present)
            except ApiError as error:
                if error.status == 410:
                    return useful or heard
                raise
            if not heard and time.monotonic() - started < _TOO_SHORT:
                return useful
            useful = True
        return useful

    def _take(self, what: str, present: Present) -> None:
        with self._lock:
            self._drop((present.id.namespace, present.id.name))
            if what != "DELETED":
                self._keep(present)

    def _keep(self, present: Present) -> None:
        key = (present.id.namespace, present.id.name)
        self._objects[key] = present
        if cluster := present.labels.get(CLUSTER_NAME):
            self._of_cluster.setdefault((key[0], cluster), set()).add(key)

    def _drop(self, key: tuple[str, str]) -> None:
        gone = self._objects.pop(key, None)
        if gone is not None and (cluster := gone.labels.get(CLUSTER_NAME)):
            self._of_cluster[key[0], cluster].discard(key)


_FOR_GOOD = frozenset(("api-forbidden", "api-unauthorized", "api-no-kind", "api-not-found"))


class WatchedClient(KubeClient):
    """A `KubeClient` whose reads of objects come from watches where those stand."""

    def __init__(self, client: KubeClient) -> None:
        super().__init__(client.cluster, client.transport, client.sleep)
        self._direct = client
        self._watches: dict[tuple[str, str, str], _Watch] = {}

    @property
    def refused(self) -> set[str]:
        """Kinds that this identity may not watch."""
        return {kind for (_, kind, _), watch in self._watches.items() if watch.refused}

    def close(self) -> None:
        """End all watches."""
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()

    def get(self, id_: ResourceId, version: str, served: Served) -> Observation:
        """The object as last seen; Secrets are never watched, their rights are by name."""
        if id_.kind == "Secret":
            return self._direct.get(id_, version, served)
        watch = self._watch(version, id_.kind, served, id_.namespace)
        if not watch.ready():
            return self._direct.get(id_, version, served)
        return watch.get((id_.namespace, id_.name)) or Absent(id_)

    def objects(
        self, version: str, kind: str, served: Served, *, namespace: str = "", selector: str = ""
    ) -> Iterator[Present]:
        """Objects of one cluster, by its label, or all of a namespace; anything else is read."""
        label, _, name = selector.partition("=")
        if label == CLUSTER_NAME and namespace and "," not in name:
            watch = self._watch(version, kind, served, namespace)
            if watch.ready():
                yield from watch.of_cluster(namespace, name)
                return
        elif not selector:
            watch = self._watch(version, kind, served, namespace)
            if watch.ready():
                yield from watch.everything()
                return
        yield from self._direct.objects(
            version, kind, served, namespace=namespace, selector=selector
        )

    def _watch(self, version: str, kind: str, served: Served, namespace: str) -> _Watch:
        key = (version, kind, namespace if served.namespaced else "")
        found = self._watches.get(key)
        if found is None:
            found = self._watches[key] = _Watch(
                self._direct, version, kind, served, key[2], self.sleep
            )
        return found
