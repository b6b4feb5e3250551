"""The units under docs/systemd are ones that systemd and Quadlet take, and their times fit the supervisor's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployments.nodekit.supervisor import Policy
from ffsweb.runtime.supervise import GRACE

UNITS = Path(__file__).resolve().parents[2] / "docs" / "systemd"
GENERATORS = (
    "/usr/libexec/podman/quadlet",
    "/usr/lib/podman/quadlet",
    "/usr/lib/systemd/system-generators/podman-system-generator",
)
LATER = {"RestartSteps", "RestartMaxDelaySec"}  # of systemd 254: before it they are ignored, with a warning


def lines(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_takes_the_service(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # The program and the user are those of an installation, which this machine is not.
    text = (UNITS / "ffsweb.service").read_text()
    text = text.replace("/opt/ffsweb/.venv/bin/ffs", str(shutil.which("true"))).replace("User=ffsweb", "User=root")
    unit = tmp_path / "ffsweb.service"
    unit.write_text(text)
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "ffsweb.service" in line]
    unknown = {found.group(1) for line in said if (found := re.search(r"Unknown key(?: name)? '(\w+)'", line))}
    assert len(said) == len(unknown), said
    assert unknown in (set(), LATER)


@pytest.mark.parametrize("name", ["ffsweb.container", "ffsweb-migrate.container"])
def test_quadlet_takes_the_containers(tmp_path, name):
    generator = next((path for path in GENERATORS if Path(path).is_file()), None)
    if generator is None:
        pytest.skip("podman's Quadlet is not installed (podman 4.4 or later)")
    shutil.copy(UNITS / name, tmp_path)
    done = subprocess.run(
        [generator, "--dryrun"],
        env={"QUADLET_UNIT_DIRS": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "unsupported key" not in done.stderr
    assert "ExecStart=" in done.stdout


def test_the_watchdog_covers_a_hang_and_the_restart_after_it():
    worst = Policy(grace=GRACE).worst(probed=True)
    for name in ("ffsweb.service", "ffsweb.container"):
        unit = lines(UNITS / name)
        assert worst < float(unit["WatchdogSec"][0])
        assert worst < float(unit["TimeoutStartSec"][0])
        assert unit["Restart"] == ["on-failure"]
        assert unit["StartLimitIntervalSec"] == ["0"]
        assert set(unit) > LATER
    usec = next(
        value for value in lines(UNITS / "ffsweb.container")["Environment"] if value.startswith("WATCHDOG_USEC")
    )
    assert usec == f"WATCHDOG_USEC={float(lines(UNITS / 'ffsweb.container')['WatchdogSec'][0]) * 1e6:.0f}"


def test_who_stops_it_waits_longer_than_it_needs():
    assert float(lines(UNITS / "ffsweb.service")["TimeoutStopSec"][0]) > GRACE + 5
    container = lines(UNITS / "ffsweb.container")
    assert GRACE + 5 < float(container["StopTimeout"][0]) < float(container["TimeoutStopSec"][0])


def test_whatever_the_service_may_write_is_made_for_it_or_may_be_missing():
    """systemd ends a unit with 226/NAMESPACE, before its first program, for a path of ReadWritePaths= that is not there."""
    unit = lines(UNITS / "ffsweb.service")
    made = {f"/var/{kind}/{unit[name][0]}" for kind, name in (("lib", "StateDirectory"), ("cache", "CacheDirectory"))}
    for path in unit["ReadWritePaths"][0].split():
        assert path.startswith("-") or path in made
    settings = (UNITS.parent / "operating.md").read_text()
    assert "FFSWEB_DATA=/var/lib/ffsweb\n" in settings
    assert "FFSWEB_KEYS=/etc/ffsweb/keys\n" in settings
    (static,) = (value for value in unit["Environment"] if value.startswith("FFSWEB_STATIC="))
    assert Path(static.partition("=")[2]).parent.as_posix() in made


def test_the_documents_show_no_unit_but_those():
    for page in UNITS.parent.glob("*.md"):
        assert "ExecStart=" not in page.read_text(), page.name


def test_the_service_can_do_little_beyond_its_work():
    unit = lines(UNITS / "ffsweb.service")
    assert unit["NoNewPrivileges"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["ProtectSystem"] == ["strict"]
    container = lines(UNITS / "ffsweb.container")
    assert container["DropCapability"] == ["all"]
    assert container["ReadOnly"] == ["true"]
