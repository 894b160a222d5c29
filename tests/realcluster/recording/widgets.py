"""How the objects of tests/data/ssa-noop-cases.json came to be.

That file holds what is applied in the end; a case that is not listed here is one that was applied
with the same body before. Its CRD is the file's, a copy of it (`Gadget`) is changed behind objects.
"""

from __future__ import annotations

from typing import Any

from tests.realcluster.recording.steps import (
    Body,
    Step,
    apply,
    create,
    definition,
    json_patch,
    merge,
    no_policy,
    policy,
)

SAME = apply()


def _ours(**spec: Any) -> Step:
    return apply({"spec": spec})


def _other(**spec: Any) -> Step:
    return apply({"spec": spec}, "other", force=True)


def _upd(**spec: Any) -> Step:
    return merge({"spec": spec})


def _labels(step_labels: Body) -> Step:
    return merge({"metadata": {"labels": step_labels}})


def _pods(container: Body, **spec: Any) -> Body:
    return {
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i", **container}]},
            },
            **spec,
        }
    }


def _env(value: str | None) -> Step:
    item = {"name": "A"} if value is None else {"name": "A", "value": value}
    container = {"name": "c", "image": "i", "env": [item]}
    return merge({"spec": {"template": {"spec": {"containers": [container]}}}}, "kc")


_CLEARED = merge({"metadata": {"managedFields": [{}]}})
_PORTS = [
    {"name": "a", "port": 80, "protocol": "TCP"},
    {"name": "b", "port": 81, "protocol": "TCP"},
]

SETUPS: dict[int, tuple[Step, ...]] = {
    5: (_ours(str="a"),),
    7: (_ours(io=5),),
    9: (_ours(qty="1000m"),),
    12: (_ours(listAtomic=["b", "a"]),),
    17: (_ours(set=["b", "a"]),),
    20: (_ours(str="a", set=[]),),
    21: (_ours(str="a", set=["q"]),),
    23: (SAME, _other(set=["z", "m"])),
    25: (_ours(lm=[{"name": "x"}, {"name": "y"}]),),
    28: (_ours(lm2=[{"port": 80}]),),
    31: (SAME, _other(lm=[{"name": "z", "port": 3}])),
    32: (SAME, _upd(lm=[{"name": "y", "mode": "auto"}, {"name": "x", "mode": "auto"}])),
    33: (SAME, _upd(lm=[{"name": n, "mode": "auto"} for n in "xqy"])),
    34: (SAME, _other(lm=[{"name": "x", "port": 3}])),
    37: (SAME, _upd(mapG={"z": "9"})),
    39: (SAME, _upd(mapG={"z": "9"})),
    42: (SAME, _upd(mapA={"z": "9"})),
    45: (SAME, _upd(pu={"l": [1, 2, 3]})),
    53: (SAME, merge({"status": {"phase": "Ready", "n": 3}}, "ctl", sub="status")),
    54: (
        apply({"metadata": {"labels": {"x": "1", "y": "2"}}, "spec": {"str": "a"}}),
        _labels({"x": None}),
    ),
    55: (SAME, _labels({"x": "2"})),
    56: (SAME, _labels({"x": "2"}), _labels({"x": "1"})),
    57: (SAME, _labels({"z": "2"})),
    58: (SAME, _other(str="a")),
    59: (SAME, _other(str="b")),
    60: (SAME, merge({"spec": {"num": 7}}, "clusterform")),
    61: (SAME, merge({"spec": {"str": "b"}}, "clusterform")),
    62: (_ours(str="a", num=1),),
    63: (_ours(str="a", num=1), _other(num=1)),
    65: (SAME, merge({"metadata": {"finalizers": []}})),
    69: (apply(None, version="t.cform.test/v1beta1"),),
    70: (create(None, "old"),),
    71: (create({"spec": {"str": "a", "num": 3}}, "old"), _CLEARED),
    72: (SAME, _CLEARED),
    74: (SAME, _upd(mapA={"z": "9"})),
    76: (SAME, _upd(structA={"a": "9"})),
    77: (SAME, _upd(pu={"a": [1]})),
    78: (SAME, _upd(opt={"sub": "u", "other": "o"}), _upd(opt=None)),
    79: (_ours(str="a", mapG={"a": "1"}),),
    80: (_ours(str="a", mapG={}),),
    82: (_ours(lm2=[{"port": 80}, {"port": 80, "protocol": "UDP"}]),),
    83: (_ours(lm2=[{"port": 80}]),),
    84: (_ours(lm2=[{"port": 80, "protocol": "TCP"}]),),
    86: (SAME, _upd(lm2=[{"port": 80, "protocol": "TCP", "note": "zz"}])),
    87: (SAME, _upd(listAtomicObj=[{"a": "1", "d": "other"}])),
    89: (_ours(pu={"x": 5}),),
    90: (_ours(pu={"x": 1}),),
    91: (_ours(pu={"x": "1"}),),
    92: (_ours(pu={"x": [1]}),),
    93: (_ours(pu={"x": {}}), _upd(pu={"x": {"k": 1}})),
    94: (SAME, json_patch([{"op": "remove", "path": "/spec/num"}], "clusterform")),
    95: (SAME, _upd(lm=None)),
    96: (SAME, _upd(lm=[{"name": "y", "mode": "auto"}])),
    97: (SAME, apply({"status": {"phase": "x"}}, sub="status")),
    109: (apply(_pods({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]})),),
    114: (SAME, _env("zz")),
    115: (SAME, _env("set"), _env(None)),
    117: (
        SAME,
        apply(_pods({"ports": [{"containerPort": 80, "protocol": "UDP"}]}), "other", force=True),
    ),
    120: (SAME, merge({"spec": {"replicas": 4}}, "hpa")),
    124: (apply({"spec": {"selector": {"a": "b"}, "ports": _PORTS}}),),
    132: (SAME, definition({"newdef": {"type": "string", "default": "nn"}})),
    133: (
        SAME,
        definition(
            {
                "mapG": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                }
            }
        ),
    ),
    134: (
        SAME,
        definition(
            {
                "listAtomic": {
                    "type": "array",
                    "x-kubernetes-list-type": "set",
                    "items": {"type": "string"},
                }
            }
        ),
    ),
    135: (SAME, definition({"dur": None})),
    136: (SAME, definition({"storage": "v2"})),
    137: (SAME, policy('Object{metadata: Object.metadata{labels: {"policy": "added"}}}')),
    138: (policy('Object{spec: Object.spec{str: "normalised"}}'), SAME),
    139: (policy('Object{spec: Object.spec{str: "normalised"}}'), SAME, no_policy(), SAME),
    140: (policy('Object{spec: Object.spec{sdef: "fromhook"}}'), SAME),
}
