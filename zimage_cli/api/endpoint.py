"""Regions, hosts, and the one rule for what may be a base URL.

A key belongs to one region and a base URL decides where that key is sent, so everything that turns
text from a user into a host stands here. Hosts and region ids: Alibaba Cloud Model Studio's API
reference, October 2026.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message, Shown
from zimage_cli.text import redact

API_PATH = "/api/v1"
GENERATION_PATH = "/services/aigc/multimodal-generation/generation"

SANDBOX = "sandbox"
"""The stand-in's region name: accepted wherever a region is, never chosen by itself."""

CUSTOM = "custom"
"""What is reported as region when the host is none of the service's own."""

ENDPOINTS = ("shared", "workspace", "trial")

_WORKSPACE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_WORKSPACE_ALLOWED = Message("letters, digits, '_' and '-', at most 63, a letter or digit first")
# With an octet over 255 it is a host name, which a resolver's search list may lead anywhere.
LOOPBACK = r"127(?:\.(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})){3}"
HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_AUTHORITY = rf"(?:{HOST}|\[::1\])(?::[0-9]*)?"


class Region(NamedTuple):
    """One of the places where the service runs."""

    name: str
    id: str
    shared_host: str
    data: Message
    """Where inference runs and data rests, in words."""
    key_page: str

    def host(self, endpoint: str, workspace: str | None = None) -> str:
        """Return the host name of an endpoint kind; `workspace` is needed for `workspace`."""
        if endpoint == "shared":
            return self.shared_host
        if endpoint == "trial":
            return f"trial.{self.id}.maas.aliyuncs.com"
        return f"{check_workspace(workspace or '')}.{self.id}.maas.aliyuncs.com"

    def api_root(self, endpoint: str, workspace: str | None = None) -> str:
        """Return `https://HOST/api/v1`."""
        return f"https://{self.host(endpoint, workspace)}{API_PATH}"


REGIONS = (
    Region(
        "beijing",
        "cn-beijing",
        "dashscope.aliyuncs.com",
        Message("inference and data stay in mainland China"),
        "https://bailian.console.aliyun.com",
    ),
    Region(
        "singapore",
        "ap-southeast-1",
        "dashscope-intl.aliyuncs.com",
        Message("inference anywhere but mainland China"),
        "https://modelstudio.console.aliyun.com/ap-southeast-1",
    ),
)
REGION_NAMES = tuple(region.name for region in REGIONS)
_HAN_NAMES = {"北京": "beijing", "新加坡": "singapore"}


def _given(text: str) -> Shown:
    """Return a text as an error quotes it, what looks like a key in it masked."""
    return Shown(redact(repr(text)), redact(text))


def find_region(text: str) -> Region | None:
    """Return the region with this name (also in Chinese) or id, in any case, or None."""
    wanted = text.strip().lower()
    wanted = _HAN_NAMES.get(wanted, wanted)
    return next((region for region in REGIONS if wanted in {region.name, region.id}), None)


def region_name(text: str) -> str:
    """Return the canonical name for a region's name or id, `sandbox` included.

    Raises UsageError that lists what is allowed.
    """
    if text.strip().lower() == SANDBOX:
        return SANDBOX
    region = find_region(text)
    if region is None:
        known = [f"{region.name} ({region.id})" for region in REGIONS]
        raise UsageError(
            "region: {value} is not a region; allowed: {allowed}",
            field="region",
            value=_given(text),
            allowed=Listing(", ", [*known, SANDBOX]),
        )
    return region.name


def region_of_host(host: str) -> Region | None:
    """Return the region a service host belongs to, or None for every other host."""
    host = host.lower().rstrip(".")
    for region in REGIONS:
        if host == region.shared_host or host.endswith(f".{region.id}.maas.aliyuncs.com"):
            return region
    return None


def check_workspace(text: str) -> str:
    """Return a workspace id that is safe as a DNS label.

    Anything but `[A-Za-z0-9][A-Za-z0-9_-]{0,62}` would send the key to another host. Raises
    UsageError.
    """
    text = text.strip()
    if not re.fullmatch(_WORKSPACE, text):
        raise UsageError(
            "workspace: {value} is not a workspace id; allowed: {allowed}",
            field="workspace",
            value=_given(text),
            allowed=_WORKSPACE_ALLOWED,
        )
    return text


def is_loopback_host(host: str) -> bool:
    """Tell whether a host name or address can only be this machine."""
    host = host.lower().strip("[]")
    return host in {"localhost", "::1"} or re.fullmatch(LOOPBACK, host) is not None


def host_of(url: str) -> str:
    """Return the host name of a URL that `normalize_base_url` or the service gave."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Return `scheme://host[:port]` of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def without_query(url: str) -> str:
    """Return a URL without its signed part."""
    return url.partition("?")[0].partition("#")[0]


def generation_url(api_root: str) -> str:
    """Return the URL that makes a picture."""
    return api_root + GENERATION_PATH


def models_url(api_root: str) -> str:
    """Return the read-only URL that lists the model: free, proves endpoint, key and permission."""
    return f"{api_root}/models?model=z-image-turbo&page_no=1&page_size=1"


def normalize_base_url(text: str) -> str:
    """Return the API root for an origin, an `/api/v1` root or a full generation URL.

    Raises UsageError for anything but https (or http to loopback), and for user info, a query or
    a fragment: each could carry the key to a host that the user did not mean.
    """
    text = text.strip()

    def refuse(template: str) -> UsageError:
        return UsageError(
            template,
            field=Shown(Message("base URL"), "base_url"),
            value=_given(text),
            hint="Give an origin such as https://dashscope.aliyuncs.com, its /api/v1 root, "
            "or the full generation URL.",
        )

    if any(char.isspace() or not char.isprintable() or char == "\\" for char in text):
        raise refuse("{field}: {value} holds white space, a backslash or control characters")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise refuse("{field}: {value} is not a URL") from None
    if parts.scheme not in {"https", "http"}:
        raise refuse("{field}: {value} does not begin with https://")
    if "@" in parts.netloc:
        raise refuse("{field}: {value} holds user info")
    if "?" in text or "#" in text:
        raise refuse("{field}: {value} holds a query or a fragment")
    # Not the host as it was read: brackets, and a letter whose lower case is a plain one, are gone
    # from it.
    if not re.fullmatch(_AUTHORITY, parts.netloc) or ".." in host:
        raise refuse("{field}: {value} has no valid host name")
    if port == 0 or parts.netloc.endswith(":"):
        raise refuse("{field}: {value} has no valid port")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise refuse("{field}: {value} is http, which is for loopback addresses only")
    path = parts.path.rstrip("/")
    if path not in {"", API_PATH, API_PATH + GENERATION_PATH}:
        raise refuse(
            "{field}: {value} has a path that is not the API's; "
            "allowed: none, /api/v1, or the generation path"
        )
    shown = f"[{host}]" if ":" in host else host
    default_port = {"https": 443, "http": 80}[parts.scheme]
    suffix = "" if port in {None, default_port} else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}{API_PATH}"
