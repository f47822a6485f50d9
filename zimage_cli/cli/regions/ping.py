"""`zimage regions ping`: whether a region answers, and key and model are good there."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.endpoint import (
    REGION_NAMES,
)
from zimage_cli.api.errors import (
    AuthenticationError,
    ConnectionFailed,
    UsageError,
    ZimageError,
)
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output
from zimage_cli.core.advice import error_document, exit_status
from zimage_cli.core.environment import Environment
from zimage_cli.core.keys import missing_key_error
from zimage_cli.core.settings import Flags, Setting, Settings, refused_key_hint, resolve
from zimage_cli.core.source import CONFIG, Kind
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.keys import Key

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def ping(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A region's name or id; without one, the active one."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Ask every region that has a key of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a region once, read-only and free, whether key and model are good there."""
    if every and name is not None:
        raise UsageError("a region's name and --all contradict each other")
    output, environment = Output(), Environment.current()
    active = resolve(environment, Flags(region=name, kind=Kind.ARGUMENT))
    asked = _every(environment, active) if every else [_Asked(active, _key_to_use(active))]
    answers = _ask_all(asked)
    for warning in active.warnings:
        output.warn(visible(warning))
    failed = [one.error for one in answers if one.error]
    if as_json:
        output.json(_ping_document(answers, failed))
    else:
        _print_answers(output, answers)
    for error in failed:
        print_error(output, error)
    if failed:
        raise typer.Exit(exit_status(failed[0]))


def _ping_document(answers: list[_Answered], failed: list[ZimageError]) -> dict[str, Any]:
    status = "ok" if not failed else "error" if len(failed) == len(answers) else "partial"
    return {
        "schema": 1,
        "status": status,
        "regions": [one.document() for one in answers],
        "errors": [error_document(error) for error in failed],
    }


@dataclass(frozen=True)
class _Asked:
    settings: Settings
    key: Setting[Key] | None


@dataclass(frozen=True)
class _Answered:
    asked: _Asked
    host: str
    reachable: bool
    key_accepted: bool | None
    model_visible: bool | None
    connect_ms: float | None = None
    answer_ms: float | None = None
    request_id: str | None = None
    error: ZimageError | None = None

    def document(self) -> dict[str, Any]:
        key = self.asked.key
        return {
            "region": self.asked.settings.target.region_name,
            "host": self.host,
            "key": key.value.masked if key else None,
            "key_source": key.source if key else None,
            "reachable": self.reachable,
            "key_accepted": self.key_accepted,
            "model_visible": self.model_visible,
            "connect_ms": _rounded(self.connect_ms),
            "answer_ms": _rounded(self.answer_ms),
            "request_id": self.request_id,
        }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)


def _key_to_use(settings: Settings) -> Setting[Key] | None:
    return None if settings.target.is_sandbox else settings.require_key()


def _every(environment: Environment, active: Settings) -> list[_Asked]:
    """Return each region that has a key: the active one, and others by their own stored key only.

    A key of the environment is the active region's; asking another region with it would show that
    region a key that is not its own.
    """
    asked = []
    found = active.key()
    if active.target.is_sandbox or found:
        asked.append(_Asked(active, found))
    for name in REGION_NAMES:
        stored = active.config.keys.get(name)
        if name == active.target.key_region or stored is None:
            continue
        try:
            settings = resolve(environment, Flags(region=name), config=active.config)
        except ZimageError:
            # A base URL of no region, say: its key is for that region's own host alone.
            continue
        if settings.target.region_name == name:
            asked.append(_Asked(settings, Setting("key", stored, CONFIG)))
    if not asked:
        raise missing_key_error(active.target.region_name)
    return asked


def _ask_all(asked: list[_Asked]) -> list[_Answered]:
    from zimage_cli.api.wire import Wire

    with ExitStack() as stack:
        client = stack.enter_context(Wire())
        return [_ask(stack, client, one) for one in asked]


def _ask(stack: ExitStack, client: Wire, one: _Asked) -> _Answered:
    root, key = one.settings.target.api_root, one.key.value.reveal() if one.key else ""
    if root is None:
        from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

        root, key = stack.enter_context(Sandbox()).api_root, SANDBOX_KEY
    host = one.settings.target.host or "this process"
    try:
        answer = client.models(root, key)
    except AuthenticationError as error:
        refused = error.http_status == 401
        if refused:
            error = error.but(hint=refused_key_hint(one.settings))
        return _Answered(one, host, True, not refused, None, error=error)
    except ConnectionFailed as error:
        return _Answered(one, host, False, None, None, error=error)
    except ZimageError as error:
        return _Answered(one, host, True, None, None, error=error)
    return _Answered(
        one,
        host,
        True,
        True,
        answer.visible,
        answer.connect_ms,
        answer.answer_ms,
        answer.request_id,
        None if answer.visible else _invisible(host, answer.request_id),
    )


def _invisible(host: str, request_id: str | None) -> AuthenticationError:
    return AuthenticationError(
        f"{host} accepts the key, but it does not see the model z-image-turbo",
        request_id=request_id,
        hint="Give the key's workspace the right to the model, in the Model Studio console.",
    )


def _print_answers(output: Output, answers: list[_Answered]) -> None:
    from zimage_cli.cli.output import cell, make_table

    words = {True: "yes", False: "no", None: "-"}
    table = make_table(
        ("region", "host", "reachable", "key", "model", "connect", "answer"),
        right=("connect", "answer"),
    )
    table.columns[1].overflow = "fold"
    for one in answers:
        key = {True: "accepted", False: "refused", None: "-"}[one.key_accepted]
        times = (one.connect_ms, one.answer_ms)
        table.add_row(
            cell(one.asked.settings.target.region_name),
            cell(one.host),
            cell(words[one.reachable]),
            cell(key),
            cell({True: "visible", False: "not visible", None: "-"}[one.model_visible]),
            *(cell("-" if time is None else f"{time:.0f} ms") for time in times),
        )
    output.result_table(table)
