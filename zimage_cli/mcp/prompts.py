"""The prompts of a batch, as a model gives them, and as lines of a file that stays."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.core.batch.reader import LineDefaults
from zimage_cli.core.batch.source import Source, open_source
from zimage_cli.core.request.request import prompt_warning
from zimage_cli.core.run.money import Estimate, count_of
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.mcp import arguments
from zimage_cli.mcp.arguments import ARGUMENTS, file_name
from zimage_cli.text import json_text, shown

if TYPE_CHECKING:
    from pathlib import Path

    from zimage_cli.client import Client
    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.core.settings.settings import Settings

MOST = 1000
"""Prompts of a batch, and pictures."""
_LISTED = 12
"""Prompts that an error names, and unknown fields of one."""
_SIZES = 3


def request_schema(settings: Settings) -> dict[str, Any]:
    """Return the schema of a prompt that says more than its words: as generate_image has them."""
    schema = arguments.input_schema(settings)
    count = schema["properties"]["count"]
    schema["properties"]["count"] = {**count, "maximum": MOST}
    return schema


class Checked(NamedTuple):
    """Prompts without a mistake: the file that they become, and what they cost."""

    file: bytes
    estimate: Estimate
    what: str
    first: str
    """The first prompt."""
    seconds: float
    warnings: tuple[str, ...]


def checked(client: Client, folder: Path, given: object) -> Checked:
    """Check prompts; nothing is written. Raises RequestInvalid with all that is wrong."""
    lines, wrong = _lines(given)
    if lines:
        with _source(lines.values()) as source:
            plan = planned(client, source, folder, RunOptions(), dry=True)
            with closing(plan):
                return _checked(plan, [*lines.items()], wrong)
    raise _invalid(wrong)


def planned(
    client: Client, source: Source, folder: Path, options: RunOptions, *, dry: bool = False
) -> FilePlan:
    """Return the plan that `zimage batch` makes of a file, without options of its own."""
    settings = client.settings
    defaults = LineDefaults(
        fields=settings.request_defaults,
        outright=settings.given_defaults,
        template=settings.template(None),
    )
    return client.plan_file(source, defaults, options, folder=folder, dry=dry)


def _source(lines: Any) -> Source:
    return open_source("-", "jsonl", stdin=io.BytesIO(_file(lines)))


def _file(lines: Any) -> bytes:
    return b"".join(json_text(line).encode() + b"\n" for line in lines)


def _lines(given: object) -> tuple[dict[int, Mapping[str, object]], dict[str, list[int]]]:
    """Return the requests by their place, from 1, and what is wrong with which of them."""
    wrong: dict[str, list[int]] = {}
    if isinstance(given, str):
        # Some hosts send lists as the text of their JSON.
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    if not isinstance(given, list) or not 1 <= len(given) <= MOST:
        raise UsageError(
            "prompts: {value} is not allowed; allowed: a list of 1 … {most:,} texts or requests",
            field="prompts",
            value=shown(given) if not isinstance(given, list) else f"a list of {len(given):,}",
            most=MOST,
        )
    lines, pictures = dict[int, Mapping[str, object]](), 0
    for place, said in enumerate(given, 1):
        one = {"prompt": said} if isinstance(said, str) else said
        if not isinstance(one, dict):
            wrong.setdefault(f"{shown(one)} is neither text nor a request", []).append(place)
            continue
        line = {name: value for name, value in one.items() if value is not None}
        for text in _own_problems(line):
            wrong.setdefault(text, []).append(place)
        count = line.get("count", 1)
        pictures += count if type(count) is int and count > 0 else 1
        lines[place] = {name: line[name] for name in ARGUMENTS if name in line}
    if pictures > MOST:
        raise UsageError(
            "prompts: {pictures:,} pictures are too many; allowed: {most:,} in a batch",
            field="prompts",
            pictures=pictures,
            most=MOST,
        )
    return lines, wrong


def _own_problems(line: dict[str, object]) -> Iterator[str]:
    """Yield what is wrong that a file of the command line may say; a name becomes a file's."""
    unknown = [name for name in line if name not in ARGUMENTS]
    for name in unknown[:_LISTED]:
        yield f"{shown(name)} is no field here; allowed: {', '.join(ARGUMENTS)}"
    if (more := len(unknown) - _LISTED) > 0:
        yield f"{more} more are no fields here"
    if "name" in line:
        try:
            line["name"] = file_name(line["name"])
        except UsageError as error:
            del line["name"]
            yield error.message


def _checked(
    plan: FilePlan, lines: list[tuple[int, Mapping[str, object]]], wrong: dict[str, list[int]]
) -> Checked:
    found = plan.preflight
    for text, numbers in found.wrong.items():
        wrong.setdefault(text, []).extend(lines[number - 1][0] for number in numbers)
    if wrong:
        named = {number for numbers in found.wrong.values() for number in numbers}
        raise _invalid(wrong, found.invalid - len(named))
    written, warnings = dict[int, Mapping[str, object]](), []
    for job in plan.jobs():
        if job.line in written:
            continue
        # With what was drawn, and what the settings say today: it stays the same batch whatever
        # they say when it is gone on with.
        fixed = job.request.fields()
        line = {**lines[job.line - 1][1]}
        line |= {name: fixed[name] for name in ("size", "seed", "prompt_extend")}
        written[job.line] = line
        if warning := prompt_warning(job.request.prompt):
            warnings.append(f"prompt {job.line}: {warning}")
    return Checked(
        _file(written.values()),
        plan.estimate,
        f"{count_of(found.pictures)} of {_sizes(plan)}",
        str(lines[0][1].get("prompt")),
        plan.seconds,
        tuple(warnings),
    )


def _sizes(plan: FilePlan) -> str:
    sizes = [size for size, _ in plan.preflight.sizes.most_common()]
    more = f" and {len(sizes) - _SIZES} more sizes" if len(sizes) > _SIZES else ""
    return ", ".join(sizes[:_SIZES]) + more


def _invalid(wrong: Mapping[str, list[int]], unnamed: int = 0) -> RequestInvalid:
    problems = [*_problems(wrong)]
    if unnamed:
        problems.append(
            UsageError("{count} more prompts have others", field="prompts", count=unnamed)
        )
    return RequestInvalid(tuple(problems))


def _problems(wrong: Mapping[str, list[int]]) -> Iterator[UsageError]:
    for text, places in wrong.items():
        listed = ", ".join(map(str, places[:_LISTED]))
        more = f" and {len(places) - _LISTED:,} more" if len(places) > _LISTED else ""
        yield UsageError(
            "prompt {places}: {problem}",
            field="prompts",
            places=listed + more,
            problem=text,
        )
