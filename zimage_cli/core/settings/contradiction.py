"""Errors for a region and a base URL that contradict each other, with the ways out."""

from __future__ import annotations

from typing import Any

from zimage_cli.api.endpoint import Region
from zimage_cli.core.settings.source import Kind
from zimage_cli.core.settings.table import Setting
from zimage_cli.errors import ConfigurationError, UsageError, ZimageError


def two_regions(url: Setting[Any], its: Region, region: Setting[Any]) -> ZimageError:
    """Return the error for a region, and a base URL as strong that is of another one."""
    cls = UsageError if url.origin.is_callers else ConfigurationError
    return cls(
        "the region is {region} ({region_source}), and the base URL {url} ({url_source}) "
        "is of {other}",
        hint="A key belongs to one region, so both must name the same one: give only one of them.",
        region=region.value,
        region_source=region.origin.said,
        url=url.value,
        url_source=url.origin.said,
        other=its.name,
    )


_WAYS_OUT = {
    (True, True): "For the host of {region}: --endpoint shared. For another place: --base-url. "
    "Or unset {variable}.",
    (True, False): "For the host of {region}: --endpoint shared. For another place: --base-url. "
    "Or: zimage config unset base_url",
    (False, True): "Unset {variable}, or do without a region.",
    (False, False): "Remove it (zimage config unset base_url), or do without a region.",
}
"""Next steps by whether the region is a flag's, and the base URL a variable's."""


def no_region(url: Setting[Any], region: Setting[Any]) -> UsageError:
    """Return the error for a region that the command names beside a base URL of no region.

    To follow either without a word could send the key, and the bill, to the wrong place.
    """
    flag = region.origin.kind is Kind.FLAG
    return UsageError(
        "{region_source} {region} and the base URL {url} ({url_source}) contradict each other: "
        "that URL belongs to no region",
        field="region",
        value=region.value,
        hint=_WAYS_OUT[flag, url.origin.kind is Kind.ENVIRONMENT],
        region=region.value,
        region_source=region.origin.said,
        url=url.value,
        url_source=url.origin.said,
        variable=url.origin.name,
    )
