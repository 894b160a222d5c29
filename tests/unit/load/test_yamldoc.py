"""Where documents and fields stand, and what libyaml's absence says."""

import sys

import pytest

from providers import yamldoc
from providers.yamldoc import line_of, parse, position_of
from state.errors import ClusterformError

TEXT = b"""\
# a comment
apiVersion: v1
kind: A
metadata:
  name: a
  labels: {x: "1", y: '2'}
spec:
  base: &base
    size: 3
  containers:
    - name: first
      ports: [80, 443]
    - image: i
      name: second
  0644: octal key
  copy:
    <<: *base
    more: 1
---
---
kind: List
apiVersion: v1
items:
  - kind: B
    metadata:
      name: b
"""


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param((), (2, 1), id="the document"),
        pytest.param(("f:metadata", "f:name"), (5, 3), id="a field"),
        pytest.param(("f:metadata", "f:labels", "f:x"), (6, 12), id="in a flow mapping"),
        pytest.param(("f:metadata", "f:labels", "f:true"), (6, 20), id="a key that is a boolean"),
        pytest.param(("f:spec", "f:420"), (15, 3), id="a key that is a number"),
        pytest.param(("f:spec", "f:containers", "i:1"), (13, 7), id="an item"),
        pytest.param(
            ("f:spec", "f:containers", 'k:{"name":"second"}', "f:image"), (13, 7), id="a keyed item"
        ),
        pytest.param(
            ("f:spec", "f:containers", 'k:{"name":"first"}', "f:ports", "v:443"),
            (12, 19),
            id="an item of a set",
        ),
        pytest.param(("f:spec", "f:copy", "f:more"), (18, 5), id="beside a merge"),
        pytest.param(("f:spec", "f:copy", "f:size"), (9, 5), id="merged from an anchor"),
        pytest.param(("f:spec", "f:nothing"), None, id="not written"),
        pytest.param(("f:spec", "f:containers", "i:7"), None, id="no such item"),
        pytest.param(("f:metadata", "f:name", "f:x"), None, id="below a text"),
        pytest.param(("f:spec", "f:containers", "f:x"), None, id="a field of a list"),
        pytest.param(("f:spec", 'k:{"name":"first"}'), None, id="an item of a mapping"),
    ],
)
def test_a_field_has_a_place(field, expected) -> None:
    assert position_of(TEXT, 0, field) == expected


def test_fields_of_later_documents_and_of_items() -> None:
    documents, findings = parse(TEXT, "x.yaml")
    assert [(part.index, part.item, part.line) for part in documents] == [(0, -1, 2), (2, 0, 24)]
    assert [found.code for found in findings] == ["yaml-boolean"]
    assert line_of(TEXT, 2, ("f:metadata", "f:name"), item=0) == 26
    assert line_of(TEXT, 2, ("f:kind",)) == 21
    assert line_of(TEXT, 9, ()) is None


def test_a_list_by_another_name_is_unfolded_too() -> None:
    documents, _ = parse(b"kind: ConfigMapList\nitems: [{a: 1}, {a: 2}]\n", "x.yaml")
    assert [part.body for part in documents] == [{"a": 1}, {"a": 2}]


def test_a_kind_that_only_ends_in_list_is_an_object() -> None:
    documents, _ = parse(b"kind: AllowList\nspec: {items: []}\n", "x.yaml")
    assert [part.item for part in documents] == [-1]


def test_an_alias_is_a_copy() -> None:
    documents, _ = parse(b"a: &a {k: []}\nb: *a\n", "x.yaml")
    body = documents[0].body
    body["a"]["k"].append(1)
    assert body["b"] == {"k": []}


def test_without_libyaml_the_way_out_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml._yaml", None)
    with pytest.raises(ClusterformError) as caught:
        yamldoc.parse(b"a: b", "x.yaml")
    assert caught.value.code == "no-libyaml"
