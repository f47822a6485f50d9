"""A picture's recorded request, to begin another one with: `--like`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.endpoint import CUSTOM, SANDBOX
from zimage_cli.core.history import ref
from zimage_cli.core.request.prices import format_price, list_price
from zimage_cli.core.request.recorded import FIELDS
from zimage_cli.core.request.request import Origin, Request, parse_request
from zimage_cli.errors import UsageError

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History


class Like(NamedTuple):
    """The recorded request of a picture.

    `name` says which picture: `history 42`, or its file where the history does not know that.
    `place` says where it was made. `rewritten`: its rewritten prompt stands in `fields`.
    """

    name: str
    fields: Mapping[str, object]
    origin: Origin
    region: str
    place: str
    rewritten: bool

    def request(self, given: Mapping[str, object]) -> Request:
        """Return the request with what is `given` in place of what was recorded.

        A seed of None has another drawn. Settings change nothing. Raises RequestInvalid, or
        UsageError for what contradicts `rewritten`.
        """
        if self.rewritten:
            for name, wrong in (("prompt", True), ("prompt_extend", given.get("prompt_extend"))):
                if name in given and wrong:
                    raise UsageError(
                        "{field} and the rewritten prompt contradict each other: give only one",
                        field=name,
                    )
        request = parse_request(self.fields, overrides=given)
        # Presets were put around the recorded words: other words are without them.
        origin = Origin(self.origin.parent) if "prompt" in given else self.origin
        return replace(request, origin=origin)

    def notes(self, request: Request, region: str) -> tuple[str, ...]:
        """Return what is worth knowing before the request goes to a region."""
        found = []
        if self.rewritten:
            text = f"the rewritten prompt of {self.name}, with prompt_extend off"
            single, double = list_price(region, False), list_price(region, True)
            if single is not None:
                text += f": {format_price(single)} a picture instead of {format_price(double)}"
            found.append(text)
        if "seed" not in self.fields and request.seed is None:
            found.append(f"{self.name} left its seed to the service: this picture will differ")
        if self.region != region:
            found.append(f"{self.name} was made {self.place}")
        return tuple(found)


def like(book: History | None, text: str, *, rewritten: bool) -> Like:
    """Return the recorded request of the picture that a REF names; `rewritten` as above.

    Raises UsageError where there is no such picture, or where it has no rewritten prompt.
    """
    entry = ref.entry(book, text)
    name = f"history {entry.id}"
    fields: dict[str, object] = {name: getattr(entry, name) for name in FIELDS}
    origin = Origin(entry.id, entry.preset, entry.typed_prompt)
    if rewritten:
        if not entry.rewritten_prompt:
            raise UsageError(
                "{name} has no rewritten prompt",
                hint="Only a picture with prompt_extend has one. Without --rewritten its own "
                "prompt is sent.",
                field="rewritten",
                name=name,
            )
        fields |= {"prompt": entry.rewritten_prompt, "prompt_extend": False}
        origin = Origin(entry.id)
    return Like(
        name,
        {name: value for name, value in fields.items() if value is not None},
        origin,
        entry.region,
        _place(entry.region, entry.endpoint),
        rewritten,
    )


def _place(region: str, endpoint: str) -> str:
    if region == SANDBOX:
        return "by the sandbox"
    return f"at {endpoint}" if region == CUSTOM else f"in {region}"
