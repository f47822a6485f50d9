"""The command that makes a picture again, from what its file says."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.api.payload import MODEL
from zimage_cli.core.recipe.inspect import Inspected
from zimage_cli.core.request.request import parse_request
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.messages import Listing
from zimage_cli.text import is_safe, json_text, visible


def command(found: Inspected) -> str:
    """Return the `zimage generate …` that asks for the same picture, on one line for sh.

    The settings of who runs it say region and endpoint; only a picture of the sandbox says that it
    is one, so that none is paid for that was free. Raises UsageError where the file does not say
    enough, or says what no request may hold.
    """
    recipe, name = found.recipe, visible(found.path)
    if recipe is None or recipe.model != MODEL:
        raise UsageError(
            "{name} does not say that zimage made it: no command makes it again.",
            hint="See what it says: zimage inspect {typed}",
            field="FILE",
            value=found.path,
            name=name,
            typed=visible(typed(found.path)),
        )
    fields: dict[str, object] = {"prompt": recipe.prompt, "size": recipe.size, "seed": recipe.seed}
    lacking = [one for one, value in fields.items() if value is None or value == ""]
    if lacking:
        raise UsageError(
            "{name} does not say its {lacking}: the same picture cannot be made again.",
            field="FILE",
            value=found.path,
            name=name,
            lacking=Listing(" and ", lacking),
        )
    if found.prompt_extend is not None:
        fields["prompt_extend"] = found.prompt_extend
    try:
        return command_of(fields, sandbox=recipe.region == SANDBOX)
    except RequestInvalid as error:
        raise UsageError(
            "{name} says what no request may hold: {problem}",
            field="FILE",
            value=found.path,
            name=name,
            problem=error.problems[0].message,
        ) from None


def command_of(fields: Mapping[str, object], *, sandbox: bool) -> str:
    """Return the `zimage generate …` that asks for prompt, size, seed and, where said, the others.

    On one line for sh. Raises RequestInvalid.
    """
    request = parse_request(fields)
    words = ["--sandbox"] if sandbox else []
    if request.prompt == "-" or not all(map(is_safe, request.prompt)):
        # `-` reads standard input; what a terminal does not show as itself stands in JSON's form.
        asked = {name: value for name, value in request.fields().items() if name in fields}
        return shlex.join(["zimage", "generate", *words, "--request", json_text(asked)])
    words += ["--size", request.size.replace("*", "x"), "--seed", str(request.seed)]
    if "prompt_extend" in fields:
        words.append("--prompt-extend" if request.prompt_extend else "--no-prompt-extend")
    return shlex.join(["zimage", "generate", *words, "--", request.prompt])


def typed(path: str) -> str:
    """Return a path as it is typed in a shell, where it is not to be taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)
