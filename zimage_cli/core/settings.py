"""One resolver: every setting with its value and where it came from.

Flag > environment > config file > default. A base URL and a region can both say where a call goes;
what then holds stands in `_place`. The environment is read when asked for, never at import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from zimage_cli.api import limits
from zimage_cli.api.endpoint import (
    CUSTOM,
    SANDBOX,
    Region,
    find_region,
    host_of,
    region_of_host,
)
from zimage_cli.api.errors import ConfigurationError, UsageError, ZimageError
from zimage_cli.core.checks import CHECKS, DEFAULT_RPS, REQUEST, checked
from zimage_cli.core.config_file import Config, read
from zimage_cli.core.environment import Environment
from zimage_cli.core.keys import Key, find_key, missing_key_error

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DEFAULT_SIZE = "1024*1024"
DEFAULT_REGION = "beijing"
DEFAULT_OUTPUT_DIR = "output"
DEFAULT = "default"
CONFIG = "config file"
ONE_KEY = "the one region with a stored key"

NAMES = (
    "region",
    "endpoint",
    "workspace",
    "base_url",
    "key",
    "size",
    "prompt_extend",
    "output_dir",
    "timeout",
    "retries",
    "rps",
)
"""Every setting, in the order in which `config show` shows them."""

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "region": ("ZIMAGE_REGION", "DASHSCOPE_API_REGION"),
    "endpoint": ("ZIMAGE_ENDPOINT",),
    "workspace": ("DASHSCOPE_WORKSPACE_ID",),
    "base_url": ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"),
    "output_dir": ("OUTPUT_DIR",),
}
"""Environment variables by setting, the first one set wins."""

ONE_REGION = "A key belongs to one region, so both must name the same one: give only one of them."


@dataclass(frozen=True, slots=True)
class Setting(Generic[T_co]):
    """A value, and where it came from in words: `--region`, `environment ZIMAGE_REGION`, …."""

    name: str
    value: T_co
    source: str


def refused_key_hint(settings: Settings) -> str:
    """Return what to do about a key that the service refused (401): which region was asked with it.

    Names the other region where a key is stored for it: a key of the wrong region is the commonest
    cause.
    """
    target = settings.target
    asked = f"{target.host} ({target.region_name}) was asked; a key belongs to one region."
    others = [name for name in settings.config.keys if name != target.key_region]
    if others and target.region_name != CUSTOM:
        return f"{asked} A key is stored for {others[0]}: --region {others[0]}"
    region = find_region(target.key_region or "")
    if region is None or target.region_name == CUSTOM:
        return f"{asked} See where the key comes from: zimage config show"
    return (
        f"{asked} If this key is of another one, say so with --region; else make one at "
        f"{region.key_page} and store it: zimage config set-key --region {region.name}"
    )


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line gave; None is not given."""

    region: str | None = None
    endpoint: str | None = None
    workspace: str | None = None
    base_url: str | None = None
    size: str | None = None
    prompt_extend: bool | None = None
    output_dir: str | Path | None = None
    timeout: float | str | None = None
    retries: int | str | None = None
    rps: float | str | None = None
    sandbox: bool | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes.

    `region_name` is `beijing`, `singapore`, `sandbox`, or `custom` for a host that is none of the
    service's own. `api_root` ends in `/api/v1`; None for the sandbox, which gets one when started.
    `key_region` is the region whose key is used; None for the sandbox. `endpoint` is `shared`,
    `workspace`, `trial`, `sandbox` or `custom`.
    """

    region_name: str
    api_root: str | None
    endpoint: str
    workspace: str | None
    key_region: str | None

    @property
    def is_sandbox(self) -> bool:
        """Whether this is the stand-in inside the process."""
        return self.region_name == SANDBOX

    @property
    def host(self) -> str | None:
        """The host name of the API, None for the sandbox."""
        return host_of(self.api_root) if self.api_root else None


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting resolved, each with its source; the key is looked up when asked for.

    `region` is the region whose key is used, also with a base URL elsewhere (`target.region_name`
    is `custom` then).
    """

    environment: Environment
    config: Config
    target: Target
    region: Setting[str]
    endpoint: Setting[str]
    workspace: Setting[str | None]
    base_url: Setting[str | None]
    size: Setting[str]
    prompt_extend: Setting[bool]
    output_dir: Setting[Path]
    timeout: Setting[float]
    retries: Setting[int]
    rps: Setting[float]
    warnings: tuple[str, ...] = ()

    def key(self) -> Setting[Key] | None:
        """Find the key for the target, None where there is none (and for the sandbox).

        Raises AuthenticationError for a key that cannot be used, ConfigurationError for a file
        that cannot be read.
        """
        if self.target.key_region is None:
            return None
        return self.key_for(self.target.key_region)

    def key_for(self, region: str) -> Setting[Key] | None:
        """Find the key for a region by name; raises as `key` does."""
        own_host = self.target.region_name != CUSTOM
        found = find_key(self.environment, self.config, region, own_host=own_host)
        return Setting("key", *found) if found else None

    def require_key(self) -> Setting[Key]:
        """Return the key; raises AuthenticationError that names both ways out."""
        found = self.key()
        if found is None:
            raise missing_key_error(self.target.region_name)
        return found


def resolve(
    environment: Environment,
    flags: Flags = Flags(),
    request_base_url: str | None = None,
    *,
    config: Config | None = None,
) -> Settings:
    """Resolve every setting.

    `request_base_url` is the `base_url` of a request; `config` stands in for the config file.
    Raises UsageError for what the command line or request gave, ConfigurationError for the rest.
    """
    if config is None:
        config = read(environment.config_file())
    resolver = _Resolver(environment, flags, request_base_url, config)
    place = resolver.place()
    return Settings(
        environment=environment,
        config=config,
        **place,
        size=resolver.plain("size", DEFAULT_SIZE),
        prompt_extend=resolver.plain("prompt_extend", False),
        output_dir=resolver.output_dir(),
        timeout=resolver.plain("timeout", limits.READ_TIMEOUT),
        retries=resolver.plain("retries", limits.RETRIES),
        rps=resolver.plain("rps", DEFAULT_RPS),
        warnings=(*config.warnings, *resolver.warnings),
    )


# Precedence as numbers: a lower one wins.
_FLAG, _REQUEST, _ENVIRONMENT, _CONFIG, _DEFAULT = range(5)


class _Given(NamedTuple):
    """A checked value, how strong it is, and where it came from."""

    value: Any
    level: int
    source: str


@dataclass
class _Resolver:
    environment: Environment
    flags: Flags
    request_base_url: str | None
    config: Config
    warnings: list[str] = field(default_factory=list)

    def candidates(self, name: str) -> Iterator[_Given]:
        """Yield what was given for a setting, strongest first, each checked when it is reached."""
        flag = getattr(self.flags, name)
        if flag is not None:
            source = _flag_name(name, flag)
            value = str(flag) if isinstance(flag, Path) else flag
            yield _Given(checked(name, value, source), _FLAG, source)
        if name == "base_url" and self.request_base_url is not None:
            yield _Given(checked(name, self.request_base_url, REQUEST), _REQUEST, REQUEST)
        for variable in VARIABLES.get(name, ()):
            text = self.environment.get(variable)
            if text is not None:
                source = f"environment {variable}"
                yield _Given(checked(name, text, source), _ENVIRONMENT, source)
                break
        if name in self.config.values:
            yield _Given(self.config.values[name], _CONFIG, CONFIG)

    def first(self, name: str) -> _Given | None:
        return next(self.candidates(name), None)

    def plain(self, name: str, default: T) -> Setting[T]:
        given = self.first(name)
        return (
            Setting(name, given.value, given.source) if given else Setting(name, default, DEFAULT)
        )

    def output_dir(self) -> Setting[Path]:
        given = self.first("output_dir")
        if given is None:
            return Setting("output_dir", Path(DEFAULT_OUTPUT_DIR), DEFAULT)
        # A shell has expanded what was typed; what it left is meant as it stands.
        path = Path(given.value) if given.level == _FLAG else self.environment.expand(given.value)
        return Setting("output_dir", path, given.source)

    # -- where a call goes ------------------------------------------------------------------------

    def place(self) -> dict[str, Any]:
        """Decide region, endpoint, workspace and base URL together."""
        region = self.region()
        if region.value == SANDBOX and region.level == _FLAG:
            self.refuse_beside_sandbox(region.source)
            return self.in_sandbox(region.source)
        endpoint = None if region.value == SANDBOX else self.first("endpoint")
        for url in self.base_urls():
            if self.url_holds(url, region, endpoint):
                return self.by_url(url, region)
        if region.value == SANDBOX:
            return self.in_sandbox(region.source)
        known = find_region(region.value)
        assert known is not None
        return self.by_region(known, region.source, endpoint)

    def region(self) -> _Given:
        if self.flags.sandbox:
            named = self.first("region") if self.flags.region is not None else None
            if named and named.value != SANDBOX:
                raise UsageError(
                    f"--sandbox and --region {named.value} contradict each other",
                    hint="Give only one of them.",
                )
            return _Given(SANDBOX, _FLAG, "--sandbox")
        given = self.first("region")
        if given:
            return given
        return self.default_region()

    def default_region(self) -> _Given:
        stored = list(self.config.keys)
        if len(stored) == 1:
            return _Given(stored[0], _DEFAULT, ONE_KEY)
        return _Given(DEFAULT_REGION, _DEFAULT, DEFAULT)

    def refuse_beside_sandbox(self, source: str) -> None:
        shown = "--sandbox" if source == "--sandbox" else "--region sandbox"
        for name in ("base_url", "endpoint", "workspace"):
            if getattr(self.flags, name) is not None:
                raise UsageError(
                    f"{shown} and --{name.replace('_', '-')} contradict each other: "
                    "the sandbox runs inside this process",
                    hint="Give only one of them.",
                )
        if self.request_base_url is not None:
            self.warnings.append(f"the base_url of the request is ignored: {shown}")

    def base_urls(self) -> Iterator[_Given]:
        for given in self.candidates("base_url"):
            if given.level == _ENVIRONMENT:
                self.warn_of_two_variables(given)
            yield given

    def warn_of_two_variables(self, used: _Given) -> None:
        both = [self.environment.get(name) for name in VARIABLES["base_url"]]
        if not all(both):
            return
        try:
            same = used.value == CHECKS["base_url"](both[1])
        except UsageError:
            same = False
        if not same:
            self.warnings.append(f"{' and '.join(VARIABLES['base_url'])} differ: the first is used")

    def url_holds(self, url: _Given, region: _Given, endpoint: _Given | None) -> bool:
        """Tell whether a base URL stands against region, endpoint and workspace.

        Raises where two of the same strength contradict each other.
        """
        host = host_of(url.value)
        its = region_of_host(host)
        if region.value == SANDBOX:
            if url.level < region.level:
                return True
            # The sandbox costs nothing and sends no key: at equal strength it is the safe reading.
            if url.level == region.level:
                self.ignore(url, f"the region is {SANDBOX} ({region.source})")
            return False
        if its and its.name != region.value and region.level != _DEFAULT:
            if region.level < url.level:
                self.ignore(url, f"the region is {region.value} ({region.source})")
                return False
            if region.level == url.level:
                raise self.two_regions(url, its, region)
        workspace = self.flags.workspace
        if workspace is not None and url.level == _FLAG:
            raise UsageError(
                "--workspace and --base-url both say where to call", hint="Give only one of them."
            )
        stronger = endpoint if endpoint and endpoint.level < url.level else None
        if stronger and _endpoint_of(host, its)[0] != stronger.value:
            self.ignore(url, f"the endpoint is {stronger.value} ({stronger.source})")
            return False
        if workspace is not None and _endpoint_of(host, its)[1] != workspace.lower():
            self.ignore(url, f"the workspace is {workspace} (--workspace)")
            return False
        both_flags = endpoint is not None and endpoint.level == url.level == _FLAG
        if endpoint and both_flags and _endpoint_of(host, its)[0] != endpoint.value:
            raise UsageError(
                f"--endpoint {endpoint.value} and --base-url contradict each other",
                hint="Give only one of them.",
            )
        return True

    def ignore(self, url: _Given, why: str) -> None:
        self.warnings.append(f"the base URL {url.value} from {url.source} is ignored: {why}")

    def two_regions(self, url: _Given, its: Region, region: _Given) -> ZimageError:
        cls = UsageError if url.level == _FLAG else ConfigurationError
        return cls(
            f"the region is {region.value} ({region.source}), and the base URL "
            f"{url.value} ({url.source}) is of {its.name}",
            hint=ONE_REGION,
        )

    def by_url(self, url: _Given, region: _Given) -> dict[str, Any]:
        host = host_of(url.value)
        its = region_of_host(host)
        endpoint, workspace = _endpoint_of(host, its)
        source = f"base URL ({url.source})"
        if its:
            said = region.value == its.name and region.level != _DEFAULT
            region = region if said else _Given(its.name, url.level, source)
        elif region.value == SANDBOX:
            region = self.without_sandbox()
        return {
            "target": Target(
                its.name if its else CUSTOM, url.value, endpoint, workspace, region.value
            ),
            "region": Setting("region", region.value, region.source),
            "endpoint": Setting("endpoint", endpoint, source),
            "workspace": Setting("workspace", workspace, source if workspace else DEFAULT),
            "base_url": Setting("base_url", url.value, url.source),
        }

    def without_sandbox(self) -> _Given:
        """Return the region whose key goes with a base URL that outranks the sandbox."""
        others = (one for one in self.candidates("region") if one.value != SANDBOX)
        return next(others, None) or self.default_region()

    def in_sandbox(self, source: str) -> dict[str, Any]:
        return {
            "target": Target(SANDBOX, None, SANDBOX, None, None),
            "region": Setting("region", SANDBOX, source),
            "endpoint": Setting("endpoint", SANDBOX, source),
            "workspace": Setting("workspace", None, DEFAULT),
            "base_url": Setting("base_url", None, "the sandbox gets one when it starts"),
        }

    def by_region(self, region: Region, source: str, endpoint: _Given | None) -> dict[str, Any]:
        workspace = self.workspace(region.name)
        if self.flags.workspace is not None and (endpoint is None or endpoint.level > _FLAG):
            endpoint = _Given("workspace", _FLAG, "--workspace")
        if endpoint is None:
            kind = "workspace" if workspace else "shared"
            why = "a workspace is set" if workspace else DEFAULT
            endpoint = _Given(kind, _DEFAULT, why)
        elif endpoint.value != "workspace" and self.flags.workspace is not None:
            self.warnings.append(f"--workspace is not used: the endpoint is {endpoint.value}")
        if endpoint.value == "workspace" and not workspace:
            raise ConfigurationError(
                f"the endpoint is workspace ({endpoint.source}), and no workspace is set for "
                f"{region.name}",
                hint=f"Set it: zimage config set-workspace ID --region {region.name}",
            )
        root = region.api_root(endpoint.value, workspace.value if workspace else None)
        used = workspace.value if workspace and endpoint.value == "workspace" else None
        return {
            "target": Target(region.name, root, endpoint.value, used, region.name),
            "region": Setting("region", region.name, source),
            "endpoint": Setting("endpoint", endpoint.value, endpoint.source),
            "workspace": Setting(
                "workspace",
                workspace.value if workspace else None,
                workspace.source if workspace else DEFAULT,
            ),
            "base_url": Setting("base_url", root, "region and endpoint"),
        }

    def workspace(self, region: str) -> _Given | None:
        given = self.first("workspace")
        if given:
            return given
        stored = self.config.workspaces.get(region)
        return _Given(stored, _CONFIG, CONFIG) if stored else None


def _flag_name(name: str, value: object) -> str:
    if name == "prompt_extend":
        return "--prompt-extend" if value else "--no-prompt-extend"
    return f"--{name.replace('_', '-')}"


def _endpoint_of(host: str, region: Region | None) -> tuple[str, str | None]:
    """Return endpoint kind and workspace of a host."""
    if region is None:
        return CUSTOM, None
    if host == region.host("shared"):
        return "shared", None
    if host == region.host("trial"):
        return "trial", None
    return "workspace", host.removesuffix(f".{region.id}.maas.aliyuncs.com")


__all__ = [
    "NAMES",
    "VARIABLES",
    "Flags",
    "Setting",
    "Settings",
    "Target",
    "refused_key_hint",
    "resolve",
]
