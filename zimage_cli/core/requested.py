"""A request checked against the settings, which its own `base_url` may change."""

from __future__ import annotations

from collections.abc import Mapping

from zimage_cli.core.request import Request, parse_request
from zimage_cli.core.settings import Flags, Settings, resolve


def check(
    source: Mapping[str, object],
    overrides: Mapping[str, object],
    settings: Settings,
    flags: Flags,
) -> tuple[Request, Settings]:
    """Check a request against the settings and return both, resolved again for its `base_url`.

    Raises RequestInvalid with all problems.
    """
    defaults = {"size": settings.size.value, "prompt_extend": settings.prompt_extend.value}
    request = parse_request(source, overrides=overrides, defaults=defaults)
    if request.base_url is not None:
        settings = resolve(
            settings.environment, flags, request_base_url=request.base_url, config=settings.config
        )
    return request, settings
