"""The form of a service."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from certificates.models import Certificate
from deployments.core.firewall import SSH_PORT
from deployments.core.health import HealthCheckError, health_check, tcp_ports
from deployments.core.node_argv import RESERVED_SERVICES
from deployments.models import Service
from deployments.nodekit.supervisor.probe import parse_probe

_PORT = re.compile(r"(\d{1,5}):(\d{1,5})(?:/(tcp|udp))?\Z")
_HIGHEST_PORT = 65535
MAX_PORTS = 20


class ServiceForm(forms.ModelForm):
    """A service's name, ports, certificate and supervision."""

    ports = forms.CharField(
        required=False,
        max_length=400,
        help_text="Published ports as host:container, separated by spaces or commas, such as 443:8443 or "
        "53:5353/udp.",
    )

    class Meta:
        model = Service
        fields = [
            "name",
            "ports",
            "certificate",
            "own_renewal",
            "supervision",
            "probe",
            "watchdog",
            "start_timeout",
            "settle",
            "health_check",
            "health_from",
        ]
        labels = {
            "own_renewal": "A certificate of its own",
            "supervision": "Supervision",
            "probe": "Probe",
            "watchdog": "Watchdog",
            "start_timeout": "Start timeout",
            "settle": "Settle window",
            "health_check": "Health check",
            "health_from": "Health check asked from",
        }
        help_texts = {
            "name": "Its instance name on the node, such as www.",
            "certificate": "What the container finds under /ffs/certs.",
            "own_renewal": "Who renews the certificate that it serves, if that is not the inventory's. Not said: it "
            "is told that it serves another one, and its end as that of one that a machine renews.",
            "supervision": "Who says that it is ready and well.",
            "probe": "For programs that write no heartbeats: what the supervisor asks inside the container, such as "
            "http://127.0.0.1:8080/healthz or tcp:127.0.0.1:5432.",
            "watchdog": "Seconds of silence after which systemd restarts it; 0 if the image sends no pings.",
            "start_timeout": "Seconds until the new release must be ready.",
            "settle": "Seconds that a new release has to stay well before it counts as live.",
            "health_check": "What a new release has to answer well before it counts as live, at a port that is "
            "published on the host: https://:443/healthz, http://:8080/ or tcp://:5432. Or a command that is run in "
            "the container: command: /app/check --fast. Statuses from 200 to 399 are good; certificates are not "
            "verified. Empty: none is asked.",
            "health_from": "From the node it proves that the service answers, from the dashboard also that the "
            "network lets somebody through to it. A command can only be asked from the node.",
        }

    def __init__(self, *args: Any, node: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.node = node
        certificate = self.fields["certificate"]
        assert isinstance(certificate, forms.ModelChoiceField)  # noqa: S101 - narrows the type for the checker
        certificate.queryset = Certificate.objects.filter(project=node.project)
        certificate.empty_label = "None"
        for name, low, high in (("start_timeout", 5, 3600), ("settle", 0, 3600), ("watchdog", 0, 3600)):
            self.fields[name].widget.attrs.update(min=low, max=high)
        self.fields["health_from"].required = False
        if self.instance.pk:
            self.initial["ports"] = " ".join(port_text(port) for port in self.instance.ports)

    def clean_name(self) -> str:
        """A name that is free on the node."""
        name: str = self.cleaned_data["name"]
        if self.instance.pk and name != self.instance.name:
            raise ValidationError("The name of a service is part of its paths on the node and cannot be changed.")
        if RESERVED_SERVICES.fullmatch(name):
            raise ValidationError(f"{name} is a name that the node needs for itself. Choose another one.")
        if Service.objects.filter(node=self.node, name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(f"{self.node} has a service of this name.")
        return name

    def clean_ports(self) -> list[dict[str, object]]:
        """The ports as the model keeps them; each host port once, and free on the node."""
        words = [word for word in re.split(r"[\s,]+", self.cleaned_data["ports"].strip()) if word]
        if len(words) > MAX_PORTS:
            raise ValidationError(f"At most {MAX_PORTS} ports.")
        ports = [_parse(word) for word in words]
        wanted = [(port["host"], port["protocol"]) for port in ports]
        if (SSH_PORT, "tcp") in wanted:
            raise ValidationError(f"Host port {SSH_PORT} is SSH's, by which the dashboard reaches the node.")
        for pair in wanted:
            if wanted.count(pair) > 1:
                raise ValidationError(f"Host port {pair[0]} is given twice.")
        for other in Service.objects.filter(node=self.node).exclude(pk=self.instance.pk):
            for port in other.ports:
                if (port["host"], port["protocol"]) in wanted:
                    raise ValidationError(f"Host port {port['host']} is taken by {other}.")
        return ports

    def clean_start_timeout(self) -> int:
        """Between 5 seconds and an hour."""
        return _between(self.cleaned_data["start_timeout"], 5, 3600)

    def clean_watchdog(self) -> int:
        """None, or between 30 seconds and an hour: less would not outlast a slow start of the machine."""
        value: int = self.cleaned_data["watchdog"]
        return _between(value, 30, 3600) if value else 0

    def clean_probe(self) -> str:
        """A URL or ``tcp:HOST:PORT`` that the supervisor can ask."""
        text: str = self.cleaned_data["probe"].strip()
        if text and not text.startswith(("http://", "https://", "tcp:")):
            raise ValidationError("Begin with http://, https:// or tcp:, such as http://127.0.0.1:8080/healthz.")
        try:
            if text:
                parse_probe(text)
        except ValueError as error:
            raise ValidationError(f"{error}.") from error
        return text

    def clean_health_check(self) -> str:
        """Without the spaces around it; ``clean`` looks at the rest."""
        text: str = self.cleaned_data["health_check"]
        return text.strip()

    def clean_health_from(self) -> str:
        """As it was, if nothing was chosen."""
        chosen: str = self.cleaned_data["health_from"]
        return chosen or self.instance.health_from

    def clean(self) -> dict[str, Any]:
        """A health check that fits the ports."""
        cleaned = super().clean() or self.cleaned_data
        if {"health_check", "health_from", "ports"} <= cleaned.keys():
            try:
                health_check(cleaned["health_check"], cleaned["health_from"], tcp_ports(cleaned["ports"]))
            except HealthCheckError as error:
                self.add_error("health_check", str(error))
        return cleaned

    def clean_settle(self) -> int:
        """At most an hour."""
        return _between(self.cleaned_data["settle"], 0, 3600)


def _between(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValidationError(f"Between {low} and {high} seconds.")
    return value


def _parse(word: str) -> dict[str, object]:
    match = _PORT.match(word)
    if not match or not all(1 <= int(match[part]) <= _HIGHEST_PORT for part in (1, 2)):
        raise ValidationError(f"{word!r} is not host:container with ports from 1 to 65535, such as 443:8443.")
    return {"host": int(match[1]), "container": int(match[2]), "protocol": match[3] or "tcp"}


def port_text(port: dict[str, Any]) -> str:
    """A port as people write it: host:container, with the protocol if it is not TCP."""
    suffix = "" if port["protocol"] == "tcp" else f"/{port['protocol']}"
    return f"{port['host']}:{port['container']}{suffix}"
