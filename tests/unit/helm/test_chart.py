"""Charts as files: dependencies, archives, what templates ask for, other default values."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from providers.helm import archive, binary, scan
from providers.helm.archive import read_archive
from providers.helm.chart import Chart
from state.errors import ClusterformError
from tests.unit.helm.conftest import CHART, Render, chart_of

Files = dict[str, str | bytes]
CHILD = "apiVersion: v2\nname: child\nversion: VERSION\n"


def packed(files: dict[str, str], top: str = "child/") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for path, text in files.items():
            entry = tarfile.TarInfo(top + path)
            entry.size = len(text.encode())
            made.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def depending(version: str, **files: str | bytes) -> Files:
    return {
        "Chart.yaml": CHART + f"dependencies: [{{name: child, version: '{version}'}}]\n",
        "templates/a.yaml": "a: 1",
        **files,
    }


def refusal(files: Files) -> ClusterformError:
    with pytest.raises(ClusterformError) as caught:
        chart_of(files)
    return caught.value


# ---------------------------------------------------------------------- dependencies


@pytest.mark.parametrize("wanted", ["1.4.0", "1.x", "^1.2", ">=1.0.0 <2", ""])
@pytest.mark.parametrize("as_archive", [True, False])
def test_a_dependency_lies_in_charts(render: Render, wanted: str, as_archive: bool) -> None:
    inner = {"Chart.yaml": CHILD.replace("VERSION", "1.4.0"), "templates/b.yaml": "b: 1"}
    files = depending(wanted)
    if as_archive:
        files["charts/child-1.4.0.tgz"] = packed(inner)
    else:
        files |= {f"charts/child/{path}": text for path, text in inner.items()}
    assert [o.template for o in render(files).objects] == [
        "charts/child/templates/b.yaml",
        "templates/a.yaml",
    ]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            depending("1.x"),
            "it depends on child 1.x, which is not in charts/, and there is no Chart.lock",
        ),
        (
            depending("2.x", **{"charts/child/Chart.yaml": CHILD.replace("VERSION", "1.4.0")}),
            "it depends on child 2.x, and charts/ has 1.4.0",
        ),
        (
            depending("1.x", **{"charts/_child/Chart.yaml": CHILD.replace("VERSION", "1.4.0")}),
            "it depends on child 1.x, which is not in charts/, and there is no Chart.lock",
        ),
        (
            depending(
                "1.x",
                **{
                    "charts/child/Chart.yaml": CHILD.replace("VERSION", "1.4.0"),
                    "Chart.lock": "dependencies: [{name: child, version: 1.3.0}]\ndigest: x\n",
                },
            ),
            "Chart.lock says child 1.3.0, and charts/ has 1.4.0",
        ),
        (
            depending(
                "1.x",
                **{
                    "charts/child/Chart.yaml": CHILD.replace("VERSION", "1.4.0"),
                    "Chart.lock": "dependencies: [{name: child, version: 1.4.0}]\n"
                    "digest: sha256:00\n",
                },
            ),
            "Chart.lock does not fit Chart.yaml: it was made from other dependencies",
        ),
    ],
)
def test_a_dependency_that_is_not_there_is_an_error_with_the_way_out(
    files: Files, why: str
) -> None:
    error = refusal(files)
    assert error.code == "chart-dependencies"
    assert error.brief == f"charts/c: {why}"
    assert "helm dependency update" in error.hint


def test_a_lock_that_helm_made_is_taken(tmp_path: Path) -> None:
    (tmp_path / "c/templates").mkdir(parents=True)
    (tmp_path / "child").mkdir()
    (tmp_path / "child/Chart.yaml").write_text(CHILD.replace("VERSION", "1.4.0"))
    (tmp_path / "c/Chart.yaml").write_text(
        CHART + "dependencies:\n- {name: child, version: '>=1.0.0 <2', repository: file://../child,"
        " condition: child.on, tags: [a, b], alias: kid,\n"
        "   import-values: [data, {child: a, parent: b}]}\n"
        "- {name: child, version: 1.x, repository: file://../child}\n"
    )
    subprocess.run(
        [binary.find_tool().path, "dependency", "update", str(tmp_path / "c")],
        env=binary.environment(str(tmp_path)), check=True, capture_output=True,
    )  # fmt: skip
    found = {
        str(path.relative_to(tmp_path / "c")): path.read_bytes()
        for path in (tmp_path / "c").rglob("*")
        if path.is_file()
    }
    assert {"Chart.lock", "charts/child-1.4.0.tgz"} < found.keys()
    assert Chart.read(found, "c").name == "c"
    changed = found["Chart.yaml"].replace(b"tags: [a, b]", b"tags: [a]")
    with pytest.raises(ClusterformError, match=r"Chart\.lock does not fit"):
        Chart.read({**found, "Chart.yaml": changed}, "c")


def test_charts_of_helm_2_name_theirs_elsewhere() -> None:
    files: Files = {
        "Chart.yaml": "name: c\nversion: 1.0.0\n",
        "requirements.yaml": "dependencies: [{name: child, version: 1.x}]\n",
    }
    assert "child 1.x" in refusal(files).brief
    files["charts/child/Chart.yaml"] = CHILD.replace("VERSION", "1.4.0")
    assert chart_of(files).version == "1.0.0"


def test_charts_inside_charts_are_checked_too() -> None:
    files = depending("1.x", **{"charts/child/Chart.yaml": CHILD.replace("VERSION", "1.0.0")})
    files["charts/child/Chart.yaml"] += "dependencies: [{name: deep, version: 1.x}]\n"  # type: ignore[operator]
    assert refusal(files).brief.startswith("charts/c/charts/child: it depends on deep 1.x")


@pytest.mark.parametrize("name", ["", "..", "a/b", "c" * 256])
def test_a_chart_has_a_name_that_is_no_path(name: str) -> None:
    assert refusal({"Chart.yaml": f"name: '{name}'\nversion: 1.0.0\n"}).code == "bad-chart"


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/evil", "../evil", "templates/../../../evil", "a/./b", "a//b", "a/"),
        *("a\0b", "caf\udce9", "a" * 256, "a/" * 1_000 + "b"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    error = refusal({path: ""})
    assert error.code == "bad-chart"
    assert len(error.brief) < 200


def test_a_path_is_a_file_or_a_folder() -> None:
    assert refusal({"a/b": "", "a/b/c": ""}).brief == "charts/c: 'a/b' is both a file and a folder"


# ---------------------------------------------------------------------- archives


def archive_with(entry: tarfile.TarInfo, *, twice: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for _ in range(1 + twice):
            made.addfile(entry)
    return buffer.getvalue()


def link(kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo("c/templates/a.yaml")
    entry.type, entry.linkname = kind, "/etc/passwd"
    return entry


def huge() -> bytes:
    """64 MiB of zeros in 64 kB."""
    head = tarfile.TarInfo("c/a")
    head.size = 64 << 20
    return gzip.compress(head.tobuf() + bytes(64 << 20), compresslevel=1)


def bomb(kind: bytes) -> bytes:
    """A header of 64 MiB, which a reader of archives takes into memory whole."""
    head = tarfile.TarInfo("x")
    head.size, head.type = 64 << 20, kind
    return gzip.compress(head.tobuf(tarfile.USTAR_FORMAT) + bytes(64 << 20), compresslevel=1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (archive_with(link(tarfile.SYMTYPE)), "is no regular file"),
        (archive_with(link(tarfile.LNKTYPE)), "is no regular file"),
        (archive_with(link(tarfile.CHRTYPE)), "is no regular file"),
        (archive_with(link(tarfile.FIFOTYPE)), "is no regular file"),
        (archive_with(tarfile.TarInfo("../evil")), "leads out"),
        (archive_with(tarfile.TarInfo("c/../../evil")), "leads out"),
        (archive_with(tarfile.TarInfo("/etc/evil")), "leads out"),
        (archive_with(tarfile.TarInfo("c/a\\..\\b")), "leads out"),
        (archive_with(tarfile.TarInfo("evil")), "leads out"),
        (huge(), "more than 32 MiB"),
        (bomb(tarfile.XHDTYPE), "more than 32 MiB"),
        (bomb(tarfile.GNUTYPE_LONGNAME), "more than 32 MiB"),
        (archive_with(tarfile.TarInfo("c/a"), twice=True), "in it twice"),
        (b"\x1f\x8b no archive", "cannot be unpacked"),
        (packed({"a": "b"})[:-30], "cannot be unpacked"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # its bytes name the time
)
def test_an_archive_with_more_than_files_is_refused(content: bytes, why: str) -> None:
    began = time.monotonic()
    tracemalloc.start()
    with pytest.raises(ClusterformError, match=why) as caught:
        read_archive(content, "c-1.0.0.tgz")
    assert caught.value.code == "bad-archive"
    assert tracemalloc.get_traced_memory()[1] < 3 * archive.BYTES
    tracemalloc.stop()
    assert time.monotonic() - began < 5
    assert refusal({"charts/x-1.tgz": content}).code == "bad-archive"


def test_an_archive_gives_its_files() -> None:
    assert read_archive(packed({"Chart.yaml": "x", "templates/a": "y"}), "c.tgz") == {
        "Chart.yaml": b"x",
        "templates/a": b"y",
    }


# ---------------------------------------------------------------------- what templates ask for


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ randAlphaNum 5 }}", ["randAlphaNum"]),
        ("{{- $x := uuidv4 | quote -}}", ["uuidv4"]),
        ('{{ include "x" (dict "p" (genCA "a" 365)) }}', ["genCA"]),
        ("{{ now | date `2006` }} {{ shuffle `ab` }}", ["now", "shuffle"]),
        ('{{ if eq .x "randAlpha" }}{{ end }}', []),
        ("{{/* now */}}{{- /* uuidv4 */ -}}", []),
        ("# randAlpha 5\nnow: {{ .Values.now }}{{ $now }}{{ $.now }}", []),
        ("{{ `{{ now }}` }}", []),
        ("{{ '\\'' }}{{ now }}", ["now"]),
        ('{{ "never closed }}{{ now }}', []),
        ("{{/* never closed }}{{ now }}", []),
        ("{{ knowing }}{{ now2 }}", []),
        ("{{ keys .m | join `,` }}", ["keys without sortAlpha"]),
        ("{{ range $v := values .m }}{{ $v }}{{ end }}", ["values without sortAlpha"]),
        ("{{ keys .m | sortAlpha | join `,` }}{{ .keys }}{{ $values }}", []),
        ("{{ if keys .m }}{{ end }}{{ keys .m | len }}{{ has 1 (values .m) }}", []),
        ("{{ $k := keys .m }}{{ range sortAlpha $k }}{{ end }}", []),
        ("{{ $k := keys .m }}{{ range $k }}{{ end }}", ["keys without sortAlpha"]),
    ],
)
def test_functions_of_chance_are_found(template: str, found: list[str]) -> None:
    chart = chart_of(template)
    assert chart.random == tuple((name, "templates/a.yaml") for name in found)
    assert chart.deterministic is (not found)


def test_functions_of_chance_are_found_in_charts_inside() -> None:
    inner = {"Chart.yaml": CHILD.replace("VERSION", "1.4.0"), "templates/b.yaml": "{{ now }}"}
    files = depending("1.x", **{"charts/child-1.4.0.tgz": packed(inner)})
    assert chart_of(files).random == (("now", "charts/child-1.4.0.tgz/templates/b.yaml"),)


def test_functions_of_chance_are_found_where_a_chart_may_evaluate_them() -> None:
    child: dict[str, str | bytes] = {
        "values.yaml": "t: '{{ randAlphaNum 5 }}'\n",
        "README.md": "{{ now }}",
        "charts/child/Chart.yaml": CHILD.replace("VERSION", "1.4.0"),
        "charts/child/values.yaml": "u: '{{ uuidv4 }}'\n",
        "charts/child/templates/b.yaml": "{{ .Values.t }}",
    }
    assert chart_of(child).random == ()
    child["charts/child/templates/b.yaml"] = "{{ tpl .Values.t . }}"
    assert chart_of(child).random == (
        ("randAlphaNum", "values.yaml"),
        ("uuidv4", "charts/child/values.yaml"),
    )


def test_lookups_are_counted() -> None:
    chart = chart_of('{{ (lookup "v1" "Secret" "a" "b").data }}{{ lookup $a $b }}{{/* lookup */}}')
    assert chart.lookups == 2


@pytest.mark.parametrize(
    ("hook", "count"),
    [
        ("helm.sh/hook: test", 1),
        ('"helm.sh/hook": "test-success, test-failure"', 0),  # Helm does not know the second
        ('"helm.sh/hook": test-success # why', 1),
        ("'helm.sh/hook': 'test,test-success'", 1),
        ('"helm.sh/hook": post-install,test', 0),
        ('# "helm.sh/hook": test', 0),
        ('"helm.sh/hook-weight": test', 0),
        ('"helm.sh/hook": test\n---\n  "helm.sh/hook": test', 2),
    ],
)
def test_hooks_that_are_tests_are_counted(hook: str, count: int) -> None:
    assert chart_of(hook).tests == count


@pytest.mark.parametrize("text", ['{{"', "{{/*", '{{ "\\"', "{{ `", "{{ a", "{{{", "{{'"])
def test_a_scan_is_linear(text: str) -> None:
    began = time.process_time()
    assert len(list(scan.words(text * 100_000))) <= 200_000
    assert len(list(scan.words(text + '\\"' * 200_000))) <= 200_000
    assert time.process_time() - began < 2


# ---------------------------------------------------------------------- valuesFiles


def test_other_values_files_replace_the_charts_own() -> None:
    chart = chart_of({"values.yaml": "a: 1\nb: {c: 2, d: 3}\n", "prod.yaml": "b: {c: 9}\n"})
    files = dict(chart.files)
    alone = chart.with_values(files, ("prod.yaml",), False)
    assert msgspec.json.decode(alone.files["values.yaml"]) == {"b": {"c": 9}}
    both = chart.with_values(files, ("./values.yaml", "prod.yaml"), False)
    assert msgspec.json.decode(both.files["values.yaml"]) == {"a": 1, "b": {"c": 9, "d": 3}}
    assert len({chart.digest, alone.digest, both.digest}) == 3
    with pytest.raises(ClusterformError, match=r"there is no none\.yaml"):
        chart.with_values(files, ("none.yaml",), False)
    assert chart.with_values(files, ("values.yaml", "none.yaml"), True).files["values.yaml"]
    with pytest.raises(ClusterformError, match=r"bad\.yaml: "):
        chart.with_values({**files, "bad.yaml": b"a: ["}, ("bad.yaml",), False)


def test_the_environment_of_the_tests_has_a_helm() -> None:
    assert os.access(binary.find_tool().path, os.X_OK)
