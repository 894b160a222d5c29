"""`spec.profiles` of the Fleet file → profiles: what they hold, which clusters, by which way.

What an add-on provider could not do is refused here, at its line. Sources: Cluster API v1.14.0,
core/webhooks/admission/clusterresourceset.go; cluster-api-addon-provider-helm v0.6,
api/v1alpha1/helmchartproxy_types.go.
"""

from __future__ import annotations

import re
from typing import Any

from planner.filereader import FileReader
from state.desired import Gitops, Profile
from state.resource import FieldPath, JsonObject, canonical

_FORMS = ("path", "chart", "gitops")
_FIELDS = (
    "version",
    "values",
    "namespace",
    "after",
    "selector",
    "through",
    "strategy",
    "repository",
    *_FORMS,
)
_WAYS = ("kubeconfig", "clusterResourceSet", "helmChartProxy")
_STRATEGIES = {
    "clusterResourceSet": ("Reconcile", "ApplyOnce"),
    "helmChartProxy": ("Continuous", "InstallOnce"),
}
"""The first one is ours where none is written: an edit in Git reaches the clusters."""
_ENGINE_FIELDS = ("engine", "components", "url", "branch", "path", "secret", "namespace")
_REPOSITORY = re.compile(r"(https?|oci)://[^\s@?#]+")
"""No credentials and no query: it stands in an object that many may read."""


def read_profiles(reader: FileReader, value: Any) -> tuple[Profile, ...]:
    """All profiles; what is wrong with one is a finding of the reader."""
    at: FieldPath = ("f:spec", "f:profiles")
    entries = reader.mapping(value, at)
    found = []
    for name, entry in entries.items():
        here = (*at, f"f:{name}")
        fields = reader.fields(entry, here, _FIELDS)
        forms = [form for form in _FORMS if form in fields]
        if len(forms) != 1:
            reader.error("one-of", f"{reader.name(here)} needs one of {', '.join(_FORMS)}", here)
            continue
        through: Any = reader.choice(fields, "through", here, _WAYS) or _WAYS[0]
        found.append(
            Profile(
                name=reader.label(name, here),
                version=reader.text(fields, "version", here) if "version" in fields else "",
                values=canonical(reader.mapping(fields.get("values", {}), (*here, "f:values"))),
                namespace=reader.text(fields, "namespace", here)
                if "namespace" in fields
                else "default",
                after=_after(reader, fields, name, entries, here),
                selector=_selector(reader, fields, here),
                through=through,
                strategy=_strategy(reader, fields, through, here),
                **_content(reader, fields, forms[0], through, here),
            )
        )
        if through != _WAYS[0]:
            _reached(reader, fields, through, here)
    return tuple(found)


def _after(
    reader: FileReader, fields: JsonObject, name: str, entries: JsonObject, at: FieldPath
) -> tuple[str, ...]:
    after = reader.items(fields.get("after", []), (*at, "f:after"))
    for index, earlier in enumerate(after):
        if earlier not in entries or earlier == name:
            where = (*at, "f:after", f"i:{index}")
            reader.error("unknown-value", f"there is no other profile {earlier!r}", where)
    return tuple(str(earlier) for earlier in after)


# ---------------------------------------------------------------------- what it holds


def _content(
    reader: FileReader, fields: JsonObject, form: str, through: str, at: FieldPath
) -> dict[str, Any]:
    here = (*at, f"f:{form}")
    if form == "gitops":
        if through != _WAYS[0]:
            reader.error(
                "wrong-way",
                f"{reader.name(here)} goes through the kubeconfig only",
                (*at, "f:through"),
                hint="each cluster gets its own folder, and an add-on provider gives all the same",
            )
        return {"gitops": read_gitops(reader, fields[form], here)}
    if through == "helmChartProxy":
        return _remote_chart(reader, fields, form, at)
    if "repository" in fields:
        reader.error(
            "wrong-way",
            f"{reader.name((*at, 'f:repository'))}: only a HelmChartProxy takes a chart from there",
            (*at, "f:repository"),
            hint="write `through: helmChartProxy`, or put the chart into this repository",
        )
    return {form: reader.inside(fields[form], here)}


def _remote_chart(
    reader: FileReader, fields: JsonObject, form: str, at: FieldPath
) -> dict[str, Any]:
    """The chart by its name: CAAPH fetches it, nothing of it is read here."""
    hint = (
        "write the chart's name as `chart` and where it is as `repository: https://…` or `oci://…`;"
        " what lies in this repository goes through the kubeconfig or a ClusterResourceSet"
    )
    if form != "chart" or "repository" not in fields:
        reader.error(
            "wrong-way", f"{reader.name(at)}: a HelmChartProxy needs a chart's repository", at, hint
        )
        return {}
    chart = reader.text(fields, "chart", at)
    if "/" in chart:
        where = (*at, "f:chart")
        reader.error("wrong-type", f"{reader.name(where)} is not the name of a chart", where, hint)
    repository = reader.text(fields, "repository", at)
    if repository and not _REPOSITORY.fullmatch(repository):
        where = (*at, "f:repository")
        reader.error(
            "wrong-type",
            f"{reader.name(where)} is no URL of a Helm or OCI repository",
            where,
            hint="write https://… or oci://…, without user, password and query",
        )
    return {"chart": chart, "repository": repository}


def read_gitops(reader: FileReader, entry: Any, at: FieldPath) -> Gitops:
    """Flux, of a profile or of a management cluster."""
    fields = reader.fields(entry, at, _ENGINE_FIELDS)
    engine = reader.choice(fields, "engine", at, ("flux2", "flux1"), required=True)
    given = {
        name: reader.text(fields, name, at)
        for name in ("branch", "path", "secret", "namespace")
        if name in fields
    }
    if engine == "flux1":
        given.setdefault("namespace", "flux")
    return Gitops(
        engine=engine,
        components=reader.inside(fields.get("components"), (*at, "f:components")),
        url=reader.text(fields, "url", at),
        **given,
    )


# ---------------------------------------------------------------------- who gets it, and how


def _selector(
    reader: FileReader, fields: JsonObject, at: FieldPath
) -> tuple[tuple[str, str], ...] | None:
    """Labels that must all be there; `{}` selects every cluster, no selector none."""
    if "selector" not in fields:
        return None
    here = (*at, "f:selector")
    labels = reader.mapping(fields["selector"], here)
    return tuple(sorted((key, reader.text(labels, key, here)) for key in labels))


def _strategy(reader: FileReader, fields: JsonObject, through: str, at: FieldPath) -> str:
    if through in _STRATEGIES:
        options = _STRATEGIES[through]
        return str(reader.choice(fields, "strategy", at, options) or options[0])
    if "strategy" in fields:
        where = (*at, "f:strategy")
        reader.error(
            "wrong-way",
            f"{reader.name(where)} is of an add-on provider, and this profile goes through the"
            " kubeconfig",
            where,
            hint="remove it, or write `through: clusterResourceSet`",
        )
    return ""


def _reached(reader: FileReader, fields: JsonObject, through: str, at: FieldPath) -> None:
    """An add-on provider selects Clusters by labels; Cluster API takes no label for no Cluster."""
    kind = f"{through[0].upper()}{through[1:]}"
    if fields.get("after"):
        reader.error(
            "no-order",
            f"{reader.name((*at, 'f:after'))} orders the run that writes the {kind}: a cluster that"
            " is made later gets it as soon as it answers",
            (*at, "f:after"),
            hint="let the profile go through the kubeconfig if it has to wait in every cluster",
            severity="warning",
        )
    if "selector" not in fields:
        reader.error(
            "no-selector",
            f"{reader.name(at)} has no selector, and a {kind} selects clusters by labels",
            at,
            hint="give the profile a selector; naming it in a cluster is not enough",
        )
    elif fields["selector"] == {} and through == "clusterResourceSet":
        reader.error(
            "no-selector",
            f"{reader.name((*at, 'f:selector'))} is empty, and a {kind} then selects no cluster",
            (*at, "f:selector"),
            hint="label the clusters, and select that label",
        )
