"""For every test: its own data and keys, and no silent skip where a machine is meant to have everything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from ffsweb.sealed import create_ring, ring_exists
from tests.support import cheap
from tests.support.order import longest_first
from tests.support.requirements import KNOWN, required

if TYPE_CHECKING:
    from collections.abc import Generator


def pytest_addoption(parser: pytest.Parser) -> None:
    """For the second run, on another database."""
    parser.addoption("--database-only", action="store_true", help="only tests that ask for the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what no other database could change; begin with what lasts longest."""
    longest_first(items)
    if config.getoption("--database-only"):
        wanted = [item for item in items if _asks_for_the_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


def _asks_for_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & {"db", "transactional_db"})


def pytest_configure(config: pytest.Config) -> None:
    """Directories and key rings, before anything asks for the database."""
    required()
    _sweep(settings.DATA.parent.parent)
    for name in KNOWN:
        config.addinivalue_line("markers", f"{name}: skips on a machine without it, fails where it is required")
    settings.DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    for ring in ("web", "worker"):
        if not ring_exists(settings.KEYS, ring):
            create_ring(settings.KEYS, ring)
    cheap.quick_passwords()
    cheap.quick_broker()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """A database as it is installed, which is emptied quickly."""
    cheap.quick_flush()


def _sweep(directory: Path) -> None:
    """Remove what runs left behind that were killed."""
    for left in directory.glob(f"ffsweb-test-{os.getuid()}-*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing in /tmp. What somebody named in FFSWEB_DATA stays."""
    root = settings.DATA.parent
    if root.name.startswith("ffsweb-test-"):
        shutil.rmtree(root, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test whose marker is required has failed."""
    report = yield
    missing = sorted(required() & {mark.name for mark in item.iter_markers()})
    if report.skipped and missing and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{', '.join(missing)} is required here (FFSWEB_TEST_REQUIRE), but the test was: {reason}"
    return report
