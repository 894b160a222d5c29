"""What a render gives, from rendered texts: objects with their template, hooks sorted out.

Both ways to render (`worker`, `binary`) end here, so their results have one shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import msgspec

from providers import yamldoc
from providers.helm import hooks
from providers.helm.hooks import Hook
from state.resource import JsonObject

OUTPUT = 32 << 20
DOCUMENTS = 20_000
_LIMITS = yamldoc.Limits(
    file_bytes=OUTPUT, documents=DOCUMENTS, nodes=2_000_000, scalar=4 << 20, merges=1_000
)
_NOTHING = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|---(?=\s|\Z))*+\Z")


class Made(msgspec.Struct, kw_only=True):
    """One object of a render."""

    template: str
    """Below the chart's folder: `templates/a.yaml`, `charts/sub/crds/b.yaml`."""
    body: JsonObject
    crd: bool = False
    """From a `crds/` folder: no template, and installed before everything else."""
    hook: Hook | None = None


class Text(msgspec.Struct, frozen=True):
    """One rendered file, or one that is taken as it is."""

    template: str
    text: str
    crd: bool = False


class Unreadable(Exception):
    """A chart rendered to something that is no Kubernetes object; the message says where."""


def objects_of(
    texts: Iterable[Text], allowed: Collection[str], *, by_kustomize: bool = False
) -> tuple[list[Made], tuple[str, ...]]:
    """The objects of a render, CRDs first, then by template; and the hooks that are not run.

    `allowed`: events of hooks that are. `by_kustomize`: templates go through it, as Flux sends
    them; CRDs go past it. Raises Unreadable.
    """
    found: list[Made] = []
    skipped: list[str] = []
    size = 0
    for one in sorted(texts, key=lambda text: (not text.crd, text.template)):
        size += len(one.text)
        if size > OUTPUT:
            raise Unreadable(f"it renders to more than {OUTPUT >> 20} MiB")
        name = one.template.rpartition("/")[2]
        if name == "NOTES.txt" or name.startswith("_") or _NOTHING.match(one.text):
            continue
        documents, findings = yamldoc.parse(
            one.text.encode(),
            one.template,
            _LIMITS,
            by_kustomize=by_kustomize and not one.crd,
        )
        errors = [f for f in findings if f.severity == "error"]
        if errors:
            line = f", line {errors[0].line} of the result" if errors[0].line else ""
            raise Unreadable(f"{one.template}{line}: {errors[0].summary}")
        for document in documents:
            _sort_out(one, document.body, allowed, found, skipped)
        if len(found) > DOCUMENTS:
            raise Unreadable(f"it renders to more than {DOCUMENTS:,} objects")
    return found, tuple(sorted(skipped))


def _sort_out(
    text: Text,
    body: JsonObject,
    allowed: Collection[str],
    found: list[Made],
    skipped: list[str],
) -> None:
    events = None if text.crd else hooks.events_of(body)
    if events is None:
        found.append(Made(template=text.template, body=body, crd=text.crd))
        return
    hook = hooks.hook_of(body, events, allowed)
    if hook is not None:
        found.append(Made(template=text.template, body=body, hook=hook))
    if not_run := hooks.skipped_text(body, events):
        skipped.append(not_run)
