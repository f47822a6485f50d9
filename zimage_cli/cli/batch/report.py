"""What a batch will do, and what it came to: for a person, and as `--json`."""

from __future__ import annotations

from shlex import join
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.batch.view import WORDS, span
from zimage_cli.core.advice import error_documents
from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import NOT_SAVED, Tally
from zimage_cli.core.status import Status
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.errors import ZimageError

_LINES_SHOWN = 12


def show(out: Output, plan: FilePlan) -> None:
    """Show what a run will do, and what it will cost."""
    found, kinds = plan.preflight, plan.preflight.kinds
    target = plan.settings.target
    rows = [
        ("lines", f"{found.lines:,}"),
        ("pictures", f"{found.pictures:,}"),
        ("already saved", f"{kinds[Status.SAVED]:,}"),
        ("to fetch, paid before", f"{kinds[Status.MADE]:,}"),
        ("refused before, left", f"{kinds[Status.REFUSED]:,}"),
        ("failed before, left", f"{kinds[Status.FAILED]:,}"),
        ("lost before, left", f"{kinds[Status.LOST]:,}"),
        ("invalid, left", f"{found.invalid:,}"),
        ("to make", f"{found.to_make:,}"),
        ("list price", "free, sandbox" if target.is_sandbox else money(found.cost)),
        ("takes about", span(plan.seconds)),
        ("region", target.region_name),
        ("folder", str(plan.folder)),
    ]
    always = {"lines", "pictures", "to make", "list price", "takes about", "region", "folder"}
    for name, value in rows:
        if name in always or value != "0":
            out.note(f"{name:<22} {visible(value)}")


class Report:
    """What a run came to. `words` are the command line's, for the commands that go on."""

    def __init__(self, plan: FilePlan, tally: Tally, words: tuple[str, ...]) -> None:
        self._plan = plan
        self._tally = tally
        own = {"--fresh", "--retry-failed", "--retry-lost"}
        self._words = [word for word in words if word not in own]
        self._left = plan.preflight.pictures - tally.ended

    def show(self, out: Output) -> None:
        """Print what a run came to, what failed and where, and the commands that go on."""
        tally, free = self._tally, self._plan.settings.target.is_sandbox
        self._show_counts(out)
        if tally.over_budget:
            bound = self._plan.options.max_cost
            out.note(f"Stopped at --max-cost {bound}; with a higher one, to go on:")
            out.note(f"  {self._again()}")
        unfetched = tally.counts[Status.MADE] - tally.printed
        if unfetched or (self._left > 0 and not tally.over_budget):
            words = [f"{self._left:,} left"] if self._left > 0 else []
            if unfetched and free:
                words.append(f"{unfetched:,} not fetched: made again")
            elif unfetched:
                words.append(f"{unfetched:,} paid and not fetched: for 24 hours that costs nothing")
            out.note(f"{', '.join(words)}; to go on:")
            out.note(f"  {self._again()}")
        if tally.printed and not free:
            told = "the address is printed above: no file could take it"
            out.say(f"{tally.printed:,} paid, and {told}")
        if self._has(Status.REFUSED, Status.FAILED):
            out.note("To try again what failed:")
            out.note(f"  {self._again('--retry-failed')}")
        if self._has(Status.LOST):
            out.note("What was lost may have been billed; to make it again and pay it:")
            out.note(f"  {self._again('--retry-lost')}")

    def document(self, status: int, error: ZimageError | None) -> dict[str, Any]:
        """Return the last object of `--json`: the counts, what was billed, and how to go on."""
        found, tally = self._plan.preflight, self._tally
        go_on = self._left > 0 or tally.counts[Status.MADE]
        failed, lost = self._has(Status.REFUSED, Status.FAILED), self._has(Status.LOST)
        return {
            "type": "summary",
            "schema": 1,
            "status": "ok" if not status else "partial" if tally.saved else "error",
            "lines": found.lines,
            "invalid": found.invalid,
            **tally.document(found.pictures, found.cost.currency if found.cost else None),
            "commands": {
                "go_on": self._again() if go_on else None,
                "retry_failed": self._again("--retry-failed") if failed else None,
                "retry_lost": self._again("--retry-lost") if lost else None,
            },
            "errors": [] if error is None else error_documents(error),
        }

    def _has(self, *kinds: Status) -> bool:
        """Tell whether anything ended so, in this run or in an earlier one that it leaves alone."""
        return any(self._tally.counts[kind] or kind in self._tally.left for kind in kinds)

    def _again(self, *options: str) -> str:
        """Return the command that goes on."""
        return visible(join(["zimage", *self._words, *options]))

    def _show_counts(self, out: Output) -> None:
        """Print the counts, and under `quiet` too what failed and where."""
        tally, found = self._tally, self._plan.preflight
        tell = out.say if tally.not_saved else out.note
        words = [f"{tally.saved:,} saved"]
        counts = {WORDS[status]: tally.counts[status] for status in (*NOT_SAVED, Status.SKIPPED)}
        counts["invalid"] = found.invalid
        words += [f"{count:,} {name}" for name, count in counts.items() if count]
        if found.cost and tally.spent:
            words.append(f"{money(Price(tally.spent, found.cost.currency))} at list price")
        tell(", ".join(words))
        for cause, count in tally.causes.most_common():
            tell(f"  {visible(cause)}: {count:,} ({_lines(tally.lines[cause])})")
        for status in (Status.REFUSED, Status.FAILED, Status.LOST):
            if numbers := tally.left.get(status):
                out.note(f"  {WORDS[status]} before, left: {len(numbers):,} ({_lines(numbers)})")


def _lines(numbers: list[int]) -> str:
    found = sorted(set(numbers))
    shown = ", ".join(map(str, found[:_LINES_SHOWN]))
    more = f" and {len(found) - _LINES_SHOWN:,} more" if len(found) > _LINES_SHOWN else ""
    return f"line{'s' if len(found) > 1 else ''} {shown}{more}"
