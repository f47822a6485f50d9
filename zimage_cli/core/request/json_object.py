"""One JSON object from a text, stricter than JSON's own module: no key twice, no NaN."""

from __future__ import annotations

import json
from typing import Any

from zimage_cli.messages import Message, foreign
from zimage_cli.text import shown

_EXAMPLE = Message(
    """Write it like this: '{"prompt": "A calm lake at dawn", "size": "1024*1024"}'"""
)


class NotAnObject(Exception):
    """A text that holds no JSON object; `why` goes on after the name of the text.

    `line` and `column`, from 1, where it stops being JSON; 0 where it is JSON or too much of it.
    """

    def __init__(
        self,
        template: str,
        /,
        *,
        line: int = 0,
        column: int = 0,
        example: bool = False,
        **facts: Any,
    ) -> None:
        self.why = Message(template, **facts)
        super().__init__(str(self.why))
        self.line = line
        self.column = column
        self.hint = _EXAMPLE if example else None


def decode_object(text: str) -> dict[str, object]:
    """Return the one JSON object in a text. Raises NotAnObject for anything else."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        said = error.msg.removesuffix(" starting at").removesuffix(" at")
        raise NotAnObject(
            "{why}", why=foreign(said), line=error.lineno, column=error.colno, example=True
        ) from None
    except ValueError:
        # Python's own limit on the digits of an integer.
        raise NotAnObject("holds a number of too many digits") from None
    except RecursionError:
        raise NotAnObject("is nested too deeply for a request") from None
    if not isinstance(value, dict):
        raise NotAnObject("is {value}, not a JSON object", value=shown(value), example=True)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise NotAnObject("the field {name} stands there twice", name=shown(name))
            seen.add(name)
    return found


def _no_constant(name: str) -> object:
    raise NotAnObject("{name} is not a JSON value", name=name)


# Made once: a batch decodes its lines with it, and making one takes longer than a line.
_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
