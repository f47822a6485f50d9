"""A batch from its file to its summary: checked and agreed to, then run and added up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.errors import AuthenticationError, UsageError
from zimage_cli.cli import process
from zimage_cli.cli.batch_check import (
    Preflight,
    Wishes,
    ask,
    check,
    refuse_cost,
    refuse_invalid,
    show,
)
from zimage_cli.cli.batch_routes import Routes
from zimage_cli.cli.batch_view import BatchView, print_summary
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.session import open_ledger, open_maker
from zimage_cli.cli.signals import Signals, settle
from zimage_cli.core import recover
from zimage_cli.core.advice import error_document, exit_status
from zimage_cli.core.batch import crew
from zimage_cli.core.batch.journal import FRESH, Journal, alone_in
from zimage_cli.core.batch.plan import Defaults, Item, Planner
from zimage_cli.core.batch.runner import Runner
from zimage_cli.core.batch.state import States
from zimage_cli.core.batch.tally import Tally
from zimage_cli.core.files import make_writable_folder, remove_abandoned
from zimage_cli.core.ledger import now
from zimage_cli.core.save import FolderPlace
from zimage_cli.core.settings import Settings, refused_key_hint

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.source import Source
    from zimage_cli.core.names import NameTemplate

NOT_ALL_STATUS = 9


def run(out: Output, settings: Settings, defaults: Defaults, source: Source, wishes: Wishes) -> int:
    """Run a batch and return its exit status.

    Raises UsageError where nothing can be started, and what `destination` raises without a key.
    """
    folder = wishes.folder
    routes = Routes(settings, wishes.flags)
    if wishes.trust_base_url:
        defaults = replace(defaults, check_base_url=routes.check)
    with ExitStack() as stack:
        if not wishes.dry_run:
            make_writable_folder(folder)
            stack.enter_context(alone_in(folder))
        journal = Journal(folder)
        stack.callback(journal.close)
        known = _known(out, settings, folder, journal, wishes)
        about = source.fingerprint()
        preflight = check(source, defaults, routes, known, wishes.options)
        refuse_invalid(out, preflight, wishes)
        show(out, preflight, settings, folder, wishes)
        refuse_cost(preflight, settings, wishes)
        if wishes.dry_run:
            out.note("nothing was sent")
            return 0
        ask(out, preflight, wishes)
        for name in ("", *preflight.folders):
            remove_abandoned(folder / name)
        items = _items(source, about, defaults)
        # Until the summary is printed: whoever stops a run reads how far it came.
        with Signals() as signals:
            run = _Run(out, settings, wishes, defaults.template, preflight, signals)
            return run(items, known, journal, routes)


class _Run(NamedTuple):
    """One run of a batch, once everything is checked and agreed to."""

    out: Output
    settings: Settings
    wishes: Wishes
    template: NameTemplate
    preflight: Preflight
    signals: Signals

    def __call__(
        self, items: Iterator[Item], known: States, journal: Journal, routes: Routes
    ) -> int:
        """Make the pictures, say what came of it, and return the exit status."""
        wishes = self.wishes
        with (
            open_maker(
                self.settings,
                self.out,
                FolderPlace(wishes.folder),
                template=self.template,
                keep_evidence=wishes.keep_evidence,
                retry_lost=wishes.options.retry_lost,
                connections=wishes.options.concurrency,
            ) as maker,
            BatchView(self.out, self.preflight.pictures, json=wishes.json) as view,
        ):
            if wishes.fresh:
                journal.append({"status": FRESH, "time": now()})
            runner = Runner(
                routes.makers(maker),
                journal,
                known,
                wishes.folder,
                replace(wishes.options, concurrency=self._lines()),
                view,
                error_document=lambda error, prompt: error_document(error, prompt=prompt),
            )
            view.watch(runner.tally, self.preflight.cost, runner.stop)
            self._drive(runner, items, view)
        if len(self.signals.numbers) > 1:
            billed = runner.tally.lost or runner.unsettled
            lost = ": what was in flight may have been made and billed" if billed else ""
            self.out.say(f"left at once{lost}")
        self._report(runner.tally)
        if view.lost is not None:
            raise view.lost
        return self._status(runner.tally)

    def _lines(self) -> int:
        """Return how many lines can be in flight."""
        wanted = self.wishes.options.concurrency
        sandbox = self.settings.target.is_sandbox
        process.allow_files(wanted, sandbox=sandbox)
        lines = crew.room_for(wanted, sandbox=sandbox)
        if lines < wanted:
            few = f"{lines:,} at a time instead of {wanted:,}"
            self.out.warn(f"lines are made {few}: too few files may be open (ulimit -n)")
        return lines

    def _drive(self, runner: Runner, items: Iterator[Item], view: BatchView) -> None:
        """Run until the end, or until signals ask for an earlier one."""
        signals = self.signals
        process.lean_memory()
        runner.start(items, signals.wake)
        while not runner.wait(0):
            if signals.wait(view.pause()) is None:
                view.refresh()
            elif len(signals.numbers) == 1:
                runner.stop()
                view.say("stopping: what is in flight is waited for; Ctrl-C again leaves at once")
            else:
                view.close()
                runner.cancel()
                settle(runner.wait, lambda: not runner.wait(0), lambda: runner.unsettled)
                return

    def _report(self, tally: Tally) -> None:
        """Print what the run came to, and the commands that go on."""
        out, preflight, wishes = self.out, self.preflight, self.wishes
        free = self.settings.target.is_sandbox
        print_summary(out, tally, preflight.invalid, preflight.cost)
        left = preflight.pictures - tally.saved - tally.failed - tally.lost - tally.skipped
        if tally.over_budget:
            bound = wishes.options.max_cost
            out.note(f"Stopped at --max-cost {bound}; with a higher one, to go on:")
            out.note(f"  {wishes.again()}")
        if tally.unfetched or (left > 0 and not tally.over_budget):
            words = [f"{left:,} left"] if left > 0 else []
            if tally.unfetched:
                paid, again = "paid and ", "for 24 hours that costs nothing"
                if free:
                    paid, again = "", "made again"
                words.append(f"{tally.unfetched:,} {paid}not fetched: {again}")
            out.note(f"{', '.join(words)}; to go on:")
            out.note(f"  {wishes.again()}")
        if tally.printed and not free:
            told = "the address is printed above: no file could take it"
            out.say(f"{tally.printed:,} paid, and {told}")
        if tally.failed > tally.unfetched + tally.printed or tally.skipped_failed:
            out.note("To try again what failed:")
            out.note(f"  {wishes.again('--retry-failed')}")
        if tally.lost or tally.skipped_lost:
            out.note("What was lost may have been billed; to make it again and pay it:")
            out.note(f"  {wishes.again('--retry-lost')}")

    def _status(self, tally: Tally) -> int:
        error = tally.fatal
        if error is not None:
            if isinstance(error, AuthenticationError) and error.http_status == 401:
                error = error.but(hint=refused_key_hint(self.settings))
            print_error(self.out, error)
            return exit_status(error)
        if self.signals.numbers:
            return 128 + self.signals.numbers[0]
        not_saved = tally.failed + tally.lost + self.preflight.invalid + self.preflight.unsaved
        return NOT_ALL_STATUS if not_saved or tally.over_budget else 0


def _items(source: Source, about: object, defaults: Defaults) -> Iterator[Item]:
    """Yield the pictures of a file, as long as it is the one that was checked."""
    for entry in Planner(defaults).plan(source):
        if source.fingerprint() != about:
            raise UsageError(
                f"{source.name} was changed after it was checked: nothing more is sent.",
                hint="Run the same command again: what is saved is not made again.",
            )
        if isinstance(entry, Item):
            yield entry


def _known(
    out: Output, settings: Settings, folder: Path, journal: Journal, wishes: Wishes
) -> States:
    path = settings.environment.ledger_file()
    if wishes.dry_run and (path is None or not path.exists()):
        return States.load(folder, journal, None, fresh=wishes.fresh)
    ledger = open_ledger(settings, out)
    try:
        book = ledger.book
        if book is not None and not wishes.dry_run:
            book.settle_abandoned()
        known = States.load(folder, journal, book, fresh=wishes.fresh)
        if book is not None and not wishes.dry_run:
            # Before anything else is made here, and one by one: equal pictures are told apart so.
            for key, state in known.to_fetch():
                entry = book.entry(state.entry or 0)
                if entry is not None and recover.claim(book, entry, folder) is not None:
                    known.found(key)
        return known
    finally:
        ledger.close()
