"""docker-compose.yml, .env.example and the Dockerfile agree with each other, and give nobody more than it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ffsweb import env
from ffsweb.variables import OF_COMPOSE, example

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
VOLUMES = set(COMPOSE["volumes"])


def test_the_example_of_the_settings_is_made_from_them() -> None:
    assert (ROOT / ".env.example").read_text() == example(), "run: ffs settings --env > .env.example"


def test_the_example_names_every_variable_that_the_services_ask_for() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    named = set(re.findall(r"^#?([A-Z_]+)=", example(), re.MULTILINE))
    assert asked <= named
    assert not named & OF_COMPOSE


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_without_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert "privileged" not in service
    assert ("ports" in service) == (name == "proxy")
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume or "podman.sock" in volume]


def test_only_the_worker_and_the_maker_of_the_keys_mount_the_keys() -> None:
    assert {
        name for name, each in SERVICES.items() if any(v.startswith("keys:") for v in each.get("volumes", []))
    } == {
        "keys",
        "worker",
    }
    assert "keys:/keys:ro" in SERVICES["worker"]["volumes"]


def test_backups_are_kept_where_the_worker_alone_writes_and_reads_them() -> None:
    found = {name: v for name, each in SERVICES.items() for v in each.get("volumes", []) if v.startswith("backups:")}
    assert found == {"worker": "backups:/backups"}


def test_the_image_has_the_directory_of_each_volume_of_ours_for_its_owner() -> None:
    made = re.findall(r"^RUN for place in (.+); do", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0].split()
    ours = [each for each in SERVICES.values() if each["user"] == "1600:1600" and "build" in each]
    mounted = {volume.split(":")[1] for each in ours for volume in each.get("volumes", [])}
    assert mounted == set(made)
    assert {
        volume.split(":")[0] for each in SERVICES.values() for volume in each["volumes"] if volume[0] != "."
    } == VOLUMES


@pytest.mark.parametrize("name", ["keys", "migrate", "web", "worker", "beat"])
def test_the_settings_of_a_service_can_be_used(name: str) -> None:
    given = {"DOMAIN": "ffs.example.org", "DATABASE_PASSWORD": "a" * 32, "BROKER_PASSWORD": "b" * 32}

    def value(match: re.Match[str]) -> str:
        return given.get(match[1]) or match[2] or ""

    pattern = r"\$\{([A-Z_]+)(?::-([^}]*)|:\?[^}]*)?\}"
    variables = {key: re.sub(pattern, value, text) for key, text in SERVICES[name]["environment"].items()}
    values = env.read(variables, base=ROOT, uid=1600, pid=1)
    assert values.production
    assert values.public_url == "https://ffs.example.org"
    assert values.database_url == f"postgres://ffsweb:{'a' * 32}@postgres/ffsweb"
    assert values.keys == Path("/keys" if name in {"keys", "worker"} else "/web-keys")
    assert not values.unknown


def test_nothing_goes_into_the_image_that_is_not_named() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    copied = set(re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {name for line in copied for name in line.split()} == {
        line[1:] for line in ignored if line.startswith("!")
    }
