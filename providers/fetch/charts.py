"""Charts of a repository over HTTP: `index.yaml` and archives (helm.sh, "Chart Repositories")."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from providers import yamldoc
from providers.archive import digest_of
from providers.fetch.found import Found, newest
from providers.fetch.web import Web
from providers.locked import Wanted
from providers.yamldoc import Limits
from state.errors import ClusterformError
from state.resource import JsonObject

_INDEX = Limits(file_bytes=64 << 20, documents=1, depth=32, nodes=10_000_000)


class Repositories:
    """Repositories of one run; each index is read once."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._indexes: dict[str, JsonObject] = {}

    def resolve(self, wanted: Wanted) -> Found:
        """The newest version that fits. Raises ClusterformError."""
        entries = self._entries(wanted)
        version = newest(
            [str(e.get("version")) for e in entries], wanted.asked.semver, wanted.text, wanted.url
        )
        return self.exactly(wanted, version)

    def exactly(self, wanted: Wanted, version: str) -> Found:
        """One version, checked against the digest of the index."""
        entry = next((e for e in self._entries(wanted) if e.get("version") == version), None)
        urls = entry.get("urls") if entry else None
        if not entry or not isinstance(urls, list) or not urls:
            raise ClusterformError(
                "no-chart",
                f"{wanted.url} has no {wanted.chart} {version} any more",
                hint=f"clusterform sources lock --update {wanted.chart}",
            )
        url = urljoin(f"{wanted.url}/", str(urls[0]))
        # Helm sends a repository's credentials to its own host only (--pass-credentials).
        same = urlsplit(url).netloc == urlsplit(wanted.url).netloc
        content = self._web.found(
            url, "the chart", authorization=self._web.netrc(wanted.url) if same else ""
        )
        found, said = digest_of(content), str(entry.get("digest") or "")
        if said and found.removeprefix("sha256:") != said.removeprefix("sha256:"):
            raise ClusterformError(
                "digest-mismatch",
                f"{wanted.chart} {version} of {wanted.url} is {found}, and its index says {said}",
                hint="somebody changed the chart or the index: ask who keeps the repository",
            )
        return Found(resolved=version, content=content, form="chart")

    def _entries(self, wanted: Wanted) -> list[JsonObject]:
        index = self._index(wanted.url)
        entries: Any = (index.get("entries") or {}).get(wanted.chart)
        if not isinstance(entries, list) or not entries:
            raise ClusterformError("no-chart", f"{wanted.url} has no chart {wanted.chart}")
        return [e for e in entries if isinstance(e, dict)]

    def _index(self, url: str) -> JsonObject:
        if url not in self._indexes:
            content = self._web.found(
                f"{url}/index.yaml", "an index", authorization=self._web.netrc(url)
            )
            self._indexes[url] = _decoded(content, url)
        return self._indexes[url]


def _decoded(content: bytes, url: str) -> JsonObject:
    try:  # most large indexes are written as JSON for speed (helm repo index --json)
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        documents, findings = yamldoc.parse(content, f"{url}/index.yaml", _INDEX)
        if findings and not documents:
            raise ClusterformError(
                "bad-index", f"{url}/index.yaml: {findings[0].summary}", where=findings[0].where
            ) from None
        body = documents[0].body if documents else {}
    if not isinstance(body, dict) or not isinstance(body.get("entries"), dict):
        raise ClusterformError("bad-index", f"{url}/index.yaml is no index of charts")
    return body
