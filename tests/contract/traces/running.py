"""Running a trace on a server, and writing down what was observed so that servers compare equal."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

from providers.kube.api import Request, Response, Transport, WatchRefused
from tests.contract.traces.language import Json, Part, Step, Trace, at

_PATIENCE = 60.0
"""Seconds that a controller has to do what a trace waits for."""
_PAUSE = 0.05
_WATCH = 3.0
"""Seconds after which a watch with fewer events than expected is given up."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERSION_TOLD = re.compile(r"(?<=record \()\d+(?=\))")
_VERSION_GIVEN = re.compile(r"(?<=ResourceVersion in the precondition \()\d+(?=\))")
_HORIZON = re.compile(r"(?<=too old resource version: 1 \()\d+(?=\))")
_TIMES = frozenset(
    ("creationTimestamp", "deletionTimestamp", "time", "lastTransitionTime", "lastUpdateTime")
)
_ALLOCATED = frozenset(("clusterIP", "nodePort", "healthCheckNodePort"))


class Normal:
    """Placeholders for what no two servers share, in order of appearance, equal for equal values.

    Nothing else changes, except for orders that are chance: of managedFields (by the second of
    writing), and of several causes, also where a message lists them (Go walks a map).
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._known: dict[tuple[str, str], str] = {}

    def _placeholder(self, sort: str, value: str) -> str:
        count = sum(known == sort for known, _ in self._known) + 1
        return self._known.setdefault((sort, value), f"<{sort} {count}>")

    def text(self, value: str) -> str:
        """Any text: the run's namespace, uids, versions that a message tells, generated names."""
        for (sort, found), shown in self._known.items():
            if sort == "generated":
                value = value.replace(found, shown)
        value = value.replace(self._namespace, "$ns")
        value = _VERSION_TOLD.sub(lambda m: self._placeholder("version", m[0]), value)
        value = _VERSION_GIVEN.sub(lambda m: self._known.get(("version", m[0]), m[0]), value)
        value = _HORIZON.sub("<horizon>", value)
        return _UUID.sub(lambda m: self._placeholder("uid", m[0]), value)

    def value(self, value: Json, name: str = "", *, of_list: bool = False) -> Json:
        """A JSON value that stands under a name."""
        if isinstance(value, dict):
            return self._map(value, of_list=of_list)
        if isinstance(value, list):
            return self._list(value, name)
        if name in _TIMES and value:
            return "<time>"
        if name == "resourceVersion" and isinstance(value, str) and value.isdecimal():
            return "<list version>" if of_list else self._placeholder("version", value)
        if name == "continue" and value:
            return self._placeholder("continue", value)
        if name in _ALLOCATED and value not in ("None", "", 0):
            return self._placeholder("allocated", str(value))
        return self.text(value) if isinstance(value, str) else value

    def _map(self, value: dict[str, Json], *, of_list: bool) -> Json:
        stem, name = value.get("generateName"), value.get("name")
        if stem and isinstance(name, str) and name.startswith(stem):
            self._placeholder("generated", name)
        if value.get("kind") == "Status" and value.get("message"):
            value = {**value, "message": _ordered(value)}
        shown = {}
        for key in sorted(value):
            inner = key == "metadata" and (str(value.get("kind", "")).endswith("List") or of_list)
            shown[self.text(key)] = self.value(value[key], key, of_list=inner or of_list)
        return shown

    def _list(self, value: list[Json], name: str) -> Json:
        if name == "managedFields":
            order = ("operation", "manager", "apiVersion", "subresource")
            value = sorted(value, key=lambda entry: [str(entry.get(key)) for key in order])
        if name == "causes":
            value = sorted(value, key=lambda cause: json.dumps(cause, sort_keys=True))
        if name == "clusterIPs":
            return [self.value(address, "clusterIP") for address in value]
        return [self.value(item) for item in value]

    def events(self, lines: list[Json]) -> Json:
        """Events of a watch; a bookmark's version is the server's, not an object's."""
        return [
            {
                "type": line["type"],
                "object": self.value(line["object"], of_list=line["type"] == "BOOKMARK"),
            }
            for line in lines
        ]


def _ordered(status: dict[str, Json]) -> str:
    """The message of a Status, with what it lists sorted: causes, or errors of typing."""
    message = str(status["message"])
    told, found, errors = message.partition("errors:\n")
    if found:
        return told + found + "\n".join(sorted(errors.split("\n")))
    causes = at(status, ("details", "causes")) or ()
    lines = sorted({f"{cause.get('field')}: {cause.get('message')}" for cause in causes})
    subject, found, _ = message.partition(" is invalid: [")
    listed = f"{subject}{found}{', '.join(lines)}]"
    return listed if found and len(listed) == len(message) else message


class Run:
    """One trace on one server."""

    def __init__(self, transport: Transport, namespace: str, wait: Callable[[float], None]) -> None:
        self._transport = transport
        self._namespace = namespace
        self._wait = wait
        self._normal = Normal(namespace)
        self._answers: list[Json] = []
        self._made: list[str] = []

    def observe(self, trace: Trace) -> list[Json]:
        """Every step's observation, in a namespace that is made before and removed afterwards."""
        own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
        made = self._send(Request(method="POST", path="/api/v1/namespaces", body=_bytes(own)))
        assert made.status == 201, made.body
        try:
            return [
                {"step": f"{number} {step.says}", **self._do(step)}
                for number, step in enumerate(trace.steps, 1)
            ]
        finally:
            for path in (f"/api/v1/namespaces/{self._namespace}", *self._made):
                self._transport.request(Request(method="DELETE", path=path))

    def _send(self, request: Request) -> Response:
        return self._transport.request(request)

    def _do(self, step: Step) -> Json:
        body = self._filled(step.body)
        request = Request(
            method=step.method,
            path=str(self._filled(step.path)),
            query=tuple((name, str(self._filled(value))) for name, value in step.query),
            body=b"" if body is None else _bytes(body),
            content_type=step.media,
        )
        if step.events:
            return self._watched(step, request)
        answer = self._until(step, request)
        decoded = _decoded(answer)
        self._answers.append(decoded)
        if step.method in ("POST", "PATCH") and answer.status == 201:
            self._remember(request, decoded)
        seen: Json = {"status": answer.status, "body": self._normal.value(decoded)}
        if answer.headers.get("warning"):
            seen["warnings"] = self._normal.text(answer.headers["warning"])
        return seen

    def _remember(self, request: Request, made: Json) -> None:
        if "/namespaces/" in request.path or "dryRun" in dict(request.query):
            return
        name = made["metadata"]["name"]
        path = request.path if request.method == "PATCH" else f"{request.path}/{name}"
        self._made.append(path)

    def _until(self, step: Step, request: Request) -> Response:
        for _ in range(int(_PATIENCE / _PAUSE)):
            answer = self._send(request)
            if not step.until_status:
                return answer
            if answer.status == step.until_status and (
                step.until_holds is None
                or at(_decoded(answer), step.until_holds[0]) == self._filled(step.until_holds[1])
            ):
                return answer
            self._wait(_PAUSE)
        return answer  # what stands there is compared and shown

    def _watched(self, step: Step, request: Request) -> Json:
        self._answers.append(None)
        try:
            lines = self._transport.watch(request, timeout=_WATCH)
            found = list(itertools.islice(lines, step.events))
        except WatchRefused as refused:
            answer = refused.response
            return {"status": answer.status, "body": self._normal.value(_decoded(answer))}
        return {"events": self._normal.events([json.loads(line) for line in found])}

    def _filled(self, value: Json) -> Any:
        """With the run's namespace and the parts of earlier answers in their places."""
        if isinstance(value, Part):
            found = at(self._answers[value.step - 1], value.path)
            assert found is not None, f"step {value.step} has no {value.path}"
            return found
        if isinstance(value, str):
            return value.replace("$ns", self._namespace)
        if isinstance(value, dict):
            return {self._filled(name): self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        return value


def _bytes(value: Json) -> bytes:
    return json.dumps(value).encode()


def _decoded(answer: Response) -> Json:
    """JSON, or the text that is no Status (a refused watch does not say which it is)."""
    try:
        return json.loads(answer.body)
    except json.JSONDecodeError:
        return answer.body.decode()


# ------------------------------------------------------------------------- what was recorded


def differing(seen: list[Json], recorded: list[Json]) -> dict[str, tuple[Json, Json]]:
    """Step → what was seen and what is recorded, where they are not equal."""
    pairs = itertools.zip_longest(seen, recorded, fillvalue={"step": "missing"})
    return {mine["step"]: (mine, other) for mine, other in pairs if mine != other}


def written(traces: dict[str, list[Json]]) -> str:
    """The recording as a file: one line an observation, so that a diff shows which changed."""
    parts = []
    for title in sorted(traces):
        lines = [json.dumps(found, sort_keys=True, ensure_ascii=False) for found in traces[title]]
        inner = ",\n  ".join(lines)
        parts.append(f" {json.dumps(title, ensure_ascii=False)}: [\n  {inner}\n ]")
    return "{\n" + ",\n".join(parts) + "\n}\n"
