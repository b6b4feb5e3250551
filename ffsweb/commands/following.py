"""A log, followed to its end whatever becomes of the connection: by the number of the last line that was shown."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from ffsweb.commands.client import Client
from ffsweb.commands.errors import UNKNOWN, Away, Closed, Ended, Refused
from ffsweb.commands.showing import COLOURS, coloured, printable, say, tell

PATIENCE: Final = 300.0
"""Seconds for which the dashboard may be away."""
AGAIN: Final = 1.0
"""Seconds before a stream is asked for again."""
_LATER: Final = frozenset({429, 500, 502, 503, 504})
"""Answers that say nothing of the operation, and that may be others in a moment."""

Line = dict[str, Any]


def follow(client: Client, number: int, show: Callable[[Line], None], *, after: int = 0) -> dict[str, Any]:
    """Show every line after ``after``, each once; the operation when it has ended.

    Raises Ended (unknown), whatever it is that ends this before the operation has ended: that one goes on.
    """
    follower = Follower(client, number, show, after)
    heard = time.monotonic()
    while True:
        before = follower.last
        try:
            ended = follower.once()
            why: object = "its streams end at once"
        except (OSError, http.client.HTTPException, Away) as error:
            ended, why = None, error
        except Refused as error:
            if error.status not in _LATER:
                raise Ended(f"{error} Operation {number} goes on without you.", UNKNOWN) from error
            ended, why = None, error
        except Closed as error:
            raise Ended(f"Nobody reads on. Operation {number} goes on without you.", UNKNOWN) from error
        if ended is not None:
            return ended
        now = time.monotonic()
        heard = now if follower.last != before or follower.heard else heard
        if now - heard > PATIENCE:
            said = str(why).rstrip(".")
            raise Ended(f"The dashboard is away: {said}. Operation {number} goes on without you.", UNKNOWN)
        time.sleep(AGAIN)


class Follower:
    """One log; ``last`` is the number of the last line that was shown, ``heard`` whether the last stream said any."""

    def __init__(self, client: Client, number: int, show: Callable[[Line], None], after: int) -> None:
        self._client, self._number, self._show = client, number, show
        self._asked = ""
        self.last, self.heard = after, False

    def once(self) -> dict[str, Any] | None:
        """Follow one stream to its end; the operation if it has ended and every line was shown."""
        self.heard = False
        for name, lines in self._events():
            self.heard = True
            for line in lines:
                self._show(line)
                self.last = line["number"]
            if name == "steps":
                self._tell_question()
        operation: dict[str, Any] = self._client.get(f"/operations/{self._number}")
        if not operation["finished"]:
            return None
        left = self._client.get(f"/operations/{self._number}/lines", after=self.last, limit=1)["lines"]
        return None if left else operation

    def _events(self) -> Iterator[tuple[str, list[Line]]]:
        """The events of one stream: the name ("" for lines) and the lines."""
        with self._client.stream(f"/operations/{self._number}/events", after=self.last) as answer:
            name, data = "", ""
            for raw in answer:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and data:
                    yield name, json.loads(data) if not name else []
                    name, data = "", ""

    def _tell_question(self) -> None:
        """Tell what the operation asks, once."""
        question = self._client.get(f"/operations/{self._number}")["question"]
        if question is None or question["name"] == self._asked:
            return
        self._asked = str(question["name"])
        choices = ", ".join(printable(text) for text in question["choices"].values())
        tell(f"{printable(question['text'])} ({choices}) Answer on {self._client.url}/operations/{self._number}/")


def show_line(line: Line) -> None:
    """A line for people."""
    where = f"{printable(line['target'])}: " if line["target"] else ""
    text = printable(line["text"]) if line["text"] else ""
    say(f"{line['at'][11:19]}  {where}{coloured(text, COLOURS.get(line['stream'], ''))}")


def tell_line(line: Line) -> None:
    """The same beside what a command puts out as JSON."""
    tell(f"{line['at'][11:19]}  {printable(line['target'])}: {printable(line['text'])}")


def show_json(line: Line) -> None:
    """A line for programs: a JSON object."""
    say(json.dumps(line, ensure_ascii=False))
