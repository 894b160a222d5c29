"""What Flux's and clusterctl's own packages are asked: texts, objects, templates."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

Question = dict[str, Any]

VARIABLES = {
    "x": "value", "empty": "", "path": "/usr/local/lib.tar.gz", "n": "3", "word": "hello World",
    "uni": "éß€ñ", "b": "true", "colon": "a: b", "quote": "it's \"q\"", "brace": "{k: v}",
    "list": "[1, 2]", "hash": "a # b", "dash": "- x", "star": "*", "dollar": "${x}",
    "back": "a\\b", "long": "word " * 30 + "end", "nl": "one\ntwo", "sp": " lead", "pos": "1",
    "neg": "-2", "pattern": "l*", "U_1": "u", "tilde": "~", "date": "2020-01-01", "oct": "010",
    "yes": "yes", "float": "1.50", "big": "12345678901234567890", "exp": "1e3",
}  # fmt: skip

TEXTS = (
    "plain", "", "$", "$$", "$$$", "$x", "$(x)", "a $ b", "$$x", "$${x}", "$$${x}", "$$$${x}",
    "${x}", "a${x}b", "${x}${n}", "${x", "${", "${}", "${ x}", "${x }", "${-x}", "${!x}", "${1}",
    "${é}", "${x.y}", "${U_1}", "}${x}{", "${x}}", "${{x}}", "${x$}", "{${x}}",
    "${missing}", "${missing:-d}", "${missing:=d}", "${missing-d}", "${missing=d}", "${missing:+d}",
    "${missing:?d}", "${missing+d}", "${missing?d}", "${x:-d}", "${x:=d}", "${x-d}", "${x=d}",
    "${x:+d}", "${x:?d}", "${empty:-d}", "${empty:=d}", "${empty=d}", "${empty:+d}", "${empty}",
    "${missing:-}", "${missing:=}", "${missing:-a b}", "${missing:-a{b}c}", "${missing:-${x}}",
    "${missing:-p-${x}-s}", "${missing:-${empty:-${n}}}", "${x:-${missing}}", "${missing:-$$}",
    "${missing:-$${x}}", "${missing:-a:b}", "${missing:-a\nb}", "${missing:-", "${missing:-${x}",
    "${missing:-\\}}", "${missing:- d}", "${missing:-'q'}", "${missing:=-}", "${missing:==}",
    "${#x}", "${#empty}", "${#missing}", "${#uni}", "${#}", "${#x:-d}", "${##x}", "${# x}",
    "${x^}", "${x^^}", "${word,}", "${word,,}", "${uni^}", "${uni^^}", "${empty^}", "${missing^^}",
    "${x^,}", "${x,^}", "${x^^^}", "${word^^ }", "${uni,,}",
    "${path#/}", "${path#*/}", "${path##*/}", "${path%.*}", "${path%%.*}", "${path%/*}",
    "${path%%/*}", "${path#}", "${path##}", "${path%}", "${path#nope}", "${path##*}", "${path#*}",
    "${path%%*}", "${path%*}", "${path#/usr/?ocal}", "${path##/[a-z]*/}", "${path#/[a-u]*/}",
    "${path#[}", "${path#[]}", "${path#[^x]}", "${path#[a}", "${path#\\/}", "${path#\\}",
    "${path###}", "${path%%%}", "${word#${pattern}}", "${word#h${pattern}}", "${x#${missing}}",
    "${uni#é}", "${uni%ñ}", "${uni#?}", "${uni##*€}", "${uni%€*}", "${word%[a-z]}", "${word#*l}",
    "${word##*l}", "${word%l*}", "${word%%l*}", "${empty#a}", "${missing#a}", "${star#*}",
    "${path/usr/opt}", "${path//l/L}", "${path/#\\/usr/X}", "${path/%gz/xz}", "${path/l}",
    "${path/l/}", "${path//l/}", "${path//l}", "${path/#/X}", "${path/\\//-}", "${path//\\//-}",
    "${path///x}", "${path/usr/\\/opt}", "${path/usr/a\\\\b}", "${path/usr/a}b}", "${path/u}r/x}",
    "${path/${pattern}/x}", "${path/usr/${n}}", "${path/usr/a${n}}", "${path/usr/$$}",
    "${path/$$/x}", "${path/a//b}", "${path/usr//b}", "${path/", "${path/usr", "${path/usr/",
    "${x/${empty}/-}", "${x//${empty}/-}", "${path/#usr/X}", "${path/%usr/X}", "${path/#usr/}",
    "${missing/a/b}", "${empty//a/b}", "${back/\\\\/x}", "${path/%gz}", "${path/#\\/}",
    "${x:1}", "${x:0:2}", "${x:1:2}", "${x:9}", "${x:9:1}", "${x:0:99}", "${x: -3}", "${x: -3:2}",
    "${x:-3}", "${x:1:-1}", "${x:3:-3}", "${x:a}", "${x:1:b}", "${x:}", "${x::2}", "${x:1:}",
    "${x:1:2:3}", "${x:1::2}", "${x:+1}", "${x:${pos}}", "${x:${pos}:${n}}", "${x:${neg}}",
    "${uni:0:2}", "${uni:2}", "${x:99999999999999999999}", "${x:é}", "${x:1é}", "${empty:1}",
    "${missing:1}", "${x:01}", "${x:0x1}", "${x:1 }", "${x:${missing}}", "${x:1:0}",
    "${dollar}", "${nl}", "\\${x}", "\\\\ ${x} \\\\", "a\\$${x}", "http://${x}/$$y", "${x}\n${n}\n",
    "${HOME:-/root}", "${X:=${Y:=z}}", "awk '{print $1}' ${x}", "`${x}`", "100%${x}", "é${x}é",
)  # fmt: skip


def texts() -> Iterator[Question]:
    """Each text strictly, and those with an unset variable also the other way."""
    for text in TEXTS:
        for strict in (True, False):
            yield {"text": text, "variables": VARIABLES, "strict": strict}


def _config(data: Any, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", **metadata},
        "data": data,
    }


_LINE = "a line of many words that goes on and on until it is far beyond eighty columns ${x} and on"
OBJECTS: tuple[Any, ...] = (
    *({"v": f"${{{name}}}"} for name in VARIABLES),
    *({"v": f"a ${{{name}}} b"} for name in ("x", "colon", "quote", "hash", "brace", "long", "nl")),
    *({"v": f"'${{{name}}}'"} for name in ("x", "quote", "n")),
    *({"v": f'"${{{name}}}"'} for name in ("x", "quote", "n")),
    *({"v": f": ${{{name}}}"} for name in ("x", "quote", "back")),
    *({"v": f"l1\nl2 ${{{name}}}\n"} for name in ("x", "nl", "colon", "long")),
    *({"v": f"l1\nl2 ${{{name}}}"} for name in ("x", "sp")),
    {"v": "\n${x}"}, {"v": "${x}\n\n"}, {"v": " ${x}\n a\n"}, {"v": "${x} \n"}, {"v": "\t${x}"},
    {"v": "a\t${x}"}, {"v": "a\r\n${x}"}, {"v": "é${x}"}, {"v": "\U0001f600 ${x}"},
    {"v": "\u00a0${x}"}, {"v": "\u2028${x}"}, {"v": "\ufeff${x}"},
    {"v": "# ${x}"}, {"v": "- ${x}"}, {"v": "-${x}"}, {"v": "? ${x}"}, {"v": "?${x}"},
    {"v": "${x}: y"}, {"v": "${x}:"}, {"v": "${x} # y"}, {"v": "@${x}"}, {"v": "`${x}"},
    {"v": "%${x}"}, {"v": "!${x}"}, {"v": "&${x}"}, {"v": "*${x}"}, {"v": "|${x}"}, {"v": ">${x}"},
    {"v": "---${x}"}, {"v": "...${x}"}, {"v": "[${x}]"}, {"v": "{${x}}"}, {"v": ",${x}"},
    {"v": " ${x}"}, {"v": "${x} "}, {"v": "${x}  y"}, {"v": "\\${x}"}, {"v": "\"\\${x}"},
    {"v": _LINE}, {"v": f"'{_LINE}"}, {"v": f"\t{_LINE}"}, {"v": f"{_LINE}\n{_LINE}"},
    {"v": _LINE.replace(" ", "  ")}, {"v": f"- {_LINE}"}, {"v": f"{_LINE} " * 4},
    {"v": f"\t{_LINE} " * 3}, {"v": f"'{_LINE} " * 3}, {"v": "x" * 200 + " ${x}"},
    {"v": "${long} tail"}, {"v": "head ${long}"}, {"v": "${missing:=a b}"},
    {"v": f"{'word ' * 20}${{missing:=two words}} end"}, {"v": "$${x} ${n}"}, {"v": "$$ ${n}"},
    {"v": "a ${missing:-x: y}"}, {"v": "${empty}"}, {"v": "x${empty}"}, {"v": "${n}${n}"},
    {"v": "0${n}"}, {"v": "${n}.0"}, {"v": "0x${n}"}, {"v": "${n}:30"}, {"v": "${date}T00:00:00Z"},
    {"v": "${x}", "1": "a", "10": "b", "9": "c", "a1": "d", "a10": "e", "a9": "f", "A": "g"},
    {"${x}": "a"}, {"a${x}": "a", "avalue": "b"}, {"a b": "${x}"}, {"a: b": "${x}"}, {"y": "${x}"},
    {"yes": "${x}", "1.5": "a", "null": "b", "": "c", "~": "d"},
    {"k" * 127: "${x}"}, {"k" * 129: "${x}"}, {"a\nb": "${x}"}, {"k" * 129: "l1\nl2 ${x}"},
    {"v": "${x}", "true": "true", "no": "no", "n": "1", "f": "1.5", "t": "2020-01-01"},
    {"v": "${x}", "e": "", "o": "0o7", "b": "0b1", "u": "1_000", "i": ".inf", "d": ".5", "p": "+1"},
    {"v": "$${HOME} ${x} $$1"}, {"v": "awk '{print $1}' ${x}"},
)  # fmt: skip

SHAPES: tuple[dict[str, Any], ...] = (
    {"apiVersion": "x.test/v1", "kind": "W", "metadata": {"name": "${x}"},
     "spec": {"replicas": "${n}", "list": ["${x}", ["a", ["${n}"]], {"b": "${b}", "c": [1]}, []],
              "empty": {}, "none": None, "int": 7, "float": 1.5, "bool": False, "neg": -1,
              "deep": {"a": {"b": {"c": ["x", {"d": "l1\nl2 ${x}\n"}]}}}}},
    {"apiVersion": "x.test/v1", "kind": "W", "metadata": {"name": "w"},
     "spec": {"cmds": ["echo ${x} > /etc/x", "l1\nl2 ${n}", "", "- ${x}", "'${x}'"],
              "big": 9007199254740991, "f": 1234567.5, "e": 1e21, "small": 1e-7}},
    {"apiVersion": "x.test/v1", "kind": "W", "metadata": {"name": "w", "annotations": {
        "kustomize.toolkit.fluxcd.io/substitute": "disabled"}}, "spec": {"a": "${x} ${missing}"}},
    {"apiVersion": "x.test/v1", "kind": "W", "metadata": {"name": "w", "labels": {
        "kustomize.toolkit.fluxcd.io/substitute": "disabled"}}, "spec": {"a": "${x} ${missing}"}},
    {"apiVersion": "x.test/v1", "kind": "W", "metadata": {"name": "w", "annotations": {
        "kustomize.toolkit.fluxcd.io/substitute": "enabled"}}, "spec": {"a": "${x}"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
     "stringData": {"a": "${x}", "b": "${n}"}, "data": {"c": "dmFsdWU="}},
)  # fmt: skip


def objects() -> Iterator[Question]:
    """Every object strictly; then what strictness and missing variables change."""
    for data in OBJECTS:
        yield {"object": _config(data), "variables": VARIABLES, "strict": True}
    for body in SHAPES:
        yield {"object": body, "variables": VARIABLES, "strict": True}
    one = _config({"a": "${x}", "b": "${missing}", "c": "${missing:=d}", "d": "$${x}", "e": "$$"})
    for strict in (True, False):
        for always in (True, False):
            for variables in ({}, {"x": "1"}):
                yield {"object": one, "variables": variables, "strict": strict, "always": always}
    for name in ("a-b", "1a", "", "é", "a.b", "a\n", "_", "a b"):
        yield {"object": _config({"a": "${x}"}), "variables": {name: "1", "x": "2"}, "strict": True}


TEMPLATES = (
    "a: ${x}", "a: ${ x }", "a: ${ x}", "a: ${x }", "a: ${missing}", "a: ${missing} ${other} ${x}",
    "a: ${missing:=d}", "a: ${missing:-d}", "a: ${missing:=}", "a: ${ missing:=d }", "a: ${empty}",
    "a: ${missing:=${other}}", "a: ${missing:=${x}}", "a: ${missing:=d} ${missing}",
    "a: ${missing} ${missing:=d}", "a: ${x:=${missing}}", "a: ${missing#a}", "a: ${missing^^}",
    "a: ${x:1:-1}", "a: ${x:1:2}", "a: $${x}", "a: $${missing}", "a: $x $$ $(x)", "a: ${x",
    "a: ${}",
    "a: ${ }", "a: ${x-d}", "a: ${x:+d}", "a: '${x}'\nb: ${n}\n---\nc: ${path##*/}\n", "a: ${x$}",
    "a: ${\tx\n}", "a: ${empty:=d}", "a: ${#missing}", "a: ${missing:1}", "a: ${x:9:-1}",
    'files: [{content: "echo ${x} $${HOME}"}]', "a: ${dollar}", "a: ${nl}", "a: ${ $x }",
)  # fmt: skip


def templates() -> Iterator[Question]:
    """clusterctl's, all with the same variables."""
    for template in TEMPLATES:
        yield {"template": template, "variables": VARIABLES}


_ATOMS = (
    "${x}", "${n}", "${", "}", "$", "$$", "#", "%", "/", ":", "-", "=", "^", ",", "*", "?", "[",
    "]", "\\", " ", "a", "b", "x", "é", "missing", "\n", "'", '"', "{", "word", "1",
    "${missing:-", "${path",
    "${word", "  ", "long words here ", ": ", " #", "- ", "\t", "|", "&", "!", "€", "yes", "0",
)  # fmt: skip


def random_texts(seed: int, count: int) -> Iterator[Question]:
    """Texts that nobody thought of."""
    chance = random.Random(seed)
    for _ in range(count):
        text = "".join(chance.choices(_ATOMS, k=chance.randint(1, 9)))
        yield {"text": text, "variables": VARIABLES, "strict": chance.random() < 0.5}


def random_objects(seed: int, count: int) -> Iterator[Question]:
    """Objects of such texts, nested."""
    chance = random.Random(seed)
    usual = [atom for atom in _ATOMS if not atom.startswith("${m")] + ["${x}", "${long}"] * 3

    def text(size: int) -> str:
        return "".join(chance.choices(usual, k=chance.randint(0, size)))

    def value(depth: int) -> Any:
        kind = chance.random()
        if depth and kind < 0.2:
            return [value(depth - 1) for _ in range(chance.randint(0, 3))]
        if depth and kind < 0.4:
            return {text(4) or "k": value(depth - 1) for _ in range(chance.randint(0, 4))}
        if kind < 0.5:
            return chance.choice((None, True, False, 0, 1, -7, 1.5, 12345678901))
        return text(chance.choice((3, 8, 30)))

    for _ in range(count):
        body = _config({"v": "${x}", "more": value(4)})
        yield {"object": body, "variables": VARIABLES, "strict": False}


PATHS = (
    "a.yaml", "b.yml", "README.md", "x/a.yaml", "x/b.yaml", "x/y/a.yaml", "x/y/z/c.yaml",
    "docs/a.md", "docs/x/a.yaml", "deploy/a.yaml", "deploy/x/docs/a.yaml", ".git/config",
    ".gitignore", "x/.gitignore", ".github/w.yaml", "x/.github/w.yaml", "pic.png", "x/pic.jpg",
    ".sops.yaml", "x/.sops.yaml", "x/.flux.yaml", ".sourceignore", "x/.sourceignore", "a b.yaml",
    "[a].yaml", "a.tar.gz", "x/cloudbuild.yaml",
)  # fmt: skip
RULES = (
    "", "*.md", "*.yaml", "!*.yaml", "*.yaml\n!a.yaml", "/*", "/*\n!/deploy", "/*\n!/x/y", "docs",
    "docs/", "/docs", "/docs/", "docs/*", "docs/**", "**/docs", "**/docs/", "x/y", "x/y/",
    "/x/y/a.yaml", "y/a.yaml", "**/a.yaml", "x/**/a.yaml", "x/**", "**", "*", "?.yaml",
    "[ab].yaml", "[!a].yaml", "[^a].yaml", "[a-b].*", "\\[a].yaml", "a b.yaml", "a.yaml ",
    "a.yaml\\ ", "# x", "#a.yaml", "\n\n  \na.yaml", "!", "/", "//", "a**", "x/**y", "**x/a.yaml",
    "x//a.yaml", "./a.yaml", "[", "x/[", "!/.github", ".*", "!.gitignore", "!.git/", "a.yaml\r",
    "x/*/a.yaml", "*/a.yaml", "**/y/**/c.yaml", "/x\n!/x/y/a.yaml\n",
)  # fmt: skip


def ignores() -> Iterator[Question]:
    """Each rule at the root, in a folder, and below another rule."""
    for rules in RULES:
        for folder in ([], ["x"]):
            yield {"paths": PATHS, "ignored": [{"folder": folder, "rules": rules}]}
        both = [{"folder": [], "rules": "*.yaml"}, {"folder": ["x"], "rules": rules}]
        yield {"paths": PATHS, "ignored": both}
