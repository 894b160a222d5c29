"""Options of a request, and fields of a body that the schema does not have.

Rules: apimachinery `meta/v1/validation/validation.go` (options), apiserver `endpoints/handlers`
(fieldValidation: Warn unless asked otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.schema import Schema
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import Cause, bad_request, invalid, not_carried
from state.resource import GroupKind, JsonObject, canonical

_POLICIES = ("Foreground", "Background", "Orphan", "nil")
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


def check(options: str, query: Mapping[str, str]) -> None:
    """`dryRun` and `fieldValidation`; `options` is the Kind that a refusal names."""
    found: list[Cause] = []
    if query.get("dryRun", "") not in ("", "All"):
        found.append(_unsupported("dryRun", [query["dryRun"]], ("All",)))
    if query.get("fieldValidation", "") not in _VALIDATIONS:
        found.append(_unsupported("fieldValidation", query["fieldValidation"], _VALIDATIONS))
    if found:
        raise invalid(GroupKind("meta.k8s.io", options), "", found)


def check_delete(options: JsonObject, query: Mapping[str, str]) -> None:
    """The body of a DELETE."""
    check("DeleteOptions", query)
    policy = options.get("propagationPolicy") or query.get("propagationPolicy")
    found: list[Cause] = []
    if policy is not None and policy not in _POLICIES[:3]:
        found.append(_unsupported("propagationPolicy", policy, _POLICIES))
    if policy is not None and options.get("orphanDependents") is not None:
        told = "orphanDependents and deletionPropagation cannot be both set"
        shown = canonical(policy).decode()
        cause = Cause(f"Invalid value: {shown}: {told}", "FieldValueInvalid", "propagationPolicy")
        found.append(cause)
    if options.get("dryRun") not in (None, [], ["All"]):
        found.append(_unsupported("dryRun", options["dryRun"], ("All",)))
    if found:
        raise invalid(GroupKind("meta.k8s.io", "DeleteOptions"), "", found)


def _unsupported(field: str, value: object, known: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{name}"' for name in known)
    told = f"Unsupported value: {canonical(value).decode()}: supported values: {listed}"
    return Cause(told, "FieldValueNotSupported", field)


def warn_of_unknown(
    session: Session, kind: Kind, value: JsonObject, query: Mapping[str, str], *, patch: bool
) -> None:
    """Undeclared fields are dropped: with a warning, silently, or refused, as the client asks."""
    wanted = query.get("fieldValidation") or "Warn"
    if wanted == "Ignore":
        return
    found = [f'unknown field "{path}"' for path in _unknown(kind.schema, value, "")]
    if found and wanted == "Strict":
        if patch:
            raise not_carried("patches with fieldValidation=Strict")
        told = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise bad_request(f"{told}: strict decoding error: {', '.join(found)}")
    session.warnings += found


def _unknown(schema: Schema, value: object, at: str) -> Iterator[str]:
    if isinstance(value, dict) and (schema.type == "object" or schema.fields):
        for name, inner in value.items():
            path, child = f"{at}.{name}" if at else name, schema.child(name)
            if child is None:
                yield path
            else:
                yield from _unknown(child, inner, path)
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield from _unknown(schema.items, item, f"{at}[{index}]")
