"""What goes over the wire to make a picture: the one place that builds it.

The real call, the dry run and the sandbox's own checks all take it from here. Format: Alibaba Cloud
Model Studio's API reference for z-image-turbo, October 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from zimage_cli.api.endpoint import generation_url
from zimage_cli.text import json_text
from zimage_cli.version import __version__

MODEL = "z-image-turbo"
USER_AGENT = f"zimage-cli/{__version__}"
KEY_VARIABLE = "DASHSCOPE_API_KEY"


class WireRequest(NamedTuple):
    """An HTTP request without its key: the client alone adds `Authorization`."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def generation_body(
    prompt: str, size: str, seed: int | None, prompt_extend: bool
) -> dict[str, Any]:
    """Return the body of a generation call; without a seed the service draws one and keeps it."""
    parameters: dict[str, Any] = {"size": size, "prompt_extend": prompt_extend}
    if seed is not None:
        parameters["seed"] = seed
    return {
        "model": MODEL,
        "input": {"messages": [{"role": "user", "content": [{"text": prompt}]}]},
        "parameters": parameters,
    }


def encode(body: Mapping[str, Any]) -> bytes:
    r"""Return a body as UTF-8 JSON that survives being shown, copied and pasted.

    Letters stay as they are. Invisible characters are escaped, so that a terminal shows the very
    bytes; a backslash is written `\u005c`, because fish reads two of them as one even in single
    quotes. A JSON reader sees no difference.
    """
    # In JSON two backslashes in a row can only be one escaped backslash.
    return json_text(body).replace("\\\\", "\\u005c").encode()


def generation_request(
    api_root: str, *, prompt: str, size: str, seed: int | None, prompt_extend: bool
) -> WireRequest:
    """Return the call that makes a picture; `api_root` as `normalize_base_url` returns it."""
    return WireRequest(
        "POST",
        generation_url(api_root),
        {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            # Another call over the same connection could meet the other side closing it, and
            # nobody could tell whether it was taken.
            "Connection": "close",
        },
        encode(generation_body(prompt, size, seed, prompt_extend)),
    )


def curl_command(request: WireRequest) -> str:
    """Return the `curl` command that sends exactly this request, for bash, zsh, fish and sh.

    The shell fills the key in from the environment; everything else stands in single quotes. A
    body of over 128 KiB (no prompt that the service reads) is too long for an argument on Linux.
    """
    lines = [f"curl -sS -X {request.method} {_quoted(request.url)}"]
    lines += [f"-H {_quoted(f'{name}: {value}')}" for name, value in request.headers.items()]
    lines.append(f'-H "Authorization: Bearer ${KEY_VARIABLE}"')
    lines.append(f"--data-binary {_quoted(request.body.decode())}")
    return " \\\n  ".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
