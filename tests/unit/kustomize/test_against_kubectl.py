"""The built-in path and the binary give the same objects; what they could read otherwise goes to
the binary."""

import random

import pytest

from providers.kustomize import tool
from providers.kustomize.build import build
from providers.kustomize.options import Built, FluxBuild
from providers.kustomize.plain import TOOL
from state.errors import ClusterformError

Files = dict[str, bytes]


def config(name: str = "a", data: str = "{k: v}", more: str = "") -> bytes:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{more}data: {data}\n"
    ).encode()


def widget(spec: str, name: str = "w") -> bytes:
    head = f"apiVersion: x.test/v1\nkind: Widget\nmetadata: {{name: {name}, namespace: team}}\n"
    return f"{head}spec:\n{spec}\n".encode()


def one(content: bytes) -> Files:
    return {"kustomization.yaml": b"resources: [a.yaml]\n", "a.yaml": content}


def scalar(text: str) -> Files:
    return one(widget(f"  v: {text}\n  list: [{text}]\n"))


SAME: dict[str, tuple[Files, str, FluxBuild | None]] = {
    "one file": (one(config()), "", None),
    "two documents": (one(config("a") + b"---\n" + config("b")), "", None),
    "empty documents": (one(b"---\n# nothing\n---\n" + config() + b"---\n"), "", None),
    "comments": (one(b"# head\n" + config() + b"# tail\n"), "", None),
    "json": (
        one(b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'),
        "",
        None,
    ),
    "cluster-scoped": (one(b"apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n"), "", None),
    "namespaces": (
        one(config("a", more="  namespace: x\n") + b"---\n" + config("a", more="  namespace: z\n")),
        "",
        None,
    ),
    "labels and annotations": (
        one(config(more="  labels: {a: b}\n  annotations: {c: d}\n")),
        "",
        None,
    ),
    "empty maps": (one(widget("  a: {}\n  b: []\n  c: ''\n")), "", None),
    "null values": (one(widget("  a: null\n  b: ~\n  c:\n")), "", None),
    "empty labels": (one(config(more="  labels: {}\n  annotations: {}\n")), "", None),
    "null creationTimestamp": (one(config(more="  creationTimestamp: null\n")), "", None),
    "finalizers and owner": (
        one(config(more="  finalizers: [a/b]\n  ownerReferences: [{kind: A, name: b, uid: c}]\n")),
        "",
        None,
    ),
    "status": (one(widget("  a: 1") + b"status: {b: 2}\n"), "", None),
    "literal block": (
        one(widget("  a: |\n    x\n      y\n    z\n\n  b: >-\n    x\n    y\n")),
        "",
        None,
    ),
    "quotes": (one(widget("  a: 'it''s'\n  b: \"x\\ty\\u00e9\"\n  c: \"1\"\n")), "", None),
    "unicode": (one(widget("  a: é€\n  b: 日本\n")), "", None),
    "emoji": (one(widget("  a: 😀 smile\n")), "", None),
    "long text": (one(widget("  a: " + "word " * 400 + "\n")), "", None),
    "text with break": (one(widget('  a: "x\\n  y\\n"\n  b: "\\nx"\n  c: "x\\n\\n"\n')), "", None),
    "colon in text": (one(widget("  a: http://x:80/y\n  b: 'a: b'\n  c: '# x'\n")), "", None),
    "flow": (one(widget("  a: {b: [1, {c: d}], e: 'f'}\n")), "", None),
    "folder": (
        {
            "kustomization.yaml": b"resources: [base]\n",
            "base/kustomization.yaml": b"resources: [a.yaml]\n",
            "base/a.yaml": config(),
        },
        "",
        None,
    ),
    "base beside": (
        {
            "over/kustomization.yaml": b"resources: [../base/, ./b.yaml]\n",
            "over/b.yaml": config("b"),
            "base/kustomization.yml": b"resources: [./a.yaml]\n",
            "base/a.yaml": config(),
        },
        "over",
        None,
    ),
    "three levels": (
        {
            "a/kustomization.yaml": b"resources: [../b]\n",
            "b/Kustomization": b"resources: [../c, x.yaml]\n",
            "b/x.yaml": config("x"),
            "c/kustomization.yaml": b"resources: [y.yaml]\n",
            "c/y.yaml": config("q"),
        },
        "a",
        None,
    ),
    "kind and version written": (
        {
            "kustomization.yaml": b"apiVersion: kustomize.config.k8s.io/v1beta1\n"
            b"kind: Kustomization\nresources: [a.yaml]\n",
            "a.yaml": config(),
        },
        "",
        None,
    ),
    "unused files": ({**one(config()), "values.yaml": b"a: 1\n", "x/y.yaml": b"b: 2\n"}, "", None),
    "generated": ({"a.yaml": config("a"), "b.yml": config("b"), "c.txt": b"x"}, "", FluxBuild()),
    "generated below": ({"a.yaml": config("a"), "x/y/b.yaml": config("b")}, "", FluxBuild()),
    "generated with a kustomization below": (
        {
            "a.yaml": config("a"),
            "x/kustomization.yaml": b"resources: [b.yaml]\n",
            "x/b.yaml": config("b"),
            "x/values.yaml": b"not: an object\n",
            "x/z/c.yaml": config("c"),
        },
        "",
        FluxBuild(),
    ),
    "generated from hidden folders too": ({".x/a.yaml": config("a")}, "", FluxBuild()),
    "generated with empty files": ({"a.yaml": config(), "b.yaml": b"# nothing\n"}, "", FluxBuild()),
    "generated of nothing": ({"clusters/readme.md": b"x"}, "clusters", FluxBuild()),
    "flux with a kustomization": (one(config()), "", FluxBuild()),
    "flux reaches outside of the folder": (
        {
            "over/kustomization.yaml": b"resources: [../shared/a.yaml]\n",
            "shared/a.yaml": config(),
        },
        "over",
        FluxBuild(),
    ),
    "flux drops fields it does not know": (
        {
            "kustomization.yaml": b"resources: [a.yaml]\nunheard: of\n",
            "a.yaml": config(),
        },
        "",
        FluxBuild(),
    ),
    **{
        f"scalar {text}": (scalar(text), "", None)
        for text in (
            "1",
            "-1",
            "+1",
            "0",
            "007",
            "010",
            "0o10",
            "0x1F",
            "0b101",
            "1_000",
            "1.0",
            "1.10",
            "-.5",
            ".5",
            "5.",
            "1e3",
            "1E+3",
            "1e-3",
            "12:30",
            "190:20:30",
            "true",
            "False",
            "null",
            "~",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1e400x",
            "0.1",
            "1.5e300",
            "abc",
            "a.b",
            "1.2.3",
            "v1.0",
            "10m",
            "1Gi",
            "-x",
            "0x",
            "1__0",
            "_1",
            "+",
            "=",
            "'yes'",
            '"2020-01-01"',
            "08",
            "0.0",
            "-0",
        )
    },
}
LEFT_TO_THE_BINARY: dict[str, tuple[Files, str, FluxBuild | None]] = {
    **{
        f"scalar {text}": (scalar(text), "", None)
        for text in (
            "yes",
            "No",
            "on",
            "OFF",
            "y",
            "N",
            "2020-01-01",
            "2020-01-01T00:00:00Z",
            "&x 1",
            "!!str 1",
        )
    },
    "a list": (
        one(b"apiVersion: v1\nkind: List\nitems:\n- " + config().replace(b"\n", b"\n  ")),
        "",
        None,
    ),
    "an anchor": (one(widget("  a: &x {b: 1}\n  c: *x\n")), "", None),
    "a merge": (one(widget("  a: &x {b: 1}\n  c: {<<: *x, d: 2}\n")), "", None),
    "carriage returns": (one(config().replace(b"\n", b"\r\n")), "", None),
    "local config": (
        one(config(more='  annotations: {config.kubernetes.io/local-config: "true"}\n')),
        "",
        None,
    ),
    "a generator": (
        {"kustomization.yaml": b"configMapGenerator: [{name: g, literals: [a=b]}]\n"},
        "",
        None,
    ),
    "a prefix": (
        {"kustomization.yaml": b"resources: [a.yaml]\nnamePrefix: p-\n", "a.yaml": config()},
        "",
        None,
    ),
    "flux with a namespace": (one(config()), "", FluxBuild(target_namespace="z")),
}


def both(files: Files, path: str, flux: FluxBuild | None) -> tuple[Built, Built]:
    ours = build(files, path, flux=flux)
    return ours, build(files, path, flux=flux, builtin=False)


@pytest.mark.parametrize("name", SAME)
def test_the_built_in_path_gives_what_kustomize_gives(name: str) -> None:
    ours, theirs = both(*SAME[name])
    assert ours.tool == TOOL
    assert (ours.findings, theirs.findings) == ((), ())
    assert ours.objects == theirs.objects
    assert ours.files == theirs.files


@pytest.mark.parametrize("name", LEFT_TO_THE_BINARY)
def test_what_could_be_read_otherwise_is_left_to_the_binary(name: str) -> None:
    ours, theirs = both(*LEFT_TO_THE_BINARY[name])
    assert ours == theirs
    assert ours.tool.startswith("kustomize v5")
    assert not ours.failed


@pytest.mark.parametrize(
    "content",
    [
        b"a: 1\n",
        b"kind: ConfigMap\nmetadata: {name: a}\n",
        b"apiVersion: v1\nkind: ConfigMap\n",
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 3}\n",
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: 1}}\n",
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, name: b}\n",
        config() + b"---\n" + config(),
        b"[1, 2]\n",
        b"a: [\n",
        b"text\n",
    ],
    ids=range(10),
)
def test_an_odd_object_has_one_outcome(content: bytes) -> None:
    ours, theirs = both(one(content), "", None)
    assert ours == theirs


_ATOMS = (
    *"0123456789+-.eExXoObB_:TZ~ ynYN#'\"\\,[]{}!&*|>%@=?/",
    "null",
    "true",
    "inf",
    "0x",
    "- ",
)


def no_binary() -> tool.Tool:
    raise ClusterformError("no-kustomize", "not now")


@pytest.mark.parametrize("seed", range(3))
def test_random_scalars_are_read_alike_or_left_to_the_binary(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    texts = ["".join(chance.choices(_ATOMS, k=chance.randint(1, 6))) for _ in range(400)]
    files = {f"{n}.yaml": widget(f"  v: {text}\n", f"w{n}") for n, text in enumerate(texts)}
    with monkeypatch.context() as without:
        without.setattr(tool, "find_tool", no_binary)
        each = {path: build({"a.yaml": files[path]}, "", flux=FluxBuild()) for path in files}
    ours = {path: built.objects[0].body for path, built in each.items() if not built.failed}
    assert len(ours) > 200
    top = b"resources: [" + b",".join(path.encode() for path in ours) + b"]\n"
    built = build({"kustomization.yaml": top, **files}, "", builtin=False)
    assert built.findings == ()
    assert {one.body for one in built.objects} == set(ours.values())
