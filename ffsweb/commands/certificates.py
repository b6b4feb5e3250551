"""``ffs cert``: the certificate of a service, its rotation, and that of the key by which the dashboard logs in."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any, Final

from ffsweb.commands.arguments import Parser, run
from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import FAILED, UNKNOWN, Ended
from ffsweb.commands.finding import certificate_of, name_of, path_of, service_of
from ffsweb.commands.planning import carry_out, see_through, with_start
from ffsweb.commands.showing import as_json, printable, say, tell

PATIENCE: Final = 90.0
"""Seconds to wait for a first look. One is taken about a minute after each deploy."""
AGAIN: Final = 2.0
"""Seconds before the dashboard is asked again whether it looked."""


def cert(arguments: list[str]) -> int:
    """Tell of a service's certificate (status), put another one in its place (rotate-https), or give its node a new
    key of the dashboard's (rotate-ssh)."""
    return run(cert_parser(), arguments, _cert)


def cert_parser() -> Parser:
    """Its arguments."""
    parser = Parser("cert", cert.__doc__ or "")
    parser.add_argument("verb", choices=("status", "rotate-https", "rotate-ssh"))
    with_start(parser.service())
    parser.add_argument("--certificate", default="", help="the new one: its number, label or fingerprint")
    return parser


def _cert(client: Client, given: argparse.Namespace) -> int:
    service = service_of(client, given)
    if given.verb == "status":
        return _status(client, given, service)
    if given.verb == "rotate-ssh":
        node = quoted("projects", service["project"], "nodes", service["node"])
        operation = client.post(f"{node}/rotate-ssh", {"wait": given.queue})
        return see_through(client, given, operation, service["node"])
    new = _chosen(client, given, service)
    say(f"{name_of(service)} gets {printable(new['label'])}, good until {new['not_after'][:10]}.")
    return carry_out(client, given, service, release=_live(service), kind="rotate", certificate=new["id"])


def _status(client: Client, given: argparse.Namespace, service: dict[str, Any]) -> int:
    """0 if the certificate is good and served, 1 if not, 3 if nobody knows what is served."""
    if service["certificate"] is None:
        raise Ended(f"{name_of(service)} has no certificate.")
    wanted = client.get(f"{quoted('projects', service['project'])}/certificates/{service['certificate']}")
    service = _looked_at(client, service)
    served = service["served"]
    left = (datetime.fromisoformat(wanted["not_after"]) - datetime.now(UTC)).days
    same = bool(served) and served["fingerprint"] == wanted["fingerprint"]
    known = bool(served) and bool(served["fingerprint"])
    if given.json:
        as_json(
            {"certificate": wanted, "served": served, "days_left": left, "served_as_wanted": same if known else None}
        )
    else:
        say(f"{printable(wanted['label'])}: {printable(', '.join(wanted['names']))}")
        say(f"  good until {wanted['not_after'][:10]}, {left} days")
        say(f"  fingerprint {wanted['fingerprint']}")
        seen = "yes" if same else f"no, but {served['fingerprint']}" if known else "nobody saw what is served"
        say(f"  served      {seen}")
    return FAILED if left < 0 or (known and not same) else 0 if known else UNKNOWN


def _looked_at(client: Client, service: dict[str, Any]) -> dict[str, Any]:
    """The service once somebody looked since its last deploy, which takes the dashboard a minute; else as it is."""
    if service["served"] is not None or service["live_release"] is None:
        return service
    tell(f"Nobody looked at {name_of(service)} since its last deploy. The dashboard does within a minute: waiting.")
    end = time.monotonic() + PATIENCE
    while service["served"] is None and time.monotonic() < end:
        time.sleep(AGAIN)
        service = client.get(path_of(service))
    return service


def _live(service: dict[str, Any]) -> int:
    if service["live_release"] is None:
        raise Ended(
            f"Nothing of {name_of(service)} is proven to run. Choose its certificate on its page, then deploy."
        )
    return int(service["live_release"])


def _chosen(client: Client, given: argparse.Namespace, service: dict[str, Any]) -> dict[str, Any]:
    """The one that was named; else the newest that is for all names of the present one and lasts longer."""
    if given.certificate:
        return certificate_of(client, service["project"], given.certificate)
    rows = list(client.pages("/certificates", project=service["project"]))
    present = next((row for row in rows if row["id"] == service["certificate"]), None)
    if present is None:
        raise Ended(f"{name_of(service)} has no certificate to take the place of. Name the new one: --certificate.")
    fit = [
        row for row in rows if set(row["names"]) >= set(present["names"]) and row["not_after"] > present["not_after"]
    ]
    if not fit:
        raise Ended(
            f"No certificate of {service['project']} is for the same names and lasts longer than "
            f"{printable(present['label'])}. Add the new one on the page “Certificates”, or name one: --certificate."
        )
    return dict(max(fit, key=lambda row: row["not_after"]))
