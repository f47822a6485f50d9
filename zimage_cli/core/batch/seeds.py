"""The seeds of lines that another salt has drawn for: of a shard, or before a line was changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zimage_cli.core.request.jobs import Job


@dataclass
class SharedSeeds:
    """What is new of a line shares the seed of what there is of it, whoever drew that."""

    _seeds: dict[bytes, int] = field(default_factory=dict)
    """By `Job.shared`."""
    _line: int = 0
    _known: dict[bytes, int] = field(default_factory=dict)
    """Of this line: the first seed that was asked for before."""
    _new: set[bytes] = field(default_factory=set)
    """Of this line: what has pictures that were not."""

    def note(self, job: Job, seed: int | None) -> None:
        """Take a picture of a file, in its order, and another seed that it was asked for with.

        None is for one that was not asked for yet.
        """
        if job.line != self._line:
            self.end_line()
            self._line = job.line
        if seed is None:
            self._new.add(job.shared)
        else:
            self._known.setdefault(job.shared, seed)

    def end_line(self) -> None:
        """Keep the seeds of what is new of a line that was begun."""
        for shared in self._new:
            if shared in self._known:
                self._seeds[shared] = self._known[shared]
        self._known.clear()
        self._new.clear()

    def given(self, job: Job) -> Job:
        """Return a picture with the seed that it shares."""
        seed = self._seeds.get(job.shared)
        return job if seed is None else job._replace(request=replace(job.request, seed=seed))
