"""Every node gets the image that it can run, of several the one that fits it best."""

from __future__ import annotations

import pytest

from deployments.core.architecture import best, runs


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [
        ("x86_64", "amd64"),
        ("x86_64", "amd64/v3"),
        ("x86_64", "x86_64"),
        ("aarch64", "arm64"),
        ("aarch64", "arm64/v8"),
        ("armv7l", "arm"),
        ("armv7l", "arm/v6"),
        ("armv6l", "arm/v5"),
        ("i686", "386"),
        ("ppc64le", "ppc64le"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
    ],
)
def test_it_runs(machine: str, architecture: str) -> None:
    assert runs(machine, architecture)


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [
        ("x86_64", "arm64"),
        ("x86_64", "386"),
        ("aarch64", "amd64"),
        ("aarch64", "arm/v7"),
        ("armv6l", "arm/v7"),
        ("armv6l", "arm"),
        ("armv7l", "arm64"),
        ("riscv64", "amd64"),
        ("x86_64", ""),
        ("", "amd64"),
        ("x86_64", "AMD64"),
    ],
)
def test_it_does_not_run(machine: str, architecture: str) -> None:
    assert not runs(machine, architecture)


@pytest.mark.parametrize(
    ("machine", "there", "chosen"),
    [
        ("aarch64", ["amd64", "arm64/v8"], "arm64/v8"),
        ("x86_64", ["amd64/v3", "amd64", "arm64"], "amd64"),
        ("x86_64", ["amd64/v3", "amd64/v2"], "amd64/v2"),
        ("armv7l", ["arm/v5", "arm/v6", "arm/v7", "arm64"], "arm/v7"),
        ("armv6l", ["arm/v5", "arm/v6", "arm/v7", "arm64"], "arm/v6"),
        ("riscv64", ["amd64", "arm64"], None),
        ("x86_64", [], None),
    ],
)
def test_of_several_the_best_is_taken(machine: str, there: list[str], chosen: str | None) -> None:
    assert best(machine, there, str) == chosen
