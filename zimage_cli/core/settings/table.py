"""Every setting, declared once: `Declarations` is the table, and all else reads it.

The resolver, the flags' checks and help, the environment, the config file and its template, the
`config` commands and the completions take from here what they need of a setting. A new one is one
more entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar, overload

from zimage_cli import locale
from zimage_cli.api import limits
from zimage_cli.core.request.wish import QUALITY
from zimage_cli.core.settings import checks
from zimage_cli.core.settings.key import KEY_FILE_VARIABLE, KEY_VARIABLE
from zimage_cli.core.settings.pace_url import PaceUrl, check_pace_account, check_pace_url
from zimage_cli.core.settings.source import Kind, Source
from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Message, counted

T_co = TypeVar("T_co", covariant=True)


class Setting(NamedTuple, Generic[T_co]):
    """A value, and where it came from."""

    name: str
    value: T_co
    origin: Source

    @property
    def source(self) -> str:
        """Where it came from, in English: `--region`, `environment ZIMAGE_REGION`, …."""
        return str(self.origin)


class Toml(NamedTuple):
    """The types that a setting may have in config.toml, and those types in words."""

    types: tuple[type, ...]
    words: Message


TEXT = Toml((str,), Message("text in quotes"))
SWITCH = Toml((bool,), Message("true or false, without quotes"))
NUMBER = Toml((int, float), Message("a number, without quotes"))
WHOLE = Toml((int,), Message("a whole number, without quotes"))


def stored(value: object) -> object:
    """Return a setting's value as the config file has it."""
    return value.reveal() if isinstance(value, PaceUrl) else value


def text_of(value: object) -> str:
    """Return a setting's value as it is typed and printed; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Declared(Generic[T_co]):
    """What there is to know of a setting; its name is that of the attribute.

    `check(name, given)` returns the value or raises UsageError. `default`, whose type is the
    setting's, holds where nothing else decides. `flags` (empty: no option) and `help` are the
    option's, `metavar` what its value is called, `completes` the kind of value that shells offer.
    `shown` returns a value as a person reads it, with its unit: a Message where that has words.
    `variables`: the first one set wins. `toml` is None for what stands in a table of its own in
    config.toml. `sample` and `about` are its value and comment in the first file of
    `zimage config edit`.
    """

    name: str

    def __init__(
        self,
        check: Callable[[str, object], Any],
        default: T_co,
        *,
        toml: Toml | None,
        flags: tuple[str, ...],
        help: str,  # noqa: A002 - typer's word for it
        metavar: str | None = None,
        completes: str = "free",
        variables: tuple[str, ...] = (),
        sample: object = None,
        about: str = "",
        shown: Callable[[Any], str] | None = None,
    ) -> None:
        self.check = check
        self.default = default
        self.toml = toml
        self.flags = flags
        self.help = help
        self.metavar = metavar
        self.completes = completes
        self.variables = variables
        self.sample = default if sample is None else sample
        self.about = about
        self.shown = shown or text_of

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Declarations, owner: type) -> Setting[T_co]: ...

    def __get__(self, instance: Declarations | None, owner: type) -> Self | Setting[T_co]:
        return self if instance is None else instance.resolved[self.name]

    def given_by(self, kind: Kind, value: object) -> Source:
        """Return the flag or argument that gave a value; `--on/--off` is one of the two."""
        if kind is Kind.ARGUMENT or not self.flags:
            return Source(kind, self.name)
        names = self.flags[0].split("/")
        return Source(kind, names[-1] if value is False else names[0])

    def checked(self, given: object, source: Source) -> Setting[Any]:
        """Return the checked setting.

        Raises UsageError for what the command or request itself gave, else ConfigurationError; both
        name the source, and never quote what looks like a key.
        """
        try:
            return Setting(self.name, self.check(self.name, given), source)
        except UsageError as error:
            facts = {**error.facts, "cause": error.message, "source": source.said}
            hint = error.hint
            if source.is_callers:
                raise UsageError("{cause} (from {source})", hint=hint, **facts) from None
            hint = hint or Message("Correct or unset {variable}.", variable=source.name)
            raise ConfigurationError("{cause} (from {source})", hint=hint, **facts) from None


class Declarations:
    """The table. An object has the resolved setting under each name: `settings.size.value`."""

    __slots__ = ("resolved",)
    resolved: Mapping[str, Setting[Any]]

    region = Declared(
        checks.check_region,
        "beijing",
        toml=TEXT,
        flags=("--region", "-r"),
        help="beijing, singapore (or their ids) or sandbox; default: the one with a stored key, "
        "or beijing.",
        metavar="REGION",
        completes="region",
        variables=("ZIMAGE_REGION", "DASHSCOPE_API_REGION"),
        about="beijing, singapore, sandbox",
    )
    endpoint = Declared(
        checks.check_endpoint,
        "shared",
        toml=TEXT,
        flags=("--endpoint",),
        help="shared, workspace or trial; default: workspace where one is set, or shared.",
        metavar="KIND",
        completes="endpoint",
        variables=("ZIMAGE_ENDPOINT",),
        about="shared, workspace, trial",
    )
    workspace: Declared[str | None] = Declared(
        checks.check_workspace,
        None,
        toml=None,
        flags=("--workspace",),
        help="Workspace id, for the workspace endpoint.",
        metavar="ID",
        variables=("DASHSCOPE_WORKSPACE_ID",),
    )
    base_url: Declared[str | None] = Declared(
        checks.check_base_url,
        None,
        toml=TEXT,
        flags=("--base-url",),
        help="Another endpoint: origin, /api/v1 root or full URL.",
        metavar="URL",
        variables=("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"),
        sample="https://…",
        about="instead of region and endpoint",
    )
    size = Declared(
        checks.check_size,
        "1024*1024",
        toml=TEXT,
        flags=("--size", "-s"),
        help="16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; "
        "default: 1024x1024.",
        metavar="SIZE",
        completes="size",
        shown=lambda size: str(size).replace("*", "×"),
    )
    prompt_extend = Declared(
        checks.check_switch,
        False,
        toml=SWITCH,
        flags=("--prompt-extend/--no-prompt-extend",),
        help="Have the prompt rewritten first: 3–4 s more, twice the price; default: off.",
        completes="switch",
    )
    output_dir = Declared(
        checks.check_output_dir,
        Path("output"),
        toml=TEXT,
        flags=("--output-dir",),
        help="Base folder of pictures and evidence; default: output.",
        metavar="DIR",
        completes="folder",
        variables=("OUTPUT_DIR",),
    )
    format = Declared(
        checks.check_format,
        "png",
        toml=TEXT,
        flags=("--format",),
        help="png, jpeg or webp, where the file's name says none; default: png.",
        metavar="FORMAT",
        completes="format",
        about="png, jpeg, webp: where the file's name says none",
    )
    quality: Declared[int | None] = Declared(
        checks.check_quality,
        None,
        toml=WHOLE,
        flags=("--quality",),
        help="Quality of a JPEG or WebP, 1 … 100; default: {jpeg} and {webp}.".format(**QUALITY),
        metavar="N",
        sample=QUALITY["webp"],
        about="of JPEG and WebP, 1 to 100",
    )
    metadata = Declared(
        checks.check_switch,
        True,
        toml=SWITCH,
        flags=("--no-metadata",),
        help="Write no recipe into the file: a PNG is then byte for byte as served.",
        completes="switch",
        about="prompt, seed and model in the picture's file",
    )
    timeout = Declared(
        checks.check_timeout,
        limits.READ_TIMEOUT,
        toml=NUMBER,
        flags=("--timeout",),
        help=f"Seconds to wait for the answer; default: {limits.READ_TIMEOUT:g}.",
        metavar="S",
        about="seconds",
        shown=lambda seconds: Message("{seconds:g} s", seconds=seconds),
    )
    retries = Declared(
        checks.check_retries,
        limits.RETRIES,
        toml=WHOLE,
        flags=("--retries",),
        help=f"Further tries where none can cost twice; default: {limits.RETRIES}.",
        metavar="N",
        shown=lambda tries: counted(tries, "{count} more try", "{count} more tries"),
    )
    # What the service grants an account; more is answered with 429.
    rps = Declared(
        checks.check_rps,
        2.0,
        toml=NUMBER,
        flags=("--rps",),
        help="Requests a second, over all zimages of this account, 0 for no limit; default: 2.",
        metavar="F",
        about="requests a second",
        shown=lambda rps: Message("{rps:g} a second" if rps else "0: no limit", rps=rps),
    )
    # No flag gives it: a password on the command line is readable by everyone on the machine.
    pace_url: Declared[PaceUrl | None] = Declared(
        check_pace_url,
        None,
        toml=TEXT,
        flags=("--pace-alone",),
        help="Keep this machine's own pace, whatever pace_url says.",
        variables=("ZIMAGE_PACE_URL",),
        sample="redis://…",
        about="a Redis, to take turns with other machines",
    )
    pace_account: Declared[str | None] = Declared(
        check_pace_account,
        None,
        toml=TEXT,
        flags=(),
        help="",
        variables=("ZIMAGE_PACE_ACCOUNT",),
        sample="team",
        about="whose turns these are there; else the key says it",
    )
    evidence = Declared(
        checks.check_switch,
        True,
        toml=SWITCH,
        flags=("--no-evidence",),
        help="Write no evidence file.",
        completes="switch",
        about="a file a run: what was asked, answered and paid",
    )
    preview = Declared(
        checks.check_preview,
        "auto",
        toml=Toml((str,), Message('"auto", "on" or "off", with the quotes')),
        flags=("--preview/--no-preview",),
        help="Show the picture in the terminal; default: where it is known to show pictures.",
        completes="preview",
        variables=("ZIMAGE_PREVIEW",),
        about="auto, on, off: pictures in the terminal",
    )
    # What is printed long before options are read has a language too: there is no flag.
    language = Declared(
        checks.check_language,
        "en",
        toml=TEXT,
        flags=(),
        help="",
        completes="language",
        variables=(locale.VARIABLE,),
        about="en, zh: without it, that of the system",
    )


TABLE: Mapping[str, Declared[Any]] = {
    name: one for name, one in vars(Declarations).items() if isinstance(one, Declared)
}
"""Every setting by name."""

PLACE = ("region", "endpoint", "workspace", "base_url")
"""Those that say together where a call goes."""

NAMES = (*PLACE, "key", *(name for name in TABLE if name not in PLACE))
"""Every setting and the key, in the order in which `config show` shows them."""

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "key": (KEY_VARIABLE, KEY_FILE_VARIABLE),
    **{name: one.variables for name, one in TABLE.items()},
}
"""Environment variables by setting, the first one set wins."""
