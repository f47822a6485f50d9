"""From the command line to checked requests: what `generate` and `validate` share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from zimage_cli.api.errors import UsageError
from zimage_cli.core.files import reason
from zimage_cli.core.recorded import request_fields
from zimage_cli.core.request import parse_json_object
from zimage_cli.core.requested import check

__all__ = ["check", "given", "read_request", "read_stdin"]

_MAX_INPUT = 8 * 1024 * 1024
"""Bytes. The service reads 800 characters of a prompt."""


def read_stdin(what: str) -> str:
    """Return standard input as text. Raises UsageError where it is not UTF-8 or far too long."""
    stream = sys.stdin
    if stream is None or stream.closed:
        raise UsageError(f"{what}: standard input is closed")
    return _decode(stream.buffer.read(_MAX_INPUT + 1), what)


def _decode(data: bytes, what: str) -> str:
    if len(data) > _MAX_INPUT:
        raise UsageError(f"{what}: more than {_MAX_INPUT // (1024 * 1024)} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{what}: byte {error.start + 1} is not UTF-8") from None


def read_request(
    prompt: str | None, request: str | None, file: str | None
) -> tuple[dict[str, object], str | None]:
    """Return the fields of `--request` or `--file`, and the prompt with `-` read from stdin.

    Raises UsageError.
    """
    if request is not None and file is not None:
        raise UsageError("--request and --file both give the request", hint="Give only one.")
    if prompt == "-" and file == "-":
        raise UsageError("the prompt and --file cannot both be standard input")
    if prompt == "-":
        prompt = read_stdin("the prompt on standard input")
    if request is not None:
        return request_fields(parse_json_object(request, "--request")), prompt
    if file == "-":
        return request_fields(parse_json_object(read_stdin("--file -"), "--file -")), prompt
    if file is not None:
        try:
            with Path(file).open("rb") as stream:
                data = stream.read(_MAX_INPUT + 1)
        except (OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise UsageError(f"--file {file}: {why}") from None
        where = f"--file {file}"
        return request_fields(parse_json_object(_decode(data, where), where)), prompt
    return {}, prompt


def given(**options: Any) -> dict[str, object]:
    """Return the options that were given: not None."""
    return {name: value for name, value in options.items() if value is not None}
