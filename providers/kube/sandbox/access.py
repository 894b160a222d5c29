"""Who may do what: the verb of a request, and the 403 word for word."""

from __future__ import annotations

from providers.kube.api import Request
from providers.kube.sandbox.statuses import Refused, forbidden
from providers.kube.sandbox.verbs import Call

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def verb(request: Request, call: Call) -> str:
    """The RBAC verb of a request."""
    if request.method != "GET":
        return _VERBS.get(request.method, request.method.lower())
    if call.query.get("watch") in ("1", "true"):
        return "watch"
    return "get" if call.name else "list"


def refused(user: str, wanted: str, call: Call) -> Refused:
    """`User "reader" cannot patch resource "widgets" …`."""
    kind = call.kind
    resource = f"{kind.plural}/{call.subresource}" if call.subresource else kind.plural
    where = f'in the namespace "{call.namespace}"' if call.namespace else "at the cluster scope"
    why = f'User "{user}" cannot {wanted} resource "{resource}" in API group "{kind.group}" {where}'
    return forbidden(kind.plural, kind.group, call.name, why)
