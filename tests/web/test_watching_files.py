"""The dashboard for Grafana and the rules for Prometheus name what is really told, and what is really documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from certificates.models import Certificate
from deployments.models import Collection, Reading, Release, Served, Service
from ffsweb.backup.models import Backup, KeysCopy, Watch
from ffsweb.notify.models import Message
from ffsweb.operations import services as operations
from ffsweb.operations.models import Operation
from ffsweb.webhooks.models import Delivery, Endpoint
from tests.test_docs import anchors

from .described import Described
from .test_served_pages import served

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAME = re.compile(r"\bffsweb_[a-z_]+")
SELECTOR = re.compile(r"\b([a-z_]+)\{([^}]*)\}")
FUNCTIONS = {
    "time",
    "sum",
    "max",
    "min",
    "count",
    "rate",
    "increase",
    "histogram_quantile",
    "topk",
    "bottomk",
    "vector",
}
WORDS = FUNCTIONS | {"by", "and", "or", "up", "le", "label_values"}
OF_PROMETHEUS = {"job", "instance", "le"}
FROM_ELSEWHERE = {"ffsweb_broker_messages", "ffsweb_broker_messages_taken"}
"""Told only where Redis or Valkey answers: tests/operations/test_broker_figures.py."""


@pytest.fixture
def told(db: None, described: Described, settings: Settings, tmp_path: Path) -> dict[str, set[str]]:
    """Every sample that is told of an installation where there is some of everything, with its labels."""
    settings.DATA = tmp_path
    served(described)
    now = timezone.now()
    service = Service.objects.get()
    own = Certificate.objects.get()
    Served.objects.update(node_at=now, node_port=443, node_fingerprint=own.fingerprint)
    release = Release.objects.get()
    Service.objects.update(live_release=release, trouble_since=now, trouble="It failed.")
    Reading.objects.create(node=service.node, taken_at=now, error="No answer.")
    Operation.objects.create(project=service.project, kind="read", title="Waits")
    running = Operation.objects.create(project=service.project, kind="read", title="Runs", state="running")
    Operation.objects.filter(pk=running.pk).update(lease_until=now + timedelta(minutes=1))
    Collection.objects.create(ended_at=now)
    Message.objects.create(
        kind="a",
        key="k",
        address="a@example.org",
        subject="S",
        text="T",
        html="H",
        created_at=now,
        next_at=now,
        give_up_at=now,
    )
    hook = Endpoint.objects.create(url="https://example.org/hook", sealed_secret=b"x")
    Delivery.objects.create(endpoint=hook, event="e", key="k", body="{}", created_at=now, next_at=now, give_up_at=now)
    Backup.objects.create(made_at=now, size=1, images=True)
    KeysCopy.objects.create(made_at=now)
    Watch.objects.update_or_create(pk=1, defaults={"looked_at": now})
    operations.tick()
    found: dict[str, set[str]] = {}
    settings.METRICS_ADDRESSES = ["127.0.0.1"]
    answer = Client().get("/metrics")
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DOCS / "prometheus" / "ffsweb.rules.yml").read_text())["groups"]
    return list(group["rules"])


def dashboard() -> dict[str, Any]:
    return dict(json.loads((DOCS / "grafana" / "ffsweb.json").read_text()))


def expressions() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]


def faults(expression: str, told: dict[str, set[str]]) -> list[str]:
    """What of an expression cannot be right, as far as can be said without Prometheus."""
    found = [f"{name} is not told" for name in NAME.findall(expression) if name not in told]
    bare = re.sub(r'"[^"]*"', '""', expression)
    for name, matchers in SELECTOR.findall(bare):
        for matcher in matchers.split(","):
            match = re.fullmatch(r'\s*([a-z_]+)\s*(=|!=|=~|!~)\s*""\s*', matcher)
            if match is None:
                found.append(f"{matcher!r} is no matcher")
            elif match[1] not in told.get(name, set()) | OF_PROMETHEUS:
                found.append(f"{name} has no label {match[1]}")
    inside = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    labels = {
        label for group in re.findall(r"\bby\s*\(([^)]*)\)", inside) for label in re.split(r"[,\s]+", group) if label
    }
    known = set().union(*(told.get(name, set()) for name in NAME.findall(expression)), OF_PROMETHEUS)
    found += [f"nothing has a label {label}" for label in labels - known]
    words = set(re.findall(r"\b[a-z_]+\b", inside)) - labels - set(NAME.findall(inside))
    if not expression.startswith("label_values("):
        found += [f"what is {word}?" for word in words - WORDS]
    return [*found, *_brackets(bare)]


def _brackets(text: str) -> list[str]:
    opened: list[str] = []
    for sign in text:
        if sign in "([{":
            opened.append(sign)
        elif sign in ")]}" and (not opened or opened.pop() + sign not in {"()", "[]", "{}"}):
            return ["brackets do not match"]
    return ["a bracket is not closed"] if opened else []


def test_every_expression_names_what_is_told(told: dict[str, set[str]]) -> None:
    known = told | {name: set() for name in FROM_ELSEWHERE}
    for expression in expressions():
        assert faults(expression, known) == [], expression


@pytest.mark.parametrize(
    "wrong",
    [
        "ffsweb_gone > 0",
        'ffsweb_services{colour="red"} > 0',
        "ffsweb_services{state=live}",
        "sum by (colour) (ffsweb_services)",
        "sum(ffsweb_services",
        "summ(ffsweb_services)",
        "sum(ffsweb_services}",
    ],
)
def test_what_is_wrong_with_an_expression_is_found(wrong: str) -> None:
    assert faults(wrong, {"ffsweb_services": {"project", "state"}})


def test_nearly_every_figure_is_on_the_dashboard_or_in_a_rule(told: dict[str, set[str]]) -> None:
    used = {name for expression in expressions() for name in NAME.findall(expression)}
    spare = {
        *("ffsweb_operation_duration_seconds_count", "ffsweb_operation_duration_seconds_sum"),
        *("ffsweb_certificate_services", "ffsweb_service_certificate_info", "ffsweb_operations_lease_left_seconds"),
        "ffsweb_image_store_collected_timestamp_seconds",
    }
    assert set(told) - used <= spare


def test_the_data_source_is_chosen_by_whoever_imports_the_dashboard() -> None:
    made = dashboard()
    assert {"name": "datasource", "type": "datasource", "query": "prometheus"}.items() <= made["templating"]["list"][
        0
    ].items()
    panels = [panel for panel in made["panels"] if panel["type"] != "row"]
    for part in (*panels, *(target for panel in panels for target in panel["targets"])):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in made["panels"]]
    for x, y, w, h in places:
        assert x >= 0 and x + w <= 24
        others = [place for place in places if place != (x, y, w, h)]
        assert not [o for o in others if x < o[0] + o[2] and o[0] < x + w and y < o[1] + o[3] and o[1] < y + h]


def test_every_alert_says_what_it_is_and_where_it_is_explained() -> None:
    headings = anchors(DOCS / "alerts.md")
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        notes = rule["annotations"]
        assert notes["summary"].endswith("."), rule["alert"]
        assert notes["description"].endswith("."), rule["alert"]
        assert notes["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in headings
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert headings - {name.lower() for name in names} == {"alerts"}


def test_what_descriptions_name_is_a_label_of_the_alert(told: dict[str, set[str]]) -> None:
    for rule in rules():
        names = NAME.findall(rule["expr"])
        kept = re.findall(r"\bby\s*\(([^)]*)\)", rule["expr"])
        labels = set(re.split(r",\s*", kept[0])) if kept else set().union(*(told.get(name, set()) for name in names))
        used = set(re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["description"]))
        assert used <= labels | OF_PROMETHEUS, rule["alert"]


def test_the_example_of_a_scrape_sends_the_token() -> None:
    config = yaml.safe_load((DOCS / "prometheus" / "scrape.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["credentials_file"]
    assert job["job_name"] == "ffsweb"
    assert config["rule_files"] == ["ffsweb.rules.yml"]
