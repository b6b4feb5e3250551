"""Who may push and pull here: the token dance of the distribution-spec ("Token Authentication" of Docker's registry).

A client logs in with a user name and an access token and gets a signed pass that counts for LIFETIME seconds and for
what it asked for. At every request the access token behind the pass is looked at again, so withdrawing it, or taking
its maker's role, counts at once.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.core import signing

from deployments.oci.distribution import Code, Refusal
from ffsweb.accounts import token_limits, tokens
from ffsweb.accounts.errors import TokenRefused
from ffsweb.accounts.models import Role
from ffsweb.accounts.tokens import Admitted

LIFETIME = 300
"""Seconds for which a pass counts. A request that began within them may last longer."""
ACTIONS = {"pull": Role.VIEWER, "push": Role.OPERATOR}
"""What may be done in a repository, and the role that it takes."""
_SALT = "ffsweb.registry.pass"
_SCOPE = re.compile(r"repository:([a-z0-9][a-z0-9._/-]{0,300}):([a-z,*]{1,60})")
_SCOPES = 20

Granted = dict[str, list[str]]
"""Names of repositories, with the project's in front, and the actions allowed there."""


@dataclass(frozen=True, slots=True)
class Login:
    """The name and the access token that a client logs in with."""

    username: str
    text: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. ``granted`` is what a pass was made for; None after a log-in with the access token itself."""

    admitted: Admitted
    granted: Granted | None

    @property
    def named(self) -> str:
        """The user who made the access token, and its name: for the audit log and the image's row."""
        return f"{self.admitted.token.user.username} ({self.admitted.token.name})"

    def may(self, repository: str, action: str) -> bool:
        """Whether the access token's role allows it. Up to two queries."""
        return self.admitted.may(project_of(repository), ACTIONS[action])

    def asked_for(self, repository: str, action: str) -> bool:
        """Whether the pass was made for it."""
        return self.granted is None or action in self.granted.get(repository, ())


def project_of(repository: str) -> str:
    """The project's name in a repository's."""
    return repository.partition("/")[0]


def parse_login(header: str) -> Login | None:
    """The log-in in an Authorization field (RFC 7617); None if it is of another kind or malformed."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, text = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return Login(username[:150], text[:200]) if colon else None


def parse_scopes(scopes: Iterable[str]) -> Granted:
    """What a client asks for; what is not understood is passed over."""
    asked: Granted = {}
    for scope in [each for text in scopes for each in text.split()][:_SCOPES]:
        found = _SCOPE.fullmatch(scope)
        if found:
            actions = set(found[2].split(",")) & ACTIONS.keys()
            asked[found[1]] = sorted(actions | set(asked.get(found[1], ())))
    return asked


def log_in(login: Login, address: str) -> Visitor:
    """Raises Refusal: the log-in is wrong, or too many from this address were. Three queries."""
    if token_limits.exhausted(address, login.username):
        raise Refusal(
            Code.TOOMANYREQUESTS,
            f"Too many log-ins from here failed. Wait {token_limits.WINDOW} seconds.",
            fields=(("Retry-After", str(token_limits.WINDOW)),),
        )
    try:
        return Visitor(tokens.admit(username=login.username, text=login.text), None)
    except TokenRefused as refused:
        token_limits.count(address, login.username)
        tokens.record_refused(refused, address)
        raise Refusal(Code.UNAUTHORIZED, str(refused)) from refused


def make_pass(visitor: Visitor, asked: Granted) -> str:
    """A pass for what of it is allowed; nothing may be."""
    granted = {name: [each for each in actions if visitor.may(name, each)] for name, actions in asked.items()}
    return signing.dumps({"t": visitor.admitted.token.pk, "g": granted}, salt=_SALT, compress=True)


def read_pass(text: str) -> Visitor:
    """Whose pass it is. Raises Refusal. Two queries."""
    try:
        value = signing.loads(text, salt=_SALT, max_age=LIFETIME)
        return Visitor(tokens.admit_again(int(value["t"])), dict(value["g"]))
    except (signing.BadSignature, TokenRefused) as error:
        raise Refusal(Code.UNAUTHORIZED, "This pass counts no more. Log in again.") from error
