"""clusterctl's templates: `${VAR}` and `${VAR:=default}` in manifests, as clusterctl fills them in.

The engine is Flux's: drone/envsubst v2, which it is a fork of, reads the same. Source: cluster-api
v1.14.0, cmd/clusterctl/client/yamlprocessor/simple_processor.go; recorded answers of it:
`tests/data/clusterctl-templates.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from providers.flux import envsubst
from state.errors import ClusterformError

_LEGACY = re.compile(r"\$\{(?:[\t\n\f\r ]+[A-Za-z0-9_$]+[\t\n\f\r ]*|[A-Za-z0-9_$]+[\t\n\f\r ]+)\}")
"""`${ VAR }`: older templates have blanks around names."""
_BLANK = re.compile(r"[\t\n\f\r ]")


def variables(template: str) -> dict[str, str]:
    """Every variable with its default (`""`: it must be set), by its first place in the template.

    Those inside of defaults do not count, as in clusterctl.
    Raises ClusterformError('bad-substitution').
    """
    found: dict[str, str] = {}
    for part in envsubst.parse(_modern(template)):
        if isinstance(part, envsubst.Expression) and part.name not in found:
            found[part.name] = "".join(
                one if isinstance(one, str) else f"${{{one.name}}}" for one in part.arguments
            )
    return found


def process(template: str, values: Mapping[str, str]) -> str:
    """The filled-in template.

    Raises ClusterformError('variables-not-set') that lists all that are missing, and those of
    `envsubst.evaluate`.
    """
    missing = sorted(
        name for name, default in variables(template).items() if not default and name not in values
    )
    if missing:
        raise ClusterformError(
            "variables-not-set",
            f"the template needs {', '.join(missing)}",
            hint="set them, or give them defaults in the template: ${NAME:=default}",
        )
    return envsubst.evaluate(_modern(template), values, strict=False)


def _modern(template: str) -> str:
    return _LEGACY.sub(lambda found: _BLANK.sub("", found[0]), template)
