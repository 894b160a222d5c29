"""Charts and artifacts of an OCI registry, by its HTTP API (OCI Distribution Specification 1.1)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from providers.archive import digest_of
from providers.fetch.found import Found, newest
from providers.fetch.web import Answer, Web, not_served
from providers.locked import Wanted
from state.errors import ClusterformError

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_MANIFEST_BYTES = 4 << 20
_PAGES = 100
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Registries:
    """Registries of one run; a token is kept for each repository."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._tokens: dict[str, str] = {}

    def resolve(self, wanted: Wanted) -> Found:
        """The manifest that a tag, digest or constraint means now. Raises ClusterformError."""
        asked = wanted.asked
        if asked.digest:
            return self.exactly(wanted, asked.digest)
        ranged = bool(asked.semver or wanted.chart)
        tag = self._newest(wanted) if ranged else asked.tag or "latest"  # Flux's default
        found = self._manifest(wanted, tag)
        return self._layer(wanted, found, f"{tag}@{digest_of(found)}")

    def exactly(self, wanted: Wanted, pinned: str) -> Found:
        """One manifest by its digest."""
        if not _DIGEST.fullmatch(pinned):
            raise ClusterformError("bad-url", f"{wanted.url}: {pinned!r} is no sha256 digest")
        found = self._manifest(wanted, pinned)
        if digest_of(found) != pinned:
            raise _differs(wanted, digest_of(found), pinned)
        return self._layer(wanted, found, pinned)

    def _newest(self, wanted: Wanted) -> str:
        """Tags are versions; `_` stands for the `+` that a tag may not have (helm.sh, "OCI")."""
        tags: list[str] = []
        path = "tags/list?n=1000"
        for _ in range(_PAGES):
            answer = self._get(wanted, path)
            found: Any = _json(answer.body, wanted)
            tags += [str(tag) for tag in found.get("tags") or ()]
            link = re.match(r'<([^>]+)>;\s*rel="?next"?', answer.headers.get("link", ""))
            if link is None:
                break
            path = "tags/list?" + urlsplit(link[1]).query
        pattern = wanted.asked.semver_filter
        try:
            by_version = {
                tag.replace("_", "+"): tag for tag in tags if re.search(pattern or "", tag)
            }
        except re.error:
            raise ClusterformError(
                "bad-url", f"{wanted.url}: semverFilter {pattern!r} is no pattern"
            ) from None
        return by_version[newest(by_version, wanted.asked.semver, wanted.text, wanted.url)]

    def _manifest(self, wanted: Wanted, reference: str) -> bytes:
        path = f"manifests/{quote(reference, safe=':')}"
        return self._get(wanted, path, accept=", ".join(_MANIFESTS), limit=_MANIFEST_BYTES).body

    def _layer(self, wanted: Wanted, manifest: bytes, resolved: str) -> Found:
        body = _json(manifest, wanted)
        layers = [x for x in body.get("layers") or () if isinstance(x, dict)]
        media = wanted.layer or (CHART_LAYER if wanted.chart else "")
        fitting = [x for x in layers if not media or x.get("mediaType") == media]
        if not fitting:
            what = f"no layer of type {media}" if media else "no layers: is it an image index?"
            raise ClusterformError("no-layer", f"{wanted.text} has {what}")
        layer = fitting[0]
        digest = str(layer.get("digest"))
        if not _DIGEST.fullmatch(digest):
            raise ClusterformError("no-layer", f"{wanted.text}: {digest!r} is no sha256 digest")
        content = self._get(wanted, f"blobs/{digest}").body
        if digest_of(content) != digest:
            raise _differs(wanted, digest_of(content), digest)
        chart = layer.get("mediaType") == CHART_LAYER
        return Found(resolved=resolved, content=content, form="chart" if chart else "files")

    # ------------------------------------------------------------------ requests

    def _get(self, wanted: Wanted, path: str, *, accept: str = "*/*", limit: int = 0) -> Answer:
        host, base = _base(wanted.url)
        url = f"{base}/{path}"
        token = self._tokens.get(base, "")
        answer = self._web.get(url, accept=accept, authorization=token, limit=limit)
        if answer.status == 401 and not token:
            token = self._tokens[base] = self._login(host, url, answer)
            answer = self._web.get(url, accept=accept, authorization=token, limit=limit)
        if answer.status != 200:
            raise not_served(url, wanted.text, answer.status)
        return answer

    def _login(self, host: str, url: str, answer: Answer) -> str:
        """An `Authorization`, by the scheme that the registry asks for."""
        challenge = answer.headers.get("www-authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        credentials = self._web.docker(host)
        if scheme.lower() != "bearer":
            return credentials
        said = dict(_CHALLENGE.findall(rest))
        realm = urljoin(url, said.get("realm", ""))
        if urlsplit(realm).scheme != "https" and urlsplit(realm).netloc != urlsplit(url).netloc:
            raise ClusterformError(
                "bad-url", f"{host} wants a login over http at {urlsplit(realm).netloc}: refused"
            )
        query = urlencode({k: said[k] for k in ("service", "scope") if k in said})
        body = self._web.found(
            f"{realm}?{query}", "a token", authorization=credentials, limit=1 << 20
        )
        try:
            found = msgspec.json.decode(body)
            return f"Bearer {found.get('token') or found['access_token']}"
        except (msgspec.DecodeError, KeyError, AttributeError):
            raise ClusterformError("not-served", f"{host} gives no token") from None


def _base(url: str) -> tuple[str, str]:
    """Host, and where its API has the repository. Plain http on this machine only, as Docker."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "::1") or (parts.hostname or "").startswith("127.")
    scheme = "http" if local else "https"
    host = parts.netloc.rpartition("@")[2]
    return host, f"{scheme}://{host}/v2/{parts.path.strip('/')}"


def _json(body: bytes, wanted: Wanted) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ClusterformError("not-served", f"{wanted.url}: no answer of a registry") from None


def _differs(wanted: Wanted, found: str, wanted_digest: str) -> ClusterformError:
    return ClusterformError(
        "digest-mismatch",
        f"{wanted.text} is {found}, not {wanted_digest}",
        hint="the registry sends something else than it says: ask who keeps it",
    )
