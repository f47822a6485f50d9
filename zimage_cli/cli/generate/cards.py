"""What is drawn of pictures that are being made: cards, and the lines that move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.bar import bar
from zimage_cli.cli.folding import columns_of
from zimage_cli.cli.generate.facts import (
    human_bytes,
    joined,
    request_facts,
    span,
    tried,
    usually,
    wordings,
)
from zimage_cli.cli.output import Prose, card
from zimage_cli.cli.view import CONNECTING, DOWNLOADING, PAINTING, RETRYING, TURN
from zimage_cli.core.run.money import count_of
from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from rich.text import Text

    from zimage_cli.cli.view import Watch
    from zimage_cli.core.history.usual import Usual
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.run.plan import RequestPlan

_WORDINGS = 6
"""Wordings of a sweep that are listed."""
_LABEL = 32
"""Columns at most for what tells a picture from the others."""
_WIDEST, _NARROWEST = 30, 6
"""Columns of a bar."""
_ON_TIME, _AT_MOST = 0.85, 0.97
"""How far the bar is at the usual time, and what it never reaches before the picture is there."""

_DOTS, _LINE = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/"


def request_card(plan: RequestPlan, spelled: Callable[[str], str]) -> Any:
    """Return the card that shows what is asked for: the words, then the facts.

    `spelled` gives text as the terminal can show it.
    """
    words = wordings(plan)
    parts = [Prose(spelled(text)) for text in words[:_WORDINGS]]
    if len(words) > _WORDINGS:
        more = Message("… and {count:,} more wordings", count=len(words) - _WORDINGS)
        parts.append(Prose(spelled(more), "dim"))
    parts.append(Prose(spelled(joined(request_facts(plan))), "dim"))
    count = len(plan.requests)
    return card(spelled(Message("request") if count == 1 else count_of(count)), *parts)


def rewritten_card(picture: Picture, number: int | None, spelled: Callable[[str], str]) -> Any:
    """Return the card that shows how the service rewrote the prompt, and why.

    `number` is the picture's, where there are several; `spelled` as above.
    """
    rewritten, reasoning = picture.rewritten_prompt, picture.reasoning
    parts = [Prose(spelled(visible(rewritten, newlines=True)))] if rewritten else []
    if rewritten and reasoning:
        parts.append(Prose(spelled(Message("reasoning")), "bold dim"))
    if reasoning:
        parts.append(Prose(spelled(visible(reasoning, newlines=True)), "dim"))
    if number is None:
        title = Message("rewritten prompt" if rewritten else "reasoning")
    else:
        title = Message(
            "rewritten prompt of picture {number}"
            if rewritten
            else "reasoning of picture {number}",
            number=number,
        )
    return card(spelled(title), *parts)


@dataclass
class Scene:
    """What the moving lines are drawn for: a terminal and a moment. `clock` is in seconds.

    `spelled` gives text as the terminal can show it.
    """

    columns: int
    ascii_only: bool
    clock: float
    spelled: Callable[[str], str]

    def spinner(self) -> Text:
        """Return a sign that moves."""
        from rich.text import Text

        signs = _LINE if self.ascii_only else _DOTS
        return Text(signs[int(self.clock * 10) % len(signs)], style="cyan")

    def text(self, text: str) -> Text:
        """Return a line that says something beside the spinner."""
        from rich.text import Text

        return self._cut(Text.assemble(self.spinner(), f" {text}"))

    def picture(self, watch: Watch, name: str, usual: Usual | None) -> Text:
        """Return the line of a picture that is being made; `name` tells it from the others."""
        from rich.text import Text

        head = Text.assemble(self.spinner(), " ", name, "  " if name else "")
        seconds = time.monotonic() - watch.since
        elapsed = self.spelled(span(seconds))
        if watch.doing == RETRYING and watch.wait is not None:
            until, wait = watch.wait
            left = max(0.0, until - time.monotonic())
            # What moves comes first: a narrow terminal cuts off the end.
            retry = Message(
                "try {next} of {of} in {left:.1f} s: {why}", left=left, **tried(wait, self.spelled)
            )
            return self._cut(head.append(self.spelled(retry), style="yellow"))
        if watch.doing == DOWNLOADING:
            received, total = watch.received or (0, None)
            said = human_bytes(received) if received else elapsed
            if received and total:
                of = Message("{received} of {total}", received=said, total=human_bytes(total))
                said = self.spelled(of)
            return self._with_bar(head, DOWNLOADING, received / total if total else None, said, "")
        if watch.doing == PAINTING:
            done = share(seconds, usual.median) if usual else None
            return self._with_bar(head, PAINTING, done, elapsed, self.spelled(usually(usual)))
        doing = watch.doing
        if doing == CONNECTING and watch.attempt > 1:
            doing = Message("connecting, try {number}", number=watch.attempt)
        if doing == TURN and seconds > 1:
            doing = Message("waiting for its turn: the account's limit is shared")
        return self._cut(head.append(f"{self.spelled(doing)}  {elapsed}"))

    def all_pictures(self, done: int, failed: int, count: int, words: str) -> Text:
        """Return the line of all pictures: how many have ended, and what else there is to say."""
        from rich.text import Text

        line = bar(done / count, self._room(_WIDEST), ascii_only=self.ascii_only)
        ended = Message("{done:,} of {count:,}", done=done, count=count)
        line.append("  ").append(self.spelled(ended))
        if failed:
            line.append("  ").append(f"✗ {failed:,}", style="red")
        return self._cut(Text.assemble(line, "  ", words))

    def names(self, labels: Sequence[tuple[int, str]], count: int) -> list[str]:
        """Return numbers and labels of pictures in columns."""
        from rich.cells import cell_len

        widest = max((cell_len(label) for _, label in labels), default=0)
        columns = min(widest, _LABEL, self.columns // 3)
        digits, cells = len(str(count)), [_fit(label, columns) for _, label in labels]
        return [
            f"{number:>{digits}}" + (f"  {cell}" if columns else "")
            for (number, _), cell in zip(labels, cells, strict=True)
        ]

    def _with_bar(
        self, head: Text, doing: Message, done: float | None, said: str, more: str
    ) -> Text:
        """Return a line with a bar as wide as there is room; without room `more` goes first."""
        word = self.spelled(doing)
        pad = max(columns_of(self.spelled(one)) for one in (PAINTING, DOWNLOADING))
        room = self.columns - head.cell_len - pad - 2 - columns_of(said) - 2
        if more and room - columns_of(more) - 2 >= _NARROWEST:
            room, said = room - columns_of(more) - 2, f"{said}  {more}"
        blanks = pad - columns_of(word) if room >= _NARROWEST else 0
        line = head.append(word).append(" " * (blanks + 2))
        if room >= _NARROWEST:
            width = min(room, self._room(_WIDEST))
            line.append_text(bar(done, width, clock=self.clock, ascii_only=self.ascii_only))
            line.append("  ")
        return self._cut(line.append(said))

    def _room(self, most: int) -> int:
        return max(_NARROWEST, min(most, self.columns // 3))

    def _cut(self, line: Text) -> Text:
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def share(seconds: float, median: float) -> float:
    """Return how full the bar is after so many seconds: never full, it is a guess."""
    times = seconds / max(median, 0.1)
    if times <= 1:
        return _ON_TIME * times
    return _AT_MOST - (_AT_MOST - _ON_TIME) / times


def _fit(label: str, columns: int) -> str:
    """Return a text in exactly so many columns."""
    from rich.text import Text

    text = Text(label)
    text.truncate(columns, overflow="ellipsis", pad=True)
    return text.plain
