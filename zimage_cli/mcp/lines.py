"""What comes over the wire, before the SDK reads it."""

from __future__ import annotations

import json


def mended(line: bytes) -> bytes:
    r"""Return a message in which question marks stand for halves of characters (`\ud83d`).

    A model may send half an emoji, and programs write it so. The SDK drops such a message without
    a word, and whoever sent it would wait for an answer.
    """
    if rb"\ud" not in line.lower():
        return line
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return line
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
