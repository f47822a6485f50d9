"""The service that makes pictures, with the price and the call for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.endpoint import host_of, is_loopback_host, origin_of
from zimage_cli.api.payload import WireRequest, generation_request
from zimage_cli.core.request.prices import Price, list_price

if TYPE_CHECKING:
    from zimage_cli.core.request.request import Request
    from zimage_cli.messages import Message


class Account(NamedTuple):
    """A service with a key. `region` is one of the two, or else `sandbox` or `custom`."""

    api_root: str
    region: str
    workspace: str | None
    key: str
    key_hint: Message | None = None
    """What to do where the service refuses the key."""

    def __repr__(self) -> str:
        # Without the key.
        return f"Account({self.api_root!r}, {self.region!r})"

    @property
    def origin(self) -> str:
        """The API root without path."""
        return origin_of(self.api_root)

    @property
    def loopback(self) -> bool:
        """Tell whether the service runs on this machine."""
        return is_loopback_host(host_of(self.api_root))

    def price(self, *, prompt_extend: bool) -> Price | None:
        """Return the list price of a picture."""
        return list_price(self.region, prompt_extend)

    def wire(self, request: Request) -> WireRequest:
        """Return the call for a request: what is sent, and what a dry run shows."""
        return generation_request(
            self.api_root,
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
        )
