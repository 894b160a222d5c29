"""Documents that SOPS encrypted: their ciphertexts, and the `sops` command that opens them.

A plan reads keys and ciphertext, which are in Git for everybody; only an apply that is about to
write runs `sops --decrypt`, on standard input, with the environment of whoever applies. Format:
getsops/sops v3, `ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]` in place of each value and a `sops`
block with the MAC. A document out of a file is checked against its MAC; what kustomize built has
moved keys, so that, as in kustomize-controller, its MAC is not looked at.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec

from providers import yamldoc
from providers.base import mapping
from state.errors import ClusterformError
from state.resource import FieldPath, JsonObject, digest

COMMAND = "CLUSTERFORM_SOPS"
"""Environment variable with the path of the binary, where it is not `sops` on PATH."""
SECONDS = 60
_VALUE = re.compile(r"ENC\[AES256_GCM,data:.*,type:(\w+)\]", re.DOTALL)


def is_encrypted(body: JsonObject) -> bool:
    """A document that SOPS encrypted: it carries its `sops` block with a MAC."""
    return isinstance(mapping(body.get("sops")).get("mac"), str)


def ciphertexts(value: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Every encrypted value of a body: where it stands, and its type (`str`, `int`, …)."""
    if isinstance(value, str):
        found = _VALUE.fullmatch(value)
        if found:
            yield path, found[1]
    elif isinstance(value, dict):
        for name, inner in value.items():
            if path or name != "sops":
                yield from ciphertexts(inner, (*path, f"f:{name}"))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ciphertexts(inner, (*path, f"i:{index}"))


def mark(body: JsonObject) -> str:
    """A digest over the ciphertexts: another one where anything of it was encrypted anew."""
    texts = [f"{path} {_at(body, path)}".encode() for path, _ in ciphertexts(body)]
    return digest(*sorted(texts))[:16]


def opened(content: bytes, where: str) -> list[yamldoc.Document]:
    """The documents of an encrypted file, in memory. Raises ClusterformError('sops')."""
    documents, findings = yamldoc.parse(_run(content, "yaml", where), where, yamldoc.COMPONENTS)
    if findings:
        raise _failed(where, "what it decrypts to is no YAML")
    return documents


def opened_object(body: JsonObject, where: str) -> JsonObject:
    """A built object, in memory. Raises ClusterformError('sops')."""
    content = _run(msgspec.json.encode(body), "json", where, "--ignore-mac")
    try:
        found: JsonObject = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        raise _failed(where, "what it decrypts to is no JSON") from None
    return found


def _run(content: bytes, form: str, where: str, *more: str) -> bytes:
    command = os.environ.get(COMMAND) or "sops"
    arguments = ["--decrypt", *more, "--input-type", form, "--output-type", form, "/dev/stdin"]
    try:
        done = subprocess.run(
            [command, *arguments], input=content, capture_output=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError:
        raise ClusterformError(
            "sops",
            f"{where} is encrypted by SOPS, and there is no command {command}",
            hint=f"install sops where you apply, or name it in ${COMMAND}",
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(where, f"{command} cannot be run: {type(error).__name__}") from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
        raise _failed(where, "; ".join(line for line in lines if line)[:400])
    return done.stdout


def _failed(where: str, why: str) -> ClusterformError:
    return ClusterformError(
        "sops",
        f"{where} cannot be decrypted",
        detail=why,
        hint="nothing was written; the keys are those of whoever applies",
    )


def _at(value: Any, path: FieldPath) -> Any:
    for element in path:
        value = value[element[2:]] if element[0] == "f" else value[int(element[2:])]
    return value
