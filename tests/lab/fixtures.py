"""Fixtures for everyone who needs a node. Other folders take them by ``pytest_plugins`` or by importing
them."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.lab.host import missing
from tests.lab.lab import Lab
from tests.lab.minimal import machine_file
from tests.lab.run import LabError
from tests.lab.sample import build

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from tests.lab.nodes import Node

NODES = pytest.StashKey["list[Node]"]()


def need_lab() -> None:
    """Skip where no lab can run, saying why; fail instead if FFSWEB_TEST_REQUIRE names ``lab``."""
    if reasons := missing():
        text = f"no lab here: {'; '.join(reasons)}"
        if "lab" in os.environ.get("FFSWEB_TEST_REQUIRE", "").replace(",", " ").split():
            pytest.fail(f"FFSWEB_TEST_REQUIRE names lab, but {text}", pytrace=False)
        pytest.skip(text)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab for the whole session; its nodes go when it ends, whatever happened."""
    need_lab()
    with Lab.open() as opened:
        yield opened


@pytest.fixture
def node_factory(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Callable[..., Node]]:
    """Boot nodes that are removed after the test: ``node_factory(config=…, name=…, disks=…)``, all optional.

    ``config`` is an Ignition file (path, text, or parsed); without one the node is bare.
    """
    made: list[Node] = []
    request.node.stash[NODES] = made

    def make(
        config: Path | str | bytes | Mapping[str, object] | None = None,
        *,
        name: str | None = None,
        disks: Mapping[str, int] | None = None,
    ) -> Node:
        name = name or f"node-{len(made)}-{os.urandom(2).hex()}"
        node = lab.up(name, machine_file(name) if config is None else config, disks=disks)
        made.append(node)
        return node

    yield make
    for node in made:
        node.remove()


@pytest.fixture(scope="session")
def sample_image() -> Callable[..., Path]:
    """Archives of the sample application: ``sample_image("1.0", mode="docker-archive")`` (or
    ``"oci-archive"``) → path."""
    need_lab()
    return build.sample_image


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test says what its nodes said."""
    report = yield
    if report.when == "call" and report.failed:
        for node in item.stash.get(NODES, []):
            with contextlib.suppress(LabError, OSError):
                report.sections.append((f"console of {node.name}", node.console()[-4000:]))
                report.sections.append((f"journal of {node.name}", node.journal(lines=60)))
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is cached before any test's clock runs: a first run on a machine takes longer than a test
    may."""
    marked = [item for item in session.items if item.get_closest_marker("lab")]
    if not marked or missing() or session.config.option.collectonly:
        return
    from tests.lab.base import base

    base()
    if any("sample_image" in getattr(item, "fixturenames", ()) for item in marked):
        build.prepare()
