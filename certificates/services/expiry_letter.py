"""The words of a mail about certificates. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from certificates.core.expiry import Word
from certificates.core.subjects import Subject
from ffsweb.notify.letter import Letter

_FAR = datetime.max.replace(tzinfo=UTC)
_SENTENCES = 20


@dataclass(frozen=True, slots=True)
class News:
    """One subject of a mail, with what there is to tell of it."""

    subject: Subject
    word: Word

    def sentence(self, now: datetime) -> str:
        """What happened, without the full stop."""
        return f"{self.subject.label} {self.subject.says(self.word, now)}"


def letter(project: str, news: Sequence[News], *, path: str, now: datetime) -> Letter:
    """One mail for all ``news`` of a project, the worst first. ``path``: the page for several of them."""
    ordered = sorted(news, key=_order)
    more = f", and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    todos = dict.fromkeys(each.subject.todo for each in ordered if not each.word.over and each.subject.todo)
    sentences = [f"{_capital(each.sentence(now))}." for each in ordered]
    left = len(sentences) - _SENTENCES
    return Letter(
        subject=f"{project}: {ordered[0].sentence(now)}{more}",
        happened="\n".join([*sentences[:_SENTENCES], *([f"And {left} more."] if left > 0 else [])]),
        facts=tuple((_capital(each.subject.label), each.subject.facts) for each in ordered),
        todo="\n".join(todos),
        path=ordered[0].subject.path if len(ordered) == 1 else path,
    )


def _order(news: News) -> tuple[bool, int, datetime]:
    life = news.subject.life
    return news.word.over, -news.word.rung, life.not_after if life else _FAR


def _capital(text: str) -> str:
    """A sentence begins with a capital, a name as it is written."""
    return text[:1].upper() + text[1:] if text.startswith(("certificate ", "the ")) else text
