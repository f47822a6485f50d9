"""The schemas of what zimage prints as JSON: from the types that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from zimage_cli.core import advice
from zimage_cli.core.picture import Picture
from zimage_cli.core.request.fields import SEEDS
from zimage_cli.core.run.tally import NOT_SAVED
from zimage_cli.core.schema import examples
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed

Schema = dict[str, Any]

_TYPES = {
    "str": "string",
    "int": "integer",
    "bool": "boolean",
    "float": "number",
    "Path": "string",
    "None": "null",
}
_KINDS = (*sorted({cls.kind for cls in advice.TABLE}), "interrupted", "bug")

_LINE = ("line", "variant", "job", "status")
_UNSAVED = (
    *("prompt", "seed", "size", "prompt_extend", "path", "history_id", "request_id", "region"),
    *("endpoint", "cost", "elapsed_seconds", "attempts", "billed"),
)
_ADDRESS = ("image_url", "answered_at", "width", "height", "rewritten_prompt", "reasoning")

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHA256: Schema = {"pattern": "^[0-9a-f]{64}$"}
_VALUE: Schema = {"type": ["string", "number", "boolean", "null"]}
_BILLED: Schema = {"enum": [*Billed]}

_MORE: dict[str, Schema] = {
    "image_url": {"description": "Where the service keeps the picture for 24 hours."},
    "width": {"description": "In pixels.", "minimum": 1},
    "height": {"description": "In pixels.", "minimum": 1},
    "prompt": {"description": "What was asked for."},
    "rewritten_prompt": {"description": "What the service made of it, with prompt_extend on."},
    "reasoning": {"description": "Why the service rewrote the prompt so."},
    "request_id": {"description": "The service's name for the call."},
    "path": {"description": "The file, absolute; null where there is none."},
    "history_id": {"description": "Its entry of `zimage history`.", "minimum": 1},
    "evidence_path": {"description": "The evidence of the run that made it."},
    "seed": {"minimum": SEEDS[0], "maximum": SEEDS[1]},
    "size": {"description": "As it was asked for: W*H.", "pattern": r"^[0-9]+\*[0-9]+$"},
    "region": {"description": "beijing, singapore, sandbox, or custom for any other host."},
    "endpoint": {"description": "The API's root without a path."},
    "bytes": {"description": "Of the file on disk.", "minimum": 1},
    "sha256": {"description": "Of the file on disk.", **_SHA256},
    "served_sha256": {"description": "Of the picture as the service served it.", **_SHA256},
    "elapsed_seconds": {"minimum": 0},
    "attempts": {"description": "How often it was asked for.", "minimum": 0},
}
"""What there is to say of a picture's keys beside their types."""

_COST: Schema = {
    "description": "List price; both are null for the sandbox and for unknown hosts.",
    "type": "object",
    "properties": {
        "amount": {"type": ["string", "null"], "pattern": r"^[0-9]+(?:\.[0-9]+)?$"},
        "currency": {"type": ["string", "null"], "pattern": "^[A-Z]{3}$"},
    },
    "required": ["amount", "currency"],
    "additionalProperties": False,
}

_ERROR: dict[str, Schema] = {
    "type": {"description": "What kind of thing went wrong.", "enum": [*_KINDS]},
    "code": {"description": "The service's own code.", **_TEXT_OR_NULL},
    "message": {"description": "What happened, in English.", **_TEXT},
    "hint": {"description": "What to do next.", **_TEXT_OR_NULL},
    "field": {"description": "The field or option that is wrong.", **_TEXT_OR_NULL},
    "value": {"description": "What was given for it, shortened.", **_VALUE},
    "allowed": {"description": "What may be given.", **_TEXT_OR_NULL},
    "nearest": {"description": "A value or name that would be right.", **_VALUE},
    "retryable": {"description": "Whether the same call may go well later.", "type": "boolean"},
    "billed": {"description": "Whether a picture may be on the bill.", **_BILLED},
    "http_status": {"type": ["integer", "null"], "minimum": 100, "maximum": 999},
    "request_id": {"description": "The service's name for the call.", **_TEXT_OR_NULL},
    "prompt": {"description": "The prompt that it was about.", **_TEXT_OR_NULL},
}

_OF_LINE: dict[str, Schema] = {
    "line": {"description": "Of the file, from 1.", "type": "integer", "minimum": 1},
    "variant": {
        "description": "Which picture of the line, from 1; null where it is the only one.",
        "type": ["integer", "null"],
        "minimum": 1,
    },
    "job": {
        "description": "The picture's name within its folder, the same in every run.",
        "type": ["string", "null"],
        "pattern": "^[0-9a-f]{32}$",
    },
    "reason": {"description": "Why it was left alone, and the option that makes it.", **_TEXT},
    "answered_at": {"description": "When the service answered.", **_TEXT_OR_NULL},
    "file": {
        "description": "In results.jsonl alone: the file, relative to the folder.",
        **_TEXT_OR_NULL,
    },
}


def response_schema() -> Schema:
    """Return the schema of what `generate --print-response` prints for each picture."""
    names = Picture.__slots__[:7]
    known = picture_properties()
    return {
        "title": "Response",
        "description": "What `zimage generate --print-response` prints for each picture.",
        "examples": [examples.PICTURE.response],
        **_exactly({name: known[name] for name in names}),
    }


def result_schema() -> Schema:
    """Return the schema of the document of `generate --json`."""
    return {
        "title": "Result",
        "description": "The document of `zimage generate --json`, on failure too; --dry-run has "
        "another.",
        "examples": [examples.RESULT],
        **_exactly(
            {
                "schema": {"const": 1},
                "status": {
                    "description": "partial: some pictures were made, and some were not.",
                    "enum": ["ok", "partial", "error"],
                },
                "images": {"type": "array", "items": {"$ref": "#/$defs/picture"}},
                "errors": {"type": "array", "items": {"$ref": "#/$defs/error"}},
            }
        ),
        "$defs": {"picture": _exactly(picture_properties()), "error": _exactly(_ERROR)},
    }


def error_schema() -> Schema:
    """Return the schema of an error object."""
    return {
        "title": "Error",
        "description": "One error, as it stands in `errors` of every document of --json.",
        "examples": [examples.ERROR],
        **_exactly(_ERROR),
    }


def batch_line_schema() -> Schema:
    """Return the schema of a line of `batch --json`, and of results.jsonl."""
    known = {**_ERROR, **picture_properties(), **_OF_LINE, "billed": _BILLED}
    error = [name for name in _ERROR if name not in _UNSAVED]
    picture = Picture.__slots__

    def shape(title: str, *names: Iterable[str], statuses: Iterable[Status]) -> Schema:
        own = dict.fromkeys(name for some in (_LINE, *names) for name in some)
        refs = {name: {"$ref": f"#/$defs/known/properties/{name}"} for name in own}
        journal = {} if "reason" in own else {"file": {"$ref": "#/$defs/known/properties/file"}}
        found = _exactly({**refs, "status": {"enum": [*statuses]}})
        return {"title": title, **found, "properties": {**found["properties"], **journal}}

    left = ("reason",)
    return {
        "title": "Line of a batch",
        "description": "A line of `zimage batch --json` or of its results.jsonl: what became of "
        "one picture, and at last the summary; those of --dry-run and --merge have other keys.",
        "examples": [examples.LINE],
        "oneOf": [
            shape("Saved", picture, ["billed"], statuses=[Status.SAVED]),
            shape("Not saved", _UNSAVED, error, statuses=NOT_SAVED),
            shape("To be fetched", _UNSAVED, error, _ADDRESS, statuses=[Status.MADE]),
            shape("Left alone", _UNSAVED, left, statuses=[Status.SKIPPED]),
            shape("Saved before", picture, ["billed"], left, statuses=[Status.SKIPPED]),
            shape("Not saved before", _UNSAVED, error, left, statuses=[Status.SKIPPED]),
            shape("Not fetched before", _UNSAVED, error, _ADDRESS, left, statuses=[Status.SKIPPED]),
            {
                "title": "Begun anew",
                "description": "In results.jsonl alone: lines above belong to an earlier batch.",
                **_exactly({"status": {"const": "fresh"}, "time": _TEXT}),
            },
            {"$ref": "#/$defs/summary"},
            {"$ref": "#/$defs/not_begun"},
        ],
        "$defs": {
            "summary": _summary(),
            "not_begun": {
                "title": "Summary of a batch that did not begin",
                **_exactly(_ends({"const": "error"})),
            },
            "known": {"description": "Every key that a line may have.", "properties": known},
            "error": _exactly(_ERROR),
        },
    }


def _summary() -> Schema:
    counted = (Status.SAVED, *NOT_SAVED, Status.SKIPPED)
    return {
        "title": "Summary",
        **_exactly(
            {
                **_ends({"enum": ["ok", "partial", "error"]}),
                "lines": {"description": "Of the file, those left out too.", **_COUNT},
                "invalid": {"description": "Lines that cannot be used.", **_COUNT},
                "pictures": {"description": "That the other lines stand for.", **_COUNT},
                **dict.fromkeys(counted, _COUNT),
                "left": {"description": "Pictures that this run did not come to.", **_COUNT},
                "billed": _exactly({Billed.YES: _COUNT, Billed.MAYBE: _COUNT}),
                "cost": _COST,
                "commands": {
                    "description": "The commands that go on, null where nothing is left for them.",
                    **_exactly(
                        dict.fromkeys(("go_on", "retry_failed", "retry_lost"), _TEXT_OR_NULL)
                    ),
                },
            }
        ),
    }


def _ends(status: Schema) -> dict[str, Schema]:
    """Return what the last line of every batch has."""
    return {
        "type": {"const": "summary"},
        "schema": {"const": 1},
        "status": status,
        "errors": {"type": "array", "items": {"$ref": "#/$defs/error"}},
    }


def picture_properties() -> dict[str, Schema]:
    """Return the properties of a picture's object in `--json`."""
    return {
        field.name: _COST
        if field.name == "cost"
        else {"type": _types(str(field.type)), **_MORE.get(field.name, {})}
        for field in fields(Picture)
    }


def _types(annotation: str) -> str | list[str]:
    found = [_TYPES[name] for name in annotation.split(" | ")]
    return found[0] if len(found) == 1 else found


def _exactly(properties: Mapping[str, Schema]) -> Schema:
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": {str(name): one for name, one in properties.items()},
        "required": [str(name) for name in properties],
        "additionalProperties": False,
    }
