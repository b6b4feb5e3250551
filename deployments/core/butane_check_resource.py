"""The rules for what is fetched or given inline: contents, parts to append, configurations, certificate authorities.

Source: coreos/ignition ``config/v3_3/types/resource.go``, ``url.go``, ``headers.go``, ``verification.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from .ignition import data_url_bytes

if TYPE_CHECKING:
    from .butane_tree import Findings, Map

_HASHES = {"sha512": 128, "sha256": 64}


def check_resource(resource: Map, findings: Findings) -> None:
    """One ``contents``, ``append``, ``merge``, ``replace`` or certificate authority."""
    source, inline = resource.text("source"), resource.text("inline")
    if source is not None and inline is not None:
        findings.add(resource.at("source"), "only one of the following can be set: inline, local, source")
    if resource.text("compression") not in {None, "", "gzip"}:
        findings.add(resource.at("compression"), "invalid compression method")
    if source and (message := url_problem(source)):
        findings.add(resource.at("source"), message)
    _check_headers(resource, source, findings)
    _check_hash(resource, has_source=source is not None or inline is not None, findings=findings)


def _check_headers(resource: Map, source: str | None, findings: Findings) -> None:
    headers = resource.maps("http_headers")
    if not headers:
        return
    if not (source or "").startswith(("http://", "https://")):
        findings.add(resource.at("http_headers"), "cannot use HTTP headers with this source scheme")
    seen: set[str] = set()
    for header in headers:
        name = header.text("name") or ""
        if not name:
            findings.add(header.at("name"), "HTTP header name can't be empty")
        if header.text("value") == "":
            findings.add(header.at("value"), "unable to parse HTTP header")
        if name in seen:
            findings.add(header.at("name"), "duplicate entry defined")
        seen.add(name)


def _check_hash(resource: Map, *, has_source: bool, findings: Findings) -> None:
    verification = resource.map("verification")
    value = verification.text("hash") if verification else None
    if verification is None or value is None:
        return
    where = verification.at("hash")
    function, dash, digest = value.partition("-")
    if not has_source:
        findings.add(where, "source must be specified if verification is specified")
    elif not dash:
        findings.add(where, "malformed hash specifier")
    elif function not in _HASHES:
        findings.add(where, "unrecognized hash function")
    elif len(digest) != _HASHES[function]:
        findings.add(where, "incorrect size for hash sum")


def url_problem(url: str) -> str | None:
    """What is wrong with the address of a resource, or None."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "unable to parse url"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in url):
        return "unable to parse url"
    if parts.scheme == "data":
        return None if data_url_bytes(url) is not None else "unable to parse url"
    if parts.scheme == "s3" and parse_qs(parts.query, keep_blank_values=True).get("versionId") == [""]:
        return "invalid S3 object VersionId"
    return None if parts.scheme in {"http", "https", "tftp", "gs", "s3"} else "invalid url scheme"
