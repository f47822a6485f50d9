"""Z-Image Turbo, Alibaba Model Studio's fast text-to-image model, from terminal and Python."""

# Nothing is imported here: until `__main__` has seen to signals, Ctrl-C would show a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from zimage_cli import errors
    from zimage_cli.client import Client, generate
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.version import __version__

__all__ = ["Client", "Outcome", "Picture", "__version__", "errors", "generate"]

_HOMES = {
    "Client": "zimage_cli.client",
    "Outcome": "zimage_cli.core.outcome",
    "Picture": "zimage_cli.core.picture",
    "__version__": "zimage_cli.version",
    "generate": "zimage_cli.client",
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
