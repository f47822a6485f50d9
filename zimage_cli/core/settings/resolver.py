"""Where each setting comes from, and which one holds.

Flag > environment > config file > default. A base URL and a region can both say where a call goes:
`Resolver.place` decides. The environment is read when asked for, never at import.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from zimage_cli import locale
from zimage_cli.api.endpoint import (
    CUSTOM,
    SANDBOX,
    Region,
    find_region,
    host_of,
    region_of_host,
)
from zimage_cli.core.settings.checks import check_base_url
from zimage_cli.core.settings.config_file import Config
from zimage_cli.core.settings.contradiction import no_region, two_regions
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.source import CONFIG, DEFAULT, REQUEST, Kind, Source
from zimage_cli.core.settings.table import PLACE, TABLE, VARIABLES, Setting
from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Message

_ONE_KEY = Source(Kind.DEFAULT, words=Message("the one region with a stored key"))
_ONE_PLACE = "Give only one of them."


class Flags:
    """What the command line gave, by setting: `Flags(region="beijing", rps=2)`; None is not given.

    `sandbox` is no setting, and says where to call. `kind` is ARGUMENT where no flags were typed.
    Raises TypeError for what is no setting, or none that a flag can give.
    """

    __slots__ = ("given", "kind", "sandbox")

    def __init__(
        self, *, sandbox: bool | None = None, kind: Kind = Kind.FLAG, **given: Any
    ) -> None:
        for name in given:
            if name not in TABLE or not TABLE[name].flags:
                raise TypeError(f"{name} is not a setting")
        self.given = {name: value for name, value in given.items() if value is not None}
        self.sandbox = sandbox
        self.kind = kind

    def but(self, **given: Any) -> Flags:
        """Return a copy with other values; None takes one away."""
        return Flags(**{"sandbox": self.sandbox, "kind": self.kind, **self.given, **given})

    def __getattr__(self, name: str) -> Any:
        if name not in TABLE:
            raise AttributeError(name)
        return self.given.get(name)

    def __repr__(self) -> str:
        # Nothing of what was given: a key may stand in the wrong place.
        return f"Flags({', '.join(self.given)})"


class Target(NamedTuple):
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


_Place = tuple[Target, Setting[Any], Setting[Any], Setting[Any], Setting[Any]]
"""Where calls go; then region, endpoint, workspace and base URL."""


class Resolver:
    """Resolves one setting at a time; `warnings` say what lost, where that may surprise."""

    def __init__(
        self, environment: Environment, flags: Flags, request_base_url: str | None, config: Config
    ) -> None:
        self.environment = environment
        self.flags = flags
        self.request_base_url = request_base_url
        self.config = config
        self.warnings: list[Message] = []

    def _warn(self, template: str, **facts: Any) -> None:
        self.warnings.append(Message(template, **facts))

    def _candidates(self, name: str) -> Iterator[Setting[Any]]:
        """Yield what was given for a setting, strongest first, each checked when it is reached."""
        declared = TABLE[name]
        flag = self.flags.given.get(name)
        if flag is not None:
            given = str(flag) if isinstance(flag, Path) else flag
            yield declared.checked(given, declared.given_by(self.flags.kind, flag))
        if name == "base_url" and self.request_base_url is not None:
            yield declared.checked(self.request_base_url, REQUEST)
        for variable in declared.variables:
            text = self.environment.get(variable)
            if text is not None:
                yield declared.checked(text, Source(Kind.ENVIRONMENT, variable))
                break
        if name in self.config.values:
            yield Setting(name, self.config.values[name], CONFIG)

    def _first(self, name: str) -> Setting[Any] | None:
        return next(self._candidates(name), None)

    def plain(self, name: str) -> Setting[Any]:
        """Return a setting that no other one has a say in."""
        if name == "language":
            return self._language()
        default = TABLE[name].default
        given = self._first(name)
        if given is None:
            return Setting(name, default, DEFAULT)
        if not isinstance(default, Path):
            return given
        # A shell has expanded what was typed; what it left is meant as it stands.
        typed = given.origin.is_callers
        path = Path(given.value) if typed else self.environment.expand(given.value)
        return Setting(name, path, given.origin)

    def _language(self) -> Setting[Any]:
        """Return the language: no variable is refused, and the weaker ones are the system's."""
        named = self.environment.get(locale.VARIABLE)
        if named is not None:
            source = Source(Kind.ENVIRONMENT, locale.VARIABLE)
            return Setting("language", locale.language_of(named), source)
        if "language" in self.config.values:
            return Setting("language", self.config.values["language"], CONFIG)
        found, name = locale.system_language(self.environment.variables)
        return Setting("language", found, Source(Kind.ENVIRONMENT, name) if name else DEFAULT)

    # -- where a call goes ------------------------------------------------------------------------

    def place(self) -> _Place:
        """Decide region, endpoint, workspace and base URL together."""
        region = self._region()
        if region.value == SANDBOX and region.origin.is_given:
            self._refuse_beside_sandbox(region.origin)
            return self._in_sandbox(region.origin)
        endpoint = None if region.value == SANDBOX else self._first("endpoint")
        for url in self._base_urls():
            if self._url_holds(url, region, endpoint):
                return self._by_url(url, region)
        if region.value == SANDBOX:
            return self._in_sandbox(region.origin)
        known = find_region(region.value)
        assert known is not None
        return self._by_region(known, region.origin, endpoint)

    def _region(self) -> Setting[Any]:
        if self.flags.sandbox:
            named = self._first("region") if "region" in self.flags.given else None
            if named and named.value != SANDBOX:
                raise UsageError(
                    "--sandbox and --region {region} contradict each other",
                    hint=_ONE_PLACE,
                    region=named.value,
                )
            return Setting("region", SANDBOX, Source(Kind.FLAG, "--sandbox"))
        return self._first("region") or self._default_region()

    def _default_region(self) -> Setting[Any]:
        stored = list(self.config.keys)
        if len(stored) == 1:
            return Setting("region", stored[0], _ONE_KEY)
        return Setting("region", TABLE["region"].default, DEFAULT)

    def _refuse_beside_sandbox(self, source: Source) -> None:
        shown = "--sandbox" if source.name == "--sandbox" else "--region sandbox"
        for name in PLACE[1:]:
            if name in self.flags.given:
                raise UsageError(
                    "{sandbox} and {flag} contradict each other: "
                    "the sandbox runs inside this process",
                    hint=_ONE_PLACE,
                    sandbox=shown,
                    flag=TABLE[name].flags[0],
                )
        if self.request_base_url is not None:
            self._warn("the base_url of the request is ignored: {sandbox}", sandbox=shown)

    def _base_urls(self) -> Iterator[Setting[Any]]:
        for given in self._candidates("base_url"):
            if given.origin.kind is Kind.ENVIRONMENT:
                self._warn_of_two_variables(given)
            yield given

    def _warn_of_two_variables(self, used: Setting[Any]) -> None:
        variables = VARIABLES["base_url"]
        texts = [text for name in variables if (text := self.environment.get(name)) is not None]
        try:
            same = all(used.value == check_base_url("base_url", text) for text in texts)
        except UsageError:
            same = False
        if not same:
            first, second = variables
            template = "{first} and {second} differ: the first is used"
            self._warn(template, first=first, second=second)

    def _url_holds(
        self, url: Setting[Any], region: Setting[Any], endpoint: Setting[Any] | None
    ) -> bool:
        """Tell whether a base URL stands against region, endpoint and workspace.

        Raises where two of the same strength contradict each other, or a flag would lose.
        """
        host = host_of(url.value)
        its = region_of_host(host)
        level, region_level = url.origin.kind, region.origin.kind
        if region.value == SANDBOX:
            if level < region_level:
                return True
            # The sandbox costs nothing and sends no key: at equal strength it is the safe reading.
            if level == region_level:
                self._ignore("the region is {value} ({source})", region, url)
            return False
        if its and its.name != region.value and region_level != Kind.DEFAULT:
            if region_level < level:
                self._ignore("the region is {value} ({source})", region, url)
                return False
            if region_level == level:
                raise two_regions(url, its, region)
        workspace = self.flags.workspace
        if workspace is not None and url.origin.is_given:
            raise UsageError("--workspace and --base-url both say where to call", hint=_ONE_PLACE)
        kind, its_workspace = _endpoint_of(host, its)
        if endpoint and endpoint.value != kind:
            if endpoint.origin.kind < level:
                self._ignore("the endpoint is {value} ({source})", endpoint, url)
                return False
            if endpoint.origin.is_given and url.origin.is_given:
                raise UsageError(
                    "--endpoint {endpoint} and --base-url contradict each other",
                    hint=_ONE_PLACE,
                    endpoint=endpoint.value,
                )
        if workspace is not None and its_workspace != workspace.lower():
            named = Setting("workspace", workspace, Source(Kind.FLAG, "--workspace"))
            self._ignore("the workspace is {value} ({source})", named, url)
            return False
        if its is None and region.origin.is_given and not url.origin.is_callers:
            raise no_region(url, region)
        return True

    def _ignore(self, template: str, stronger: Setting[Any], url: Setting[Any]) -> None:
        self._warn(
            "the base URL {url} from {url_source} is ignored: {why}",
            url=url.value,
            url_source=url.origin.said,
            why=Message(template, value=stronger.value, source=stronger.origin.said),
        )

    def _by_url(self, url: Setting[Any], region: Setting[Any]) -> _Place:
        host = host_of(url.value)
        its = region_of_host(host)
        endpoint, workspace = _endpoint_of(host, its)
        words = Message("base URL ({source})", source=url.origin.said)
        source = Source(url.origin.kind, url.origin.name, words)
        if region.value != (its.name if its else None) and (
            (region.origin.kind, url.origin.kind) in _SURPRISES
        ):
            self._warn(
                "calls go to {url} ({url_source}), "
                "and not to the region {region} ({region_source})",
                url=url.value,
                url_source=url.origin.said,
                region=region.value,
                region_source=region.origin.said,
            )
        if its:
            said = region.value == its.name and region.origin.kind != Kind.DEFAULT
            region = region if said else Setting("region", its.name, source)
        elif region.value == SANDBOX:
            region = self._without_sandbox()
        return (
            Target(its.name if its else CUSTOM, url.value, endpoint, workspace, region.value),
            region,
            Setting("endpoint", endpoint, source),
            Setting("workspace", workspace, source if workspace else DEFAULT),
            url,
        )

    def _without_sandbox(self) -> Setting[Any]:
        """Return the region whose key goes with a base URL that outranks the sandbox."""
        others = (one for one in self._candidates("region") if one.value != SANDBOX)
        return next(others, None) or self._default_region()

    def _in_sandbox(self, source: Source) -> _Place:
        started = Source(Kind.DEFAULT, words=Message("the sandbox gets one when it starts"))
        return (
            Target(SANDBOX, None, SANDBOX, None, None),
            Setting("region", SANDBOX, source),
            Setting("endpoint", SANDBOX, source),
            Setting("workspace", None, DEFAULT),
            Setting("base_url", None, started),
        )

    def _by_region(self, region: Region, source: Source, endpoint: Setting[Any] | None) -> _Place:
        workspace = self._workspace(region.name)
        if workspace.origin.is_given:
            if endpoint is None or not endpoint.origin.is_given:
                endpoint = Setting("endpoint", "workspace", workspace.origin)
            elif endpoint.value != "workspace":
                template = "--workspace is not used: the endpoint is {endpoint}"
                self._warn(template, endpoint=endpoint.value)
        if endpoint is None:
            endpoint = Setting("endpoint", TABLE["endpoint"].default, DEFAULT)
            if workspace.value:
                why = Source(Kind.DEFAULT, words=Message("a workspace is set"))
                endpoint = Setting("endpoint", "workspace", why)
        if endpoint.value == "workspace" and not workspace.value:
            raise ConfigurationError(
                "the endpoint is workspace ({source}), and no workspace is set for {region}",
                hint="Set it: zimage config set-workspace ID --region {region}",
                source=endpoint.origin.said,
                region=region.name,
            )
        used = workspace.value if endpoint.value == "workspace" else None
        root = region.api_root(endpoint.value, workspace.value)
        return (
            Target(region.name, root, endpoint.value, used, region.name),
            Setting("region", region.name, source),
            endpoint,
            workspace,
            Setting("base_url", root, Source(Kind.DEFAULT, words=Message("region and endpoint"))),
        )

    def _workspace(self, region: str) -> Setting[Any]:
        stored = self.config.workspaces.get(region)
        weakest = Setting("workspace", stored, CONFIG if stored else DEFAULT)
        return self._first("workspace") or weakest


_SURPRISES = {
    (Kind.CONFIG, Kind.ENVIRONMENT),
    (Kind.FLAG, Kind.REQUEST),
    (Kind.ARGUMENT, Kind.REQUEST),
}
"""Where a region comes from and what may outrank it there, but not without a word."""


def _endpoint_of(host: str, region: Region | None) -> tuple[str, str | None]:
    """Return endpoint kind and workspace of a host."""
    if region is None:
        return CUSTOM, None
    if host == region.host("shared"):
        return "shared", None
    if host == region.host("trial"):
        return "trial", None
    return "workspace", host.removesuffix(f".{region.id}.maas.aliyuncs.com")
