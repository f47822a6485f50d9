"""Presets: words that are put around a prompt, and fields of a request, kept under a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from unicodedata import category, normalize

from zimage_cli.core.request.request import Request, parse_request
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.messages import Listing, Message, Words
from zimage_cli.text import is_safe, shown

FIELDS = ("prompt", "size", "seed", "prompt_extend")
"""What a preset may hold."""
PLACE = "{prompt}"
"""Where the prompt goes in a preset's text; without it the text is put behind the prompt."""
MAX_NAME = 60
MAX_TEXT = 4096
"""Characters of a preset's text; the service reads 800 of a prompt."""
MAX_PROMPT = 100_000
"""Characters of a prompt with all presets around it: `{prompt} {prompt}` doubles it each time."""
MAX_CHOSEN = 20

_LISTED = 20
"""Names that an error lists."""
_NAME = Message(
    "letters, digits, - and _, not beginning with -, at most {most} characters", most=MAX_NAME
)


class Preset(NamedTuple):
    """What is kept under a name; None where it says nothing."""

    name: str
    prompt: str | None = None
    size: str | None = None
    seed: int | None = None
    prompt_extend: bool | None = None

    @property
    def fields(self) -> dict[str, object]:
        """What it says, by field."""
        values = self._asdict()
        return {name: values[name] for name in FIELDS if values[name] is not None}

    def around(self, prompt: str) -> str:
        """Return the prompt with the preset's text around it. Raises UsageError."""
        text = self.prompt
        if text is None:
            return prompt
        if PLACE not in text:
            text = f"{PLACE}, {text}"
        length = len(text) + text.count(PLACE) * (len(prompt) - len(PLACE))
        if length > MAX_PROMPT:
            raise UsageError(
                "preset: {name} makes a prompt of {length:,} characters; allowed: at most {most:,}",
                field="preset",
                name=self.name,
                length=length,
                most=MAX_PROMPT,
            )
        return text.replace(PLACE, prompt)


def check_name(text: str) -> str:
    """Return a preset's name, in NFC. Raises UsageError."""
    name = normalize("NFC", text[: MAX_NAME * 4])
    good = all(is_safe(char) and is_of_names(char) for char in name)
    if not name or not good or name[0] == "-" or len(name) > MAX_NAME:
        raise UsageError(
            "{value} is no name of a preset; allowed: {allowed}",
            field="preset",
            value=shown(text),
            allowed=_NAME,
        )
    return name


def is_of_names(char: str) -> bool:
    """Tell whether a character is of those that names are made of."""
    return char.isalnum() or char in "-_" or category(char)[0] == "M"


def read_preset(name: str, table: object) -> Preset:
    """Return the preset that a table describes.

    Raises UsageError, or RequestInvalid with every problem of its fields.
    """
    name, allowed = check_name(name), Listing(", ", FIELDS)
    if not isinstance(table, Mapping):
        raise UsageError("is no table; allowed: a table with {allowed}", allowed=allowed)
    if not table:
        raise UsageError("says nothing; allowed: {allowed}", allowed=allowed)
    problems = [_no_field(field, value) for field, value in table.items() if field not in FIELDS]
    known = {field: table[field] for field in FIELDS if field in table}
    try:
        checked = parse_request({"prompt": PLACE, **known})
    except RequestInvalid as error:
        raise RequestInvalid((*error.problems, *problems)) from None
    if len(checked.prompt) > MAX_TEXT:
        problems.append(
            UsageError(
                "prompt: has {length:,} characters; allowed: at most {most:,}",
                field="prompt",
                length=len(checked.prompt),
                most=MAX_TEXT,
            )
        )
    if problems:
        raise RequestInvalid(tuple(problems))
    return Preset(name, **{field: getattr(checked, field) for field in known})


def names_of(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of presets in one text with commas between them, or in several."""
    texts = [given] if isinstance(given, str) else given
    return tuple(name.strip() for text in texts for name in re.split("[,，、]", text))


def chosen(given: str | Iterable[str], presets: Mapping[str, Preset]) -> tuple[Preset, ...]:
    """Return the presets of these names, in this order. Raises UsageError."""
    names = names_of(given)
    if len(names) > MAX_CHOSEN:
        raise UsageError(
            "preset: {count} presets are too many; allowed: at most {most}",
            field="preset",
            count=len(names),
            most=MAX_CHOSEN,
        )
    found = [presets.get(normalize("NFC", name[: MAX_NAME * 4])) for name in names]
    for name, preset in zip(names, found, strict=True):
        if preset is None:
            raise unknown(name, presets)
    return tuple(preset for preset in found if preset is not None)


def unknown(name: str, presets: Iterable[str]) -> UsageError:
    """Return the error for a preset that there is not."""
    from difflib import get_close_matches

    known = sorted(presets)
    if not known:
        return UsageError(
            "preset: {value} is no preset: the config file has none",
            hint="Make one: zimage config preset set NAME --prompt '{{prompt}}, in ink'",
            field="preset",
            value=shown(name),
        )
    allowed: Words = Listing(", ", known[:_LISTED])
    if len(known) > _LISTED:
        allowed = Message("{names} and {more:,} more", names=allowed, more=len(known) - _LISTED)
    # What differs by upper and lower case alone is nearest.
    folded = {one.casefold(): one for one in reversed(known)}
    near = get_close_matches(name[:MAX_NAME].casefold(), folded, n=1)
    return UsageError(
        "preset: {value} is no preset; did you mean {nearest}?; allowed: {allowed}"
        if near
        else "preset: {value} is no preset; allowed: {allowed}",
        hint="See them: zimage config preset list",
        field="preset",
        value=shown(name),
        nearest=folded[near[0]] if near else None,
        allowed=allowed,
    )


def request_with(
    presets: Sequence[Preset],
    source: Mapping[str, object],
    *,
    overrides: Mapping[str, object],
    defaults: Mapping[str, object],
    outright: Mapping[str, object],
) -> Request:
    """Return the request that a JSON object describes, with presets around it, one by one.

    As `parse_request`; a later preset's fields win over an earlier one's, all of them over
    `defaults`; what is said `outright` beside the source wins over them, a seed of None included.
    Raises RequestInvalid with every problem, UsageError.
    """
    filled = dict(defaults)
    for preset in presets:
        filled.update(preset.fields)
    filled.update(outright)
    if filled.get("seed", 0) is None:
        del filled["seed"]
    # The prompt is the source's, or there is none: a preset's is only put around one.
    filled.pop("prompt", None)
    request = parse_request(source, overrides=overrides, defaults=filled)
    if not presets:
        return request
    prompt = request.prompt
    for preset in presets:
        prompt = preset.around(prompt)
    names = ",".join(preset.name for preset in presets)
    origin = request.origin._replace(preset=names, typed_prompt=request.prompt)
    return replace(parse_request({**request.fields(), "prompt": prompt}), origin=origin)


def _no_field(name: str, value: object) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name[:100].lower(), FIELDS, n=1)
    return UsageError(
        "{name}: is not a field of a preset; did you mean {nearest}?; allowed: {allowed}"
        if near
        else "{name}: is not a field of a preset; allowed: {allowed}",
        field=name,
        name=shown(name),
        value=shown(value),
        nearest=near[0] if near else None,
        allowed=Listing(", ", FIELDS),
    )
