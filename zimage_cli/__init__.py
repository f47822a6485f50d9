"""Z-Image Turbo, Alibaba Model Studio's fast text-to-image model, from terminal and Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zimage_cli.client import Client, generate
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture

__version__ = "0.1.0"

__all__ = ["Client", "Outcome", "Picture", "__version__", "errors", "generate"]

_HOMES = {
    "Client": "zimage_cli.client",
    "generate": "zimage_cli.client",
    "Outcome": "zimage_cli.core.outcome",
    "Picture": "zimage_cli.core.picture",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: a start of the command line needs none of them."""
    from importlib import import_module

    if name == "errors":
        return import_module("zimage_cli.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
