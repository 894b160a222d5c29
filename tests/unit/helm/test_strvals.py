"""The grammar of `--set`, held to the engine's own parser."""

from __future__ import annotations

import copy
from typing import Any

import helm_python
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.helm.strvals import MAX_INDEX, set_into, set_literally
from state.errors import ClusterformError

SETTINGS = r"""
a=1
a=01
a=1e3
a=1.5
a=-1
a=-0
a=0
a=00
a=-01
a=+1
a=0x1
a=1_0
a=9223372036854775807
a=-9223372036854775808
a=9223372036854775808
a=99999999999999999999999999
a=null
a=NULL
a=
a=true
a=True
a=FALSE
a={1,b,null,true,0x}
a={}
a={,}
a={a,}
a={ x , y }
a={x\,y}
a={x\,y,z},b=2
a={\{1,2}
a={a\}b}
a={a=b}
a={1,2},a[0]=5
a={1,2}x=3
a={1,2}x
a={x,y
a={
a=\{1
a=x{y}
a= {1}
a[0].b=1
a[1]=x
a[0]=1,a[1]=2
a[0][1]=2
a[0][0].b=1,a[0][1]=2
a[0].b[1].c=x,a[0].d=y
a[0]
a[0].b
a[0]b=1
a[0],b=1
a[0].=1
a[0]=,b=1
a[0]\.b=1
a[x]=1
a[]=1
a[-1]=1
a[+1]=1
a[ 0]=1
a[01]=5
[0]=1
a\.b=c
a.b\.c[0]=1
a\=b=1
a\,b=1
a=b\,c
a=\n
a=x\
a=b=c
a=b}c
a b=1
a= 1
a=1\t
a
a.b
a.b,c=1
a,
a,b=1
a=1,
a=1,b
a=1,,b=2
,
=
=1
a.=1
.a=1
a..b=1
a.b=null
a[0]=null
a.b[0]=1,a.b[0].c=2
a.b=1,a=2
a=1,a.b=2
a=x,a[0]=1
a.b.c.d.e=1
a='x'
a="x"
"""


def ours(expression: str) -> Any:
    values: dict[str, Any] = {}
    try:
        set_into(values, expression)
    except ClusterformError as error:
        return "unclosed" if error.brief == "an index ends with ]" else "refused"
    return values


def theirs(expression: str) -> Any:
    try:
        return helm_python.parse_set_string(expression)
    except helm_python.HelmError:
        return "refused"


@pytest.mark.parametrize("expression", [e for e in SETTINGS.split("\n") if e])
def test_a_setting_is_as_the_engine_reads_it(expression: str) -> None:
    assert ours(expression) == theirs(expression)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="ab1.=,[]{}\\ -", max_size=14))
def test_any_setting_is_as_the_engine_reads_it(expression: str) -> None:
    found = ours(expression)
    # An index that never ends: the engine drops the setting, here it is an error.
    assert found == "unclosed" or found == theirs(expression)


def test_no_list_is_made_longer_than_helm_makes_it() -> None:
    assert len(ours(f"a[{MAX_INDEX}]=1")["a"]) == MAX_INDEX + 1
    assert ours(f"a[{MAX_INDEX + 1}]=1") == theirs(f"a[{MAX_INDEX + 1}]=1") == "refused"


def test_no_name_is_deeper_than_helm_takes_it() -> None:
    for depth in (30, 31, 32):
        expression = ".".join("a" * depth) + "=1"
        assert ours(expression) == theirs(expression)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.b", "x,y=1"),
        ("a[1].b", "{x}"),
        ("a\\.b", "1"),
        ("a", "b=c"),
        ("a", "null"),
        ("a", " 1\n"),
        ("a[0][1]", "true"),
        ("a,b", "x"),
    ],
)
def test_a_literal_is_taken_as_it_is(path: str, text: str) -> None:
    values: dict[str, Any] = {}
    set_literally(values, path, text)
    assert values == helm_python.parse_set_literal(f"{path}={text}")


def test_texts_stay_texts() -> None:
    values: dict[str, Any] = {}
    set_into(values, "a=1,b=true,c=null,d={1,x},e=", strings=True)
    assert values == helm_python.parse_set_string_values("a=1,b=true,c=null,d={1,x},e=")


def test_a_setting_changes_what_is_there() -> None:
    values = {"a": {"b": [1, {"c": 2}], "keep": True}}
    known = copy.deepcopy(values)
    set_into(values, "a.b[1].d=3,a.b[0]=x")
    assert values == {"a": {"b": ["x", {"c": 2, "d": 3}], "keep": True}}
    assert known["a"]["keep"] is values["a"]["keep"]


def test_no_message_shows_a_value() -> None:
    with pytest.raises(ClusterformError) as caught:
        set_into({"a": "hush-hush"}, "a.b=hush-hush")
    assert "hush" not in str(caught.value)
