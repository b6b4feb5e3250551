"""``python -m benchmarks.certificates``: measures, prints, and with ``--write`` keeps the figures and the page."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.certificates import lab_nodes, simulated
from benchmarks.certificates.report import Row, lines, missed, page
from benchmarks.supervisor import machine

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results" / "certificates.json"
PAGE: Final = ROOT / "docs" / "benchmarks-certificates.md"
AT_ONCE: Final = 32
"""As the product looks: ``deployments.execution.looking.AT_ONCE``."""


def main() -> int:
    """The exit status is 1 if ffsweb is slower than the other way, or did not see everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lab-nodes", type=int, default=30, help="real nodes (root); 0: none")
    parser.add_argument("--write", action="store_true", help="write the results and the page of the documentation")
    options = parser.parse_args()
    about = {**machine(), "endpoints": options.endpoints, "rounds": options.rounds, "at_once": AT_ONCE}
    about |= {"load": os.getloadavg()[0]}
    real: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ffs-certificates-") as directory:
        place = Path(directory)
        rows = simulated.measured(options.endpoints, options.rounds, place, at_once=AT_ONCE)
        print(lines(rows), flush=True)
        if options.lab_nodes:
            (place / "lab").mkdir()
            about |= {"lab_nodes": options.lab_nodes, "lab_load": os.getloadavg()[0]}
            real = lab_nodes.measured(options.lab_nodes, options.rounds, place / "lab", at_once=AT_ONCE)
            print(lines(real), flush=True)
    if options.write:
        kept = {"machine": about, "rows": [asdict(row) for row in rows], "lab": [asdict(row) for row in real]}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        PAGE.write_text(page(rows, about, real))
    complaints = missed(rows, options.endpoints)
    if real and real[0].seen < options.lab_nodes:
        complaints.append(f"ffsweb saw {real[0].seen} of {options.lab_nodes} nodes' certificates from both sides.")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
