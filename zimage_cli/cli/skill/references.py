"""Write the skill's references anew: `python -m zimage_cli.cli.skill.references [FOLDER]`.

`commands.md` comes from the command tree, `errors.md` from the table of causes. Both are checked
in: at run time nothing of this is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from zimage_cli.cli.completion.model import Argument, Command, Option, read_tree
from zimage_cli.core.advice import EXIT_STATUSES, TABLE
from zimage_cli.core.drafts import write_whole

COMMAND = "python -m zimage_cli.cli.skill.references"
"""What writes the references anew."""

_HELP = {"--help", "-h"}

_TO_DO = {
    0: """\
- Do: name the files in `images`, and what they cost.""",
    1: """\
- Do: tell the person, with the message.
- Never: go on by other means that cost money.""",
    2: """\
- Do: read `field`, `value`, `allowed` and `nearest` of every error and mend the command; `nearest`
  is a value that works. A wrong request is not sent.
- Never: guess again without reading them.""",
    3: """\
- Do: ask the person to store a key for this region in their own terminal, or which region their
  key is of. `zimage validate --online` says when it is right.
- Never: ask for the key, read it, print it, or try the other region unasked.""",
    4: """\
- Do: word the prompt differently, or ask the person how. What is refused is not billed.
- Never: send the same prompt again.""",
    5: """\
- Do: for `throttled`, which zimage has waited for and tried again already, wait a minute and run
  the same command once. For `quota` and `billing` the person acts in the console.
- Never: loop, or run several at once; the limit counts the whole account.""",
    6: """\
- Do, where `billed` is `no`: check the network with `zimage validate --online`, then run the same
  command again.
- Do, where `billed` is `maybe`: look in `zimage history list --status lost --json`, tell the person
  that it may have been billed, and ask before another try.
- Never: try again unasked, or pass `--retry-lost` unasked; it may be paid twice.""",
    7: """\
- Do, where `billed` is `no`: run the same command once more in a minute.
- Do, where `billed` is `maybe`: as for exit status 6.
- Never: keep trying.""",
    8: """\
- Do: fetch it with `zimage history recover` within 24 hours, free; with `--output-dir` where the
  disk was the reason.
- Never: generate it again; it is paid.""",
    9: """\
- Do: read the summary, the last line of `batch --json`. The same `batch` command goes on, with
  `--retry-failed` also where a line failed. A higher `--max-cost` needs a new consent.
- Never: start over in another folder, or with `--fresh`; both pay again.""",
    130: """\
- Do: run `zimage history recover`, then ask whether to go on. The same command goes on with a
  batch.""",
}
"""Exit status → what an agent does, and what it must not do."""


def render() -> dict[str, str]:
    """Return the text of each reference by its path in the skill.

    Raises LookupError as `read_tree` does.
    """
    return {
        "references/commands.md": "\n".join(_commands(read_tree())) + "\n",
        "references/errors.md": "\n".join(_errors()) + "\n",
    }


def write(folder: Path) -> None:
    """Write the references into the folder of the skill and print their paths."""
    from zimage_cli.cli.output import Output

    for name, text in render().items():
        write_whole(folder / name, text.encode("utf-8"))
        Output().result(str(folder / name))


def _commands(tree: Command) -> Iterator[str]:
    yield "# Commands of zimage"
    yield ""
    yield f"Made from the command tree by `{COMMAND}`: do not edit."
    yield ""
    yield "Examples stand in each command's help: `zimage generate --help`. All of this as data,"
    yield "with defaults, choices and examples: `zimage generate --help --json`, or of all commands"
    yield "at once, in about 100 kB: `zimage --help --json`."
    for command in tree.walk():
        if not command.path:
            continue
        yield ""
        places = (f" [{one.label}]" for one in command.arguments if not one.required)
        needed = (f" {one.label}" for one in command.arguments if one.required)
        yield f"{'#' * (len(command.path) + 1)} zimage {command.key}{''.join((*needed, *places))}"
        yield ""
        default = f" Without a command: {command.default}." if command.default else ""
        yield f"{command.about}{default}"
        options = (one for one in command.options if not _is_noise(one))
        rows: list[Argument | Option] = [*command.arguments, *options]
        if rows and not command.commands:
            yield ""
            yield from (_row(one) for one in rows)
        if command.statuses:
            yield ""
            yield f"Exit status: {', '.join(map(str, command.statuses))}."


def _is_noise(option: Option) -> bool:
    """Tell whether an option says nothing here: help, and what is only the opposite of another."""
    return bool(_HELP & {*option.names}) or option.about.startswith("The opposite of ")


def _row(one: Argument | Option) -> str:
    if isinstance(one, Argument):
        return f"- `{one.label}{' …' if one.repeatable else ''}`: {one.about}"
    opposite = [name for name in one.group if name not in one.names]
    value = "" if one.value is None else f" {one.label}"
    names = " / ".join((", ".join(one.names) + value, *opposite))
    return f"- `{names}`: {one.about}"


def _errors() -> Iterator[str]:
    yield "# What to do when zimage fails"
    yield ""
    yield f"Made from the table of causes by `{COMMAND}`: do not edit."
    yield ""
    yield "With `--json` stdout is one document, on failure too. Each of its `errors` has `type`,"
    yield "`code`, `message`, `hint`, `field`, `value`, `allowed`, `nearest`, `retryable`,"
    yield "`billed`, `http_status`, `request_id` and `prompt`. `hint` is the next step; ask the"
    yield "person before one that pays. `billed` is `no`, `maybe` or `yes`."
    yield ""
    yield "With `status` `partial`, what is in `images` is made and paid, and the same `generate`"
    yield "would pay for all of it again. Make what is missing by itself, with `generate --like`"
    yield "and the ids that `zimage history list --status failed` shows."
    yield ""
    yield "## By exit status"
    for number, meaning in EXIT_STATUSES.items():
        kinds = [f"`{cls.kind}`" for cls, row in TABLE.items() if row.exit_status == number]
        yield ""
        yield f"### {number}: {meaning}"
        yield ""
        yield _TO_DO[number]
        if kinds:
            yield f"- Types: {', '.join(dict.fromkeys(kinds))}"
    yield ""
    yield "## By type"
    yield ""
    yield "| type | exit status | billed | next step, where the error itself names none |"
    yield "|---|---|---|---|"
    for cls, row in TABLE.items():
        yield f"| `{cls.kind}` | {row.exit_status} | {cls.billed.value} | {row.hint or ''} |"
    yield ""
    yield "`billed` holds unless the error says otherwise: a `service` error may say `maybe`."


if __name__ == "__main__":
    default = Path(__file__).parents[2] / "skill" / "zimage"
    write(Path(sys.argv[1]) if sys.argv[1:] else default)
