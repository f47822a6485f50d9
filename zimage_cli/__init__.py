"""Z-Image Turbo, Alibaba Model Studio's fast text-to-image model, from terminal and Python."""

# Nothing is imported here: until `__main__` has seen to signals, Ctrl-C would show a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from zimage_cli import errors
    from zimage_cli.async_client import AsyncClient
    from zimage_cli.client import Client, generate
    from zimage_cli.core.observer import Observer, Watcher
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.recipe.inspect import inspect
    from zimage_cli.version import __version__

__all__ = [
    "AsyncClient",
    "Client",
    "Observer",
    "Outcome",
    "Picture",
    "Watcher",
    "__version__",
    "errors",
    "generate",
    "inspect",
]

_HOMES = {
    "AsyncClient": "zimage_cli.async_client",
    "Client": "zimage_cli.client",
    "Observer": "zimage_cli.core.observer",
    "Outcome": "zimage_cli.core.outcome",
    "Picture": "zimage_cli.core.picture",
    "Watcher": "zimage_cli.core.observer",
    "__version__": "zimage_cli.version",
    "generate": "zimage_cli.client",
    "inspect": "zimage_cli.core.recipe.inspect",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used: a start of the command line needs none of them."""
    from importlib import import_module

    if name == "errors":
        return import_module("zimage_cli.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
