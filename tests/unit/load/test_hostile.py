"""Hostile files end in one finding within two seconds: no traceback, no signal, no value shown.

Each is read by a process of its own, because the danger is a crash of the interpreter.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from providers import yamldoc

DATA = Path(__file__).parents[2] / "data" / "hostile"
ROOT = Path(__file__).parents[3]

READER = """
import sys
from providers import yamldoc
documents, findings = yamldoc.parse(sys.stdin.buffer.read(), "x.yaml")
assert "planted" not in repr(findings)
print(len(documents), *(f"{found.severity} {found.code}" for found in findings))
"""


def _nested_aliases(count: int, fan: int) -> str:
    lines = ["a0: &a0 [planted]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * fan)}]" for n in range(1, count)]
    return "\n".join(lines)


def _merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {k: planted}"]
    lines += [
        f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n  k{n}: v" for n in range(1, levels)
    ]
    return "\n".join(lines)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "100,000 open lists": (b"[" * 100_000, "yaml-limit"),
    "200 kB of open mappings": (b"{" * 200_000, "yaml-value"),
    "100 kB of mappings in mappings": (b"{a: " * 25_000, "yaml-limit"),
    "deep block list": (b"- " * 100_000 + b"x", "yaml-limit"),
    "deep explicit keys": (b"? " * 100_000 + b"x", "yaml-value"),
    "deep indentation": (
        b"".join(b" " * n + b"a:\n" for n in range(1_200)), "yaml-limit",
    ),
    "alias bomb of 9 levels": (_nested_aliases(9, 9).encode(), "yaml-limit"),
    "alias bomb of 40 levels": (_nested_aliases(40, 2).encode(), "yaml-limit"),
    "merge bomb": (_merge_bomb(9).encode(), "yaml-limit"),
    "many merges": (b"a: &a {k: v}\nb:\n" + b"  <<: *a\n" * 30, "yaml-limit"),
    "large text, many aliases": (
        b"a: &a " + b"planted" * 100_000 + b"\nb: [" + b"*a," * 99 + b"]", "yaml-limit",
    ),
    "anchor in itself": (b"a: &a [*a]", "yaml-value"),
    "deep by aliases": (
        ("a0: &a0 " + "[" * 60 + "x" + "]" * 60 + "\n"
         + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 9))).encode(), "yaml-limit",
    ),
    "sexagesimal of 600 kB": (b"a: " + b"1:" * 300_000 + b"1", ""),
    "number of 600 kB": (b"a: " + b"1" * 600_000, "yaml-value"),
    "hexadecimal of 600 kB": (b"a: 0x" + b"f" * 600_000, ""),
    "float of 600 kB": (b"a: 0." + b"1" * 600_000, "yaml-value"),
    "underscores": (b"a: 1" + b"_" * 600_000 + b"1", ""),
    "2 MiB": (b"a: b\n" * 420_000, "yaml-limit"),
    "300,000 values": (b"[" + b"1," * 300_000 + b"]", "yaml-limit"),
    "501 documents": (b"---\na: b\n" * 501, "yaml-limit"),
    "duplicate keys": (b"a: planted\na: planted\n", "yaml-duplicate-key"),
    "duplicate keys by another spelling": (b"1: a\n0x1: b\n", "yaml-duplicate-key"),
    "100,000 duplicate keys": (b"a: 1\n" * 100_000, "yaml-too-many"),
    "not UTF-8": (b"a: b\nc: \xff\xfe", "yaml-encoding"),
    "UTF-16": ("a: planted".encode("utf-16"), "yaml-encoding"),
    "NUL": (b"a: \x00", "yaml-syntax"),
    "escaped NUL": (b'a: "planted\\0"', "yaml-control"),
    "escaped bell as a key": (b'"\\a": planted', "yaml-control"),
    "escaped surrogate": (b'a: "\\ud800"', "yaml-syntax"),
    "python object": (b"a: !!python/object/apply:os.system [planted]", "yaml-tag"),
    "own tag": (b"a: !planted x", "yaml-tag"),
    "own tag on a mapping": (b"a: !!set {planted}", "yaml-tag"),
    "undefined tag handle": (b"a: !planted!x y", "yaml-syntax"),
    "undefined alias": (b"a: *planted", "yaml-value"),
    "unclosed quote": (b'a: "planted', "yaml-syntax"),
    "tab indentation": (b"a:\n\tplanted: c", "yaml-syntax"),
    "wrong directive": (b"%YAML 9.9\n---\na: planted", "yaml-syntax"),
    "unclosed list": (b"a: [planted", "yaml-syntax"),
}  # fmt: skip
HOSTILE |= {path.name: (path.read_bytes(), "yaml-limit") for path in sorted(DATA.glob("*.yaml"))}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_finding(name: str) -> None:
    content, code = HOSTILE[name]
    done = subprocess.run(
        [sys.executable, "-c", READER],
        cwd=ROOT, input=content, capture_output=True, timeout=2.5, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-500:]
    _, *found = done.stdout.decode().split(maxsplit=1)
    errors = [word for word in " ".join(found).split() if word.startswith("yaml-")]
    assert errors[-1:] == ([code] if code else [])
    assert len(errors) <= 1 or code == "yaml-too-many"


def test_what_stands_before_an_error_is_kept() -> None:
    documents, findings = yamldoc.parse(b"a: 1\n---\nb: [\n", "x.yaml")
    assert [document.body for document in documents] == [{"a": 1}]
    assert [found.code for found in findings] == ["yaml-syntax"]


def test_large_component_files_have_their_own_limits() -> None:
    content = b"---\nkind: A\nlist: [" + b"1234," * 400_000 + b"]\n"
    assert yamldoc.parse(content, "x.yaml")[1][0].code == "yaml-limit"
    documents, findings = yamldoc.parse(content, "x.yaml", yamldoc.COMPONENTS)
    assert (len(documents), findings) == (1, [])
