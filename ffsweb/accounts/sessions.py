"""Sessions in the database, filed under the SHA-256 of their key: a stolen database holds nobody's session.

``SESSION_ENGINE = "ffsweb.accounts.sessions"``. The cookie holds the key; only lookups and rows see the hash.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone


def _filed(key: str | None) -> str:
    """The row's key: 64 hex digits cut to the 40 characters of Django's column (160 bits)."""
    return hashlib.sha256((key or "").encode()).hexdigest()[:40]


class SessionStore(db.SessionStore):
    """Django's database sessions with hashed keys."""

    @property
    def _current(self) -> dict[str, Any]:
        return {"session_key": _filed(self.session_key), "expire_date__gt": timezone.now()}

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        row = self.model.objects.filter(**self._current).first()
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> AbstractBaseSession | None:
        row = await self.model.objects.filter(**self._current).afirst()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return super().exists(_filed(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(_filed(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = _filed(row.session_key)
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = await super().acreate_model_instance(data)
        row.session_key = _filed(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            super().delete(_filed(key))

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            await super().adelete(_filed(key))
