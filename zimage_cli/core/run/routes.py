"""Where requests go: all to one place, or each to its own where that is trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zimage_cli.api.endpoint import CUSTOM
from zimage_cli.core.making.account import Account
from zimage_cli.core.making.maker import Maker
from zimage_cli.core.request.prices import Price, list_price
from zimage_cli.core.settings.settings import Flags, Settings
from zimage_cli.errors import UsageError

_MOST_ENDPOINTS = 100


class Routes:
    """The settings and makers for lines that name a base URL; others use those of the run.

    A key belongs to one region and a price to one currency, so a line stays in the run's region. No
    price is known of a host that is none of the service's own.
    """

    def __init__(self, settings: Settings, flags: Flags) -> None:
        self._settings = settings
        self._flags = flags
        self._resolved: dict[str, Settings] = {}

    def settings(self, base_url: str | None) -> Settings:
        """Return the settings for a line's base URL. Raises UsageError."""
        if base_url is None:
            return self._settings
        if base_url not in self._resolved:
            if len(self._resolved) >= _MOST_ENDPOINTS:
                raise UsageError(
                    "base_url: the file names over {most} different ones", most=_MOST_ENDPOINTS
                )
            self._resolved[base_url] = self._settings.for_base_url(self._flags, base_url)
        return self._resolved[base_url]

    def check(self, base_url: str) -> None:
        """Raise UsageError for a base URL that this run cannot ask."""
        region, own = self.settings(base_url).target.region_name, self._settings.target.region_name
        if region not in {own, CUSTOM}:
            raise UsageError(
                "base_url: it is of the region {region}, and this run is of {own}; "
                "a key belongs to one region: run such lines on their own, with --region {region}",
                region=region,
                own=own,
            )

    def price(self, base_url: str | None, *, prompt_extend: bool) -> Price | None:
        """Return the list price of a picture."""
        return list_price(self.settings(base_url).target.region_name, prompt_extend)

    def makers(self, maker: Maker) -> Callable[[str | None], Maker]:
        """Return what gives the maker for a base URL; all of them share all but the address."""
        made: dict[str, Maker] = {}

        def maker_for(base_url: str | None) -> Maker:
            target = self.settings(base_url).target
            if base_url is None or target.api_root is None:
                return maker
            if base_url not in made:
                whom = Account(
                    target.api_root, target.region_name, target.workspace, maker.account.key
                )
                made[base_url] = replace(maker, account=whom, reach=None)
            return made[base_url]

        return maker_for
