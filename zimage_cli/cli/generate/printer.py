"""What is printed once, of a request and of each of its pictures: on a terminal, and in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.cli.preview import Preview
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.messages import Words


class Printer:
    """Prints cards and rows where it is `shown`, on a terminal, and plain lines elsewhere.

    `report`, `introduced` and `new_folder` as `Display` has them; `result` writes to the standard
    output. Not safe between threads.
    """

    def __init__(
        self,
        out: Output,
        plan: RequestPlan,
        report: str,
        result: Callable[[Callable[[], None]], None],
        *,
        shown: bool,
        introduced: bool,
        new_folder: str | None,
        preview: Preview | None,
    ) -> None:
        self._out = out
        self._plan = plan
        self._report = report
        self._result = result
        self._new_folder = new_folder
        self._preview = preview
        self._count = len(plan.requests)
        self._carded = introduced
        self._introduced = False
        self._rewritten: set[tuple[str | None, str | None]] = set()
        self._shown = shown

    def introduce(self) -> None:
        """Show the request, once."""
        out = self._out
        if self._introduced or out.quiet:
            return
        self._introduced = True
        if self._shown and not self._carded:
            from zimage_cli.cli.generate.cards import request_card

            out.show(request_card(self._plan, out.spelled))
        elif not self._shown:
            from zimage_cli.cli.generate.facts import request_lines

            for line in request_lines(self._plan):
                out.note(line)
        if self._new_folder is not None:
            out.note_data(Message("made the folder {path}", path=self._new_folder))

    def saved(self, job: Job, picture: Picture) -> None:
        """Show what was made: the rewritten prompt, then the picture, then the result itself."""
        out, path = self._out, picture.path
        if not out.quiet:
            self._show_rewritten(job, picture)
            if self._shown and self._count > 1:
                self._begin_row(job, picture)
            else:
                self._show_saved(job, picture)
        if self._report == "response":
            self._result(lambda: out.json(picture.response))
        elif self._report == "paths" and path is not None:
            self._result(lambda: out.path(path))

    def failed(self, outcome: Outcome) -> None:
        """Print the row of one of several pictures that is not saved: its cause on one line."""
        from zimage_cli.cli.output import one_line

        line = one_line("")
        line.append("✗", "red").append(f" {self._number(outcome.job)}  ")
        words = "" if outcome.error is None else self._out.text(outcome.error.message)
        self._out.show(line.append(visible(words)))

    def total(self, pictures: Sequence[Picture], failed: int, seconds: float) -> None:
        """Say what several pictures have come to; in a pipe every line has said its part."""
        if not (self._introduced and self._shown and self._count > 1):
            return
        from zimage_cli.cli.generate.facts import joined, total_facts

        out = self._out
        words = []
        if pictures:
            saved = Message("✓ {count:,} saved", count=len(pictures))
            words.append(out.style(out.text(saved), "32"))
        if failed:
            unsaved = Message("✗ {count:,} not saved", count=failed)
            words.append(out.style(out.text(unsaved), "31"))
        out.note(joined([*words, *total_facts(pictures, seconds)]))

    # -- inside --------------------------------------------------------------------------------

    def _show_rewritten(self, job: Job, picture: Picture) -> None:
        words = (picture.rewritten_prompt, picture.reasoning)
        if not any(words) or words in self._rewritten:
            return
        self._rewritten.add(words)
        if self._shown:
            from zimage_cli.cli.generate.cards import rewritten_card

            number = job.number if self._count > 1 else None
            self._out.show(rewritten_card(picture, number, self._out.spelled))
            return
        rewritten, reasoning = words
        if rewritten:
            self._out.note_data(Message("rewritten prompt: {text}", text=rewritten))
        if reasoning:
            self._out.note_data(Message("reasoning: {text}", text=reasoning))

    def _show_saved(self, job: Job, picture: Picture) -> None:
        """Print the line of a saved picture, and on a terminal what can be done next."""
        from zimage_cli.cli.generate.facts import joined, saved_facts, taken

        out, facts = self._out, joined(saved_facts(picture))
        if self._preview is not None:
            if picture.path is None:
                self._preview.refuse(Message("the picture went to the standard output"))
            else:
                self._preview.show([picture.path])
        self._note_saved(picture, facts)
        note = taken(self._plan, job, picture)
        if note is not None:
            out.note(note)
        if not self._shown:
            return
        number, hints = picture.history_id, self._report == "paths"
        if hints and number is not None and picture.region != "sandbox":
            from zimage_cli.cli.viewer import reachable

            look = "open" if reachable(sys.platform, out.environ) else "history show"
            look, again = f"{look} {number}", f"generate --like {number} --seed new"
            line = out.style(f"  zimage {look} · zimage {again}", "2")
            out.note(Message("{line}", line=line))
        if picture.path is None:
            out.note(Message("to standard output"))
        elif not self._path_follows(picture):
            out.note_data(Message("{path}", path=picture.path))

    def _note_saved(self, picture: Picture, facts: Words) -> None:
        out = self._out
        if self._shown:
            saved = out.style(out.text(Message("✓ saved")), "32")
            out.note(Message("{saved}  {facts}", saved=saved, facts=facts))
            return
        saved = out.style(out.text(Message("saved")), "32")
        if picture.path is None:
            out.note(Message("{saved} to standard output: {facts}", saved=saved, facts=facts))
        else:
            path = visible(str(picture.path))
            out.note(Message("{saved} {path}: {facts}", saved=saved, path=path, facts=facts))

    def _begin_row(self, job: Job, picture: Picture) -> None:
        """Print the row of one of several pictures; its path is the result that ends the row."""
        from zimage_cli.cli.generate.facts import taken

        out, note = self._out, taken(self._plan, job, picture)
        if note is not None:
            out.note(note)
        row = f"{out.style('✓', '32')} {self._number(job)}  "
        if self._path_follows(picture):
            out.begin(Message("{row}", row=row))
        else:
            out.note(Message("{row}{path}", row=row, path=visible(str(picture.path))))

    def _path_follows(self, picture: Picture) -> bool:
        """Tell whether the result of this picture stands on the same terminal."""
        return self._report == "paths" and picture.path is not None and self._out.stdout.isatty()

    def _number(self, job: Job) -> str:
        return f"{job.number:>{len(str(self._count))}}"
