"""``python -m benchmarks.push``: measure, keep the figures, write the page."""

from __future__ import annotations

import argparse
import fcntl
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import import_memory
from benchmarks.push import machine, many, measure, product, raw, recipe, report, sender, versions
from benchmarks.push.competitors import WAYS
from benchmarks.push.link import LINKS
from benchmarks.push.results import OURS, Results, Row
from benchmarks.push.targets import judged
from tests.lab import Lab, LabError
from tests.lab.host import NotPossible, cache, require
from tests.lab.mounts import remove_tree

HERE = Path(__file__).resolve().parent.parent
RESULTS = HERE / "results/push.json"
PAGE = HERE.parent / "docs/benchmarks.md"
PARTS = ("push", "raw", "many", "import")
NOT_MEASURED, MISSED = 1, 3
"""Exit status: something could not be measured; everything was, and a target is missed."""


def main(arguments: list[str]) -> int:
    """0 when everything asked for was measured and meets its targets."""
    asked = _arguments(arguments)
    results = Results.load(asked.results) if asked.add or asked.report else Results()
    if not asked.report:
        try:
            require()
            _check_programs()
            with (cache() / "bench.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                Run(asked, results).run()
        except NotPossible as error:
            sys.stderr.write(f"Nothing was measured: {error}\n")
            return NOT_MEASURED
    asked.page.write_text(report.report(results))
    say(f"{asked.results} and {asked.page} are written.")
    missed = [each.what for each in judged(results) if not each.met]
    for what in missed:
        say(f"Missed: {what}")
    if any(row.error for row in results.rows):
        return NOT_MEASURED
    return MISSED if missed else 0


class Run:
    """One run of what was asked for. Every figure is in the file as soon as it is measured."""

    def __init__(self, asked: argparse.Namespace, results: Results) -> None:
        self.asked, self.results = asked, results
        self.ways = [way for way in (*WAYS, OURS) if not asked.ways or any(part in way for part in asked.ways)]
        for left in cache().glob("bench-run-*"):  # of a run that was killed
            remove_tree(left)
        self.directory = Path(tempfile.mkdtemp(prefix="bench-run-", dir=cache()))

    def run(self) -> None:
        """Measure; whatever happens, nothing is left but the caches."""
        try:
            say("Making the image's versions (the first time on a machine: some minutes).")
            built = versions.build()
            self._describe(built)
            with Lab.open() as lab:
                self._measure(lab, built)
        finally:
            remove_tree(self.directory)

    def _measure(self, lab: Lab, built: tuple[versions.Built, ...]) -> None:
        if "import" in self.asked.parts:
            self.results.imports.append(import_memory.measured(self.asked.import_bytes, "plain", self.directory))
            self._save()
        if "raw" in self.asked.parts:
            self._dashboard()
            for figure in raw.measure(lab, self.directory):
                say(f"{figure.link}: {figure.way}: {figure.rate / 1e6:.0f} MB/s")
                self.results.raw.append(figure)
                self._save()
        chosen = built[: self.asked.versions]
        if "push" in self.asked.parts:
            self._push(lab, chosen)
        if "many" in self.asked.parts:
            self._many(lab, built[0])

    def _push(self, lab: Lab, built: tuple[versions.Built, ...]) -> None:
        with sender.Sender(self.directory / "sender") as ours:
            for key in self.asked.links:
                link = LINKS[key]
                for number, way in enumerate(way for way in self.ways if way != OURS):
                    name, rows = f"{key}-{number}", measure.competitor
                    for row in rows(lab, link, way, built, sender=ours, directory=self.directory, name=name):
                        self._add(row)
        if OURS in self.ways:
            dashboard = self._dashboard()
            for key in self.asked.links:
                for row in product.ours(dashboard, lab, LINKS[key], built, name=f"{key}-ffsweb"):
                    self._add(row)

    def _many(self, lab: Lab, built: versions.Built) -> None:
        for count in self.asked.nodes:
            figure = many.measure(self._dashboard(), lab, built, count)
            say(f"{count} nodes: {figure.seconds:.0f} s, {figure.read_from_disk / 1e6:.0f} MB read, peak {figure}")
            self.results.many.append(figure)
            self._save()

    def _dashboard(self) -> product.Dashboard:
        if not hasattr(self, "_one_dashboard"):
            say("Making an installation of ffsweb.")
            self._one_dashboard = product.Dashboard(self.directory / "dashboard")
        return self._one_dashboard

    def _describe(self, built: tuple[versions.Built, ...]) -> None:
        self.results.command = self.asked.command
        self.results.machine = machine.describe()
        self.results.image = machine.describe_image(built)
        pairs = itertools.pairwise(built)
        self.results.deltas = {new.version.title: versions.delta_bytes(old, new) for old, new in pairs}

    def _add(self, row: Row) -> None:
        told = row.error or f"{row.to_node / 1e6:.3f} MB, {row.seconds:.2f} s"
        say(f"{row.link}: {row.way}: {row.change}: {told}")
        self.results.rows.append(row)
        self._save()

    def _save(self) -> None:
        self.results.save(self.asked.results)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.push", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--links", nargs="+", choices=list(LINKS), default=list(LINKS))
    parser.add_argument("--ways", nargs="+", default=[], metavar="TEXT", help="only ways whose name has one of these")
    parser.add_argument("--versions", type=int, default=len(recipe.VERSIONS), help="only the first so many")
    parser.add_argument("--nodes", type=int, nargs="+", default=[30], help="how many take one image at once")
    parser.add_argument("--import-bytes", type=float, default=10e9, help="of the archive that is taken in (10e9)")
    parser.add_argument("--add", action="store_true", help="add to the figures that are there")
    parser.add_argument("--report", action="store_true", help="measure nothing; write the page from the figures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args(arguments)
    asked.command = " ".join(("python -m benchmarks.push", *arguments)) if arguments else "make bench-push"
    return asked


def _check_programs() -> None:
    missing = [program for program in machine.PROGRAMS if shutil.which(program) is None]
    if missing:
        packages = " ".join(machine.PROGRAMS[program] for program in missing)
        raise NotPossible(f"packages are missing: apt-get install --no-install-recommends {packages}")


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.chdir(HERE.parent)
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(f"The benchmark failed: {error}")
