"""Loopback servers for what `sources lock|fetch` reads: Git over http, charts, a registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Server(ThreadingHTTPServer):
    """Serves `files` by path, Git repositories below `git`, and what a test puts into `answers`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}
        """Path → status and headers, before anything else is looked at."""
        self.git: Path | None = None
        self.token = ""
        """What a registry wants to see after a login."""
        self.requests: list[tuple[str, str]] = []
        """Path and Authorization."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    # ------------------------------------------------------------------ what is served

    def chart(self, name: str, version: str, files: Mapping[str, str], **entry: str) -> bytes:
        """Add a chart to the repository at /charts."""
        content = packed(name, version, files)
        path = f"/charts/{name}-{version}.tgz"
        self.files[path] = content
        index = json.loads(self.files.get("/charts/index.yaml") or '{"entries": {}}')
        index["entries"].setdefault(name, []).append(
            {
                "name": name,
                "version": version,
                "urls": [f"{name}-{version}.tgz"],
                "digest": hashlib.sha256(content).hexdigest(),
                **entry,
            }
        )
        self.files["/charts/index.yaml"] = json.dumps(index).encode()
        return content

    def push(self, name: str, tag: str, layer: bytes, media: str) -> str:
        """Add an artifact to the registry; the digest of its manifest."""
        blob = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "layers": [{"mediaType": media, "digest": blob, "size": len(layer)}],
            }
        ).encode()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        self.files[f"/v2/{name}/blobs/{blob}"] = layer
        for reference in (tag, digest):
            self.files[f"/v2/{name}/manifests/{reference}"] = manifest
        tags = json.loads(self.files.get(f"/v2/{name}/tags/list") or '{"tags": []}')["tags"]
        listed = {"name": name, "tags": sorted({*tags, tag})}
        self.files[f"/v2/{name}/tags/list"] = json.dumps(listed).encode()
        return digest


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        authorization = self.headers.get("Authorization", "")
        self.server.requests.append((path, authorization))
        status, headers = self.server.answers.get(path, (0, {}))
        if status:
            self._send(status, b"", headers)
        elif self.server.git and path.startswith("/git/"):
            self._backend()
        elif path.startswith("/v2/") and authorization != self.server.token:
            realm = f'Bearer realm="{self.server.url}/token",service="test",scope="pull"'
            self._send(401, b"", {"WWW-Authenticate": realm})
        elif path in self.server.files:
            self._send(200, self.server.files[path], {})
        else:
            self._send(404, b"", {})

    def do_POST(self) -> None:
        self._backend()

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _backend(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.git),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": parts.path.removeprefix("/git"),
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(fields.pop("Status", "200").split()[0])
        self._send(status, rest, fields)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server while a test runs."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def packed(name: str, version: str, files: Mapping[str, str]) -> bytes:
    """A chart as `helm package` packs it."""
    head = f"apiVersion: v2\nname: {name}\nversion: {version}\n"
    return tgz({f"{name}/Chart.yaml": head, **{f"{name}/{p}": t for p, t in files.items()}})


def tgz(files: Mapping[str, str]) -> bytes:
    """An archive; equal files give equal bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


def git_in(folder: Path, *arguments: str) -> str:
    """Run git as a fixed author in a folder."""
    who = {
        f"GIT_{w}_{k}": "t@example.org" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")
    }
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **who}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
