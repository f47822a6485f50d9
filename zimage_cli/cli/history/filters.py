"""The words and options by which `list` and `export` choose pictures of the history."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli.app import Command
from zimage_cli.cli.asking import LONG_DASHES
from zimage_cli.cli.options import option, refuse_outside
from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.errors import UsageError

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History
    from zimage_cli.core.history.query import Query

FILTER = "Filter"

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WORD]...",
        help="All must occur in prompt, rewritten prompt or path; 'several words' together, "
        "-WORD not at all.",
    ),
]
Since = Annotated[
    str | None,
    option(FILTER, "--since", "Asked for since then: 7d, 12h, 2026-11-01, today.", "TIME"),
]
Until = Annotated[
    str | None,
    option(FILTER, "--until", "Asked for until then; a day is meant as a whole.", "TIME"),
]
StatusOption = Annotated[
    list[str] | None,
    option(
        FILTER,
        "--status",
        "saved, made, lost, failed, refused or sending; may be repeated.",
        "STATUS",
    ),
]
Region = Annotated[
    str | None, option(FILTER, "--region -r", "Made in this region, or in the sandbox.", "REGION")
]
Size = Annotated[str | None, option(FILTER, "--size -s", "Of this size: 1024x1024, 16:9.", "SIZE")]
Seed = Annotated[int | None, option(FILTER, "--seed", "With this seed.", "N")]
Batch = Annotated[str | None, option(FILTER, "--batch", "Of the batch in this folder.", "FOLDER")]


class Searching(Command):
    """A command that takes words, of which `-fox` is one that must not occur.

    Typer would take that for `-f -o -x`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with all words behind the options."""
        names = {
            name: not param.is_flag
            for param in self.get_params(ctx)
            if param.param_type_name == "option"
            for name in param.opts
        }
        options, words, rest = list[str](), list[str](), deque(args)
        while rest:
            word = rest.popleft()
            if word == "--":
                # What stands behind it is looked for as it is.
                words += [f'"{one}"' if one.startswith("-") else one for one in rest]
                break
            if not _is_option(word, names):
                words.append(word)
                continue
            options.append(word)
            if names.get(word) and rest:
                options.append(rest.popleft())
        return super().parse_args(ctx, [*options, "--", *words] if words else options)


def _is_option(word: str, names: dict[str, bool]) -> bool:
    option = "--" + word.lstrip(LONG_DASHES + "-").partition("=")[0]
    if word.startswith((*LONG_DASHES,)) and option in names:
        raise UsageError(
            "'{value}' begins with a long dash: an option begins with hyphens.",
            hint="Write {nearest}",
            field="words",
            value=word,
            nearest=option,
        )
    if not word.startswith("-") or word == "-":
        return False
    if word.startswith("--") or word in names:
        return True
    bare = word[1:].partition("=")[0]
    if f"--{bare}" in names:
        raise UsageError(
            "{value} leaves out what has the word {word}. Did you mean {nearest}?",
            hint="If not: '-\"{word}\"'",
            field="words",
            value=word,
            word=bare,
            nearest=f"--{bare}",
        )
    # -l5
    return names.get(word[:2], False) and word[2:].isdecimal()


def query(
    book: History | None,
    words: list[str] | None,
    *,
    since: str | None,
    until: str | None,
    statuses: list[str] | None,
    region: str | None,
    size: str | None,
    seed: int | None,
    batch: str | None,
) -> Query:
    """Return what was asked for. Raises UsageError for a value that is none."""
    from zimage_cli.core.history import query as reading
    from zimage_cli.core.request.sizes import parse_size

    if seed is not None:
        refuse_outside("--seed", seed, 0, MAX_SEED)
    wanted, without = reading.words_of(words or ())
    begin, end = times(since, until)
    return reading.Query(
        wanted,
        without,
        begin,
        end,
        tuple(reading.status_of(one) for one in statuses or ()),
        None if region is None else reading.region_of(region),
        None if size is None else parse_size(size),
        seed,
        None if batch is None else reading.batches_of(book, batch),
    )


def times(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    """Return the bounds of `--since` and `--until`. Raises UsageError."""
    from zimage_cli.core.history.query import time_of

    begin = None if since is None else time_of("--since", since)
    end = None if until is None else time_of("--until", until, end=True)
    if begin is not None and end is not None and begin >= end:
        raise UsageError(
            "Nothing is both since {since} and until {until}.",
            hint="--since is the earlier of the two.",
            field="since",
            since=since,
            until=until,
        )
    return begin, end
