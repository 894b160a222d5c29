"""Plays cases on a real server and writes down what it answers, without what is new in each run."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from providers.builtin import plural_of
from providers.kube.api import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Request, Transport
from tests.realcluster.recording.steps import OURS, Body, Step

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
NAMESPACE = "noop"
TOOLS = Path(sys.executable).parent
TIME = "2026-01-01T00:00:00Z"
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_RESTARTED = re.compile(r'("kubectl.kubernetes.io/restartedAt": )"[^"]*"')
_SECONDS = 120.0


class Server:
    """Requests by object."""

    def __init__(self, transport: Transport, kubeconfig: Path) -> None:
        self._transport = transport
        self._kubeconfig = kubeconfig

    def send(
        self, method: str, path: str, body: Any = None, media: str = JSON, **query: str
    ) -> tuple[int, Any]:
        """One request; a body of text comes back as text."""
        content = b"" if body is None else json.dumps(body).encode()
        answer = self._transport.request(
            Request(
                method=method,
                path=path,
                query=tuple(query.items()),
                body=content,
                content_type=media,
            )
        )
        try:
            return answer.status, json.loads(answer.body)
        except ValueError:
            return answer.status, {"message": answer.body.decode()}

    def must(
        self, method: str, path: str, body: Any = None, media: str = JSON, **query: str
    ) -> Any:
        """The same, and it has to succeed."""
        status, answer = self.send(method, path, body, media, **query)
        assert status < 300, (method, path, body, answer)
        return answer

    def apply(
        self, body: Body, manager: str = OURS, sub: str = "", **query: str
    ) -> tuple[int, Any]:
        """Server-side apply."""
        query.setdefault("force", "false")
        path = path_of(body) + (f"/{sub}" if sub else "")
        return self.send("PATCH", path, body, APPLY_PATCH, fieldManager=manager, **query)

    def get(self, body: Body) -> Any:
        """The object."""
        return self.must("GET", path_of(body))

    # ------------------------------------------------------------------ steps

    def play(self, step: Step, wanted: Body) -> None:
        """Do one step to the object that `wanted` names."""
        body = step.get("body")
        full = _completed(body, wanted, step.get("version", ""))
        path = path_of(wanted) + (f"/{step['sub']}" if step.get("sub") else "")
        manager = step.get("as", "")
        match step["do"]:
            case "apply":
                force = "true" if step.get("force") else "false"
                status, answer = self.apply(full, manager, step.get("sub", ""), force=force)
                assert status < 300, (step, answer)
            case "create":
                self.must("POST", path_of(full, name=False), full, fieldManager=manager)
            case "merge":
                self.must("PATCH", path, body, MERGE_PATCH, fieldManager=manager)
            case "json":
                self.must("PATCH", path, body, JSON_PATCH, fieldManager=manager)
            case "kubectl":
                self._kubectl(step, full, wanted)
            case "helm":
                self._helm([_completed(b, wanted, "") for b in step["bodies"]])
            case "wait":
                self._settle(wanted, step["word"])
            case _:
                self._behind(step, wanted)

    def _settle(self, wanted: Body, word: str) -> None:
        self._until(lambda: word in json.dumps(self.get(wanted).get("status")))
        seen = ""
        while seen != (now := self.get(wanted)["metadata"]["resourceVersion"]):
            seen = now
            time.sleep(0.5)

    def _kubectl(self, step: Step, full: Body, wanted: Body) -> None:
        names = {"{name}": wanted["metadata"]["name"], "{kind}": wanted["kind"]}
        arguments = [names.get(a, a) for a in step["arguments"]]
        namespace = wanted["metadata"].get("namespace")
        if namespace:
            arguments = ["-n", namespace, *arguments]
        stdin = json.dumps(full) if step["body"] is not None else ""
        self._run(
            [str(TOOLS / "kubectl"), "--kubeconfig", str(self._kubeconfig), *arguments], stdin
        )

    def _helm(self, bodies: list[Body]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder)
            (chart / "templates").mkdir()
            (chart / "Chart.yaml").write_text(
                "apiVersion: v2\nname: recorded\nversion: 0.1.0\n", encoding="utf-8"
            )
            for body in bodies:
                text = yaml.safe_dump(body)
                (chart / "templates" / "object.yaml").write_text(text, encoding="utf-8")
                release = body["metadata"]["name"]
                space = ["--namespace", body["metadata"].get("namespace", NAMESPACE)]
                server = ["--kubeconfig", str(self._kubeconfig)]
                self._run(
                    [str(TOOLS / "helm"), "upgrade", "--install", release, folder, *space, *server]
                )

    @staticmethod
    def _run(command: list[str], stdin: str = "") -> None:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def _behind(self, step: Step, wanted: Body) -> None:
        """Change what is behind the object, and wait until a dry-run shows it."""
        name = f"{plural_of(wanted['kind'])}.{wanted['apiVersion'].partition('/')[0]}"
        match step["do"]:
            case "definition":
                body = self.must("GET", f"{CRDS}/{name}")
                changed = _changed(body, step["changes"])
                self.must("PUT", f"{CRDS}/{name}", changed)
                self.until_served(changed)
            case "policy":
                self._install_policy(wanted, step["expression"])
            case "no-policy":
                self.without_policy(wanted)

    def without_policy(self, wanted: Body) -> None:
        """Remove what `policy` installed, and wait until the server has forgotten it."""
        for kind in ("mutatingadmissionpolicybindings", "mutatingadmissionpolicies"):
            self.send("DELETE", f"{POLICIES}/{kind}/recorded")
        self._until(lambda: self._mutates(wanted) is False)

    def _install_policy(self, wanted: Body, expression: str) -> None:
        group, _, version = wanted["apiVersion"].partition("/")
        rule = {
            "apiGroups": [group],
            "apiVersions": [version],
            "operations": ["CREATE", "UPDATE"],
            "resources": [plural_of(wanted["kind"])],
        }
        mutation = {
            "patchType": "ApplyConfiguration",
            "applyConfiguration": {"expression": expression},
        }
        spec = {
            "matchConstraints": {"resourceRules": [rule]},
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [mutation],
        }
        for kind, content in (
            ("MutatingAdmissionPolicy", spec),
            ("MutatingAdmissionPolicyBinding", {"policyName": "recorded"}),
        ):
            body = {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": "recorded"},
                "spec": content,
            }
            self.must("POST", f"{POLICIES}/{plural_of(kind)}", body)
        self._until(lambda: self._mutates(wanted) is True)

    def _mutates(self, wanted: Body) -> bool | None:
        """A new object of the kind gets more than the definition gives it."""
        probe = copy.deepcopy(wanted)
        probe["metadata"]["name"] = "probe"
        status, answer = self.apply(probe, "probe", dryRun="All")
        if status >= 300:
            return None  # the policy's own view of the kinds comes half a minute later
        said = json.dumps([answer["metadata"].get("labels"), answer["spec"]])
        return any(word in said for word in ("added", "normalised", "fromhook"))

    def until_served(self, definition: Body) -> None:
        """Wait until the schema that discovery publishes is this definition's."""
        group = definition["spec"]["group"]
        kind = definition["spec"]["names"]["kind"]
        for version in definition["spec"]["versions"]:
            spec = version["schema"]["openAPIV3Schema"]["properties"].get("spec", {})
            path = f"/openapi/v3/apis/{group}/{version['name']}"
            self._until(lambda path=path, spec=spec: _published(self.send("GET", path), kind, spec))

    @staticmethod
    def _until(reached: Any) -> None:
        until = time.monotonic() + _SECONDS
        while not reached():
            assert time.monotonic() < until, "the server did not take it up"
            time.sleep(0.05)

    # ------------------------------------------------------------------ recording

    def record(self, wanted: Body, setup: list[Step]) -> Body:
        """Play the setup, apply `wanted` as we would, and say what came of it.

        The apply is not forced; where that is a conflict, a forced one follows (`forced`).
        """
        for step in setup:
            self.play(step, wanted)
        live = self.get(wanted)
        outcome = self._outcome(wanted, live, "false")
        if outcome["error"] and "conflict" in outcome["error"]["message"]:
            forced = self._outcome(wanted, live, "true")
            outcome["forced"] = {"server": forced["server"], "visible": forced["visible"]}
        return {"live": steady(live, live), **outcome}

    def _outcome(self, wanted: Body, live: Body, force: str) -> Body:
        status, answer = self.apply(wanted, force=force)
        if status >= 300:
            error = {"http": status, "message": answer["message"]}
            return {"server": "error", "visible": None, "error": error}
        if answer["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]:
            return {"server": "noop", "visible": None, "error": None}
        before, after = steady(live, live), steady(answer, live)
        visible = "same"
        if _text(before) != _text(after):
            for body in (before, after):
                body["metadata"].pop("managedFields", None)
                body["metadata"].pop("generation", None)
            visible = "mf-only" if _text(before) == _text(after) else "object"
        return {"server": "write", "visible": visible, "error": None}


def path_of(body: Body, *, name: bool = True) -> str:
    """The URL of an object, or of its kind."""
    version, metadata = body["apiVersion"], body["metadata"]
    path = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if metadata.get("namespace"):
        path += f"/namespaces/{metadata['namespace']}"
    path += f"/{plural_of(body['kind'])}"
    return f"{path}/{metadata['name']}" if name else path


def _completed(body: Body | None, wanted: Body, version: str) -> Body:
    if body is None or isinstance(body, list):
        return {**wanted, "apiVersion": version or wanted["apiVersion"]}
    metadata = {k: wanted["metadata"][k] for k in ("name", "namespace") if k in wanted["metadata"]}
    return {
        "apiVersion": version or wanted["apiVersion"],
        "kind": wanted["kind"],
        **body,
        "metadata": {**metadata, **body.get("metadata", {})},
    }


def _changed(definition: Body, changes: Body) -> Body:
    changed = copy.deepcopy(definition)
    changed.pop("status", None)
    changed["metadata"].pop("managedFields", None)
    for version in changed["spec"]["versions"]:
        fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        for name, schema in changes.items():
            if name == "storage":
                version["storage"] = version["name"] == schema
            elif schema is None:
                fields.pop(name, None)
            else:
                fields[name] = schema
    return changed


def _text(body: Body) -> str:
    """Canonical, because to Python 1 equals true."""
    return json.dumps(body, sort_keys=True)


def _published(answer: tuple[int, Any], kind: str, spec: Body) -> bool:
    status, document = answer
    if status != 200:
        return False
    for schema in document.get("components", {}).get("schemas", {}).values():
        kinds = schema.get("x-kubernetes-group-version-kind") or ()
        if any(k["kind"] == kind for k in kinds):
            held = schema.get("properties", {}).get("spec", {}).get("properties", {})
            return bool(held == spec.get("properties", {}))
    return False


def steady(value: Body, live: Body) -> Body:
    """The object without what differs between two recordings of the same writes."""
    text = json.dumps(value)
    uid = live["metadata"]["uid"]
    text = text.replace(uid, "00000000-0000-0000-0000-000000000000")
    text = _RESTARTED.sub(rf'\1"{TIME}"', text)
    shown: Body = json.loads(text)
    metadata = shown["metadata"]
    metadata["resourceVersion"] = "1000"
    metadata["creationTimestamp"] = TIME
    for entry in metadata.get("managedFields", ()):
        if "time" in entry:
            entry["time"] = TIME
    if "managedFields" in metadata:
        # the server sorts by time before name, and times are what differs
        metadata["managedFields"].sort(
            key=lambda e: (e["operation"], e["manager"], e["apiVersion"], e.get("subresource", ""))
        )
    for part in ("status", "spec"):
        if part in shown and (part == "status" or shown["kind"] == "Service"):
            shown[part] = _steady_part(shown[part])
    return shown


def _steady_part(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _steady_part(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_steady_part(item, key) for item in value]
    if key in ("clusterIP", "clusterIPs") and value != "None":
        return "10.0.0.1"
    if key in ("nodePort", "healthCheckNodePort") and value:
        return 30000
    return _TIMES.sub(TIME, value) if isinstance(value, str) else value
