"""What is said of a command line that typer refuses, and what to type instead. Loaded for errors.

Typer's own sentences are not shown. Its classes of errors are private: an error is known by its
attributes, and what it is about is read again from the words that were typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.app import label
from zimage_cli.cli.command_line import (
    PROMPT_OPTIONS,
    Line,
    near_option,
    nearest,
    option_of,
    takes_value,
)
from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.request.lacking import lacking
from zimage_cli.core.request.sizes import ALLOWED as ALLOWED_SIZES
from zimage_cli.core.request.sweep import MAX_COUNT
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message, Shown
from zimage_cli.text import clip, redact, visible

if TYPE_CHECKING:
    import typer

_KEY_OPTIONS = frozenset({"--key", "--api-key", "--apikey", "--token"})

_ALLOWED: dict[str, Message | str] = {
    "seed": f"0 … {MAX_SEED}",
    "count": f"1 … {MAX_COUNT}",
    "size": ALLOWED_SIZES,
    "integer_or_new": Message("{numbers}, or new", numbers=f"0 … {MAX_SEED}"),
}
"""Parameter, or type that only one has, → what it takes, where typer does not know it."""


def from_typer(error: typer.TyperException, root: Any, args: Sequence[str]) -> UsageError:
    """Return a usage error that says what is wrong with a command line, and what to type instead.

    `root` is the top of the command tree. What looks like a key is masked.
    """
    line = Line.of(root, args)
    if line.path[1:] == ("help",) and line.arguments:
        line = Line.of(root, (*line.arguments, "--help"))
    dashed = next(iter(line.long_dashes()), None)
    if dashed is not None:
        return _wrong(
            "{value} begins with a long dash: an option begins with hyphens.",
            line,
            hint=_instead(line),
            value=_shown(dashed),
        )
    option, param = getattr(error, "option_name", None), getattr(error, "param", None)
    if option is not None:
        unknown = hasattr(error, "possibilities")
        return _unknown_option(line, option) if unknown else _wrong_use(line, option)
    if param is not None:
        missing = hasattr(error, "param_type")
        found = _missing(line, param) if missing else _wrong_value(line, param)
    else:
        found = _unknown_command(line) if line.is_group else _too_many(line)
    # Typer may refuse something one day that is not known here.
    return found or _wrong("{why}", line, why=redact(error.format_message()))


def _wrong(
    template: str, line: Line, *, hint: str | Message | None = None, **facts: Any
) -> UsageError:
    """Return a usage error; without a hint of its own it leads to the help."""
    facts = {"field": None, **facts}
    return UsageError(template, hint=hint or "{command} --help", command=line.name, **facts)


def _instead(line: Line) -> Message | None:
    """Return what was meant as it is typed, None where nobody knows."""
    mended = line.mended() or line.meant().mended()
    return None if mended is None else Message("{typed}", typed=mended.typed())


def _shown(word: str, quote: str = "'") -> Shown:
    """Return a word of the command line as an error quotes it."""
    text = clip(redact(word[:2000]), 80)
    return Shown(f"{quote}{visible(text)}{quote}", text)


def _label(param: Any) -> str:
    """Return what a parameter is called: --size, PROMPT."""
    return str(max(param.opts, key=len)) if param.param_type_name == "option" else label(param)


# -- options --------------------------------------------------------------------------------------


def _unknown_option(line: Line, name: str) -> UsageError:
    meant, value, field, near = line.meant(), _shown(name, ""), "option", None
    why = lacking(name) if meant.paints else None
    word = next((part.text for part in line.parts() if part.kind == "unknown"), name)
    hint: str | Message | None = _instead(line)
    if why is not None:
        template, mended = "{value}: {why}", meant.mended()
        hint = Message("Leave it out.")
        if mended is not None:
            hint = Message("Without it: {typed}", typed=mended.typed())
    elif name in _KEY_OPTIONS:
        template = (
            "{value}: zimage takes no key on the command line, where everybody on this machine "
            "could read it."
        )
        hint = "Store it: zimage config set-key; or set the variable DASHSCOPE_API_KEY."
    elif meant.takes_prompt and " " in word.partition("=")[0]:
        template = "A prompt that begins with a hyphen stands behind --, as the last word."
        others = [one for one in meant.words if one != word]
        mended = meant._replace(words=(*others, "--", word)).mended()
        hint = None if mended is None else Message("{typed}", typed=mended.typed())
        field, value = "prompt", _shown(word)
    elif meant.takes_prompt and name in PROMPT_OPTIONS:
        template = "{value}: the prompt is given without an option, in quotes."
    elif line.is_group and option_of(name, meant.options)[0] is not None:
        template = "{value} is an option of {owner}: it stands behind that."
    elif near := near_option(name, meant.options):
        template = "{command} has no option {value}. Did you mean {nearest}?"
    else:
        template, hint = "{command} has no option {value}.", None
    facts = {"why": why, "owner": meant.name, "nearest": near}
    return _wrong(template, line, hint=hint, field=field, value=value, **facts)


def _wrong_use(line: Line, name: str) -> UsageError:
    """Return the error for an option without its value, or with one that it does not take."""
    param = line.options.get(name)
    if param is None or takes_value(param):
        allowed = None if param is None else _allowed(param)
        metavar = getattr(param, "metavar", None) or "VALUE"
        return _wrong(
            "{option}: the value is missing; allowed: {allowed}"
            if allowed
            else "{option}: the value is missing.",
            line,
            hint=Message("{typed}", typed=line.typed(metavar)),
            field=getattr(param, "name", None),
            option=name,
            allowed=allowed,
        )
    word = next(word for word in line.words if word.startswith(f"{name}="))
    words = tuple(name if one == word else one for one in line.words)
    return _wrong(
        "{option} takes no value, and {value} was given.",
        line,
        hint=_instead(line._replace(words=words)),
        field=param.name,
        option=name,
        value=_shown(word.partition("=")[2]),
    )


def _wrong_value(line: Line, param: Any) -> UsageError | None:
    """Return the error for a value that is no number, or no path; None for any other."""
    if param.param_type_name == "option":
        parts = [part for part in line.parts() if part.param and part.param.name == param.name]
        given = [part.value for part in parts if part.value is not None]
    else:
        given = line.arguments[[one.name for one in line.places].index(param.name) :]
    kind = param.type.name
    kinds = {"int": Message("a whole number"), "path": Message("a path")}
    # An option with a parser of its own takes more than numbers.
    takes = getattr(param.type, "func", None)
    number = int if "int" in kind else float if "float" in kind else str
    wrong = next((value for value in given if not _is_a(takes or number, value)), None)
    if wrong is None:
        return None
    allowed = _allowed(param)
    return _wrong(
        "{option}: {value} is not {kind}; allowed: {allowed}"
        if allowed
        else "{option}: {value} is not {kind}.",
        line,
        field=param.name,
        option=_label(param),
        value=_shown(wrong),
        kind=kinds.get("int" if number is int else kind, Message("a number")),
        allowed=allowed,
    )


def _allowed(param: Any) -> Message | str | None:
    """Return what a parameter takes, None where that is not told."""
    return _ALLOWED.get(param.type.name) or _ALLOWED.get(param.name)


def _is_a(number: Callable[[str], object], text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


# -- arguments and commands -----------------------------------------------------------------------


def _missing(line: Line, param: Any) -> UsageError:
    names = [_label(one) for one in line.places if one.required]
    return _wrong(
        "{command}: {name} is missing.",
        line,
        hint=Message("{typed}", typed=line.typed(*names[len(line.arguments) :])),
        field=param.name,
        name=_label(param),
    )


def _too_many(line: Line) -> UsageError | None:
    """Return the error for an argument too many; None where there is none."""
    if line.takes_prompt and len(line.arguments) > 1:
        return _wrong(
            "{command} takes one prompt: put its words in quotes.",
            line,
            hint=_instead(line),
            field="prompt",
            value=_shown(" ".join(line.arguments)),
        )
    extra = line.arguments[len(line.places) :]
    if not extra:
        return None
    return _wrong(
        "{command} takes only {names}: {value} is too many."
        if line.places
        else "{command} takes no argument: {value} is too many.",
        line,
        value=_shown(extra[0]),
        names=Listing(", ", map(_label, line.places)),
    )


def _unknown_command(line: Line) -> UsageError:
    """Return the error for a word that is no command: one that is misspelt, or a prompt."""
    allowed = Listing(", ", line.commands)
    if not line.arguments:
        return _wrong(
            "{command}: no command was given; allowed: {allowed}",
            line,
            field="command",
            allowed=allowed,
        )
    word = line.arguments[0]
    known = word[:60].lower() if word.isascii() and " " not in word else ""
    near = nearest(known, line.commands)
    if near is not None:
        template = "{command} has no command {value}. Did you mean {nearest}?"
        at = line.words.index(word)
        meant = line.to(near, (*line.words[at + 1 :], *line.words[:at])).below()
        shown = meant.mended() or line.to(near, ())
        hint: Message | None = Message("{typed}", typed=shown.typed())
    else:
        template = "{command} has no command {value}."
        if "generate" not in line.commands:
            template = "{command} has no command {value}; allowed: {allowed}"
        hint = _elsewhere(line, known) or _prompt(line)
    facts = {"value": _shown(word), "allowed": allowed, "nearest": near}
    return _wrong(template, line, hint=hint, field="command", **facts)


def _elsewhere(line: Line, word: str) -> Message | None:
    """Return where a word is a command or an option; None where it is none."""
    groups = [one for one in (line.to(name, ()) for name in line.commands) if one.is_group]
    found = [f"{one.name} {word}" for one in groups if word in one.commands]
    if f"--{word}" in line.options:
        found = [f"{line.name} --{word}"]
    return Message("Did you mean: {found}", found=Listing(", ", found)) if found else None


def _prompt(line: Line) -> Message | None:
    """Return the command that paints the words; None where they are no prompt."""
    if "--help" in line.words or not " ".join(line.arguments).strip():
        return None
    mended = line.meant().mended()
    return (
        None if mended is None else Message("Is it a prompt? Then: {typed}", typed=mended.typed())
    )
