"""A picture's recorded request, to begin another one with: `--like`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.endpoint import CUSTOM, SANDBOX, find_region
from zimage_cli.core.history import ref
from zimage_cli.core.request.presets import Preset, request_with
from zimage_cli.core.request.prices import format_price, list_price
from zimage_cli.core.request.recorded import FIELDS
from zimage_cli.core.request.request import Origin, Request
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History
    from zimage_cli.core.recipe.recipe import Recipe


class Like(NamedTuple):
    """The recorded request of a picture.

    `name` says which picture: `history 42`, or its file where the history does not know that.
    `made` says where it was made, if that is known. `rewritten`: its rewritten prompt stands in
    `fields`.
    """

    name: str
    fields: Mapping[str, object]
    origin: Origin
    region: str
    made: Message | None
    rewritten: bool

    def request(self, given: Mapping[str, object], presets: Sequence[Preset] = ()) -> Request:
        """Return the request with what is `given` in place of what was recorded.

        A seed of None has another drawn. `presets` are put around the prompt: the recorded one as
        it was sent, with the presets that it has. Settings change nothing. Raises RequestInvalid,
        or UsageError for what contradicts `rewritten`.
        """
        if self.rewritten:
            for name, wrong in (("prompt", True), ("prompt_extend", given.get("prompt_extend"))):
                if name in given and wrong:
                    raise UsageError(
                        "{field} and the rewritten prompt contradict each other: give only one",
                        field=name,
                    )
        request = request_with(presets, self.fields, overrides=given, defaults={}, outright={})
        # The presets of the recorded words are not around other words.
        origin = request.origin if presets or "prompt" in given else self.origin
        return replace(request, origin=origin._replace(parent=self.origin.parent))

    def notes(self, request: Request, region: str) -> tuple[Message, ...]:
        """Return what is worth knowing before the request goes to a region."""
        found = []
        if self.origin.parent is None:
            found.append(
                Message("the history does not know {name}: its own recipe is taken", name=self.name)
            )
        if self.rewritten:
            price, double = list_price(region, False), list_price(region, True)
            found.append(
                Message(
                    "the rewritten prompt is sent: {price} a picture instead of {double}",
                    price=format_price(price),
                    double=format_price(double),
                )
                if price is not None
                else Message("the rewritten prompt is sent, with prompt_extend off")
            )
        if "seed" not in self.fields and request.seed is None:
            found.append(
                Message("{name} has no recorded seed, so this picture will differ", name=self.name)
            )
        if self.region != region and self.made is not None:
            found.append(self.made)
        return tuple(found)


def like(book: History | None, text: str | None, *, rewritten: bool) -> Like:
    """Return the recorded request of the picture that a REF names; `rewritten` as above.

    A file that the history does not know says itself how it was made. Raises UsageError where there
    is no such picture or none is named, or where it has no rewritten prompt.
    """
    if text is None:
        raise UsageError(
            "--rewritten sends the rewritten prompt of a picture: say of which",
            hint="Name it: zimage generate --like REF --rewritten",
            field="rewritten",
        )
    found: Entry | Recipe
    try:
        found = entry = ref.entry(book, text)
    except ref.UnknownFile:
        recipe = _recipe(text)
        if recipe is None:
            raise
        found, name, origin, endpoint = recipe, visible(text), Origin(), ""
    else:
        name = Message("history {number}", number=entry.id)
        origin, endpoint = Origin(entry.id, entry.preset, entry.typed_prompt), entry.endpoint
    made = _made(name, found.region, endpoint)
    fields: dict[str, object] = {name: getattr(found, name) for name in FIELDS}
    if rewritten:
        if not found.rewritten_prompt:
            raise UsageError(
                "{name} has no rewritten prompt",
                hint="Only a picture with prompt_extend has one. Without --rewritten its own "
                "prompt is sent.",
                field="rewritten",
                name=name,
            )
        fields |= {"prompt": found.rewritten_prompt, "prompt_extend": False}
        origin = Origin(origin.parent)
    # A file may not tell all of it, or name another model.
    fields |= {"model": getattr(found, "model", None)}
    fields = {name: value for name, value in fields.items() if value not in {None, ""}}
    return Like(name, fields, origin, found.region, made, rewritten)


def _made(name: str, region: str, endpoint: str) -> Message | None:
    """Return where a picture was made, None where nobody knows: a recipe holds no address."""
    if region == SANDBOX:
        return Message("{name} was made by the sandbox", name=name)
    if region == CUSTOM and endpoint:
        return Message("{name} was made at {endpoint}", name=name, endpoint=endpoint)
    if endpoint or find_region(region):
        return Message("{name} was made in {region}", name=name, region=region)
    return None


def _recipe(path: str) -> Recipe | None:
    """Return the recipe that zimage wrote into a file, None where there is none."""
    from zimage_cli.core.recipe.inspect import Source, inspect

    # Whole: `-` would be the standard input.
    found = inspect(os.path.abspath(path))  # noqa: PTH100
    return found.recipe if found.source is Source.ZIMAGE else None
