"""Looks through watches: current, resumed, and never trusted where they are down."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from providers.builtin import Served
from providers.kube.api import Request, Response, TransportError, WatchRefused
from providers.kube.client import KubeClient
from providers.kube.watched import WatchedClient
from state.live import Absent, Present
from state.resource import ResourceId

SERVED = Served("machines", True)
VERSION = "cluster.x-k8s.io/v1beta2"
ID = ResourceId("m", "cluster.x-k8s.io", "Machine", "n", "a")


def body(name: str, version: str, cluster: str = "c1") -> dict[str, Any]:
    labels = {"cluster.x-k8s.io/cluster-name": cluster}
    metadata = {"name": name, "namespace": "n", "resourceVersion": version, "labels": labels}
    return {"metadata": metadata}


class Server:
    """Lists what it has, streams what is put into `events`, counts what it is asked."""

    def __init__(self) -> None:
        self.items = [body("a", "5")]
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.asked: list[str] = []
        self.refuse = 0
        self.listed = threading.Event()

    def request(self, request: Request) -> Response:
        name = request.path.rpartition("/machines")[2].strip("/")
        self.asked.append(f"GET {name}" if name else "LIST")
        if name:
            found = [i for i in self.items if i["metadata"]["name"] == name]
            return Response(status=200, body=msgspec.json.encode(found[0]))
        page = {"items": self.items, "metadata": {"resourceVersion": "10"}}
        self.listed.set()
        return Response(status=200, body=msgspec.json.encode(page))

    def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
        del timeout
        self.asked.append(f"WATCH {dict(request.query)['resourceVersion']}")
        if self.refuse:
            status = {"kind": "Status", "code": self.refuse, "reason": "Forbidden"}
            raise WatchRefused(Response(status=self.refuse, body=msgspec.json.encode(status)))
        while (event := self.events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield msgspec.json.encode(event)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    for _ in range(3):
        made.events.put(None)


@pytest.fixture
def looking(server: Server) -> Iterator[WatchedClient]:
    client = WatchedClient(KubeClient("m", server, lambda _: time.sleep(0.01)))
    yield client
    client.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def version_of(client: WatchedClient) -> str:
    found = client.get(ID, VERSION, SERVED)
    return found.resource_version if isinstance(found, Present) else "absent"


def test_one_list_and_one_watch_serve_every_look(server: Server, looking: WatchedClient) -> None:
    assert version_of(looking) == "5"
    server.events.put({"type": "MODIFIED", "object": body("a", "11")})
    until(lambda: version_of(looking) == "11")
    server.events.put({"type": "ADDED", "object": body("b", "12", "c2")})
    chosen = "cluster.x-k8s.io/cluster-name=c2"
    until(lambda: bool(_names(looking, chosen)))
    assert _names(looking, chosen) == ["b"]
    server.events.put({"type": "DELETED", "object": body("a", "13")})
    until(lambda: isinstance(looking.get(ID, VERSION, SERVED), Absent))
    assert server.asked == ["LIST", "WATCH 10"]


def test_all_of_a_namespace_comes_from_the_same_watch(
    server: Server, looking: WatchedClient
) -> None:
    assert version_of(looking) == "5"
    server.events.put({"type": "ADDED", "object": body("b", "12", "c2")})
    until(lambda: len(_names(looking, "")) == 2)
    assert _names(looking, "") == ["a", "b"]
    assert server.asked == ["LIST", "WATCH 10"]


def _names(client: WatchedClient, selector: str) -> list[str]:
    found = client.objects(VERSION, "Machine", SERVED, namespace="n", selector=selector)
    return [present.id.name for present in found]


def test_a_watch_goes_on_from_its_last_bookmark(server: Server, looking: WatchedClient) -> None:
    version_of(looking)
    mark = {"kind": "Machine", "apiVersion": VERSION, "metadata": {"resourceVersion": "42"}}
    server.events.put({"type": "BOOKMARK", "object": mark})
    server.events.put(None)
    until(lambda: "WATCH 42" in server.asked)
    assert server.asked == ["LIST", "WATCH 10", "WATCH 42"]


def test_what_the_server_has_forgotten_is_listed_again(
    server: Server, looking: WatchedClient
) -> None:
    version_of(looking)
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    server.items = [body("a", "20")]
    server.events.put({"type": "ERROR", "object": gone})
    until(lambda: server.asked.count("LIST") == 2)
    until(lambda: version_of(looking) == "20")


def test_while_a_watch_is_down_the_object_itself_is_read(
    server: Server, looking: WatchedClient
) -> None:
    version_of(looking)
    server.events.put(TransportError("cut", sent=True))
    until(lambda: server.asked.count("LIST") == 2)
    assert version_of(looking) == "5"


def test_without_the_right_to_watch_every_look_is_a_read(
    server: Server, looking: WatchedClient
) -> None:
    server.refuse = 403
    version_of(looking)
    until(lambda: "WATCH 10" in server.asked)
    time.sleep(0.05)
    before = server.asked.count("GET a")
    assert version_of(looking) == version_of(looking) == "5"
    assert server.asked.count("GET a") == before + 2


def test_secrets_are_never_watched(server: Server, looking: WatchedClient) -> None:
    server.items = [body("s", "1")]
    id_ = ResourceId("m", "", "Secret", "n", "s")
    looking.get(id_, "v1", Served("machines", True))
    assert server.asked == ["GET s"]
