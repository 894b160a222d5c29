"""The transport of real servers, against a small HTTP server on loopback: who, errors, watches."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from providers.kube import http
from providers.kube.api import Request, TransportError, WatchRefused
from providers.kube.kubeconfig import Access
from state.errors import ClusterformError

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers with `answer`; remembers (path, headers) of what was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.answer: Answer = lambda handler: reply(handler, 200, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append((self.path, headers))
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()
    made.thread.join()


@pytest.fixture
def kubeconfig(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))

    def write(user: Any, **cluster: Any) -> Path:
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "other",
            "clusters": [{"name": "c", "cluster": {"server": server.url, **cluster}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "mgmt", "context": {"cluster": "c", "user": "u"}}],
        }
        path.write_text(json.dumps(body))
        return path

    return write


GET = Request(method="GET", path="/api/v1/namespaces/a:b", query=(("limit", "5"),))


def test_a_context_sends_its_token_and_the_bytes_come_back(server: Server, kubeconfig: Any) -> None:
    kubeconfig({"token": "secret-1"})
    server.answer = lambda handler: reply(handler, 404, b"404 page not found\n")
    answer = http.from_context("mgmt").request(GET)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    [(path, headers)] = server.seen
    assert path == "/api/v1/namespaces/a:b?limit=5"
    assert headers["authorization"] == "Bearer secret-1"
    assert "accept-encoding" not in headers or "gzip" not in headers["accept-encoding"]


def test_after_a_401_the_credentials_are_read_once_more(server: Server, kubeconfig: Any) -> None:
    kubeconfig({"token": "old"})
    transport = http.from_context("mgmt")
    transport.request(GET)
    kubeconfig({"token": "new"})
    good = {"Bearer new"}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        status = 200 if handler.headers["Authorization"] in good else 401
        reply(handler, status, b"{}")

    server.answer = answer
    assert transport.request(GET).status == 200
    good.clear()
    asked = len(server.seen)
    assert transport.request(GET).status == 401
    assert len(server.seen) == asked + 1, "the same credentials are not tried twice"


def test_an_exec_plugin_of_the_users_own_kubeconfig_is_run(
    server: Server, kubeconfig: Any, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    interactive = {"interactiveMode": "Never"}
    kubeconfig({"exec": {"apiVersion": version, "command": str(plugin), **interactive}})
    http.from_context("mgmt").request(GET)
    assert server.seen[0][1]["authorization"] == "Bearer from-plugin"


def test_a_proxy_of_the_kubeconfig_is_used(server: Server, kubeconfig: Any) -> None:
    kubeconfig({"token": "t"}, server="http://cluster.example.invalid", **{"proxy-url": server.url})
    assert http.from_context("mgmt").request(GET).status == 200
    assert server.seen[0][0].startswith("http://cluster.example.invalid/api/v1")


def test_an_unknown_context_is_a_clear_error(kubeconfig: Any) -> None:
    kubeconfig({"token": "t"})
    with pytest.raises(ClusterformError, match="nowhere") as raised:
        http.from_context("nowhere").request(GET)
    assert raised.value.code == "no-credential"
    assert "kubectl config get-contexts" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(None, "No configuration found", id="no file"),
        pytest.param("", "file is empty", id="empty"),
        pytest.param("{{{: - x", "cannot be read (ParserError)", id="no YAML"),
        pytest.param("- a\n- b\n", "the kubeconfig cannot be", id="a list"),
    ],
)
def test_a_kubeconfig_that_is_none_is_a_clear_error(
    content: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClusterformError) as raised:
        http.from_context("mgmt").request(GET)
    assert raised.value.code == "no-credential"
    assert expected in raised.value.brief


@pytest.mark.parametrize("command", ["/nonexistent/plugin", "/bin/echo", "/bin/false"])
def test_a_credential_plugin_that_fails_is_an_error_not_an_anonymous_user(
    server: Server, kubeconfig: Any, command: str
) -> None:
    version = "client.authentication.k8s.io/v1"
    exec_ = {"apiVersion": version, "command": command, "interactiveMode": "Never"}
    kubeconfig({"exec": exec_})
    with pytest.raises(ClusterformError, match="credential plugin failed"):
        http.from_context("mgmt").request(GET)
    assert server.seen == []


def test_a_refused_connection_was_never_sent(kubeconfig: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kubeconfig({"token": "t"}, server=f"http://127.0.0.1:{port}")
    with pytest.raises(TransportError, match="connection refused") as raised:
        http.from_context("mgmt").request(GET)
    assert (raised.value.sent, raised.value.late) == (False, False)


def test_an_answer_that_breaks_off_may_have_been_carried_out(
    server: Server, kubeconfig: Any
) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    server.answer = cut
    kubeconfig({"token": "t"})
    with pytest.raises(TransportError) as raised:
        http.from_context("mgmt").request(GET)
    assert raised.value.sent


def test_a_server_without_an_answer_is_late(
    server: Server, kubeconfig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    server.answer = lambda _: (over.wait(10), None)[1]
    monkeypatch.setattr(http, "READ_SECONDS", 0.1)
    kubeconfig({"token": "t"})
    with pytest.raises(TransportError, match="no answer in time") as raised:
        http.from_context("mgmt").request(GET)
    over.set()
    assert (raised.value.sent, raised.value.late) == (True, True)


def test_a_watch_gives_its_lines(server: Server, kubeconfig: Any) -> None:
    server.answer = lambda handler: reply(handler, 200, b'{"type":"ADDED"}\n{"type":"DELETED"}\n')
    kubeconfig({"token": "t"})
    lines = list(http.from_context("mgmt").watch(GET, timeout=30))
    assert lines == [b'{"type":"ADDED"}', b'{"type":"DELETED"}']
    assert server.seen[0][0].endswith("limit=5&timeoutSeconds=30")


def test_a_refused_watch_brings_the_answer(server: Server, kubeconfig: Any) -> None:
    server.answer = lambda handler: reply(handler, 410, b'{"kind":"Status"}')
    kubeconfig({"token": "t"})
    with pytest.raises(WatchRefused) as raised:
        list(http.from_context("mgmt").watch(GET, timeout=1))
    assert raised.value.response.status == 410


def test_a_workload_certificate_that_is_none_is_refused() -> None:
    broken = Access(server="https://127.0.0.1:1", ca="bm90IGEgY2VydA==", token="secret")
    with pytest.raises(ClusterformError, match="no credential") as raised:
        http.from_access(broken)
    assert "secret" not in str(raised.value)


def test_credentials_are_never_shown() -> None:
    login = http.Login("https://h", None, lambda: "Bearer secret")
    assert "secret" not in repr(login)


def test_in_a_cluster_the_service_account_of_the_pod_logs_in(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text("pod-token" if name == "token" else "no certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    with pytest.raises(ClusterformError, match="Service host/port is not set"):
        http.in_cluster().request(GET)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
    with pytest.raises(ClusterformError, match="a certificate of the kubeconfig cannot be used"):
        http.in_cluster().request(GET)
