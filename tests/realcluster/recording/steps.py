"""One case: how an object came to be, write by write, and what is to be applied then.

A step is a dict, so that the recorded file can hold it: `do` says what is done, `as` by which field
manager. Bodies leave out apiVersion, kind, name and namespace: those are the case's.
"""

from __future__ import annotations

from typing import Any

Step = dict[str, Any]
Body = dict[str, Any]
OURS = "clusterform"


def apply(body: Body | None = None, manager: str = OURS, **how: Any) -> Step:
    """Server-side apply; without a body, of what the case wants. `force`, `sub`, `version`."""
    return {"do": "apply", "as": manager, "body": body, **how}


def create(body: Body | None = None, manager: str = "kubectl-create") -> Step:
    """POST, as most clients make an object."""
    return {"do": "create", "as": manager, "body": body}


def merge(body: Body, manager: str = "upd", **how: Any) -> Step:
    """A merge patch, as controllers and people edit. `sub`: a subresource."""
    return {"do": "merge", "as": manager, "body": body, **how}


def json_patch(operations: list[Body], manager: str) -> Step:
    """A JSON patch."""
    return {"do": "json", "as": manager, "body": operations}


def kubectl(*arguments: str, stdin: Body | None = None) -> Step:
    """The real kubectl; `{name}` and `{kind}` stand for the object. stdin gets a manifest."""
    return {"do": "kubectl", "arguments": list(arguments), "body": stdin}


def helm(*bodies: Body) -> Step:
    """A real Helm installs a chart that holds the object, then upgrades it body by body."""
    return {"do": "helm", "bodies": list(bodies)}


def definition(changes: Body) -> Step:
    """Change the case's CRD: field of spec → its schema, None to take it out; `storage`."""
    return {"do": "definition", "changes": changes}


def policy(expression: str) -> Step:
    """From now on a mutating admission policy changes every object of the case's kind."""
    return {"do": "policy", "expression": expression}


def no_policy() -> Step:
    """The policy goes."""
    return {"do": "no-policy"}


def wait_for(word: str) -> Step:
    """Until the server has written a word into the object's status, and is done with it."""
    return {"do": "wait", "word": word}


class Case:
    """What is done and what is to be applied. `version`, `kind` and `name` are the object's."""

    def __init__(
        self,
        title: str,
        version: str,
        kind: str,
        desired: Body,
        *setup: Step,
        namespaced: bool = True,
        name: str = "",
    ) -> None:
        self.title = title
        self.version = version
        self.kind = kind
        self.body = desired
        self.setup = setup or (apply(),)
        self.namespaced = namespaced
        self.name = name
