"""`zimage batch FILE DIR… --merge`: what is shown meanwhile, and what came of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.batch.again import Again
from zimage_cli.cli.batch.report import lines_of, shown_folder
from zimage_cli.cli.output import Output
from zimage_cli.cli.waiting import wait_for
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message, Words, counted
from zimage_cli.text import shown, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zimage_cli.core.batch.merge import Merge, Taken
    from zimage_cli.core.batch.plan import FilePlan

_STOPPED = Message("what is together stays; the same command goes on")


def refuse_beside(folders: list[str], *, merge: bool, **others: object) -> None:
    """Raise UsageError for folders without `--merge`, and for what makes no sense beside it."""
    if folders and not merge:
        raise UsageError(
            "{command} takes only {names}: {value} is too many.",
            hint="{command} --help",
            field=None,
            command="zimage batch",
            names="FILE",
            value=f"'{visible(shown(folders[0]).plain)}'",
        )
    if merge and not folders:
        raise UsageError(
            "--merge needs the folders of the shards.",
            hint="zimage batch FILE DIR DIR --merge --output DIR",
            field="merge",
        )
    given = next((name for name, value in others.items() if merge and value), None)
    if given is not None:
        option = "--" + given.replace("_", "-")
        raise UsageError(
            "--merge makes no picture: {option} has no meaning beside it.",
            field=given,
            option=option,
        )


def run(out: Output, merge: Merge) -> None:
    """Bring the folders together, and show how far it is. Raises Interrupted."""

    def far() -> tuple[float | None, Message]:
        words = Message("{done:,} of {total:,} pictures", done=merge.done, total=merge.total)
        return merge.done / merge.total if merge.total else None, words

    wait_for(out, merge.run, merge.cancel, far, _STOPPED)


class MergeReport:
    """What a merge came to, and what of the file is missing.

    `words` are the command line's, `folders` those of them that name the folders.
    """

    def __init__(
        self, plan: FilePlan, merge: Merge, words: Sequence[str], folders: Sequence[str]
    ) -> None:
        self._plan = plan
        self._taken = merge.taken
        known, options = plan.known, plan.options
        self._missing = sorted(
            {job.line for job in plan.jobs() if known.of(job.key).decide(options) is Status.NEW}
        )
        saved = sum(state.status is Status.SAVED for _, state in known.items())
        self._saved = plan.preflight.kinds[Status.SAVED]
        self._strange = saved - self._saved
        self._rest = bool(self._missing or plan.preflight.kinds[Status.MADE])
        self._again = Again(
            _without(words, folders),
            rest=self._rest,
            ends={kind for kind, count in plan.preflight.kinds.items() if count},
            free=plan.settings.target.is_sandbox,
        )

    @property
    def is_whole(self) -> bool:
        """Tell whether every line of the file has its pictures."""
        found = self._plan.preflight
        return self._saved == found.pictures and not found.invalid

    def show(self, out: Output) -> None:
        """Print what came from each folder, what is missing, and the command that makes it."""
        for taken in self._taken:
            out.note(_from(taken))
        found, folder = self._plan.preflight, visible(shown_folder(self._plan))
        if self._strange:
            one = "{count:,} picture is of no line of {file}: was it made with other options?"
            many = "{count:,} pictures are of no line of {file}: were they made with other options?"
            out.note_data(counted(self._strange, one, many, file=self._plan.source.name))
        if self.is_whole:
            mark = out.style("✓", "32")
            out.note(
                Message(
                    "{mark} all {pictures:,} pictures are in {folder}",
                    mark=mark,
                    pictures=found.pictures,
                    folder=folder,
                )
            )
            return
        out.note(
            Message(
                "{saved:,} of {pictures:,} pictures are in {folder}",
                saved=self._saved,
                pictures=found.pictures,
                folder=folder,
            )
        )
        ends = (
            _some("{count:,} to fetch, paid before", found.kinds[Status.MADE]),
            _some("{count:,} refused", found.kinds[Status.REFUSED]),
            _some("{count:,} failed", found.kinds[Status.FAILED]),
            _some("{count:,} lost, may be billed", found.kinds[Status.LOST]),
        )
        for words in filter(None, ends):
            out.note(words)
        if self._missing:
            out.note(Message("missing: {lines}", lines=lines_of(self._missing)))
        if self._rest:
            out.note(Message("To go on:"))
            self._again.show(out)
        self._again.show_retries(out)

    def document(self) -> dict[str, Any]:
        """Return the document of `--json`."""
        found = self._plan.preflight
        kinds = (Status.SAVED, Status.MADE, Status.REFUSED, Status.FAILED, Status.LOST)
        return {
            "type": "summary",
            "schema": 1,
            "status": "ok" if self.is_whole else "partial",
            "folder": str(self._plan.folder.absolute()),
            "folders": [taken.document for taken in self._taken],
            "lines": found.lines,
            "invalid": found.invalid,
            "pictures": found.pictures,
            **{kind.value: found.kinds[kind] for kind in kinds},
            "missing": found.to_make,
            "missing_lines": self._missing,
            "of_no_line": self._strange,
            "commands": self._again.document(),
            "errors": [],
        }


def _from(taken: Taken) -> Words:
    """Return what came from a folder, and what stays there."""
    parts = [
        Message("{count:,} taken", count=taken.taken) if taken.taken or not taken.before else None,
        _some("{count:,} taken before", taken.before),
        _some("{count:,} not saved", taken.ends),
        _some("{count:,} left there: another folder has pictures of their lines", taken.others),
        _some("{count:,} in its results.jsonl and not on disk", taken.gone),
    ]
    folder = visible(os.path.join(taken.folder, ""))  # noqa: PTH118 - a Path drops the last one
    listed = Listing(", ", [part for part in parts if part is not None])
    return Message("{folder}: {parts}", folder=folder, parts=listed)


def _some(template: str, count: int) -> Message | None:
    return Message(template, count=count) if count else None


def _without(words: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Return the command line that makes what is missing: without `--merge` and the folders."""
    left = [word for word in words if word != "--merge"][::-1]
    for folder in folders:
        # From the end: an option's value before them may be the same word.
        left.remove(folder)
    return left[::-1]
