"""How long the service has painted lately, by the history of this user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.core.history.file import HistoryError, open_to_read, sqlite_errors
from zimage_cli.core.request.sizes import dimensions
from zimage_cli.core.status import Status

if TYPE_CHECKING:
    from zimage_cli.core.request.request import Request

_LEAST, _MOST = 5, 50
"""Pictures: fewer say nothing, and older ones tell of another time."""

_ROWS = 2_000
"""The newest rows that are looked at, whatever they are: a history may be long."""

_ALIKE = 1.5
"""Times as many pixels, or as few, that take about as long."""

# A picture of one try: its row was written when the request left.
_SELECT = """
SELECT (julianday(answered_at) - julianday(created_at)) * 86400 AS seconds FROM generation
WHERE id > (SELECT max(id) FROM generation) - ? AND status = ? AND attempts = 1 AND region = ?
AND prompt_extend = ? AND width * height BETWEEN ? AND ? AND seconds > 0 ORDER BY id DESC LIMIT ?
"""


class Usual(NamedTuple):
    """Seconds that pictures took: half of them between `low` and `high`, half up to `median`."""

    low: float
    median: float
    high: float


def usual(path: Path | None, region: str, request: Request) -> Usual | None:
    """Return how long pictures like this one took; None where too few are known.

    Reads through a connection of its own, and waits for nothing; what cannot be read is not known.
    """
    if path is None or not path.exists():
        return None
    width, height = dimensions(request.size)
    least, most = int(width * height / _ALIKE), int(width * height * _ALIKE)
    values = (_ROWS, Status.SAVED, region, request.prompt_extend, least, most, _MOST)
    try:
        with sqlite_errors(path):
            db = open_to_read(path)
            try:
                found = sorted(seconds for (seconds,) in db.execute(_SELECT, values))
            finally:
                db.close()
    except HistoryError:
        return None
    if len(found) < _LEAST:
        return None
    low, median, high = (found[len(found) * quarter // 4] for quarter in (1, 2, 3))
    return Usual(low, median, high)
