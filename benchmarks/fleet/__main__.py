"""``python -m benchmarks.fleet``: measures, prints, and with ``--write`` keeps the figures and the page."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.fleet import lab_nodes, ways
from benchmarks.fleet.nodes import WORK, answering
from benchmarks.fleet.report import Row, line, missed, page
from benchmarks.supervisor import machine

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results" / "fleet.json"
PAGE: Final = ROOT / "docs" / "benchmarks-fleet.md"


def main() -> int:
    """The exit status is 1 if ffsweb is slower than another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lab-nodes", type=int, default=30, help="real nodes (root); 0: none")
    parser.add_argument("--write", action="store_true", help="write the results and the page of the documentation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ffs-fleet-") as directory:
        place = Path(directory)
        with ways.environment(place / "others") as programs, answering(options.nodes, place) as nodes:
            about = {**machine(), "nodes": options.nodes, "rounds": options.rounds, "work": WORK, "forks": ways.FORKS}
            about |= {"load": os.getloadavg()[0], "size": (place / "facts").stat().st_size}
            rows = []
            for name, measure in (
                ("ffsweb", lambda: ways.ours(nodes, options.rounds)),
                ("pyinfra", lambda: ways.pyinfra(nodes, programs, options.rounds)),
                ("ansible-core", lambda: ways.ansible(nodes, programs, options.rounds)),
            ):
                try:
                    rows.append(measure())
                except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
                    rows.append(Row(name, error=str(error)[-300:] or type(error).__name__))
                print(line(rows[-1]), flush=True)
            real: list[Row] = []
            if options.lab_nodes:
                (place / "lab").mkdir()
                about |= {"lab_nodes": options.lab_nodes, "lab_load": os.getloadavg()[0]}
                real = lab_nodes.measured(options.lab_nodes, options.rounds, programs, place / "lab")
                for row in real:
                    print(line(row), flush=True)
    if options.write:
        RESULTS.write_text(
            json.dumps(
                {"machine": about, "rows": [asdict(row) for row in rows], "lab": [asdict(row) for row in real]},
                indent=1,
            )
            + "\n"
        )
        PAGE.write_text(page(rows, about, real))
    complaints = missed(rows, options.nodes) + (missed(real, options.lab_nodes) if real else [])
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
