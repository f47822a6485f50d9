"""The settings as they hold for one call: every value with its source, the target, and the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import CUSTOM, find_region
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.settings.config_file import Config, read
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import Key
from zimage_cli.core.settings.keys import find_key, missing_key_error
from zimage_cli.core.settings.resolver import Flags, Resolver, Target
from zimage_cli.core.settings.table import PLACE, TABLE, Declarations, Setting
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.request.names import NameTemplate
    from zimage_cli.core.request.presets import Preset
    from zimage_cli.core.request.request import Request


class Settings(Declarations):
    """Every setting resolved, each with its source; the key is looked up when asked for.

    `region` is the region whose key is used, also with a base URL elsewhere (`target.region_name`
    is `custom` then). `warnings` say what lost against what, where that may surprise.
    """

    __slots__ = ("config", "environment", "target", "warnings")

    def __init__(
        self,
        environment: Environment,
        config: Config,
        target: Target,
        resolved: dict[str, Setting[Any]],
        warnings: tuple[Message, ...],
    ) -> None:
        self.environment = environment
        self.config = config
        self.target = target
        self.resolved = resolved
        self.warnings = warnings

    @property
    def request_defaults(self) -> dict[str, object]:
        """The fields of a request that does not say them."""
        return {"size": self.size.value, "prompt_extend": self.prompt_extend.value}

    @property
    def given_defaults(self) -> dict[str, object]:
        """Those of them that a flag or an argument gave: no preset outranks them."""
        given = (self.size, self.prompt_extend)
        return {one.name: one.value for one in given if one.origin.is_given}

    def presets(self, names: str | Iterable[str]) -> Sequence[Preset]:
        """Return the presets of these names, in this order. Raises UsageError."""
        if not names:
            return ()
        from zimage_cli.core.request.presets import chosen

        return chosen(names, self.config.presets)

    def request(
        self,
        fields: Mapping[str, object],
        *,
        overrides: Mapping[str, object],
        presets: Sequence[Preset] = (),
    ) -> Request:
        """Return the request that a JSON object describes, with presets around its prompt.

        `overrides` win over its fields. Raises RequestInvalid with every problem, UsageError.
        """
        defaults = self.request_defaults
        if not presets:
            from zimage_cli.core.request.request import parse_request

            return parse_request(fields, overrides=overrides, defaults=defaults)
        from zimage_cli.core.request.presets import request_with

        return request_with(
            presets,
            fields,
            overrides=overrides,
            defaults=defaults,
            outright=self.given_defaults,
        )

    @property
    def wish(self) -> Wish:
        """How pictures are finished whose names do not say otherwise."""
        return Wish(self.format.value, self.quality.value, self.metadata.value)

    def template(self, name: str | None) -> NameTemplate:
        """Return the template for file names: `--name`, or the default. Raises UsageError."""
        from zimage_cli.core.request.names import DEFAULT_TEMPLATE, NameTemplate

        return NameTemplate.parse(DEFAULT_TEMPLATE if name is None else name, self.wish.suffix)

    def for_base_url(self, flags: Flags, base_url: str | None) -> Settings:
        """Return the settings of a request with that base URL. Raises as `resolve` does."""
        if base_url is None:
            return self
        return resolve(self.environment, flags, request_base_url=base_url, config=self.config)

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


def refused_key_hint(settings: Settings) -> Message:
    """Return what to do about a key that the service refused (401): which region was asked with it.

    Names the other region where a key is stored for it: a key of the wrong region is the commonest
    cause.
    """
    target = settings.target
    facts = {"host": target.host, "asked": target.region_name}
    others = [name for name in settings.config.keys if name != target.key_region]
    if others and target.region_name != CUSTOM:
        return Message(
            "{host} ({asked}) was asked; a key belongs to one region. "
            "A key is stored for {other}: --region {other}",
            other=others[0],
            **facts,
        )
    region = find_region(target.key_region or "")
    if region is None or target.region_name == CUSTOM:
        return Message(
            "{host} ({asked}) was asked; a key belongs to one region. "
            "See where the key comes from: zimage config show",
            **facts,
        )
    return Message(
        "{host} ({asked}) was asked; a key belongs to one region. If this key is of another one, "
        "say so with --region; else make one at {page} and store it: "
        "zimage config set-key --region {region}",
        page=region.key_page,
        region=region.name,
        **facts,
    )


def resolve(
    environment: Environment,
    flags: Flags | None = None,
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
    resolver = Resolver(environment, flags or Flags(), request_base_url, config)
    target, *place = resolver.place()
    plain = (resolver.plain(name) for name in TABLE if name not in PLACE)
    return Settings(
        environment,
        config,
        target,
        {setting.name: setting for setting in (*place, *plain)},
        (*config.warnings, *resolver.warnings),
    )


__all__ = [
    "Flags",
    "Setting",
    "Settings",
    "Target",
    "refused_key_hint",
    "resolve",
]
