"""What may be told of: one thing that is right or not, with the words for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .expiry import Facts, Kind, Rung, Told, Word, decide, decide_flag


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing of a project that people may have to be told of.

    ``kind`` and ``key`` (at most 100 characters) name it for ever; of a certificate of the inventory the key is
    ``certificate:ID``, and ``certificate`` that ID. ``label`` begins a sentence. ``life`` is what is known of
    something that expires; of anything else ``holds`` says whether it is wrong now (None: not to be said yet, so
    nothing begins and nothing ends), ``begins`` and ``ends`` what is said then, as the rest of the sentence without
    its full stop. ``facts`` is one line, ``todo`` a sentence or two. Nothing here may be a secret or a program's
    output: it is mailed.
    """

    kind: Kind
    key: str
    label: str
    path: str
    facts: str = ""
    todo: str = ""
    life: Facts | None = None
    holds: bool | None = False
    begins: str = ""
    ends: str = ""
    certificate: int | None = None

    def decide(self, told: Told, now: datetime) -> Word | None:
        """The one thing worth a mail now, or None."""
        if self.life is not None:
            return decide(self.life, told, now)
        if self.holds is None:
            return None
        return decide_flag(holds=self.holds, told=told, now=now)

    def says(self, word: Word, now: datetime) -> str:
        """The rest of the sentence that ``label`` begins."""
        if self.life is None:
            return self.ends if word.over else self.begins
        if word.over:
            return "was replaced" if self.life.gone else "is renewed by itself again"
        if word.rung is Rung.EXPIRED:
            return f"expired on {self.life.not_after:%Y-%m-%d}"
        trouble = "was not renewed and " if word.rung is Rung.RENEWAL else ""
        return f"{trouble}expires {_in_days(self.life.not_after - now)}"


def _in_days(left: timedelta) -> str:
    """Rounded down, but for what is missing since the last look: the level of 3 days says so."""
    days = (left + timedelta(hours=6)) // timedelta(days=1)
    return "in less than a day" if left < timedelta(days=1) else f"in {days} day{'' if days == 1 else 's'}"
