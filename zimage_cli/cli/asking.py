"""From the command line to checked requests: what `generate`, `batch` and `validate` share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zimage_cli.cli.options import NEW
from zimage_cli.core.files import TooLarge, read_text, reason
from zimage_cli.core.request.request import parse_json_object
from zimage_cli.core.request.sweep import MAX_COUNT, ONE, Sweep
from zimage_cli.core.run.money import count_of, money
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import shown

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.core.run.plan import RequestPlan

LONG_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
"""Hyphens and dashes that text editors and phones make of `-` and `--`."""

_MAX_INPUT = 8 * 1024 * 1024
"""Bytes. The service reads 800 characters of a prompt."""

_CONTRADICTIONS = (
    ("--size", "--sizes"),
    ("--seed", "--seeds"),
    ("--seed", "--no-seed"),
    ("--seeds", "--no-seed"),
)


def read_stdin(what: Message) -> str:
    """Return standard input as text. Raises UsageError where it is not UTF-8 or far too long."""
    stream = sys.stdin
    if stream is None or stream.closed:
        raise UsageError("{what}: standard input is closed", what=what)
    return _text(stream.buffer, what)


def _text(file: Path | BinaryIO, what: Message) -> str:
    try:
        return read_text(file, _MAX_INPUT)
    except TooLarge:
        raise UsageError(
            "{what}: more than {mebibytes} MiB", what=what, mebibytes=_MAX_INPUT // (1024 * 1024)
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            "{what}: byte {place} is not UTF-8", what=what, place=error.start + 1
        ) from None


def read_request(
    prompt: str | None, request: str | None, file: str | None
) -> tuple[dict[str, object], str | None]:
    """Return the fields of `--request` or `--file`, and the prompt with `-` read from stdin.

    What zimage recorded of a picture is taken as its request. Raises UsageError.
    """
    if request is not None and file is not None:
        raise UsageError("--request and --file both give the request", hint="Give only one.")
    if prompt and prompt[0] in LONG_DASHES:
        _refuse_option(prompt)
    if prompt == "-" and file == "-":
        raise UsageError("the prompt and --file cannot both be standard input")
    if prompt == "-":
        prompt = read_stdin(Message("the prompt on standard input"))
    text, name = request, "--request"
    if file is not None:
        text, name = _read_file(file), f"--file {file}"
    source = {} if text is None else parse_json_object(text, name)
    if source:
        from zimage_cli.core.request.recorded import request_fields

        source = request_fields(source)
    return source, prompt


def _refuse_option(prompt: str) -> None:
    """Refuse a prompt that is an option with a long dash (`—sandbox`): it would be painted."""
    word = prompt.lstrip(LONG_DASHES + "-")
    if not (word.isascii() and word.replace("-", "").isalnum()):
        return
    raise UsageError(
        "{value} begins with a long dash: an option begins with hyphens.",
        hint="Write {option}; or a space before it, where it is to be painted.",
        field="prompt",
        value=shown(prompt),
        option=f"--{word}" if len(word) > 1 else f"-{word}",
    )


def _read_file(file: str) -> str:
    if file == "-":
        return read_stdin(Message("--file -"))
    try:
        return _text(Path(file), Message("--file {file}", file=file))
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise UsageError("--file {value}: {why}", field="file", value=file, why=why) from None


def given(**options: Any) -> dict[str, object]:
    """Return the options that were given: not None."""
    return {name: value for name, value in options.items() if value is not None}


def seed_of(text: str | None) -> dict[str, int | None]:
    """Return the seed that an option gives: None for `new`, nothing where it is not given."""
    if text is None:
        return {}
    return {"seed": None if text == NEW else int(text)}


def sweep(
    *,
    count: int,
    expand: bool,
    size: str | None,
    sizes: str | None,
    seed: object,
    seeds: str | None,
    no_seed: bool,
    below: Path | None = None,
) -> Sweep:
    """Return how the options multiply a request. Raises UsageError for those that contradict.

    `below` is the folder that files in prompts are in; None: anywhere.
    """
    wanted = given(size=size, sizes=sizes, seed=seed, seeds=seeds, no_seed=no_seed or None)
    names = {f"--{name.replace('_', '-')}" for name in wanted}
    for one, other in _CONTRADICTIONS:
        if {one, other} <= names:
            raise UsageError(
                "{one} and {other} contradict each other: give only one", one=one, other=other
            )
    if not 1 <= count <= MAX_COUNT:
        more = count > MAX_COUNT
        raise UsageError(
            "--count: {value} is not allowed; allowed: {allowed}",
            hint="For more, give the prompt several lines of a file: zimage batch FILE"
            if more
            else None,
            field="count",
            value=count,
            allowed=f"1 … {MAX_COUNT}",
            nearest=MAX_COUNT if more else 1,
        )
    if count == 1 and not expand and not wanted.keys() & {"sizes", "seeds", "no_seed"}:
        return ONE
    several: dict[str, Any] = {}
    if expand:
        from zimage_cli.core.wordfiles import WordFiles

        several["lines"] = WordFiles(below)
    if sizes is not None or seeds is not None:
        from zimage_cli.core.request.expand import parse_seeds, parse_sizes

        several |= given(
            sizes=parse_sizes(sizes) if sizes is not None else None,
            seeds=parse_seeds(seeds) if seeds is not None else None,
        )
    return Sweep(count, expand, no_seed=no_seed, **several)


def agree(
    out: Output, plan: RequestPlan | FilePlan, *, yes: bool, aloud: bool, told: bool = False
) -> None:
    """Hold a plan's price against `--max-cost`, say it, and ask where it is much.

    `aloud` says it whatever it is; where it is `told` already, it is not said again. Raises
    UsageError where it is too much or nobody can be asked, typer.Exit for a no.
    """
    estimate, bound = plan.estimate, plan.options.max_cost
    estimate.refuse_over(bound, plan.settings.target.host)
    if not told and (aloud or bound is not None or estimate.is_much):
        template = "{pictures}, free: sandbox" if estimate.free else "{pictures}, list price {cost}"
        count, cost = count_of(estimate.pictures), money(estimate.cost)
        out.note(Message(template, pictures=count, cost=cost))
    if estimate.is_much and not yes:
        from zimage_cli.cli.question import confirm

        confirm(out, Message("This costs up to {cost}.", cost=money(estimate.cost)), told=told)
