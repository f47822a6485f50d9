"""What all runs of a Client share: key, idle connections, history and pace, each opened once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from zimage_cli.core.run.plan import Plan
from zimage_cli.core.settings.key import Key
from zimage_cli.errors import ConfigurationError
from zimage_cli.messages import Message, counted

if TYPE_CHECKING:
    from zimage_cli.api.lines import Pool
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.safe import SafeHistory
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.maker import Maker
    from zimage_cli.core.making.pace import Pace
    from zimage_cli.core.making.pace.shared import RedisStore
    from zimage_cli.core.observer import Watcher
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.engine import Engine
    from zimage_cli.core.settings.environment import Environment
    from zimage_cli.core.settings.settings import Settings

PACE_NAME = "pace.db"
"""Beside the history."""

_ALONE = Message("Go on without it, at this machine's own pace: --pace-alone")


class Session:
    """Opens what making pictures needs when it is first needed; safe between threads.

    `key` is used in place of the settings' one. `warn` gets a sentence about what stops nothing.
    """

    def __init__(
        self, environment: Environment, key: Key | None, warn: Callable[[Message], None]
    ) -> None:
        self._environment = environment
        self._key = key
        self._warn = warn
        self._opening = threading.Lock()
        self._stack = ExitStack()
        self._pool: Pool | None = None
        self._history: SafeHistory | None = None
        self._paces: dict[Key, Pace] = {}
        self._shared: dict[str, tuple[Pace, RedisStore]] = {}
        self._sandbox: Account | None = None

    def close(self) -> None:
        """Close all of it."""
        self._stack.close()

    def wire(self, plan: Plan) -> Wire:
        """Return a wire for one run; its idle connections are used by the next."""
        from zimage_cli.api.wire import Wire, open_pool

        with self._opening:
            if self._pool is None:
                self._pool = self._stack.enter_context(open_pool())
        timeout, lines = plan.settings.timeout.value, plan.options.concurrency
        return Wire(timeout=timeout, connections=lines, pool=self._pool)

    def engine(self, plan: Plan, wire: Wire, watcher: Watcher) -> tuple[Engine, Iterator[Job]]:
        """Return the engine for a plan, and its jobs; nothing is sent where nothing can be saved.

        Raises AuthenticationError without a key, UsageError for a place that takes no picture.
        """
        from zimage_cli.core.run import crew

        wanted = plan.lines
        maker = self._maker(plan, wire, watcher)
        lines = crew.room_for(wanted, sandbox=plan.settings.target.is_sandbox)
        if lines < wanted:
            watcher.warn(
                Message(
                    "pictures are made {lines:,} at a time instead of {wanted:,}: "
                    "too few files may be open (ulimit -n)",
                    lines=lines,
                    wanted=wanted,
                )
            )
        options = plan.options._replace(concurrency=lines)
        return plan.engine(maker, options, watcher), plan.jobs()

    def history(self, sleep: Callable[[float], None]) -> SafeHistory:
        """Return the history; `sleep` waits for a locked one."""
        from zimage_cli.core.history.safe import SafeHistory

        with self._opening:
            if self._history is None:
                try:
                    path = self._environment.history_file()
                except ConfigurationError:
                    path = None
                history = SafeHistory(path, self._warn, sleep=sleep)
                self._stack.callback(self._close_history, history)
                self._history = history
            # A run before this one may have been cancelled.
            self._history.wait_again()
            return self._history

    # -- inside --------------------------------------------------------------------------------

    def _maker(self, plan: Plan, wire: Wire, watcher: Watcher) -> Maker:
        from zimage_cli.api import retry
        from zimage_cli.core.making.evidence import FOLDER, Evidence
        from zimage_cli.core.making.maker import Maker

        settings = plan.settings
        account = self._account(settings)
        plan.place.prepare()
        return Maker(
            wire=wire,
            account=account,
            history=self.history(wire.sleep),
            place=plan.place,
            policy=retry.Policy(settings.retries.value, plan.options.retry_lost),
            template=plan.template,
            wish=plan.wish,
            evidence=Evidence(settings.output_dir.value / FOLDER, account)
            if settings.evidence.value
            else None,
            pace=self._pace(plan, account, watcher),
            sleep=wire.sleep,
        )

    def _account(self, settings: Settings) -> Account:
        """Return the service to ask; the sandbox is started, and stopped by `close`.

        Raises AuthenticationError where a key is needed and there is none.
        """
        from zimage_cli.core.making.account import Account
        from zimage_cli.core.settings.settings import refused_key_hint

        target = settings.target
        if target.api_root is None:
            with self._opening:
                if self._sandbox is None:
                    from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

                    root = self._stack.enter_context(Sandbox()).api_root
                    self._sandbox = Account(root, target.region_name, None, SANDBOX_KEY)
                return self._sandbox
        key = self._key or settings.require_key().value
        return Account(
            target.api_root,
            target.region_name,
            target.workspace,
            key.reveal(),
            refused_key_hint(settings),
        )

    def _close_history(self, history: SafeHistory) -> None:
        count = history.without_row
        history.close()
        if count:
            one = "{count:,} picture is not in the history"
            self._warn(counted(count, one, "{count:,} pictures are not in the history"))

    def _pace(self, plan: Plan, account: Account, watcher: Watcher) -> Pace | None:
        """Return the account's limit, shared with every other zimage of this user or team.

        The sandbox inside this process has no account. Where the Redis of the settings cannot be
        used, a run that waits for nothing keeps the pace of this machine. Raises PaceLost for one
        that would wait.
        """
        settings = plan.settings
        if settings.target.is_sandbox or not settings.rps.value:
            return None
        from zimage_cli.core.making.pace import Pace

        # What only fetches pictures, or has them all, takes no turn.
        if settings.pace_url.value is not None and plan.estimate.pictures:
            shared = self._shared_pace(plan, account, watcher)
            if shared is not None:
                return shared
        key = Key(account.key)
        with self._opening:
            if key not in self._paces:
                history = self._environment.history_file()
                path = history.with_name(PACE_NAME) if history else None
                pace = Pace(settings.rps.value, key=account.key, path=path)
                self._stack.callback(pace.close)
                self._paces[key] = pace
            return self._paces[key]

    def _shared_pace(self, plan: Plan, account: Account, watcher: Watcher) -> Pace | None:
        from zimage_cli.core.making.pace import Pace
        from zimage_cli.core.making.pace.link import PaceLost, account_name
        from zimage_cli.core.making.pace.shared import RedisStore

        settings = plan.settings
        url, rps = settings.pace_url.value, settings.rps.value
        assert url is not None
        name = account_name(settings.pace_account.value, account.key)
        with self._opening:
            if name not in self._shared:
                try:
                    store = RedisStore(rps, url, name, watcher.warn)
                except PaceLost as error:
                    if plan.options.patience is not None:
                        hint = _ALONE
                        if error.hint is not None:
                            hint = Message("{first}\n{second}", first=error.hint, second=_ALONE)
                        raise error.but("{cause} Nothing was sent.", hint=hint) from None
                    watcher.warn(
                        Message("{why} This machine keeps its own pace.", why=error.message)
                    )
                    return None
                self._stack.callback(store.close)
                self._shared[name] = Pace(rps, store=store), store
            pace, store = self._shared[name]
            # Who watches the latest run hears what becomes of it.
            store.tell = watcher.warn
            return pace
