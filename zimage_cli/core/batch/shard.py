"""Which shard of a file a folder has: another one in it would make lines that others make too."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zimage_cli.core.drafts import write_whole
from zimage_cli.core.files import open_own
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError

MARK_NAME = ".zimage-batch.shard"
WHOLE = (1, 1)
MERGING = "merging"
"""In place of a shard: a merge into this folder has begun, and not ended."""
_LONGEST = 64


def marked(folder: Path) -> str | None:
    """Return the shard of a folder, such as `1/3`; None where it has none."""
    with (
        suppress(OSError, UnicodeDecodeError),
        os.fdopen(open_own(folder / MARK_NAME, os.O_RDONLY), "rb") as file,
    ):
        return file.read(_LONGEST).decode("ascii").strip() or None
    return None


def mark(folder: Path, shard: tuple[int, int], *, fresh: bool = False) -> None:
    """Note which shard a folder has; the whole file leaves what stands there, unless `fresh`.

    It is a guard only: where it cannot be written, the run goes on.
    """
    with suppress(OSError):
        if shard != WHOLE:
            write_whole(folder / MARK_NAME, "{}/{}\n".format(*shard).encode())
        elif fresh:
            unmark(folder)


def mark_merging(folder: Path) -> None:
    """Note that a merge begins; where that cannot be written, it goes on."""
    with suppress(OSError):
        write_whole(folder / MARK_NAME, f"{MERGING}\n".encode())


def unmark(folder: Path) -> None:
    """Forget which shard a folder has. Raises OSError."""
    (folder / MARK_NAME).unlink(missing_ok=True)


def refuse_other(folder: Path, shard: tuple[int, int], kinds: Iterable[Status]) -> None:
    """Refuse a run in a folder of another shard, or of the whole file, that would pay twice.

    `kinds` are those of the pictures of this run, NEW among them where some would be paid. Raises
    UsageError.
    """
    found, asked, known = marked(folder), "{}/{}".format(*shard), set(kinds)
    begun = Status.NEW in known and len(known) > 1
    if found == MERGING:
        if Status.NEW in known:
            raise UsageError(
                "A merge into {folder} did not end: what the other folders have would be made, "
                "and paid, here again. Nothing was sent.",
                hint="Run the same command with --merge again: it goes on.",
                field="merge",
                folder=folder,
            )
    elif shard == WHOLE:
        if found is not None and Status.NEW in known:
            raise UsageError(
                "{folder} has shard {found} of a file: without --shard, what other folders have "
                "would be made, and paid, here again. Nothing was sent.",
                hint="Add --shard {found}, or bring the folders together first with --merge; "
                "another file needs another folder: --output.",
                field="shard",
                folder=folder,
                found=found,
            )
    elif found is None and begun:
        raise UsageError(
            "{folder} has pictures of this file that no shard was noted for: other shards may make "
            "them, and they would be paid, again. Nothing was sent.",
            hint="Go on without --shard, or give the shard a folder of its own with --output.",
            field="shard",
            folder=folder,
            value=asked,
        )
    elif found not in {None, asked}:
        raise UsageError(
            "{folder} has shard {found}, and this is {value}: lines would be made, and paid, "
            "twice. Nothing was sent.",
            hint="Give each shard a folder of its own with --output, and keep N. Another N: bring "
            "the folders together first, then go on without --shard.",
            field="shard",
            folder=folder,
            found=found,
            value=asked,
        )
