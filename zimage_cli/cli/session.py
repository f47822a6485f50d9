"""Everything a run of pictures needs, opened together and closed together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from zimage_cli.api import retry
from zimage_cli.api.errors import ConfigurationError
from zimage_cli.cli.output import Output
from zimage_cli.core import evidence, save
from zimage_cli.core.destination import Destination
from zimage_cli.core.job import Maker
from zimage_cli.core.ledger import SafeLedger
from zimage_cli.core.names import NameTemplate
from zimage_cli.core.pace import Pace
from zimage_cli.core.save import Place
from zimage_cli.core.settings import Settings

PACE_NAME = "pace.db"
"""Beside the ledger."""


def destination(settings: Settings, stack: ExitStack) -> Destination:
    """Return whom to ask; the sandbox is started, and ends with `stack`.

    Raises AuthenticationError where a key is needed and there is none.
    """
    target = settings.target
    if target.api_root is None:
        from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

        server = stack.enter_context(Sandbox())
        return Destination(server.api_root, target.region_name, None, SANDBOX_KEY)
    key = settings.require_key().value.reveal()
    return Destination(target.api_root, target.region_name, target.workspace, key)


def pictures_folder(base: Path) -> Path:
    """Return where pictures go under a base folder."""
    return base / save.FOLDER


def open_ledger(
    settings: Settings, output: Output, *, sleep: Callable[[float], None] = time.sleep
) -> SafeLedger:
    """Return the ledger; what stands in its way is said once. `sleep` waits for a locked one."""
    try:
        path = settings.environment.ledger_file()
    except ConfigurationError:
        path = None
    return SafeLedger(path, output.warn, sleep=sleep)


@contextmanager
def open_maker(
    settings: Settings,
    output: Output,
    place: Place,
    *,
    template: NameTemplate,
    keep_evidence: bool,
    retry_lost: bool,
    connections: int = 10,
) -> Iterator[Maker]:
    """Open what making pictures needs; nothing is sent where nothing can be saved."""
    from zimage_cli.api.wire import Wire

    with ExitStack() as stack:
        whom = destination(settings, stack)
        client = stack.enter_context(Wire(timeout=settings.timeout.value, connections=connections))
        place.prepare()
        ledger = open_ledger(settings, output, sleep=client.sleep)
        stack.callback(ledger.close)
        stack.callback(_tell_without_row, ledger, output)
        yield Maker(
            client=client,
            destination=whom,
            ledger=ledger,
            place=place,
            policy=retry.Policy(settings.retries.value, retry_lost),
            template=template,
            evidence=_evidence(settings, whom) if keep_evidence else None,
            pace=_pace(settings, whom, stack),
            sleep=client.sleep,
        )


def _evidence(settings: Settings, whom: Destination) -> evidence.Evidence:
    return evidence.Evidence(settings.output_dir.value / evidence.FOLDER, whom)


def _tell_without_row(ledger: SafeLedger, output: Output) -> None:
    count = ledger.without_row
    if count:
        output.warn(f"{count:,} picture{'s are' if count > 1 else ' is'} not in the history")


def _pace(settings: Settings, whom: Destination, stack: ExitStack) -> Pace | None:
    """Return the account's limit, shared with every other zimage of this user.

    The sandbox inside this process has no account.
    """
    if settings.target.is_sandbox or not settings.rps.value:
        return None
    ledger = settings.environment.ledger_file()
    path = ledger.with_name(PACE_NAME) if ledger else None
    pace = Pace(settings.rps.value, key=whom.key, path=path)
    stack.callback(pace.close)
    return pace
