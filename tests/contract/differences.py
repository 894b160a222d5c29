"""Where the sandbox does not answer like a real server, and why that is left as it is.

A listed step that no longer differs fails the suite, as does one that differs and is not listed.
All but the last four differ in words only: status, reason and effect are the same.
"""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """One step of one trace."""

    trace: str
    step: str
    why: str


_PARSER = "what the server's selector parser says of a selector that is none"
_GO = "what Go's JSON decoder says of a body, in terms of Go types"
_CEL = "rules of a CRD in CEL are not evaluated; KubeadmConfigTemplate has one"
_SCHEMA = "the structure of a CRD's schemas is not validated"

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "selectors that make no sense are refused", "1 list ConfigMaps by labelSelector", _PARSER
    ),
    Difference(
        "selectors that make no sense are refused", "2 list ConfigMaps by labelSelector", _PARSER
    ),
    Difference(
        "selectors that make no sense are refused", "3 list ConfigMaps by labelSelector", _PARSER
    ),
    Difference("a token that is none is refused", "1 list ConfigMaps by continue, limit", _GO),
    Difference("values of the wrong type are refused", "2 create ConfigMap a as maker", _GO),
    Difference("values of the wrong type are refused", "3 create ConfigMap a as maker", _GO),
    Difference("values of the wrong type are refused", "4 create ConfigMap a as maker", _GO),
    Difference(
        "a body that is no object is refused", "1 POST /api/v1/namespaces/$ns/configmaps", _GO
    ),
    Difference(
        "a body that is no object is refused", "3 POST /api/v1/namespaces/$ns/configmaps", _GO
    ),
    Difference(
        "an object, a kind and a namespace that are missing",
        "3 GET /api/v1/namespaces/$ns/nonsenses/a",
        "501: of a built-in group the sandbox cannot tell what it lacks from what there is not",
    ),
    Difference(
        "a machine template and a bootstrap template",
        "4 apply KubeadmConfigTemplate a as two",
        _CEL,
    ),
    Difference(
        "definitions with a schema that makes no sense are refused",
        "1 apply CustomResourceDefinition gears.$ns.test as one",
        _SCHEMA,
    ),
    Difference(
        "definitions with a schema that makes no sense are refused",
        "2 apply CustomResourceDefinition gears.$ns.test as one",
        _SCHEMA,
    ),
)
