"""``python -m benchmarks.viewers``: measures, prints, and with ``--write`` keeps the figures and the page."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import django

from benchmarks.supervisor import machine
from benchmarks.viewers.figures import Figures
from benchmarks.viewers.report import line, missed, page
from benchmarks.viewers.run import Script, measure
from benchmarks.viewers.site import Site
from tests.support.postgres import NotHere, cluster

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results" / "viewers.json"
PAGE: Final = ROOT / "docs" / "benchmarks-viewers.md"


def main() -> int:
    """The exit status is 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="*", default=[1000], help="of the product's stream (1000)")
    parser.add_argument("--naive", type=int, nargs="*", default=[30, 100, 300], help="of the plain view (30 100 300)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of 20 lines each (30)")
    parser.add_argument("--bursts", type=int, default=10, help="a second apart (10)")
    parser.add_argument("--size", type=int, default=200, help="lines of a burst (200)")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"], choices=["sqlite", "postgres"])
    parser.add_argument("--write", action="store_true", help="write the results and the page of the documentation")
    options = parser.parse_args()
    script = Script(options.seconds, options.bursts, options.size)
    ways = [*(("ffsweb", count) for count in options.viewers), *(("naive", count) for count in options.naive)]
    rows = []
    for database in options.databases:
        with _site(database, max(count for _, count in ways)) as site:
            for way, count in ways:
                rows.append(
                    measure(site, way, database, count, script)
                    if isinstance(site, Site)
                    else _none(way, database, count, site)
                )
                print(line(rows[-1]), flush=True)
    if options.write:
        about = {**machine(), **asdict(script), "django": django.__version__, "nice": os.nice(0)}
        RESULTS.write_text(json.dumps({"machine": about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
        PAGE.write_text(page(rows, about))
    complaints = missed(rows)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def _none(way: str, database: str, count: int, why: str) -> Figures:
    return Figures(way, database, count, error=why)


@contextlib.contextmanager
def _site(database: str, viewers: int) -> Iterator[Site | str]:
    """The installation, or why there is none."""
    with tempfile.TemporaryDirectory(prefix="ffs-viewers-") as place, contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(cluster()) if database == "postgres" else ""
        except NotHere as reason:
            yield f"PostgreSQL cannot be run here: {reason}"
            return
        site = Site(Path(place), url, viewers)
        try:
            yield site
        finally:
            site.close()


if __name__ == "__main__":
    sys.exit(main())
