"""What zimage recorded of a picture, taken as the request that makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zimage_cli.errors import UsageError

FIELDS = ("prompt", "size", "seed", "prompt_extend")
"""Not `base_url`: where a picture was made is no part of what it shows."""

_MARKS = {"request_id", "image_url"}
"""Every record of a picture has these fields, and no request has one."""


def request_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request, also out of what `--json` says of one picture.

    That is a document of `history show` or of `generate` with one image, or the entry or image
    itself. A request is returned as it is. Raises UsageError for a document of no picture or of
    several.
    """
    record: Any = document
    if "schema" in document and ("entry" in document or "images" in document):
        entry, images = document.get("entry"), document.get("images")
        found = [entry] if entry else images if isinstance(images, list) else []
        if len(found) != 1:
            raise UsageError(
                "the document speaks of {count} pictures; a request is one",
                hint="Give one of them: zimage history show ID --json",
                count=len(found),
            )
        record = found[0]
    if not isinstance(record, Mapping) or not record.keys() >= _MARKS:
        return dict(document)
    # A seed that was left to the service is not known, as null says.
    return {name: record[name] for name in FIELDS if record.get(name) is not None}
