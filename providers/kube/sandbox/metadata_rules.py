"""Names and labels that the server refuses (apimachinery `pkg/{api,util}/validation`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.statuses import Cause
from state.resource import JsonObject, canonical

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_NAME = re.compile(_SUBDOMAIN)
_LABEL_NAME = re.compile(_LABEL)
_LABEL_VALUE = re.compile(_VALUE)

_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{_SUBDOMAIN}')"
)
_LABEL_NAME_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex"
    f" used for validation is '{_LABEL}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',"
    f"  or '12345', regex used for validation is '{_VALUE}')"
)


def metadata_causes(kind: Kind, metadata: JsonObject) -> Iterator[Cause]:
    """What is wrong with an object's name and labels."""
    name = metadata["name"]
    if kind.group == "rbac.authorization.k8s.io":
        if "/" in name or "%" in name:
            yield _invalid("metadata.name", name, "may not contain '/'")
    elif kind.plural in ("namespaces", "services"):
        if not _LABEL_NAME.fullmatch(name) or len(name) > 63:
            yield _invalid("metadata.name", name, _LABEL_NAME_RULE)
    elif not _NAME.fullmatch(name) or len(name) > 253:
        yield _invalid("metadata.name", name, _NAME_RULE)
    for value in (metadata.get("labels") or {}).values():
        if isinstance(value, str) and not _LABEL_VALUE.fullmatch(value):
            yield _invalid("metadata.labels", value, _VALUE_RULE)
        elif isinstance(value, str) and len(value) > 63:
            yield _invalid("metadata.labels", value, "must be no more than 63 characters")


def _invalid(field: str, value: str, rule: str) -> Cause:
    told = f"Invalid value: {canonical(value).decode()}: {rule}"
    return Cause(told, "FieldValueInvalid", field)
