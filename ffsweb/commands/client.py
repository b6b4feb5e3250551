"""Requests to the API. A token goes to the address in FFSWEB_URL and to no other: nothing is redirected."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ffsweb.commands.errors import FAILED, UNKNOWN, Away, Ended, Refused
from ffsweb.commands.showing import tell

TIMEOUT: Final = 30.0
QUIET: Final = 45.0
"""Seconds without a byte after which a stream is given up: the dashboard says something every 15."""
TRIES: Final = 4
PAUSE: Final = 1.0
"""Seconds before the second try; twice as many before each further one."""

_AWAY = (OSError, http.client.HTTPException)
_LOOK: Final = "Nothing is known of what was asked for: look at its operations."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Client:
    """The API of one dashboard. What it refuses is raised as Refused; that it is away, as Away."""

    def __init__(self, url: str, token: str, *, pause: float) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Ended(f"FFSWEB_URL is {url!r}; write the dashboard's address, such as https://ffsweb.example.org.")
        self.url = url.rstrip("/")
        self._token, self.pause = token, pause
        self._opener = urllib.request.build_opener(_NoRedirects())

    def get(self, path: str, **query: Any) -> Any:
        """What is at ``path`` below /api/v1; asked again while the dashboard is away."""
        return self._answered("GET", path, query, None, {})

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What ``path`` answers to ``body``; sent again under one key, so that it is done once."""
        return self._answered("POST", path, {}, body or {}, {"Idempotency-Key": str(uuid.uuid4())})

    def pages(self, path: str, *, most: int = 0, **query: Any) -> Iterator[dict[str, Any]]:
        """The rows of a list, page by page; at most ``most`` of them if it is not 0."""
        after, shown = 0, 0
        while True:
            page = self.get(path, **query, **({"after": after} if after else {}))
            for row in page["items"]:
                yield row
                shown += 1
                if most and shown >= most:
                    return
            after = page["next"]
            if after is None:
                return

    def send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Any:
        """The headers of the answer to bytes, sent once. Raises Refused, or OSError when the line breaks."""
        request = self._request(method, path, {}, None, headers)
        request.data = data
        try:
            with self._opener.open(request, timeout=QUIET) as answer:
                return answer.headers
        except urllib.error.HTTPError as error:
            raise _refused(error, self.url) from error
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error

    @contextlib.contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[Any]:
        """An answer that is read as it comes. Raises Refused, and OSError or HTTPException when it is cut."""
        try:
            with self._opener.open(self._request("GET", path, query, None, {}), timeout=QUIET) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            raise _refused(error, self.url) from error

    def _answered(
        self, method: str, path: str, query: dict[str, Any], body: dict[str, Any] | None, headers: dict[str, str]
    ) -> Any:
        why: object = ""
        # What was sent may be done, whatever became of the answer.
        code, done = (UNKNOWN, f" {_LOOK}") if method == "POST" else (FAILED, "")
        for number in range(TRIES):
            if number:
                time.sleep(self.pause * 2 ** (number - 1))
            try:
                request = self._request(method, path, query, body, headers)
                with self._opener.open(request, timeout=TIMEOUT) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                refused = _refused(error, self.url)
                if not (refused.status in {502, 503, 504} or "is under way" in str(refused)):
                    if method == "POST" and refused.status >= 500:
                        raise Ended(f"{refused} {_LOOK}", UNKNOWN) from error
                    raise refused from error
                why = refused
            except _AWAY as error:
                why = getattr(error, "reason", error)
            except ValueError as error:
                said = f"{self.url} does not answer as a dashboard does. Is FFSWEB_URL right?"
                raise Away(f"{said}{done}", code) from error
        raise Away(f"{self.url} does not answer: {str(why).rstrip('.')}.{done}", code)

    def _request(
        self, method: str, path: str, query: dict[str, Any], body: dict[str, Any] | None, headers: dict[str, str]
    ) -> urllib.request.Request:
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        return urllib.request.Request(  # noqa: S310 - the scheme was looked at
            f"{self.url}/api/v1{path}{asked}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **headers},
        )


def from_environment() -> Client:
    """The dashboard that FFSWEB_URL names, with FFSWEB_TOKEN, or the token in the file FFSWEB_TOKEN_FILE."""
    url, token, file = (os.environ.get(name, "") for name in ("FFSWEB_URL", "FFSWEB_TOKEN", "FFSWEB_TOKEN_FILE"))
    if not token and file:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Ended(f"FFSWEB_TOKEN_FILE, {file}, cannot be read: {error}.") from error
    if not url:
        raise Ended("Set FFSWEB_URL to the dashboard's address, such as https://ffsweb.example.org.")
    if not token or not token.isascii() or not token.isprintable():
        raise Ended("Set FFSWEB_TOKEN to an access token. Your account's page in the dashboard makes one.")
    client = Client(url, token, pause=PAUSE)
    host = urllib.parse.urlsplit(url).hostname
    if url.startswith("http:") and host not in {"localhost", "127.0.0.1", "::1"}:
        tell(f"ffs: {url} is not https: whoever is on the way can read the token and use it.")
    return client


def quoted(*parts: str) -> str:
    """A path of names, each quoted."""
    return "".join(f"/{urllib.parse.quote(part, safe='')}" for part in parts)


def _refused(error: urllib.error.HTTPError, url: str) -> Refused:
    if 300 <= error.code < 400:
        where = error.headers.get("Location", "elsewhere")
        return Refused(error.code, {"detail": f"{url} sends to {where}: set FFSWEB_URL to the right address."})
    try:
        body = json.loads(error.read(1_000_000))
    except (ValueError, *_AWAY):
        body = None
    return Refused(error.code, body if isinstance(body, dict) else {"detail": f"{url} answered {error.code}."})
