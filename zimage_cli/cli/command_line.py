"""The words of a command line that typer refuses, and that line put right; loaded for errors."""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import typer

from zimage_cli.cli.asking import LONG_DASHES
from zimage_cli.core.request.lacking import lacking
from zimage_cli.text import is_safe, redact

PROMPT_OPTIONS = frozenset({"--prompt", "--text", "--input", "-p"})
"""What other tools call the option that gives the prompt; here it stands without one."""

_ALIASES = {
    "--size": "width height ratio aspect-ratio aspect ar resolution dimensions",
    "--count": "num number num-images num-outputs batch-size images-per-prompt samples",
    "--output": "out outfile output-file save save-as",
    "--base-url": "url api-url api-base host",
    "--prompt-extend": "extend rewrite enhance enhance-prompt magic-prompt",
}
"""Option → what other tools call it."""

_LONGEST = 300
"""Characters of a word that is repeated in a command to type."""


class Part(NamedTuple):
    """A word: `kind` is option, value, argument, unknown (option) or end (`--`).

    `param` is the option's, `value` what it is given, in this word or as this word.
    """

    text: str
    kind: str
    param: Any = None
    value: str | None = None


class Line(NamedTuple):
    """A command line: the innermost command that is known, its path, and the words behind it."""

    path: tuple[str, ...]
    command: Any
    words: tuple[str, ...]

    @classmethod
    def of(cls, root: Any, args: Sequence[str]) -> Line:
        """Find the command that the words name; `root` is the top of the tree."""
        return cls(("zimage",), root, tuple(args)).below()

    def below(self) -> Line:
        """Return the line from the innermost command that can be found."""
        if not self.is_group:
            return self
        parts = [(at, part) for at, part in enumerate(self.parts()) if part.kind != "option"]
        if not parts:
            return self
        at, first = parts[0]
        if first.text in self.commands:
            return self.to(first.text, self.words[at + 1 :]).below()
        # The command that runs where none is named has its options here too.
        default = getattr(self.command, "default", None)
        words = getattr(self.command, "takes_words", False)
        bare = default and (words or first.kind == "unknown" or _hyphened(first.text))
        return self.to(str(default), self.words).below() if bare else self

    def to(self, name: str, words: Sequence[str]) -> Line:
        """Return the line of a command of this group, with other words."""
        inner = self.command.get_command(typer.Context(self.command), name)
        return Line((*self.path, name), inner, tuple(words))

    @property
    def name(self) -> str:
        """The path as it is typed."""
        return " ".join(self.path)

    @property
    def is_group(self) -> bool:
        """Whether the command has commands of its own."""
        return hasattr(self.command, "list_commands")

    @property
    def commands(self) -> list[str]:
        """The names of a group's commands."""
        return list(self.command.list_commands(typer.Context(self.command)))

    @property
    def options(self) -> dict[str, Any]:
        """The command's options by all their names."""
        return {
            name: param
            for param in self.command.get_params(typer.Context(self.command))
            if param.param_type_name == "option"
            for name in (*param.opts, *param.secondary_opts)
        }

    @property
    def places(self) -> list[Any]:
        """The command's arguments."""
        return [one for one in self.command.params if one.param_type_name == "argument"]

    @property
    def takes_prompt(self) -> bool:
        """Whether its first argument is a prompt."""
        return [one.name for one in self.places][:1] == ["prompt"]

    @property
    def paints(self) -> bool:
        """Whether it makes requests: it takes a size."""
        return "--size" in self.options

    @property
    def arguments(self) -> list[str]:
        """The words that are no options and no values."""
        return [part.text for part in self.parts() if part.kind == "argument"]

    def parts(self) -> Iterator[Part]:
        """Yield what each word is, as typer reads them."""
        names, rest = self.options, deque(self.words)
        while rest:
            word = rest.popleft()
            if not word.startswith("-") or word == "-":
                yield Part(word, "argument")
            elif word == "--":
                yield Part(word, "end")
            else:
                param, value, waits = option_of(word, names)
                kind = "unknown" if param is None else "option"
                yield Part(word, kind, param, value)
                if waits and rest:
                    value = rest.popleft()
                    yield Part(value, "value", param, value)
                continue
            # Behind `--`, and behind the first argument of a group, typer looks for no options.
            if word == "--" or self.is_group:
                yield from (Part(one, "argument") for one in rest)
                return

    def meant(self) -> Line:
        """Return the line of the command that was meant: generate, where a group names none."""
        if not self.is_group:
            return self
        at = next((at for at, word in enumerate(self.words) if word in self.commands), None)
        if at is not None:
            name, before = self.words[at], self.words[:at]
            kinds = [part.kind for part in self.to(name, before).parts()]
            # What may be an unknown option's value is one; any other word is part of a prompt.
            if kinds.count("argument") <= kinds.count("unknown"):
                return self.to(name, (*self.words[at + 1 :], *before)).below()
        return self.to("generate", self.words) if "generate" in self.commands else self

    def long_dashes(self) -> dict[str, str]:
        """Return the words that are options with a long dash, each with the option it stands for.

        In the middle of a prompt that is not quoted, a long dash begins an option that there is.
        """
        meant = self.meant()
        names = {**self.options, **meant.options}
        found = {}
        for part in self.parts():
            option = _hyphened(part.text)
            if part.kind in {"argument", "unknown"} and option is not None:
                known = option_of(option, names)[0] is not None
                if known or not meant.takes_prompt or near_option(option, names):
                    found[part.text] = option
        return found

    def mended(self) -> Line | None:
        """Return the line with all that can be put right; None where something cannot."""
        dashes = self.long_dashes()
        line = self._replace(words=tuple(dashes.get(word, word) for word in self.words))
        line = line._replace(words=tuple(line.known_options()))
        parts = list(line.parts())
        end = parts[-1] if parts else Part("", "end")
        lacks_value = end.kind == "option" and end.value is None and takes_value(end.param)
        unknown = any(part.kind == "unknown" for part in parts)
        if unknown or lacks_value or (line.is_group and line.arguments):
            return None
        if len(line.arguments) > 1 and line.takes_prompt:
            prompt = " ".join(line.arguments).strip("“”„«»「」")
            at = next(at for at, part in enumerate(parts) if part.kind == "argument")
            rest = [part.text for part in parts[at:] if part.kind != "argument"]
            words = [*line.words[:at], prompt, *rest]
            if prompt.startswith("-"):
                options = [part.text for part in parts if part.kind not in {"argument", "end"}]
                words = [*options, "--", prompt]
            line = line._replace(words=tuple(words))
        return line

    def known_options(self) -> Iterator[str]:
        """Yield the words with unknown options replaced by known ones, or left out."""
        names, arguments, skip = self.options, len(self.arguments), False
        for part in self.parts():
            name, equals, value = part.text.partition("=")
            if skip and part.kind == "argument" and arguments > 1:
                # The value of an option that is left out; the last argument is the prompt.
                arguments -= 1
            elif part.kind != "unknown":
                yield part.text
            elif self.paints and lacking(name) is not None:
                skip = not equals
                continue
            elif self.takes_prompt and name in PROMPT_OPTIONS:
                yield from [value] if equals else []
            else:
                yield (near_option(name, names) or name) + equals + value
            skip = False

    def typed(self, *more: str) -> str:
        """Return the line as it is typed in a shell, with more words as they are."""
        return " ".join([*self.path, *map(_quoted, self.words), *more])


def takes_value(param: Any) -> bool:
    """Tell whether an option is followed by a value."""
    return not (getattr(param, "is_flag", False) or getattr(param, "count", False))


def option_of(word: str, names: dict[str, Any]) -> tuple[Any, str | None, bool]:
    """Return the option of a word, the value within it, and whether the next word is its value."""
    name, equals, value = word.partition("=")
    if name in names:
        return names[name], value if equals else None, takes_value(names[name]) and not equals
    param = None
    for at, letter in enumerate(word[1:], 2):
        param = names.get(f"-{letter}")
        if param is None or word.startswith("--"):
            return None, None, False
        if takes_value(param):
            return param, word[at:] or None, at == len(word)
    return param, None, False


def near_option(name: str, names: dict[str, Any]) -> str | None:
    """Return the known option that was probably meant by another name."""
    bare = name.partition("=")[0].lstrip("-").lower().replace("_", "-")[:60]
    if len(bare) == 1:
        return f"-{bare}" if f"-{bare}" in names else None
    for option, others in _ALIASES.items():
        if option in names and bare in others.split():
            return option
    near = nearest(bare, [option[2:] for option in names if option.startswith("--")])
    return f"--{near}" if near else None


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the word that was probably meant: the shortest that begins so, or a similar one."""
    begun = [one for one in known if len(word) > 2 and one.startswith(word)]
    found = sorted(begun, key=len)[:1] or get_close_matches(word, known, n=1, cutoff=0.7)
    return found[0] if found else None


def _hyphened(word: str) -> str | None:
    """Return an option whose long dash is written as hyphens; None for what is none."""
    bare = word.lstrip(LONG_DASHES + "-")
    dashes, name = word[: len(word) - len(bare)], bare.partition("=")[0]
    if not dashes.strip("-") or not name.isascii() or not name.replace("-", "").isalnum():
        return None
    short = len(name) == 1 or (name[1:].isdecimal() and len(dashes) == 1)
    return f"-{bare}" if short else f"--{bare}"


def _quoted(word: str) -> str:
    """Return a word as it is typed in a shell; a key, or one too long, as an ellipsis."""
    if len(word) > _LONGEST or not all(map(is_safe, word)) or redact(word) != word:
        return '"…"'
    if os.name == "nt":
        import subprocess

        return subprocess.list2cmdline([word])
    quoted = shlex.quote(word)
    # Easier to read where nothing in it is special to a shell.
    return f'"{word}"' if quoted != word and not set(word) & set('"$`\\!') else quoted
