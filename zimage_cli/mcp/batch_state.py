"""How far a batch has come: from the run that makes it, or from its folder and the history."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.api.endpoint import REGION_NAMES
from zimage_cli.core.advice import error_document
from zimage_cli.core.batch.source import open_source
from zimage_cli.core.files import open_locked
from zimage_cli.core.observer import Watcher
from zimage_cli.core.run.journal import LOCK_NAME, Journal
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError
from zimage_cli.mcp.errors import short
from zimage_cli.mcp.prompts import planned
from zimage_cli.mcp.results import fitting
from zimage_cli.text import clip, redact, shown

if TYPE_CHECKING:
    from datetime import datetime

    from mcp_types import CallToolResult

    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.core.run.run import Run
    from zimage_cli.errors import ConnectionFailed
    from zimage_cli.mcp.desk import Desk

PROMPTS = "prompts.jsonl"
_NEWEST = 5
"""Batches, and prompts of a cause, that are named."""
_CLOSING_SECONDS = 5.0
"""In which a run of ours that has ended frees its folder, on any machine."""
_WAITING = "The batch tries again for up to an hour, and then ends."
_UNSAVED = (Status.REFUSED, Status.FAILED, Status.LOST, Status.MADE)

WHOLE = {"type": "integer"}
_AMOUNT = {"type": ["string", "null"]}
COST_SCHEMA = {"type": "object", "properties": {"amount": _AMOUNT, "currency": _AMOUNT}}
STATUS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "status": {
            "type": "string",
            "description": "running, running in another zimage, ended, or done: all are saved.",
        },
        **{one.value: WHOLE for one in (Status.SAVED, *_UNSAVED)},
        "lost": {"type": "integer", "description": "Without an answer: may be billed."},
        "made": {"type": "integer", "description": "Billed and not saved: go_on fetches them."},
        "pictures": WHOLE,
        "to_make": {"type": "integer", "description": "Not asked for yet."},
        "cost": {"type": "object", "description": "So far; up_to with what may be billed."},
        "causes": {"type": "array", "description": "What was not saved, by cause."},
        "newest_files": {"type": "array", "items": {"type": "string"}},
        "waiting": {"type": "string", "description": "Why nothing is made at the moment."},
        "folder": {"type": "string", "description": "The files are in it."},
        "go_on": {"type": "string", "description": "The command that goes on."},
        "spent": COST_SCHEMA,
        "left": COST_SCHEMA,
    },
}


class Reach(Watcher):
    """Knows why the service cannot be reached, while it cannot."""

    why: ConnectionFailed | None = None

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:  # noqa: ARG002
        """Note that everything waits."""
        self.why = error

    def reachable(self, seconds: float) -> None:  # noqa: ARG002
        """Note that it goes on."""
        self.why = None


class Begun(NamedTuple):
    """A batch that this server has begun."""

    plan: FilePlan
    run: Run
    reach: Reach

    @property
    def works(self) -> bool:
        """Tell whether it has not ended."""
        # A bug is raised there; what there is on disk is told all the same.
        with suppress(Exception):
            return not self.run.wait(0)
        return False


def standing(desk: Desk, top: Path, all_begun: Mapping[str, Begun], name: object) -> CallToolResult:
    """Return how far a batch has come, whoever began it. Raises UsageError for none."""
    folder = _folder(top, name)
    begun = all_begun.get(folder.name)
    with (
        open_source(str(folder / PROMPTS), None) as source,
        closing(planned(desk.client, source, folder, RunOptions(), dry=True)) as plan,
    ):
        works, waits = begun is not None and begun.works, None
        if begun is not None and not works:
            # It may be about to be closed; after a bug nobody else does it.
            begun.plan.close()
        records = _records(folder)
        counts, pictures = plan.preflight.kinds, plan.preflight.pictures
        if begun is not None and works:
            status, counts, waits = "running", begun.run.tally.counts, begun.reach.why
        elif _is_locked(folder, 0.0 if begun is None else _CLOSING_SECONDS):
            status = "running in another zimage"
            counts = Counter(Status(one["status"]) for one in records)
        else:
            status = "done" if counts[Status.SAVED] == pictures else "ended"
        left = max(0, pictures - sum(counts[one] for one in (Status.SAVED, *_UNSAVED)))
        document = {
            "id": folder.name,
            "status": status,
            "pictures": pictures,
            **{one.value: counts[one] for one in (Status.SAVED, *_UNSAVED)},
            "to_make": left,
            "cost": _cost(desk, plan),
            "seconds": round(plan.forecast().left(left)) if status == "running" else None,
            **({} if waits is None else {"waiting": f"{waits.message} {_WAITING}"}),
            "folder": str(folder),
            **_going_on(desk, folder, plan, status, begun),
            **desk.purse.document,
        }
    return fitting(_documents(document, records))


def _folder(top: Path, name: object) -> Path:
    """Return the folder of a batch. Raises UsageError where there is none of that name."""
    there: list[str] = []
    with suppress(OSError), os.scandir(top) as found:
        there = sorted((one.name for one in found), reverse=True)
    if isinstance(name, str) and name in there:
        file = top / name / PROMPTS
        # No link on the way: what is read lies in the output folder.
        if os.path.realpath(file) == str(file) and file.is_file():
            return file.parent
    raise UsageError(
        "There is no batch {value} in {folder}.",
        hint="The newest: {newest}" if there else "start_batch begins one.",
        field="id",
        value=shown(name),
        folder=top,
        newest=", ".join(there[:_NEWEST]),
    )


def _cost(desk: Desk, plan: FilePlan) -> dict[str, Any]:
    """Return what it has cost so far, over all runs; `up_to` counts what may be billed."""
    from zimage_cli.core.history.query import Query
    from zimage_cli.core.history.stats import stats

    with desk.client.history() as book:
        found = stats(book, Query(batches=[plan.known.batch])).total.cost
    if not found:
        return {"amount": None, "currency": None, "up_to": None}
    one = found[0]
    return {"amount": str(one.amount), "currency": one.currency, "up_to": str(one.up_to)}


def _going_on(
    desk: Desk, folder: Path, plan: FilePlan, status: str, begun: Begun | None
) -> dict[str, Any]:
    """Return why it has ended, and the command that goes on, where there is anything to do."""
    if status != "ended":
        return {}
    said: dict[str, Any] = {"go_on": _command(desk, folder)}
    found = plan.preflight
    if found.unsaved:
        said["note"] = (
            "go_on leaves alone what was refused, failed or lost: --retry-failed tries again "
            "what failed, --retry-lost pays again for what was lost."
        )
    fatal = begun.run.fatal if begun is not None else None
    if fatal is not None:
        said["ended_by"] = short(error_document(fatal))
    return said


def _command(desk: Desk, folder: Path) -> str:
    from shlex import join

    target = desk.client.settings.target
    words = ["zimage", "batch", str(folder / PROMPTS), "--output", str(folder)]
    words += ["--output-dir", str(desk.folder)]
    if target.is_sandbox:
        words.append("--sandbox")
    elif target.region_name in REGION_NAMES:
        words += ["--region", target.region_name]
    return join(words)


def _records(folder: Path) -> list[dict[str, Any]]:
    """Return what the journal says of each picture at last."""
    last: dict[str, dict[str, Any]] = {}
    for _, record in Journal(folder).records():
        job, status = record.get("job"), record.get("status")
        if isinstance(job, str) and status in (Status.SAVED, *_UNSAVED):
            last.pop(job, None)
            last[job] = record
    return [*last.values()]


def _documents(document: dict[str, Any], records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what there is to say, and the same with less of causes and files."""
    causes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in records:
        if one["status"] != Status.SAVED:
            cause = str(one.get("code") or one.get("type"))
            causes.setdefault((one["status"], cause), []).append(one)
    files = [one["file"] for one in records if isinstance(one.get("file"), str)]
    most = sorted(causes.items(), key=lambda item: -len(item[1]))
    for count, length in ((8, 300), (5, 200), (3, 100), (1, 60), (0, 0)):
        yield {
            **document,
            "causes": [_cause(*key, found, length) for key, found in most[:count]],
            "newest_files": files[-count:] if count else [],
        }


def _cause(status: str, cause: str, found: list[dict[str, Any]], length: int) -> dict[str, Any]:
    return {
        "status": status,
        "cause": clip(redact(clip(cause, 1000)), length),
        "message": clip(redact(clip(str(found[-1].get("message") or ""), 1000)), length),
        "count": len(found),
        "prompts": [one.get("line") for one in found[:_NEWEST]],
    }


def _is_locked(folder: Path, patience: float) -> bool:
    """Tell whether a batch works in a folder, and does not end in so many seconds."""
    try:
        handle = open_locked(folder / LOCK_NAME, os.O_RDWR, patience=patience)
    except BlockingIOError:
        return True
    except OSError:
        return False
    os.close(handle)
    return False
