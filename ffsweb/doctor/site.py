"""The address in the browser: whether it answers, and whether it is this installation that does."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .findings import Finding, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.env import Environment

TIMEOUT: Final = 5.0
NAME: Final = "X-Ffsweb-Installation"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came from /livez: a status with the installation's mark, or a reason why nothing did."""

    status: int = 0
    mark: str = ""
    text: str = ""
    trouble: str = ""


def look(values: Environment) -> Iterator[Finding]:
    """Asks the public address, and the web process itself if that does not answer."""
    from ffsweb.health import installation_mark
    from ffsweb.version import running_version

    yield judge(values.public_url, ask(values.public_url), mark=installation_mark(), version=running_version())


def judge(url: str, answer: Answer, *, mark: str, version: str) -> Finding:
    """Pure."""
    if answer.trouble:
        return fail(
            f"{url} does not answer from here: {answer.trouble}.",
            "Is the web process there, and the proxy? From where that address leads nowhere, this look says nothing.",
        )
    if answer.status != 200:
        advice = "The proxy answers and the web process does not, or the name is not among FFSWEB_HOSTS."
        return fail(f"{url}/livez answers with {answer.status}.", advice)
    if not answer.mark:
        return fail(f"{url} answers, and it is no ffsweb, or an older one.", "Is FFSWEB_PUBLIC_URL right?")
    if answer.mark != mark:
        return fail(
            f"{url} is another installation of ffsweb, or one with another secret key.",
            "Give this process the environment and the keys of the service.",
        )
    if version not in answer.text:
        told = answer.text.strip().removeprefix("alive ")
        return warn(
            f"{url} runs version {told}, and this is {version}.", "Start the processes anew after an upgrade."
        )
    return ok(f"{url} answers, and it is this installation (version {version}).")


def ask(url: str) -> Answer:
    """GET /livez, without following anybody elsewhere."""
    if urlsplit(url).scheme not in {"http", "https"}:
        return Answer(trouble="it is no web address")
    request = Request(f"{url}/livez", headers={"User-Agent": "ffs-doctor"})  # noqa: S310 - looked at above
    try:
        with build_opener(_Stay).open(request, timeout=TIMEOUT) as response:
            text = response.read(200).decode("utf-8", "replace")
            return Answer(response.status, response.headers.get(NAME, ""), text)
    except HTTPError as error:
        error.close()
        return Answer(error.code)
    except URLError as error:
        reason = error.reason
        named = reason.verify_message if isinstance(reason, ssl.SSLCertVerificationError) else str(reason)
        return Answer(trouble=named)
    except (OSError, http.client.HTTPException) as error:
        return Answer(trouble=str(error) or type(error).__name__)


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """None: the answer is what it is."""
