"""Files of a Git repository at a commit, by the `git` binary, without a checkout.

What runs is what the user set up for Git: credential helpers, ssh and its agent, proxies. Nothing
that a repository brings runs: there are no hooks, filters, templates and no working tree
(CVE-2024-32002, CVE-2025-48384). A submodule is one more repository that is read in the same way.
Only https, http and ssh are spoken, whatever a URL asks for.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from providers import git
from providers.archive import FILES, pack, too_large
from providers.fetch import submodules
from providers.fetch.found import Found, newest
from providers.fetch.web import Limits
from providers.flux.sources import SourceRevision
from providers.locked import Wanted
from state.errors import ClusterformError

_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|XDG_CONFIG_HOME|XDG_RUNTIME_DIR|SSH_AUTH_SOCK|SSH_AGENT_PID"
    r"|GIT_SSH|GIT_SSH_COMMAND|GIT_ASKPASS|GIT_SSL_\w+|SSL_CERT_\w+|CURL_CA_BUNDLE"
    r"|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|(?i:(https?|no|all)_proxy)"
)
"""Of the environment: what says how the user reaches a server, and who the user is."""
_OPTIONS = (
    "--no-pager",
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.fsmonitor=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "fetch.recurseSubmodules=false",
    "-c", "http.followRedirects=initial",
    "-c", "transfer.bundleURI=false",
    "-c", "safe.directory=*",
)  # fmt: skip
_URL = re.compile(
    r"(https?|ssh)://([^/@\s\"\\]*@)?[^-/@\s\"\\][^\s\"\\]*"
    r"|([\w.]+@)?\w[\w.-]*:(?!//|:)[^-\s\"\\][^\s\"\\]*"
)
"""Of https, http, ssh, or as scp writes it: no option, no other scheme or helper of Git's."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"[^-\s:^~?*\[\\][^\s:^~?*\[\\]*")
_USER = re.compile(r"//[^/@\s]*@")
_DEEPEST, _MODULES = 8, 50
"""Levels of submodules, and all of them together: each is a repository that is asked."""
_MASTER = "master"
"""The branch where none is named, of Flux and of the Helm Operator."""


class Repositories:
    """Git repositories, each fetched into a folder that is thrown away."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def resolve(self, wanted: Wanted) -> Found:
        """The commit that is meant now, and its files. Raises ClusterformError."""
        with self._repository(wanted) as run:
            return self._resolved(run, wanted)

    def _resolved(self, run: _Git, wanted: Wanted) -> Found:
        asked = wanted.asked
        if asked.commit:
            return self._found(run, wanted, asked.commit, asked.commit)
        if asked.semver:
            tags = [t.removeprefix("refs/tags/") for t in run.refs("refs/tags/*")]
            tag = newest(tags, asked.semver, wanted.text, wanted.url)
            commit = run.ref(f"refs/tags/{tag}")
            return self._found(run, wanted, commit, f"{tag}@{commit}")
        name = asked.name or asked.tag or asked.branch or _MASTER
        if asked.name:
            ways = [asked.name]
        elif asked.tag:
            ways = [f"refs/tags/{asked.tag}"]
        else:  # the Helm Operator's `ref` may be a branch, a tag or a commit
            ways = [f"refs/heads/{name}", f"refs/tags/{name}"]
        known = run.refs(*ways)
        for way in ways:
            if way in known:
                commit = run.ref(way)
                return self._found(run, wanted, commit, commit)
        if _COMMIT.fullmatch(name):
            return self._found(run, wanted, name, name)
        raise ClusterformError(
            "no-such-revision",
            f"{wanted.url} has no {wanted.asked_text or f'branch {_MASTER}, the default'}",
        )

    def exactly(self, wanted: Wanted, resolved: str) -> Found:
        """The files of a commit."""
        with self._repository(wanted) as run:
            return self._found(run, wanted, resolved.rpartition("@")[2], resolved)

    def _found(self, run: _Git, wanted: Wanted, commit: str, resolved: str) -> Found:
        whole = _Whole(self._limits, wanted.url)
        self._add(run, wanted, commit, "", whole, 0)
        return Found(resolved=resolved, content=pack(whole.files, whole.links))

    def _add(
        self, run: _Git, above: Wanted, commit: str, prefix: str, whole: _Whole, depth: int
    ) -> None:
        """Add the files of a commit, and of its submodules where they are wanted. As go-git in
        source-controller: an entry of the tree that .gitmodules does not name stays empty."""
        content = run.commit(commit)
        whole.add(prefix, content)
        if not above.submodules or not content.modules:
            return
        named = submodules.read(run.modules(commit), above.url)
        for path, pinned in sorted(content.modules.items()):
            if path not in named:
                continue
            whole.modules += 1
            if depth >= _DEEPEST or whole.modules > _MODULES:
                raise ClusterformError(
                    "bad-submodules",
                    f"{whole.url} has more than {_MODULES} submodules or {_DEEPEST} levels of them",
                )
            one = msgspec.structs.replace(
                above, url=named[path], asked=SourceRevision(commit=pinned)
            )
            at = f"{prefix}{path}/"
            try:
                with self._repository(one) as inner:
                    self._add(inner, one, pinned, at, whole, depth + 1)
            except ClusterformError as error:
                raise ClusterformError(
                    error.code,
                    f"submodule {at[:-1]} of {whole.url}: {error.brief}",
                    detail=error.detail,
                    hint=error.hint,
                ) from None

    @contextlib.contextmanager
    def _repository(self, wanted: Wanted) -> Iterator[_Git]:
        if not _URL.fullmatch(wanted.url):
            raise ClusterformError(
                "bad-url",
                f"{wanted.url!r} is no Git URL that is fetched",
                hint="https, http and ssh are; else name a local folder in clusterform.yaml, "
                "spec.sources",
            )
        with tempfile.TemporaryDirectory(prefix="clusterform-git-") as folder:
            run = _Git(Path(folder), wanted, self._limits)
            run.start()
            yield run


class _Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit holds."""

    files: dict[str, bytes]
    links: list[str]
    modules: dict[str, str]
    """Commits of submodules by path."""


class _Whole:
    """A repository with its submodules, within the limits of one source."""

    def __init__(self, limits: Limits, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.links: list[str] = []
        self.modules = 0
        self._limits = limits
        self._bytes = 0

    def add(self, prefix: str, found: _Commit) -> None:
        """Put the files of a commit below a folder. Raises ClusterformError('bad-archive')."""
        self.files |= {prefix + path: content for path, content in found.files.items()}
        self.links += [prefix + path for path in found.links]
        self._bytes += sum(map(len, found.files.values()))
        if self._bytes > self._limits.bytes or len(self.files) + len(self.links) > FILES:
            raise too_large(self.url, self._limits.bytes)


class _Git:
    """One empty bare repository with one remote."""

    def __init__(self, folder: Path, wanted: Wanted, limits: Limits) -> None:
        self._folder = folder
        self._wanted = wanted
        self._limits = limits
        self._environment = {k: v for k, v in os.environ.items() if _KEPT.fullmatch(k)} | {
            "GIT_ALLOW_PROTOCOL": "https:http:ssh",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "LC_ALL": "C",
        }

    def start(self) -> None:
        """Make the repository. The URL stands in its configuration: not in the list of processes,
        and never taken for an option."""
        self._run("init", "--quiet", "--bare", "--template=", ".")
        with (self._folder / "config").open("a") as config:
            config.write(f'[remote "origin"]\n\turl = "{self._wanted.url}"\n')

    def refs(self, *patterns: str) -> set[str]:
        """Names of what the server has, peeled names left out."""
        for pattern in patterns:
            if not _NAME.fullmatch(pattern.removesuffix("*")):
                raise ClusterformError(
                    "bad-url", f"{self._wanted.url}: {pattern!r} is no name of a revision"
                )
        listed = self._run("ls-remote", "--refs", "origin", *patterns).decode(errors="replace")
        return {line.partition("\t")[2] for line in listed.splitlines()}

    def ref(self, name: str) -> str:
        """Fetch what a name means now; its commit."""
        self._fetch("--depth=1", f"+{name}:refs/found")
        return self._rev("refs/found") or ""

    def commit(self, commit: str) -> _Commit:
        """Fetch a commit, alone where the server allows that; what is in it."""
        if not _COMMIT.fullmatch(commit):
            raise ClusterformError(
                "bad-url", f"{self._wanted.url}: {commit!r} is no full commit id"
            )
        if self._rev(commit) is None:
            try:
                self._fetch("--depth=1", commit)
            except ClusterformError:  # older servers give what has a name only
                self._fetch("+refs/heads/*:refs/h/*", "+refs/tags/*:refs/t/*")
        if self._rev(commit) != commit:
            raise ClusterformError(
                "no-such-revision",
                f"{self._wanted.url} has no commit {commit} any more",
                hint=f"clusterform sources lock --update {self._wanted.url}",
            )
        listed = self._run("ls-tree", "-r", "-l", "-z", commit).split(b"\0")[:-1]
        facts = [entry.partition(b"\t") for entry in listed]
        sizes = [fact.split()[-1] for fact, _, _ in facts]
        total = sum(int(size) for size in sizes if size.isdigit())
        if len(listed) > FILES or total > self._limits.bytes:
            raise too_large(self._wanted.url, self._limits.bytes)
        tree = git.open_tree(self._folder, commit)
        return _Commit(
            files=tree.read(e.path for e in tree.entries),
            links=[os.fsdecode(path) for fact, _, path in facts if fact.startswith(b"120000")],
            modules={
                os.fsdecode(path): fact.split()[2].decode()
                for fact, _, path in facts
                if fact.startswith(b"160000")
            },
        )

    def modules(self, commit: str) -> bytes:
        """What `.gitmodules` of a commit says, as Git reads it; it includes no other file."""
        blob = f"{commit}:.gitmodules"
        try:
            self._run("cat-file", "-e", blob)
        except ClusterformError:
            return b""
        return self._run("config", "--no-includes", "--blob", blob, "--null", "--list")

    def _fetch(self, *arguments: str) -> None:
        self._run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", *arguments)

    def _rev(self, name: str) -> str | None:
        try:
            found = self._run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except ClusterformError:
            return None
        return found.decode().strip()

    def _run(self, *arguments: str) -> bytes:
        """Run git, in a session of its own: nobody is asked for a password, and all of it ends."""
        process = subprocess.Popen(
            ["git", *_OPTIONS, "-c", f"http.lowSpeedTime={max(1, int(self._limits.silence))}",
             "-c", "http.lowSpeedLimit=100", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        # No file of it grows beyond the limit: a pack has no other. What it starts inherits that.
        with contextlib.suppress(AttributeError, OSError):  # Linux only
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self._limits.bytes,) * 2)
        waits = self._limits.total if "fetch" in arguments else self._limits.silence
        try:
            output, problem = process.communicate(timeout=waits)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise _failed(self._wanted.url, "no answer in time") from None
        if process.returncode:
            lines = _USER.sub("//", problem.decode(errors="replace")).strip().splitlines()
            said = [line.removeprefix("fatal: ") for line in lines if line.strip()]
            raise _failed(self._wanted.url, said[-1] if said else "git ended", "\n".join(said[:-1]))
        return output


def _failed(url: str, why: str, detail: str = "") -> ClusterformError:
    return ClusterformError(
        "unreachable",
        f"{url} cannot be read: {why}",
        detail=detail[:2000],
        hint="clusterform uses Git's own credential helpers and ssh agent: try `git ls-remote`; or "
        "name a local folder in clusterform.yaml, spec.sources",
    )
