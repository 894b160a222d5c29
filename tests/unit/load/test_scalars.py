"""Scalars resolve as kubectl resolves them; kubectl itself is asked for every row."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from providers import yamldoc

KUBECTL = Path(sys.executable).with_name("kubectl")
OBJECT = "apiVersion: example.dev/v1\nkind: Thing\nmetadata: {name: x}\nspec:\n"


def words(text: str) -> list[str]:
    return text.split()


VALUES = words("""
22:22 1:2 190:20:30 190:20:30.15 2020-01-01 2001-12-14t21:59:43.10-05:00 2020-01-01T00:00:00Z
1e3 1E3 1e+3 1.5e-3 1e 1E 1e5 1.5E+5 +1e3 -1e3 0e0 12e03 1e1_0 1_0.5 2e-5 1e-7 0.000001
.5 5. .5e3 ._5 .5_0 +.5 -.5 +.5e1 1.e3 0.0 -0.0 -0 +12 1.0 100.0 0.1 007.5 1.2.3 1,000
0644 -0644 0o17 0O17 +0o7 -0o7 08 0o8 00 01 0_7 0o 0o_7
0x1F 0X1f +0x10 -0x10 0x 0x_1 0x1.8p1 00x1 0b101 -0b101 +0b1 0B11 0b 0b2
1_000 1__0_ _1 1_ 9223372036854775807 9223372036854775808 18446744073709551615
18446744073709551616 -9223372036854775808 -9223372036854775809 +18446744073709551615
123456789012345678901234567890 0xfffffffffffffffff 0xffffffffffffffff 0x8000000000000000
0777777777777777777777777 1e18 9.3e18 1e19 1e20 1e21 1e400 1e-400 1.5e300 4.9e-324
123456789.123456789 3.14159265358979323846 9007199254740993 9007199254740993.0
y Y yes Yes YES yES n N no No NO on On ON off Off OFF true True TRUE tRue false False FALSE
~ null Null NULL nULL Infinity NaN nan inf +inf . .. ... + = << a-b v1.35.2 10.0.0.0/8 1Gi 5m 100m
!!str~12 !!int~"12" !!float~1 !!float~"1.5" !!str~null !!bool~"yes" !!null~"" !!binary~aGk=
!!timestamp~2020-01-01 !~12 !!str~ "12" '12' "yes" "" 'null' "\\u00e9\\n" é [] {}
""")

KEYS = words("""
y n on Off yes true 1 0644 0x10 -1 1e3 1e6 1.0 1.5 0.1 0.0001 0.00001 123456789.5 16777217.0
100000.5 22:22 2020-01-01 "y" "1" "" a.b/c 1_000 0o17 !!str~y
""")

REFUSED = [".inf", "-.INF", "+.Inf", ".nan", "!!int x", "!!bool 1", '!!binary "%"']
REFUSED_KEYS = ["~", "null", "[a]", "{a: b}"]

MAPPINGS = [
    "{<<: &x {a: 2, b: 3}, a: 1}",
    "{a: 1, <<: &x {a: 2, b: 3}}",
    "{<<: [{a: 1}, {a: 2, c: 1}]}",
    "{<<: {a: 1}, <<: {a: 2}}",
    "{'<<': 1}",
    "{<<: []}",
    "{x: &x {a: {b: 1}}, y1: {<<: *x, c: 2}, z: *x}",
    "{a: &n 1e3, b: *n, c: [*n, *n]}",
    "{&k key: 1, v: *k}",
    "{a: ~, b: '', c: }",
    '"a \\\n  b"',
    "|2\n    text\n     more\n",
    ">-\n    folded\n    text\n\n    end\n",
]


def kubectl(document: str) -> subprocess.CompletedProcess[str]:
    command = [str(KUBECTL), "label", "--local", "-f", "-", "-o", "json", "a=b"]
    return subprocess.run(command, input=document, capture_output=True, text=True, check=False)


def judged(document: str) -> object:
    answer = kubectl(document)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["spec"]


def ours(document: str) -> object:
    documents, findings = yamldoc.parse(document.encode(), "x.yaml")
    assert [found for found in findings if found.severity == "error"] == []
    return documents[0].body["spec"]


def exact(value: object) -> str:
    """Tells 1 from True and from 1.0; a float that JSON gives back whole is an integer in Go."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        value = float(value)
    return repr(value)


@pytest.fixture(scope="module")
def answers() -> dict[str, object]:
    """One run of kubectl for all values: each stands alone in a list."""
    rows = "".join(f"  - {row.replace('~', ' ', 1) if row[0] == '!' else row}\n" for row in VALUES)
    values = judged(OBJECT + rows)
    assert isinstance(values, list)
    return dict(zip(VALUES, values, strict=True))


@pytest.mark.parametrize("row", VALUES)
def test_a_plain_value_is_what_kubectl_makes_of_it(row: str, answers: dict[str, object]) -> None:
    text = row.replace("~", " ", 1) if row[0] == "!" else row
    (value,) = ours(f"{OBJECT}  - {text}\n")  # type: ignore[misc]
    assert exact(value) == exact(answers[row])


@pytest.mark.parametrize("row", KEYS)
def test_a_plain_key_is_what_kubectl_makes_of_it(row: str) -> None:
    text = row.replace("~", " ", 1) if row[0] == "!" else row
    document = f"{OBJECT}  {text}: v\n"
    assert ours(document) == judged(document)


@pytest.mark.parametrize("row", MAPPINGS)
def test_merges_aliases_and_block_texts_are_what_kubectl_makes_of_them(row: str) -> None:
    document = f"{OBJECT.removesuffix(chr(10))} {row}\n"
    assert ours(document) == judged(document)


@pytest.mark.parametrize(
    "row", [*(f"- {row}" for row in REFUSED), *(f"{k}: v" for k in REFUSED_KEYS)]
)
def test_what_kubectl_refuses_is_one_error_without_the_value(row: str) -> None:
    document = f"{OBJECT}  {row}\n"
    _, findings = yamldoc.parse(document.encode(), "x.yaml")
    assert kubectl(document).returncode == 1
    assert [(found.severity, found.line) for found in findings] == [("error", 5)]


@pytest.mark.parametrize("word", ["y", "n", "yes", "No", "ON", "off"])
def test_a_plain_word_that_is_a_boolean_warns(word: str) -> None:
    _, findings = yamldoc.parse(f"a: {word}\n{word}: b\n".encode(), "x.yaml")
    assert [(found.code, found.where) for found in findings] == [
        ("yaml-boolean", "x.yaml:1:4"),
        ("yaml-boolean", "x.yaml:2:1"),
    ]


def test_true_and_false_and_quoted_words_do_not_warn() -> None:
    _, findings = yamldoc.parse(b"a: true\nb: False\nc: 'yes'\nd: \"n\"\n", "x.yaml")
    assert findings == []
