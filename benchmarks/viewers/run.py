"""One row of the table: a web process, an operation, its viewers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, Any

from benchmarks.viewers.figures import Figures, Judged, Late, late
from benchmarks.viewers.site import Pages, Site, Web


@dataclass(frozen=True, slots=True)
class Script:
    """What the operation says: lines for ``seconds``, then ``bursts`` of ``size`` lines."""

    seconds: float
    bursts: int
    size: int


def measure(site: Site, way: str, database: str, viewers: int, script: Script) -> Figures:
    """Never raises for what goes wrong there: that is a row as well."""
    try:
        with site.serving(way) as web:
            return _measure(site, web, Figures(way, database, viewers, load=os.getloadavg()[0]), script)
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        return Figures(way, database, viewers, error=str(error)[-300:])


def _measure(site: Site, web: Web, empty: Figures, script: Script) -> Figures:
    cookies = site.cookies(empty.viewers)
    arguments = (str(script.seconds), str(script.bursts), str(script.size))
    with (
        _process(site, "benchmarks.viewers.writer", *arguments) as writer,
        _process(site, "benchmarks.viewers.watchers") as watchers,
    ):
        number = int(_line(writer))
        with Pages(web.port, cookies[0]):
            pass  # the first page loads what all pages need
        before = web.status("VmRSS")
        path = f"/operations/{number}/events?after=0"
        _say(watchers, {"host": "127.0.0.1", "port": web.port, "path": path, "cookies": cookies})
        begun = json.loads(_line(watchers))
        spent = web.spent()
        with Pages(web.port, cookies[0]) as pages:
            _say(writer, "go")
            threads, seconds = 0, script.seconds
            try:
                writer.wait(seconds / 2)
            except subprocess.TimeoutExpired:
                threads = web.status("Threads")
            commits = json.loads(_line(writer))
        used = web.spent() - spent
        took = commits["commits"][-1][0] - commits["commits"][0][0]
        _say(watchers, commits)
        judged = json.loads(_line(watchers))
    asked = late(pages.seconds)
    return Figures(
        empty.way,
        empty.database,
        empty.viewers,
        served=begun["served"],
        connect_seconds=begun["seconds"],
        judged=judged_from(judged),
        threads=threads,
        rss=web.status("VmHWM"),
        rss_before=before,
        cpu=used / took * 100,
        page_median=asked.median if asked else 0.0,
        page_p99=asked.p99 if asked else 0.0,
        load=empty.load,
    )


def judged_from(values: dict[str, Any]) -> Judged:
    """What :func:`dataclasses.asdict` made of it."""
    parts = {name: Late(**values[name]) if values[name] else None for name in ("steady", "bursts")}
    return Judged(**{**values, **parts})


def _process(site: Site, module: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **site.environment, "DJANGO_SETTINGS_MODULE": "ffsweb.settings"}
    with (site.installation.log.parent / f"{module}.log").open("w") as log:
        return subprocess.Popen(
            (sys.executable, "-m", module, *arguments),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def _say(process: subprocess.Popen[str], value: object) -> None:
    stream: IO[str] | None = process.stdin
    assert stream is not None
    stream.write(json.dumps(value) + "\n")
    stream.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a process of the benchmark ended early")
    return line
