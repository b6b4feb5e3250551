"""Second factors at rest: sealed with the web ring, so a database alone gives no codes."""

from __future__ import annotations

import base64

from allauth.mfa.adapter import DefaultMFAAdapter

from ffsweb.sealed import Secret
from ffsweb.web.keys import web_opener, web_sealer

CONTEXT = "mfa"


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """``MFA_ADAPTER``: seals the TOTP key and the seed of the recovery codes."""

    def encrypt(self, text: str) -> str:
        """``text`` sealed, as base64."""
        return base64.b64encode(web_sealer().seal(Secret(text), CONTEXT)).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """What ``encrypt`` was given; raises ``CannotOpen`` when it was changed or the key is gone."""
        return web_opener().open(base64.b64decode(encrypted_text), CONTEXT).reveal_text()
