"""The Quadlets of a server agree with docker-compose.yml and with each other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.core.server_machine import ServerSpec, server_env
from ffsweb import env

ROOT = Path(__file__).parents[2]
HERE = ROOT / "docs" / "server"
QUADLETS = {path.name: path.read_text() for path in (HERE / "quadlet").iterdir()}
CONTAINERS = sorted(name for name in QUADLETS if name.endswith(".container"))
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = ("keys", "migrate", "web", "worker", "beat")


def lines(name: str) -> dict[str, list[str]]:
    """The values of each key of a container's Quadlet, in order."""
    found: dict[str, list[str]] = {}
    for line in QUADLETS[f"ffsweb-{name}.container"].splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_there_is_a_container_for_each_service_of_the_compose_file():
    assert {f"ffsweb-{name}.container" for name in SERVICES} == set(CONTAINERS)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_no_more_than_the_service_of_the_compose_file(name):
    unit, service = lines(name), SERVICES[name]
    assert f"{unit['User'][0]}:{unit['Group'][0]}" == service["user"]
    assert (unit["ReadOnly"], unit["DropCapability"], unit["NoNewPrivileges"]) == (["true"], ["all"], ["true"])
    assert unit.get("AddCapability", []) == service.get("cap_add", [])
    assert [port.partition(":")[2] for port in unit.get("PublishPort", [])] == [
        port.rpartition(":")[2] for port in service.get("ports", [])
    ]
    joined = [re.match(r"ffsweb-(\w+)\.network", network) for network in unit["Network"]]
    assert [match and match[1] for match in joined] == service["networks"]
    assert unit["LogDriver"] == ["journald"]
    volumes = {volume.replace(".volume:", ":").removeprefix("ffsweb-") for volume in unit["Volume"]}
    assert {volume for volume in volumes if not volume.startswith("/")} == {
        volume for volume in service.get("volumes", []) if not volume.startswith(".")
    }
    # What is not a volume of podman's own needs a label: SELinux lets no container read anything else.
    assert all(re.search(r":ro,[zZ]$", volume) for volume in volumes if volume.startswith("/"))


@pytest.mark.parametrize("name", OURS)
def test_our_programs_are_started_as_in_the_compose_file(name):
    unit, service = lines(name), SERVICES[name]
    assert shlex.split(unit["Exec"][0]) == service["command"]
    values = dict(line.split("=", 1) for line in unit["Environment"])
    settled = {**values, "FFSWEB_PUBLIC_URL": values["FFSWEB_PUBLIC_URL"].replace("${DOMAIN}", "ffs.example.com")}
    for key, url in (
        ("DATABASE_URL", "postgres://ffsweb:x@postgres/ffsweb"),
        ("FFSWEB_REDIS_URL", "redis://:x@valkey"),
    ):
        assert settled.pop(f"{key}_FILE").startswith("/secrets/")
        settled[key] = url
    read = env.read(settled, base=ROOT, uid=1600, pid=1)
    assert read.production
    assert not read.unknown
    assert str(read.keys) == ("/keys" if name in {"keys", "worker"} else "/web-keys")
    assert f"Subnet={values['FFSWEB_TRUSTED_PROXIES']}\n" in QUADLETS["ffsweb-front.network"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_tried_again_for_ever_and_is_ready_when_it_is_healthy(name):
    unit, service = lines(name), SERVICES[name]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["RestartMode"] == ["direct"]
    assert unit["Restart"] == (["on-failure"] if name in {"keys", "migrate"} else ["always"])
    assert unit["PartOf"] == unit["WantedBy"] == ["ffsweb.target"]
    assert ("healthcheck" in service) == (unit.get("Notify") == ["healthy"]) == ("HealthCmd" in unit)
    if "StopTimeout" in unit:
        assert int(unit["StopTimeout"][0]) < int(unit["TimeoutStopSec"][0])
    waits = {word.removeprefix("ffsweb-").removesuffix(".service") for word in unit["After"][0].split()}
    needed = {word for key in ("Requires", "Wants") for word in unit[key][0].split()}
    assert {f"ffsweb-{each}.service" for each in service.get("depends_on", {})} <= needed
    assert set(service.get("depends_on", {})) <= waits


def test_a_new_start_of_the_keys_takes_migrate_and_our_three_with_it_and_leaves_the_servers():
    def required(name: str) -> set[str]:
        direct = {
            word.removeprefix("ffsweb-").removesuffix(".service") for word in lines(name)["Requires"][0].split()
        }
        return direct | {far for near in direct & set(SERVICES) for far in required(near)}

    assert {name for name in SERVICES if "keys" in required(name)} == {"migrate", "web", "worker", "beat", "proxy"}


def test_what_the_units_name_is_there():
    told = server_env(ServerSpec(quadlets={}, units={}, secrets="", caddyfile=""))
    given = set(re.findall(r"^([A-Z_]+)=", told, re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)\}", "".join(QUADLETS.values()))) == given
    for name in CONTAINERS:
        for other in re.findall(r"ffsweb-[a-z-]+\.(?:volume|network)", QUADLETS[name]):
            assert other in QUADLETS
    for name, body in QUADLETS.items():
        assert f"Name={name.rpartition('.')[0]}\n" in body


def test_valkey_is_told_the_same_as_in_the_compose_file():
    told = shlex.split(" ".join(SERVICES["valkey"]["command"][1:]))
    options = {told[at].removeprefix("--"): told[at + 1] for at in range(0, len(told), 2)}
    written = (HERE / "ffsweb-secrets").read_text().partition("<<CONF\n")[2].partition("CONF")[0]
    mine = dict(line.split(" ", 1) for line in written.splitlines())
    assert {**mine, "requirepass": ""} == {**options, "requirepass": ""}
