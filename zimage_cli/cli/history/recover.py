"""`zimage history recover`: fetch what was made and not saved."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli import keys, options
from zimage_cli.cli.errors import Interrupted, print_error
from zimage_cli.cli.folding import columns_of
from zimage_cli.cli.history.common import REF_HELP
from zimage_cli.cli.output import Output, document
from zimage_cli.cli.signals import Signals
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.client import Client
from zimage_cli.core.advice import exit_status
from zimage_cli.core.settings.settings import Flags
from zimage_cli.errors import Stopped
from zimage_cli.messages import Listing, Message, counted
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from rich.text import Text

    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.recovery import Candidate, Recovered, Recovery

_PROMPT = 40
"""Characters of a prompt: it is there to be known again."""
_WIDEST = 100
_BAR = 24


def recover(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REF]...",
            help="Only these, whatever their state; default: all that can be had. " + REF_HELP,
        ),
    ] = None,
    output_dir: options.OutputDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what is recoverable.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch pictures that were made and not saved; nothing is paid again."""
    out = Output(quiet=quiet)
    with (
        Client(flags=Flags(output_dir=output_dir), on_warning=out.warn) as client,
        client.recovery(pictures or (), here=output_dir is not None, dry=dry_run) as recovery,
    ):
        if not recovery.found:
            out.note(Message("Nothing to recover: no picture is known to be made and not saved."))
        if not dry_run and recovery.found:
            results = _Fetching(out, recovery, by_name=bool(pictures), json=json).run()
        else:
            results = recovery.untouched()
            if recovery.found and not json:
                _list(out, recovery.found)
    failures = [result.error for result in results if result.error and result.failed]
    if json:
        out.json(_recovered("dry-run" if dry_run else _status(results), results))
    if failures:
        raise typer.Exit(exit_status(failures[0]))


def _list(out: Output, found: list[Candidate]) -> None:
    """Print what can be recovered, and what cannot any more."""
    headers = (Message("id"), Message("state"), Message("prompt"))
    table = Table(headers, right=("id",), last="cut")
    for one in found:
        prompt = one.entry.prompt
        table.add_row(
            cell(str(one.entry.id)),
            Cell(one.words, "dim" if one.is_over else ""),
            cell(" ".join(prompt.split()), piped=prompt),
        )
    out.result_table(table)


class _Fetching:
    """Fetches pictures, and tells what becomes of each; which one comes is shown meanwhile."""

    def __init__(self, out: Output, recovery: Recovery, *, by_name: bool, json: bool) -> None:
        self._out = out
        self._recovery = recovery
        self._by_name = by_name
        self._json = json
        self._tried = recovery.tried
        self._results: list[Recovered] = []
        self._lock = threading.Lock()
        """Held while something is printed: the live line must not come in between."""
        moves = out.moves
        self._live = out.live() if moves and not out.quiet else None
        self._now: tuple[Candidate, int, int | None] | None = None
        self._began = time.monotonic()

    def run(self) -> list[Recovered]:
        """Fetch in a thread, which Ctrl-C cancels. Raises Interrupted, with what is left."""
        with Signals() as signals:
            if self._live is not None:
                keys.give_back_on_signals()
            try:
                signals.wait_for(self._work, self._recovery.cancel, lambda: True, self._show)
            except Stopped:
                end = Interrupted(signals.numbers[0], note=self._left())
                if self._json:
                    status = "partial" if any(one.path for one in self._results) else "error"
                    end.document = _recovered(status, self._results, end.error_document())
                raise end from None
            finally:
                if self._live is not None:
                    with suppress(OSError):
                        self._live.stop()
            self._out.note(_total(self._results))
        return self._results

    def _work(self) -> None:
        for result in self._recovery.fetch(self._note):
            with self._lock:
                self._results.append(result)
                self._now = None
                if self._live is not None:
                    with suppress(OSError):
                        self._live.clear()
                self._tell(result)

    def _note(self, one: Candidate, received: int, total: int | None) -> None:
        self._now = one, received, total

    def _tell(self, result: Recovered) -> None:
        out, name = self._out, _name(result.entry)
        if result.error is not None and result.failed:
            print_error(out, result.error.but("{name}: {cause}", name=name))
        elif result.path is None:
            out.note(Message("{name}: {cause}", name=name, cause=result.words))
        else:
            out.note(Message("{mark} {name}", mark=out.style("✓", "32"), name=name))
            if not self._json:
                out.result(str(result.path))

    def _left(self) -> Message:
        """Return what was recovered before an interrupt, and how to get the others."""
        done = {id(result.entry) for result in self._results}
        left = [one.entry.id for one in self._tried if id(one.entry) not in done]
        ids = "".join(f" {number}" for number in left) if self._by_name else ""
        return Message(
            "{recovered} of {all} recovered; {left} left: zimage history recover{ids}",
            recovered=sum(result.path is not None for result in self._results),
            all=len(self._tried),
            left=len(left),
            ids=ids,
        )

    # -- the live line -------------------------------------------------------------------------

    def _show(self) -> None:
        """Draw which picture comes, and how much of it has; what cannot be drawn ends nothing."""
        # A result that nobody takes must not hold up Ctrl-C.
        if self._live is None or not self._lock.acquire(blocking=False):
            return
        try:
            if self._now is not None:
                self._live.update(self._line(*self._now))
        except Exception:  # noqa: BLE001 - rich may stumble over anything
            self._live = None
        finally:
            self._lock.release()

    def _line(self, one: Candidate, received: int, total: int | None) -> Text:
        from rich.text import Text

        from zimage_cli.cli.bar import bar
        from zimage_cli.cli.generate.facts import human_bytes

        console = self._out.stderr_console
        ascii_only, clock = console.options.ascii_only, time.monotonic() - self._began
        # Shorter than the terminal is wide: a full line would wrap where it gets narrower.
        columns = min(console.width - 1, _WIDEST)
        signs = "-\\|/" if ascii_only else "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
        number = next(at for at, each in enumerate(self._tried, 1) if each is one)
        sign = (signs[int(clock * 10) % len(signs)], "cyan")
        place = Message("{number:,} of {all:,}", number=number, all=len(self._tried))
        head = Text.assemble(sign, f" {self._out.spelled(place)}  ")
        now, whole = human_bytes(received), human_bytes(total or 0)
        size = Message("{now} of {whole}", now=now, whole=whole) if total else Message("connecting")
        tail = self._out.spelled(now if received and not total else size)
        room = columns - head.cell_len - columns_of(tail) - 4
        width = min(_BAR, room // 2)
        # As it will stand there: what a console cannot show becomes an escape, and that is wider.
        prompt = Text(self._out.spelled(_words(one.entry)), no_wrap=True)
        prompt.truncate(max(room - width, 0), overflow="crop" if ascii_only else "ellipsis")
        done = received / total if total else None
        drawn = ("  ", bar(done, width, clock=clock, ascii_only=ascii_only)) if width > 3 else ()
        line = Text.assemble(head, prompt, *drawn, f"  {tail}", no_wrap=True, end="")
        line.truncate(columns)
        return line


def _words(entry: Entry) -> str:
    return visible(clip(" ".join(entry.prompt.split()), _PROMPT))


def _name(entry: Entry) -> Message:
    return Message("history {number}, {prompt}", number=entry.id, prompt=_words(entry))


def _total(results: list[Recovered]) -> Message:
    """Return what became of all of them, in a sentence."""
    recovered = sum(one.path is not None for one in results)
    over = sum(one.over for one in results)
    failed = sum(one.failed and not one.over for one in results)
    left = len(results) - recovered - over - failed
    parts = [Message("{recovered:,} of {all:,} recovered", recovered=recovered, all=len(results))]
    if over:
        parts.append(counted(over, "{count:,} is over", "{count:,} are over"))
    if failed:
        parts.append(Message("{failed:,} failed", failed=failed))
    if left:
        parts.append(Message("{left:,} left alone", left=left))
    return Message("{parts}.", parts=Listing(", ", parts))


def _status(results: list[Recovered]) -> str:
    if not any(result.failed for result in results):
        return "ok"
    return "partial" if any(result.path for result in results) else "error"


def _recovered(status: str, results: list[Recovered], *more: dict[str, Any]) -> dict[str, Any]:
    errors = [document for result in results for document in result.errors]
    pictures = [result.document for result in results]
    return document(status, errors=[*errors, *more], pictures=pictures)
