"""Ask a region, read-only and free, whether key and model are good there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import CUSTOM, REGION_NAMES, SANDBOX, origin_of
from zimage_cli.core.settings.keys import missing_key_error
from zimage_cli.core.settings.settings import Flags, Setting, Settings, refused_key_hint, resolve
from zimage_cli.core.settings.source import CONFIG
from zimage_cli.errors import AuthenticationError, ConnectionFailed, ZimageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.settings.key import Key


@dataclass(frozen=True, slots=True)
class Ping:
    """What a region answered; None is not known. `key` is masked; times in milliseconds.

    `origin` is where the request went, None where none was sent.
    """

    region: str
    host: str | None
    """The host's name, or what stands for the sandbox's: a Message."""
    origin: str | None
    key: str | None
    key_source: str | None
    reachable: bool | None
    key_accepted: bool | None = None
    model_visible: bool | None = None
    connect_ms: float | None = None
    answer_ms: float | None = None
    request_id: str | None = None
    error: ZimageError | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The region's object in `--json`."""
        return {
            "region": self.region,
            "host": self.host,
            "key": self.key,
            "key_source": self.key_source,
            "reachable": self.reachable,
            "key_accepted": self.key_accepted,
            "model_visible": self.model_visible,
            "connect_ms": _rounded(self.connect_ms),
            "answer_ms": _rounded(self.answer_ms),
            "request_id": self.request_id,
        }


def ping(settings: Settings, key: Setting[Key] | None = None) -> Ping:
    """Ask the active region once, with its own key if none is given.

    Raises AuthenticationError where it has none.
    """
    if key is None and not settings.target.is_sandbox:
        key = settings.require_key()
    return _ask(settings, key)


def ping_every(settings: Settings) -> list[Ping]:
    """Ask the active region, then every other one with its own stored key.

    Raises AuthenticationError where no region has a key.
    """
    found = settings.key()
    asked = [_ask(settings, found)] if found or settings.target.is_sandbox else []
    asked += ping_others(settings)
    if not asked:
        raise missing_key_error(settings.target.region_name)
    return asked


def ping_others(settings: Settings) -> Iterator[Ping]:
    """Ask every region but the active one, each with the key that is stored for it.

    A key of the environment is the active region's, and sent to no other. Where the active host
    belongs to no region, no other region is asked.
    """
    target = settings.target
    for name in REGION_NAMES:
        key = settings.config.keys.get(name)
        if key is None or name == target.key_region or target.region_name == CUSTOM:
            continue
        stored = Setting("key", key, CONFIG)
        try:
            other = resolve(settings.environment, Flags(region=name), config=settings.config)
        except ZimageError as error:
            yield Ping(name, None, None, key.masked, str(stored.source), None, error=error)
        else:
            yield _ask(other, stored)


def _ask(settings: Settings, key: Setting[Key] | None) -> Ping:
    from zimage_cli.api.wire import Wire

    with ExitStack() as stack:
        target, secret = settings.target, key.value.reveal() if key else ""
        root = target.api_root
        if root is None:
            from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

            root, secret = stack.enter_context(Sandbox()).api_root, SANDBOX_KEY
        host = target.host or Message("this process")
        facts: dict[str, Any] = {
            "region": target.region_name,
            "host": host,
            "origin": origin_of(root),
            "key": key.value.masked if key else None,
            "key_source": str(key.source) if key else None,
            "reachable": True,
        }
        wire = stack.enter_context(Wire())
        try:
            answer = wire.models(root, secret)
        except AuthenticationError as error:
            if error.http_status != 401:
                return Ping(**facts, key_accepted=True, error=error)
            hint = refused_key_hint(settings)
            return Ping(**facts, key_accepted=False, error=error.but(hint=hint))
        except ConnectionFailed as error:
            return Ping(**{**facts, "reachable": False}, error=error)
        except ZimageError as error:
            return Ping(**facts, error=error)
    return Ping(
        **facts,
        key_accepted=True,
        model_visible=answer.visible,
        connect_ms=answer.connect_ms,
        answer_ms=answer.answer_ms,
        request_id=answer.request_id,
        error=None if answer.visible else _invisible(host, key, answer.request_id),
    )


def _invisible(host: str, key: Setting[Key] | None, request_id: str | None) -> ZimageError:
    return AuthenticationError(
        "{host} accepts the key ({source}), but it does not see the model z-image-turbo.",
        request_id=request_id,
        hint="Give the key's workspace the right to the model, in the Model Studio console.",
        host=host,
        source=key.origin.said if key else SANDBOX,
    )


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
