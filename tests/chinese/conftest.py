"""What tests of the Chinese stand on: the service and the terminals of the command line's tests."""

from __future__ import annotations

import re

from cli.conftest import KEY, png, prompts, remembered, serve, service, terminal, unpaced

__all__ = ["KEY", "png", "prompts", "remembered", "serve", "service", "terminal", "unpaced"]

CHINESE = {"ZIMAGE_LANG": "zh"}
HAN = "[\u4e00-\u9fff]"

_OTHER_EVERY_TIME = re.compile(
    r"[0-9a-f]{64}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"
    r"|\d{8}-\d{6}|\d{4}-\d\d-\d\dT[\d:.+Z-]+"
    r'|https?://127\.0\.0\.1[^" ]*'
    r'|(?<="history_id": )\d+|(?<="elapsed_seconds": )[\d.]+|(?<="bytes": )\d+'
)


def unvarying(text: str) -> str:
    """Return what a command printed without times, ids and addresses, which differ by the run."""
    return _OTHER_EVERY_TIME.sub("…", text)
