"""A real API server behind the `Transport` port: raw bytes over the urllib3 pools of `kubernetes`.

The official package loads kubeconfigs, runs the exec plugins of the user's *own* kubeconfig and
knows proxies; its models and its dynamic client are not used, they cost 0.4 to 3.9 ms an object.
What it writes to disk (client keys, as temporary files) is gone before the first request: TLS
contexts are built at once, and shared by everything that trusts the same authority and shows the
same certificate, since making one costs more than a handshake.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from providers.kube.api import Request, Response, TransportError, WatchRefused
from providers.kube.kubeconfig import Access
from state.errors import ClusterformError

CONNECT_SECONDS = 5.0
"""A server that has not accepted a connection by then is taken for dead."""
READ_SECONDS = 30.0
"""Without a byte for so long a read is given up: shorter than a lease is held without renewal."""
WRITE_SECONDS = 70.0
"""The same for a write: the API server's own limit is 60 s, and it should answer by then."""
_CONNECTIONS = 32
_CHUNK = 1 << 18
_LARGEST = 1 << 30
"""Bytes of one answer that are read from a server before it is taken for hostile."""


class Login:
    """How to reach one server and as whom. Holds credentials: in memory only, never shown."""

    __slots__ = ("authorization", "host", "pool")

    def __init__(self, host: str, pool: Any, authorization: Callable[[], str]) -> None:
        self.host = host
        self.pool = pool
        self.authorization = authorization
        """Value of the Authorization header at this moment, `""` for none; runs token plugins."""


class HttpTransport:
    """One API server over HTTPS. Safe to use from several threads."""

    def __init__(self, log_in: Callable[[], Login]) -> None:
        """`log_in` is asked at the first request, and once more after a 401: tokens expire."""
        self._log_in = log_in
        self._login: Login | None = None
        self._lock = threading.Lock()

    def request(self, request: Request) -> Response:
        """Send and read the whole answer; redirects are answers, nothing is repeated here."""
        login = self._current(None)
        response = self._send(login, request)
        if response.status == 401:
            renewed = self._current(login)
            if renewed is not login:
                response = self._send(renewed, request)
        return response

    def _current(self, refused: Login | None) -> Login:
        with self._lock:
            if self._login is None or self._login is refused:
                before, self._login = self._login, self._log_in()
                same = before is not None and _says(before) == _says(self._login)
                if same and before is not None:
                    self._login = before  # nothing newer is to be had: the 401 stands
            return self._login

    def _send(self, login: Login, request: Request) -> Response:
        with _errors_of(login.host):
            reads = request.method == "GET"
            answer = self._open(login, request, READ_SECONDS if reads else WRITE_SECONDS)
            try:
                body = _bounded(answer)
            finally:
                answer.release_conn()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status, body=body, headers=headers)

    @staticmethod
    def _open(login: Login, request: Request, read: float) -> Any:
        from urllib3 import Timeout

        url = login.host + quote(request.path, safe="/:%")
        if request.query:
            url += "?" + urlencode(request.query)
        headers = {"Accept": request.accept, "User-Agent": "clusterform"}
        if not _loopback(login.host):
            headers["Accept-Encoding"] = "gzip"  # 20 times fewer bytes of a LIST, for some CPU
        if token := login.authorization():
            headers["Authorization"] = token
        if request.body:
            headers["Content-Type"] = request.content_type
        return login.pool.request(
            request.method,
            url,
            body=request.body or None,
            headers=headers,
            timeout=Timeout(connect=CONNECT_SECONDS, read=read),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
        """Lines of a watch until `timeout` seconds have passed or the server ended it."""
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        seconds = max(1, round(timeout))
        query = (*request.query, ("timeoutSeconds", str(seconds)))
        asked = Request(method="GET", path=request.path, query=query)
        login = self._current(None)
        with _errors_of(login.host):
            answer = self._open(login, asked, seconds + 5.0)
        if answer.status >= 300:
            with _errors_of(login.host):
                refused = Response(status=answer.status, body=_bounded(answer))
            answer.release_conn()
            raise WatchRefused(refused)
        rest = b""
        try:
            for chunk in answer.stream(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line for line in lines if line)
        except ReadTimeoutError:
            return
        except (HTTPError, OSError) as error:
            raise TransportError(_brief(login.host, error), sent=True) from None
        finally:
            answer.close()


def _says(login: Login) -> tuple[str, str]:
    return login.host, login.authorization()


def _bounded(answer: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in answer.stream(_CHUNK):
        size += len(chunk)
        if size > _LARGEST:
            answer.close()
            raise TransportError("its answer is larger than 1 GiB", sent=True)
        parts.append(chunk)
    return b"".join(parts)


@contextmanager
def _errors_of(host: str) -> Iterator[None]:
    """No answer, said in one line; `sent` unless the connection itself was never made."""
    from urllib3 import exceptions as problem

    try:
        yield
    except (problem.NewConnectionError, problem.ProxyError) as error:
        raise TransportError(_brief(host, error), sent=False) from None
    except problem.ConnectTimeoutError as error:
        raise TransportError(_brief(host, error), sent=False, late=True) from None
    except problem.ReadTimeoutError as error:
        raise TransportError(_brief(host, error), sent=True, late=True) from None
    except (problem.SSLError, ssl.SSLError) as error:
        unverified = "CERTIFICATE_VERIFY_FAILED" in str(error) or "doesn't match" in str(error)
        raise TransportError(_brief(host, error), sent=not unverified) from None
    except (problem.HTTPError, OSError) as error:
        raise TransportError(_brief(host, error), sent=True) from None


def _brief(host: str, error: BaseException) -> str:
    from urllib3 import exceptions as problem

    at = urlsplit(host).netloc.rpartition("@")[2]
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{at}: its certificate is not signed by the authority that is trusted for it"
    if "Connection refused" in text:
        return f"{at}: connection refused"
    if isinstance(error, problem.NameResolutionError):
        return f"{at}: the name is not known"
    if isinstance(error, problem.ConnectTimeoutError):
        return f"{at}: no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, problem.ReadTimeoutError):
        return f"{at}: no answer in time"
    return f"{at}: the connection broke ({type(error).__name__})"


def _loopback(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    return name in ("::1", "localhost") or name.startswith("127.")


# ------------------------------------------------------------------------- who we are


_ONE_AT_A_TIME = threading.Lock()
"""The official package imports itself in circles and keeps its temporary files by content for the
whole process: of two threads in it one sees half a module, or a file that the other removed."""


def from_context(context: str) -> HttpTransport:
    """A cluster by a context of the user's own kubeconfig ($KUBECONFIG, else ~/.kube/config)."""
    return HttpTransport(lambda: _official(lambda config, folder: _load(config, context, folder)))


def in_cluster() -> HttpTransport:
    """The cluster that this process runs in, as the service account of its pod."""

    def load(config: Any, _: str) -> None:
        from kubernetes.config import load_incluster_config

        load_incluster_config(client_configuration=config)

    return HttpTransport(lambda: _official(load))


def _load(config: Any, context: str, folder: str) -> None:
    from kubernetes.config import load_kube_config

    load_kube_config(
        # named here, since the package looks at $KUBECONFIG only once, when it is imported
        config_file=os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config"),
        context=context,
        client_configuration=config,
        persist_config=False,
        temp_file_path=folder,
    )


def _official(load: Callable[[Any, str], None]) -> Login:
    """Let the official package read the credentials, and take its connection pool."""
    with _ONE_AT_A_TIME:
        return _logged_in(load)


def _logged_in(load: Callable[[Any, str], None]) -> Login:
    from kubernetes.client import Configuration
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, kube_config

    config = Configuration()
    config.connection_pool_maxsize = _CONNECTIONS
    with tempfile.TemporaryDirectory(prefix="clusterform-") as folder:
        try:
            with _plugins_heard():
                load(config, folder)
            context = _context_of(config)
        except ConfigException as error:
            raise _no_credential(f"the kubeconfig cannot be used: {error}") from None
        except (ssl.SSLError, OSError) as error:
            raise ClusterformError(
                "no-credential", f"a certificate of the kubeconfig cannot be used: {error}"
            ) from None
        except ClusterformError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a broken file makes of the loader
            kind = type(error).__name__
            raise _no_credential(f"the kubeconfig cannot be read ({kind})") from None
        finally:
            # it remembers its temporary files by content and would hand out removed ones
            kube_config._cleanup_temp_files()
    if _loopback(config.host):
        config.proxy = None  # as with kubectl: a proxy of the environment is not for this machine
    try:
        pool = RESTClientObject(config).pool_manager
    except Exception as error:  # noqa: BLE001 - an odd proxy is a missing module or a bad scheme
        kind = type(error).__name__
        raise _no_credential(f"its proxy or server address cannot be used ({kind})") from None
    for name in ("ca_certs", "cert_file", "key_file", "ca_cert_data"):
        pool.connection_pool_kw.pop(name, None)
    if context is not None:
        pool.connection_pool_kw["ssl_context"] = context

    def authorization() -> str:
        try:
            with _plugins_heard():
                token = config.get_api_key_with_prefix("BearerToken", "authorization")
        except ClusterformError:
            raise
        except Exception as error:  # noqa: BLE001 - a token file that is gone, a plugin's garbage
            kind = type(error).__name__
            raise _no_credential(f"the credentials cannot be renewed ({kind})") from None
        basic = config.get_basic_auth_token() if config.username else None
        return _header(str(token or basic or "").strip())

    return Login(config.host.rstrip("/"), pool, authorization)


def _header(value: str) -> str:
    """A header's value; the library's own refusal would quote the token."""
    if not all(" " <= letter <= "~" for letter in value):
        raise _no_credential("a token of the kubeconfig holds what cannot be sent")
    return value


class _Heard(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Only of this thread, and of the package that loads kubeconfigs."""
        if record.thread == self._thread and "kubernetes" in record.pathname:
            self.said.append(record.getMessage())


@contextmanager
def _plugins_heard() -> Iterator[None]:
    """A credential plugin that fails is an error; the package logs it and goes on as nobody."""
    heard, root = _Heard(), logging.getLogger()
    root.addHandler(heard)
    try:
        yield
    finally:
        root.removeHandler(heard)
    if heard.said:
        raise _no_credential(f"the kubeconfig's credential plugin failed: {heard.said[0]}")


def _no_credential(brief: str) -> ClusterformError:
    return ClusterformError(
        "no-credential",
        " ".join(brief.split())[:400],
        hint="kubectl config get-contexts lists what there is; try kubectl get namespaces with it",
    )


def _context_of(config: Any) -> ssl.SSLContext | None:
    """A TLS context with the CA and the client certificate read in, so that no file is needed."""
    if not config.host.startswith("https"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not config.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ssl_ca_cert:
        context.load_verify_locations(cafile=config.ssl_ca_cert)
    else:
        context.load_default_certs()
    if config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file or None, password="")
    return context


def from_access(access: Access) -> HttpTransport:
    """A workload cluster by the five facts of its kubeconfig Secret; no file, no plugin, no proxy.

    Raises `ClusterformError` 'no-credential' for a certificate or key that is none.
    """
    try:
        context = _context_for(access.ca, access.certificate, access.key)
    except (ssl.SSLError, binascii.Error, ValueError):
        raise ClusterformError(
            "no-credential", "no credential: a certificate in its kubeconfig cannot be used"
        ) from None
    header = _header(f"Bearer {access.token.strip()}") if access.token else ""

    def log_in() -> Login:
        from urllib3 import PoolManager

        pool = PoolManager(maxsize=4, ssl_context=context)
        return Login(access.server.rstrip("/"), pool, lambda: header)

    return HttpTransport(log_in)


@lru_cache(maxsize=1024)
def _context_for(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """One context for each CA and client certificate; the system's authorities are not loaded.

    Loading those costs 43 ms, 7 minutes over 10,000 clusters (measured).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(cadata=base64.b64decode(ca, validate=True).decode("ascii"))
    else:
        context.load_default_certs()
    if certificate:
        pem = base64.b64decode(certificate, validate=True) + b"\n"
        with _unnamed_file(pem + base64.b64decode(key, validate=True)) as path:
            context.load_cert_chain(path, password="")  # an encrypted key is refused, not asked for
    return context


@contextmanager
def _unnamed_file(content: bytes) -> Iterator[str]:
    """A path to read `content` from once: in memory on Linux, elsewhere a private file, removed."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("clusterform")
        try:
            os.write(number, content)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name
