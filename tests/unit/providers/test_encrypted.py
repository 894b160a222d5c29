"""What SOPS encrypted, told by its form."""

from __future__ import annotations

from typing import Any

import pytest

from providers import sops


@pytest.mark.parametrize(
    ("block", "encrypted"),
    [({"mac": "ENC[x]", "version": "3.9"}, True), ({}, False), ("x", False), (None, False)],
)
def test_an_encrypted_document_is_known_by_its_mac(block: Any, encrypted: bool) -> None:
    assert sops.is_encrypted({"kind": "Secret", "sops": block}) is encrypted


def value(text: str, type_: str = "str") -> str:
    return f"ENC[AES256_GCM,data:{text},iv:a,tag:b,type:{type_}]"


def test_ciphertexts_are_found_wherever_they_stand_but_in_the_block_itself() -> None:
    body = {
        "data": {"a": value("x"), "plain": "ENC[else]"},
        "list": [{"n": value("y", "int")}],
        "sops": {"mac": value("z")},
    }
    assert list(sops.ciphertexts(body)) == [
        (("f:data", "f:a"), "str"),
        (("f:list", "i:0", "f:n"), "int"),
    ]


def test_the_mark_moves_with_the_ciphertexts_and_with_nothing_else() -> None:
    first = sops.mark({"data": {"a": value("x")}, "sops": {"lastmodified": "1"}})
    assert first == sops.mark({"data": {"a": value("x"), "b": "1"}, "sops": {"lastmodified": "2"}})
    assert first != sops.mark({"data": {"a": value("y")}})
    assert first != sops.mark({"data": {"b": value("x")}})
