"""A value that does not show itself by accident.

It is not a vault: whoever calls :meth:`Secret.reveal` has the bytes. It keeps them out of what prints by itself:
logs, tracebacks with local variables, debug pages, templates, JSON, pickles, dataclass reprs.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

MASK: Final = "••••"


class Secret:
    """Immutable bytes behind a mask.

    ``str`` is taken as UTF-8. Comparison takes constant time and only succeeds against another ``Secret``; there
    is no hash, so it cannot become a dictionary key or set member. ``bool(secret)`` says whether it is non-empty.

    Raises ``TypeError`` for anything but ``str``/``bytes``, ``ValueError`` for text that UTF-8 cannot hold.
    """

    __slots__ = ("_value",)
    _value: bytes
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str | bytes) -> None:
        encoded = _as_bytes(value)
        kind = type(value).__name__
        del value  # a traceback that shows local variables must not show this one
        if encoded is None:
            msg = f"a Secret is made of text that UTF-8 can hold, or of bytes; this was {kind}"
            raise ValueError(msg) if kind == "str" else TypeError(msg)
        object.__setattr__(self, "_value", encoded)

    def reveal(self) -> bytes:
        """The bytes. Call it in the expression that uses them; keep no name bound to the result."""
        return self._value

    def reveal_text(self) -> str:
        """The value as text; ``ValueError`` (which does not quote it) when it is not UTF-8."""
        text = _as_text(self._value)
        if text is None:
            msg = "this Secret does not hold text"
            raise ValueError(msg)
        return text

    # Django's templates call what they find unless it is marked so: {{ secret.reveal }} stays empty.
    reveal.alters_data = True  # type: ignore[attr-defined]
    reveal_text.alters_data = True  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        del value
        msg = f"a Secret does not change; {name!r} was not set"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = f"a Secret does not change; {name!r} was not deleted"
        raise AttributeError(msg)

    def __getstate__(self) -> NoReturn:
        msg = "a Secret is never pickled; seal it instead"
        raise TypeError(msg)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


# Both return None rather than raise: a Unicode error carries the whole value, also as another error's context.
def _as_bytes(value: object) -> bytes | None:
    try:
        if isinstance(value, str):
            return value.encode()
        return bytes(value) if isinstance(value, bytes | bytearray) else None
    except UnicodeEncodeError:
        return None


def _as_text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
