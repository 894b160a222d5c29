"""The door to the network: limits of time and size, redirects, credentials, versions, Git."""

from __future__ import annotations

import base64
import io
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.archive import Store
from providers.fetch.fetcher import Fetcher
from providers.fetch.web import Limits, Web, _Redirects
from providers.flux.sources import SourceRevision
from providers.locked import Locked, Wanted, clean_url, of_chart, of_git
from state.errors import ClusterformError
from tests.support.servers import CHART_LAYER, Server, git_in, packed, serving, tgz

QUICK = Limits(silence=1, total=3, bytes=1 << 20)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    folder = tmp_path / "store"
    folder.mkdir()
    return Fetcher(Store(folder), QUICK)


def refused(fetcher: Fetcher, wanted: Wanted) -> ClusterformError:
    with pytest.raises(ClusterformError) as caught:
        fetcher.resolve(wanted)
    return caught.value


def chart(server: Server, version: str = "", name: str = "c") -> Wanted:
    return of_chart(f"{server.url}/charts", name, version)


def oci(server: Server, **asked: str) -> Wanted:
    return Wanted(kind="oci", url=f"oci://{server.host}/a", asked=SourceRevision(**asked))


# ---------------------------------------------------------------------- nobody answers


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def wanted_of(kind: str, host: str) -> Wanted:
    return {
        "git": of_git(f"http://{host}/x.git", SourceRevision(branch="main")),
        "helm": of_chart(f"http://{host}", "c", ""),
        "oci": of_chart(f"oci://{host}", "c", ""),
    }[kind]


@pytest.mark.parametrize("kind", ["git", "helm", "oci"])
def test_a_silent_server_is_given_up(fetcher: Fetcher, silent: str, kind: str) -> None:
    began = time.monotonic()
    error = refused(fetcher, wanted_of(kind, silent))
    assert time.monotonic() - began < 5
    assert error.code == "unreachable"
    assert silent in error.brief


@pytest.mark.parametrize("kind", ["git", "helm", "oci"])
def test_a_port_that_nobody_listens_on_is_said(fetcher: Fetcher, kind: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        error = refused(fetcher, wanted_of(kind, host))
    assert (error.code, host in error.brief) == ("unreachable", True)
    assert "refused" in error.brief.lower() or "connect" in error.brief.lower()


# ---------------------------------------------------------------------- HTTP


def test_a_download_has_a_limit(server: Server) -> None:
    server.files["/x"] = b"x" * 5000
    with pytest.raises(ClusterformError, match="more than"):
        Web(QUICK).get(f"{server.url}/x", limit=4000)


def test_a_redirect_takes_no_credentials_along(server: Server) -> None:
    with serving() as other:
        other.files["/blob"] = b"content"
        server.answers["/x"] = (307, {"Location": f"{other.url}/blob"})
        answer = Web(QUICK).get(f"{server.url}/x", authorization="Basic abc")
        assert answer.body == b"content"
        assert server.requests == [("/x", "Basic abc")]
        assert other.requests == [("/blob", "")]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_leads_to_http_only(server: Server, target: str) -> None:
    server.answers["/x"] = (302, {"Location": target})
    with pytest.raises(ClusterformError) as caught:
        Web(QUICK).found(f"{server.url}/x", "x")
    assert caught.value.code in ("unreachable", "not-served")


def test_a_redirect_never_leaves_https() -> None:
    request = urllib.request.Request("https://h/x")
    with pytest.raises(urllib.error.URLError, match="refused"):
        _Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://h/x")


def test_other_schemes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(ClusterformError) as caught:
        Web(QUICK).get(f"file://{tmp_path}/x")
    assert caught.value.code == "bad-url"


def test_messages_hold_no_query_and_no_user() -> None:
    with pytest.raises(ClusterformError) as caught:
        Web(QUICK).get("ftp://ann:hush@h/x?signature=hush")
    assert "hush" not in caught.value.brief


# ---------------------------------------------------------------------- chart repositories


def test_the_newest_version_that_fits_is_taken(server: Server, fetcher: Fetcher) -> None:
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
        server.chart("c", version, {})
    assert fetcher.resolve(chart(server)).resolved == "1.10.0"
    assert fetcher.resolve(chart(server, "<1.10")).resolved == "1.9.0"
    assert fetcher.resolve(chart(server, "2.0.0-rc.1")).resolved == "2.0.0-rc.1"
    error = refused(fetcher, chart(server, "3.x"))
    assert (error.code, "2.0.0-rc.1" in error.detail) == ("no-version", True)
    assert refused(fetcher, chart(server, name="d")).code == "no-chart"


def test_a_chart_that_is_not_what_its_index_says_is_refused(
    server: Server, fetcher: Fetcher
) -> None:
    server.chart("c", "1.0.0", {}, digest="0" * 64)
    error = refused(fetcher, chart(server))
    assert error.code == "digest-mismatch"
    assert "0" * 64 in error.brief


def test_an_index_in_yaml_is_read(server: Server, fetcher: Fetcher) -> None:
    content = server.chart("c", "1.0.0", {})
    server.files["/charts/index.yaml"] = (
        b"apiVersion: v1\nentries:\n  c:\n  - {version: 1.0.0, urls: [%s/charts/c-1.0.0.tgz]}\n"
        % server.url.encode()
    )
    locked = fetcher.resolve(chart(server))
    assert (locked.resolved, locked.form) == ("1.0.0", "chart")
    assert content


@pytest.mark.parametrize("index", [b"[]", b"entries: 5", b"a: b: c", b"<html>", b"{}"])
def test_what_is_no_index_is_one_error(server: Server, fetcher: Fetcher, index: bytes) -> None:
    server.files["/charts/index.yaml"] = index
    assert refused(fetcher, chart(server)).code == "bad-index"


def test_a_hostile_chart_is_refused_before_it_is_kept(
    server: Server, fetcher: Fetcher, tmp_path: Path
) -> None:
    server.chart("c", "1.0.0", {"../../evil": "x"})
    server.chart("d", "1.0.0", {"bomb": "0" * (2 << 20)})
    assert refused(fetcher, chart(server)).code == "bad-archive"
    assert refused(fetcher, chart(server, name="d")).code == "bad-archive"
    assert list((tmp_path / "store").iterdir()) == []


def test_netrc_logs_in_at_its_own_host_only(
    server: Server, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving() as other:
        server.chart("c", "1.0.0", {})
        server.chart("d", "1.0.0", {}, urls=[f"{other.url}/d.tgz"])  # type: ignore[arg-type]
        other.files["/d.tgz"] = server.files["/charts/d-1.0.0.tgz"]
        fetcher.resolve(chart(server))
        fetcher.resolve(chart(server, name="d"))
        basic = "Basic " + base64.b64encode(b"ann:hush").decode()
        assert {authorization for _, authorization in server.requests} == {basic}
        assert other.requests == [("/d.tgz", "")]


# ---------------------------------------------------------------------- registries


def test_tags_semver_and_digests_of_a_registry(server: Server, fetcher: Fetcher) -> None:
    old = server.push("a", "1.0.0", tgz({"x": "1"}), "application/x")
    new = server.push("a", "1.1.0", tgz({"x": "2"}), "application/x")
    server.push("a", "latest", tgz({"x": "3"}), "application/x")
    assert fetcher.resolve(oci(server, semver="1.x")).resolved == f"1.1.0@{new}"
    assert fetcher.resolve(oci(server, tag="1.0.0")).resolved == f"1.0.0@{old}"
    assert fetcher.resolve(oci(server, digest=old)).resolved == old
    assert fetcher.resolve(oci(server)).resolved.startswith("latest@sha256:")
    assert refused(fetcher, oci(server, tag="2")).code == "not-served"
    assert refused(fetcher, oci(server, digest="sha512:0")).code == "bad-url"


def test_a_plus_in_a_version_is_an_underscore_in_its_tag(server: Server, fetcher: Fetcher) -> None:
    server.push("charts/c", "1.0.0_b1", packed("c", "1.0.0+b1", {}), CHART_LAYER)
    found = fetcher.resolve(of_chart(f"oci://{server.host}/charts", "c", "1.0.0+b1"))
    assert found.resolved.startswith("1.0.0_b1@sha256:")


@pytest.mark.parametrize("part", ["manifests", "blobs"])
def test_a_registry_that_sends_something_else_is_refused(
    server: Server, fetcher: Fetcher, part: str
) -> None:
    digest = server.push("a", "1.0.0", tgz({"x": "1"}), "application/x")
    path = next(p for p in server.files if f"/{part}/sha256:" in p)
    server.files[path] = server.files[path] + b" "
    error = refused(fetcher, oci(server, digest=digest))
    assert error.code == "digest-mismatch"
    assert error.brief.count("sha256:") >= 2


def test_a_login_over_plain_http_elsewhere_is_refused(server: Server, fetcher: Fetcher) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://evil.example/token"'}
    server.answers["/v2/a/manifests/1"] = (401, challenge)
    error = refused(fetcher, oci(server, tag="1"))
    assert "evil.example" in error.brief


# ---------------------------------------------------------------------- Git


@pytest.fixture
def repository(server: Server, tmp_path: Path) -> Path:
    work = tmp_path / "git" / "r.git"
    work.mkdir(parents=True)
    server.git = tmp_path / "git"
    git_in(work, "init", "-q", "-b", "master")
    (work / "a").write_text("1")
    (work / "link").symlink_to("/etc/passwd")
    commit(work)
    return work


def commit(work: Path) -> str:
    git_in(work, "add", "-A")
    git_in(work, "commit", "-q", "-m", "x")
    return git_in(work, "rev-parse", "HEAD")


def test_every_way_to_name_a_revision(server: Server, fetcher: Fetcher, repository: Path) -> None:
    first = git_in(repository, "rev-parse", "HEAD")
    git_in(repository, "tag", "-a", "v1.0.0", "-m", "annotated")
    (repository / "a").write_text("2")
    second = commit(repository)
    git_in(repository, "tag", "v1.2.0")
    git_in(repository, "update-ref", "refs/pull/1/head", first)

    def found(**asked: str) -> str:
        url = f"{server.url}/git/r.git"
        return fetcher.resolve(of_git(url, SourceRevision(**asked))).resolved

    assert found() == second
    assert found(branch="master") == second
    assert found(tag="v1.0.0") == first
    assert found(branch="v1.0.0") == first
    assert found(semver="<1.1") == f"v1.0.0@{first}"
    assert found(name="refs/pull/1/head") == first
    assert found(branch="master", commit=first) == first
    for asked in ({"branch": "no"}, {"tag": "no"}, {"commit": "0" * 40}):
        with pytest.raises(ClusterformError):
            found(**asked)


def test_links_of_a_repository_are_left_out_and_nothing_of_it_runs(
    server: Server, repository: Path, tmp_path: Path
) -> None:
    for name in (".gitmodules", ".gitattributes"):
        (repository / name).write_text("* filter=x\n[submodule]\n")
    commit(repository)
    store = Store(tmp_path / "store")
    store.folder.mkdir()
    found = Fetcher(store, QUICK).resolve(of_git(f"{server.url}/git/r.git", SourceRevision()))
    content = store.read(found.digest)
    assert content is not None
    assert b"passwd" not in content
    assert b"filter=x" in content


def test_a_large_repository_is_refused(server: Server, fetcher: Fetcher, repository: Path) -> None:
    (repository / "zeros").write_bytes(b"\0" * (2 << 20))
    commit(repository)
    error = refused(fetcher, of_git(f"{server.url}/git/r.git", SourceRevision()))
    assert error.code == "bad-archive"


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "file:///etc", "/etc", "../x", "-oProxyCommand=id", "git://h/x", "fd::0",
     "ssh://-oProxyCommand=id/x", 'https://h/"\n[core]x', "-h:x"],
)  # fmt: skip
def test_what_is_no_address_of_a_server_is_not_given_to_git(fetcher: Fetcher, url: str) -> None:
    assert refused(fetcher, of_git(url, SourceRevision())).code == "bad-url"


@pytest.mark.parametrize("branch", ["--upload-pack=id", "a b", "a:b", "+a", "-x"])
def test_a_name_that_is_an_option_or_a_refspec_is_refused(
    server: Server, fetcher: Fetcher, repository: Path, branch: str
) -> None:
    del repository
    asked = SourceRevision(name=branch)
    error = refused(fetcher, of_git(f"{server.url}/git/r.git", asked))
    assert error.code in ("bad-url", "no-such-revision")


def test_a_bucket_has_to_be_mapped(fetcher: Fetcher) -> None:
    error = refused(fetcher, Wanted(kind="bucket", url="s3://h/b"))
    assert "spec.sources" in error.hint


# ---------------------------------------------------------------------- exactly


def test_another_content_than_the_lock_says_is_refused_naming_both(
    server: Server, fetcher: Fetcher, repository: Path
) -> None:
    del repository
    locked = fetcher.resolve(of_git(f"{server.url}/git/r.git", SourceRevision()))
    other = Locked(
        kind="git", url=locked.url, resolved=locked.resolved, digest=f"sha256:{'0' * 64}"
    )
    with pytest.raises(ClusterformError) as caught:
        fetcher.exactly(other)
    assert locked.digest in caught.value.brief
    assert other.digest in caught.value.brief


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://ann:hush@h/x", "https://h/x"),
        ("https://token@h/x", "https://h/x"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("ssh://git:hush@h/x", "ssh://git@h/x"),
        ("git@h:x", "git@h:x"),
        ("oci://a:b@h/x", "oci://h/x"),
    ],
)
def test_urls_lose_their_credentials(url: str, clean: str) -> None:
    assert clean_url(url) == clean
