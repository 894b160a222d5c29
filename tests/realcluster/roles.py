"""The roles that are shipped (docs/rbac), granted to identities of the real server one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from providers.kube.api import Request
from tests.realcluster.lab import RealLab

SHIPPED = Path(__file__).parents[2] / "docs" / "rbac"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource, in one role: the smallest thing that can be taken away."""

    role: int
    group: str
    resource: str
    verb: str
    names: tuple[str, ...] = ()

    @property
    def rule(self) -> dict[str, Any]:
        rule: dict[str, Any] = {
            "apiGroups": [self.group],
            "resources": [self.resource],
            "verbs": [self.verb],
        }
        return rule | ({"resourceNames": list(self.names)} if self.names else {})

    def __str__(self) -> str:
        where = ("management", "records", "addons")[self.role]
        return f"{where}:{self.verb}:{self.resource}"


class Tier:
    """One file of roles: `user` has those of the management cluster, `inside` those of add-ons."""

    def __init__(self, lab: RealLab, name: str, *, user: str, inside: str) -> None:
        self.lab = lab
        self.name = name
        documents = list(yaml.safe_load_all((SHIPPED / f"{name}.yaml").read_text()))
        assert [d["kind"] for d in documents] == ["Namespace", "ClusterRole", "Role", "ClusterRole"]
        self.roles = documents[1:]
        self.rights = [
            Right(number, group, resource, verb, tuple(rule.get("resourceNames", ())))
            for number, role in enumerate(self.roles)
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ]
        self._users = (user, user, inside)

    @contextmanager
    def granted(self) -> Iterator[None]:
        """Make the roles as they are shipped, under a name of this test, and bind them."""
        made = []
        for number, role in enumerate(self.roles):
            name = f"{role['metadata']['name']}-{self.lab.fleet}"
            body = {**role, "metadata": {**role["metadata"], "name": name}}
            made += [self._create(body), self._create(self._binding(number, body))]
        try:
            for right in self.rights:
                self._until(right, True)
            yield
        finally:
            for path in reversed(made):
                self.lab.request("DELETE", path)

    @contextmanager
    def without(self, right: Right) -> Iterator[None]:
        """Take one right away, for the time of the block."""
        self._put(right.role, [r for r in self.rights if r != right])
        self._until(right, False)
        try:
            yield
        finally:
            self._put(right.role, self.rights)
            self._until(right, True)

    def _create(self, body: dict[str, Any]) -> str:
        namespace = body["metadata"].get("namespace")
        path = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
        path += f"/{body['kind'].lower()}s"
        answer = self.lab.request("POST", path, body)
        assert answer.status == 201, answer.body
        return f"{path}/{body['metadata']['name']}"

    def _binding(self, number: int, role: dict[str, Any]) -> dict[str, Any]:
        group = "rbac.authorization.k8s.io"
        return {
            "apiVersion": f"{group}/v1",
            "kind": f"{role['kind']}Binding",
            "metadata": dict(role["metadata"]),
            "roleRef": {
                "apiGroup": group,
                "kind": role["kind"],
                "name": role["metadata"]["name"],
            },
            "subjects": [{"apiGroup": group, "kind": "User", "name": self._users[number]}],
        }

    def _put(self, number: int, rights: list[Right]) -> None:
        role = self.roles[number]
        name = f"{role['metadata']['name']}-{self.lab.fleet}"
        metadata = {**role["metadata"], "name": name}
        rules = [r.rule for r in rights if r.role == number]
        namespace = metadata.get("namespace")
        path = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
        path += f"/{role['kind'].lower()}s/{name}"
        answer = self.lab.request("PUT", path, {**role, "metadata": metadata, "rules": rules})
        assert answer.status == 200, answer.body

    def _until(self, right: Right, allowed: bool) -> None:
        """The authorizer sees roles through a cache: wait until it has this one."""
        attributes = {"group": right.group, "resource": right.resource, "verb": right.verb}
        if right.role == 1:
            attributes["namespace"] = "clusterform-system"
        if right.names:
            attributes["name"] = right.names[0]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": self._users[right.role], "resourceAttributes": attributes},
        }
        request = Request(method="POST", path=_REVIEWS, body=msgspec.json.encode(review))
        end = time.monotonic() + 10
        while True:
            answer = msgspec.json.decode(self.lab.server.request(request).body)
            if answer["status"]["allowed"] == allowed:
                return
            assert time.monotonic() < end, f"{right} is still {'denied' if allowed else 'allowed'}"
            time.sleep(0.01)
