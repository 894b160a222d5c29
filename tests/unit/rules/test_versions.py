"""How far versions are apart, as everything that plans upgrades counts it."""

from __future__ import annotations

import pytest

from providers.versions import Step, Version, parse, parse_loosely, unsupported, version_step


@pytest.mark.parametrize(
    ("live", "wanted", "step"),
    [
        ("v1.35.2", "v1.35.2", Step.SAME),
        ("v1.35.2", "1.35.2", Step.SAME),
        ("v1.35.2", "v1.35.3", Step.PATCH),
        ("v1.35.2+a.1", "v1.35.2+a.2", Step.PATCH),
        ("v1.35.2", "v1.36.0", Step.MINOR),
        ("v1.35.0-rc.1", "v1.35.0", Step.PATCH),
        ("v1.35.2", "v1.37.0", Step.SKIPS),
        ("v1.35.2", "v2.0.0", Step.SKIPS),
        ("v1.35.2", "v1.35.1", Step.DOWNGRADE),
        ("v1.35.2", "v1.34.9", Step.DOWNGRADE),
        ("v1.35.0", "v1.35.0-rc.1", Step.DOWNGRADE),
        ("v1.35.0-rc.10", "v1.35.0-rc.9", Step.DOWNGRADE),
        ("v1.35", "v1.36", Step.MINOR),
        (None, "v1.36.0", Step.UNKNOWN),
        ("v1.35.2", ["v1.36.0"], Step.UNKNOWN),
        ("v1.35.2", "latest", Step.UNKNOWN),
    ],
)
def test_version_step(live: object, wanted: object, step: Step) -> None:
    assert version_step(live, wanted) is step


@pytest.mark.parametrize("text", ["v1.35", "1", "v01.2.3", "v1.2.3 ", "v1.2.3.4", "", None, 1.35])
def test_what_is_no_version(text: object) -> None:
    assert parse(text) is None


def test_a_managed_control_plane_may_leave_the_patch_out() -> None:
    assert parse_loosely("v1.35") == Version(1, 35)


def test_digits_beyond_reason_are_no_version() -> None:
    assert parse_loosely(f"v1.{'9' * 5000}") is None


@pytest.mark.parametrize(
    ("capi", "kubernetes", "management", "fits"),
    [
        (Version(1, 14), Version(1, 36), True, True),
        (Version(1, 14), Version(1, 32), True, False),
        (Version(1, 14), Version(1, 31), False, True),
        (Version(1, 12, 7), Version(1, 36), True, False),
        (Version(1, 12, 8), Version(1, 36), True, True),
        (Version(1, 9), Version(1, 20), True, True),
    ],
)
def test_the_matrix_counts_patches(
    capi: Version, kubernetes: Version, management: bool, fits: bool
) -> None:
    assert (unsupported(capi, kubernetes, management=management) == "") is fits
