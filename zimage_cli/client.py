"""The Client: what makes pictures, for the command line, for Python and for whatever comes.

It opens settings, key, wire, history and pace once, plans (what would be made, where, for how
much), runs (plan → outcomes, watched), recovers, and reads the history. It prints nothing, and
changes nothing in the process that it lives in.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from zimage_cli.api.endpoint import CUSTOM
from zimage_cli.core.observer import Watcher
from zimage_cli.core.request.request import Request, prompt_warning
from zimage_cli.core.request.sweep import ONE, Sweep
from zimage_cli.core.run.session import Session
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import Key
from zimage_cli.core.settings.keys import usable_key
from zimage_cli.core.settings.settings import Flags, Settings, resolve
from zimage_cli.core.settings.source import Kind
from zimage_cli.core.settings.source import Source as Origin
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.batch.merge import Merge
    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.core.batch.reader import LineDefaults
    from zimage_cli.core.batch.source import Source
    from zimage_cli.core.history.history import History
    from zimage_cli.core.history.like import Like
    from zimage_cli.core.making.recovery import Recovered, Recovery
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.engine import Engine
    from zimage_cli.core.run.money import Estimate
    from zimage_cli.core.run.plan import Plan, RequestPlan
    from zimage_cli.core.run.run import Run
    from zimage_cli.core.run.tally import RunOptions
    from zimage_cli.core.validate.ping import Ping
    from zimage_cli.core.validate.report import Asked, Report

Ref: TypeAlias = "int | str | os.PathLike[str]"
"""A picture: its id in the history, `last`, or its file."""


class Client:
    """Makes pictures with one set of settings; safe to share between threads.

    `settings` are those of `zimage config show`, by name (`endpoint`, `workspace`, `size`,
    `timeout`, `evidence`, …); they, and the others that stand here by name, outrank environment and
    config file. `api_key` stands for all places where a key is looked for. `sandbox` asks the
    stand-in inside this process: no key, no cost. `on_warning` hears what is worth knowing and
    stops nothing. A context manager; `close` waits for what is in flight. Raises UsageError and
    ConfigurationError where the settings cannot be used, AuthenticationError for what can be no
    key, TypeError for a setting that there is not. `flags` stand in place of all of these: what a
    command line gave.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        sandbox: bool = False,
        output_dir: str | Path | None = None,
        flags: Flags | None = None,
        on_warning: Callable[[Message], None] = lambda _: None,
        **settings: Any,
    ) -> None:
        self._flags = flags or Flags(
            kind=Kind.ARGUMENT,
            region=region,
            base_url=base_url,
            output_dir=output_dir,
            sandbox=sandbox or None,
            **settings,
        )
        self.settings = resolve(Environment.current(), self._flags)
        self._api_key = self._usable(api_key)
        self._on_warning = on_warning
        self._session = Session(self.settings.environment, self._api_key, on_warning)
        self._runs: set[Run] = set()
        self._closed = False
        self._starting = threading.Lock()
        """Held while a run begins: `close` waits for every one that does."""
        self._process: int | None = None
        """The one that made pictures with it: what is open there does not survive a fork."""

    def __repr__(self) -> str:
        target = self.settings.target
        return f"Client(region={target.region_name!r}, endpoint={target.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything; pictures that are in flight are waited for and saved first."""
        if self._process not in {None, os.getpid()}:
            self._closed = True
            return
        with self._starting:
            self._closed = True
        for run in list(self._runs):
            run.stop()
            if not run.left_behind:
                run.join()
        if not self._runs:
            self._session.close()

    # -- pictures ------------------------------------------------------------------------------

    def generate(
        self,
        prompt: str | None = None,
        *,
        size: str | None = None,
        seed: int | Literal["new"] | None = None,
        prompt_extend: bool | None = None,
        like: Ref | None = None,
        rewritten: bool = False,
        preset: str | Sequence[str] = (),
        output: str | Path | None = None,
    ) -> Picture:
        """Make one picture, save it and return it; `output` is its file, or a folder for it.

        `preset` names presets of the config file, put around the prompt one by one. `like` is a
        picture (a history id, `last`, or its file) whose recorded request this begins with;
        `seed="new"` has another drawn, `rewritten` sends its rewritten prompt. Raises the typed
        error of whatever failed.
        """
        plan = self.plan(
            {},
            overrides=asked(prompt, size, seed, prompt_extend),
            like=like,
            rewritten=rewritten,
            preset=preset,
            output=output,
        )
        [outcome] = self.run(plan)
        return outcome.take()

    def run(
        self,
        requests: RequestPlan | Sequence[str | Mapping[str, object] | Request],
        watcher: Watcher | None = None,
    ) -> Iterator[Outcome]:
        """Make pictures, several at once, and yield what became of each as it ends.

        `requests` are prompts, requests as JSON has them, or a plan. What was not asked for in the
        end, because the one before showed that it would fail too, comes last, as `skipped`. Raises
        the error that kept the first from being asked for.
        """
        from zimage_cli.core.run.plan import RequestPlan
        from zimage_cli.core.run.run import outcomes

        plan = requests if isinstance(requests, RequestPlan) else self.plan_all(requests)
        return outcomes(partial(self.start, plan), plan, watcher or Watcher())

    def estimate(
        self, requests: Sequence[str | Mapping[str, object] | Request], sweep: Sweep = ONE
    ) -> Estimate:
        """Return how many pictures these are and what they cost at list price."""
        return self.plan_all(requests, sweep).estimate

    # -- what was made, and what there is ------------------------------------------------------

    @staticmethod
    def history() -> AbstractContextManager[History | None]:
        """Open the history to look at it; None where nothing was ever made.

        No object is needed: it is the same whatever the settings are.
        """
        from zimage_cli.core.history.opening import opened

        return opened(Environment.current())

    @contextmanager
    def recovery(
        self, pictures: Sequence[int | str] = (), *, here: bool = False, dry: bool = False
    ) -> Iterator[Recovery]:
        """Open what was made and not saved: all that can be had, or these pictures (id or REF).

        `here` saves it in this client's folder, and not where each picture was meant to go; `dry`
        only looks. Raises UsageError for one that there is not.
        """
        from zimage_cli.api.wire import Wire
        from zimage_cli.core.history import ref
        from zimage_cli.core.history.opening import opened
        from zimage_cli.core.making.recovery import Recovery
        from zimage_cli.core.making.save import FOLDER

        default = self.settings.output_dir.value / FOLDER
        warn = None if dry else self._on_warning
        with (
            opened(self.settings.environment, warn=warn) as book,
            Wire(timeout=self.settings.timeout.value) as wire,
        ):
            ids = ref.ids(book, map(str, pictures))
            folder = default if here else None
            tell = self._on_warning
            yield Recovery(book, wire, ids, folder=folder, default_folder=default, warn=tell)

    def recover(self, pictures: Sequence[int | str] = ()) -> list[Recovered]:
        """Fetch what was made and not saved; nothing is paid again."""
        with self.recovery(pictures) as recovery:
            return list(recovery.fetch())

    def ping(self, *, every: bool = False) -> list[Ping]:
        """Ask this client's region, read-only and free, or `every` one that has a key of its own.

        Raises AuthenticationError where there is no key.
        """
        from zimage_cli.core.settings.settings import Setting
        from zimage_cli.core.validate.ping import ping, ping_every

        given = self._api_key
        own = None if given is None else Setting("key", given, Origin(Kind.ARGUMENT, "api_key"))
        return ping_every(self.settings) if every else [ping(self.settings, own)]

    @staticmethod
    def validate(
        flags: Flags | None = None,
        *,
        request: Callable[[], Asked] | None = None,
        preset: str | Sequence[str] = (),
        online: bool = False,
    ) -> Report:
        """Check installation and settings; where asked for, a request and the service too.

        `preset` names what is put around the prompt. No object is needed: settings that cannot be
        used are a finding, and so is what `request` raises.
        """
        from zimage_cli.core.validate import report as selfcheck

        flags = flags or Flags(kind=Kind.ARGUMENT)
        environment = Environment.current()
        return selfcheck.validate(environment, flags, request=request, preset=preset, online=online)

    # -- plans ---------------------------------------------------------------------------------

    def plan(
        self,
        fields: Mapping[str, object],
        *,
        overrides: Mapping[str, object] | None = None,
        like: Ref | None = None,
        rewritten: bool = False,
        preset: str | Sequence[str] = (),
        sweep: Sweep = ONE,
        **wishes: Any,
    ) -> RequestPlan:
        """Return what a request would make, where and for how much; nothing is sent.

        `fields` are the request's, `overrides` those that win over them, a seed of None among them
        has one drawn; `preset` names what is put around the prompt; `sweep` multiplies it. With
        `like` both win over the recorded request of that picture, and no setting does; `rewritten`
        is its rewritten prompt. `wishes`: as `plan_all`. Raises RequestInvalid with all problems,
        or UsageError.
        """
        overrides, recorded = overrides or {}, self._recorded(like, rewritten=rewritten)
        if recorded is None:
            request = self.settings.request(
                fields, overrides=overrides, presets=self.settings.presets(preset)
            )
        else:
            given = {**fields, **overrides}
            request = recorded.request(given, self.settings.presets(preset))
            if request.seed is None and "seed" not in given:
                sweep = replace(sweep, no_seed=True)
        if sweep.no_seed and request.seed is not None:
            request = replace(request, seed=None)
        plan = self.plan_all([request], sweep, **wishes)
        if recorded is None:
            return plan
        target = plan.settings.target
        return plan._replace(notes=recorded.notes(plan.requests[0], target.region_name))

    def plan_all(
        self,
        requests: Sequence[str | Mapping[str, object] | Request],
        sweep: Sweep = ONE,
        *,
        output: str | Path | None = None,
        stream: Callable[[Iterator[bytes]], None] | None = None,
        name: str | None = None,
        overwrite: bool = False,
        options: RunOptions | None = None,
    ) -> RequestPlan:
        """Return what requests would make, each of them multiplied by `sweep`; nothing is sent.

        `output` is a file or a folder, None for the folder of the settings; with `stream` a picture
        is written to it and has no file. `name` is a template for file names. `options` say how the
        run is made. Raises RequestInvalid, or UsageError.
        """
        from zimage_cli.core.making.save import FOLDER
        from zimage_cli.core.request.wish import format_of
        from zimage_cli.core.run.plan import RequestPlan, check_format, multiplied, place_for
        from zimage_cli.core.run.tally import RunOptions

        if isinstance(requests, (str, Mapping)):
            # Each letter of a prompt would be one.
            raise TypeError("requests are a list, also where there is only one")
        parsed = [self._request(one) for one in requests]
        if not parsed:
            raise UsageError("There is no request.")
        settings = self._settings_for({one.base_url for one in parsed})
        found = multiplied(parsed, sweep)
        if stream is not None and len(found) > 1:
            raise UsageError("-o - takes one picture, and these are several", field="output")
        folder = settings.output_dir.value / FOLDER
        place, filename = place_for(output, stream, folder, overwrite=overwrite)
        template = settings.template(name)
        said = format_of(filename) if filename else template.said
        check_format(settings, said, {said or settings.format.value})
        # What alternatives and files stand for is known only now; of all of it, the longest.
        told = [max(found, key=lambda one: len(one.prompt))] if sweep.expand else parsed
        long = filter(None, (prompt_warning(one.prompt) for one in told))
        return RequestPlan(
            settings,
            found,
            place,
            template.varied(sweep),
            options or RunOptions(patience=None),
            filename,
            (*settings.warnings, *long),
        )

    def plan_file(
        self,
        source: Source,
        defaults: LineDefaults,
        options: RunOptions,
        *,
        folder: Path | None = None,
        trust_base_url: bool = False,
        fresh: bool = False,
        dry: bool = False,
    ) -> FilePlan:
        """Return what the lines of a file would make, what is done already, and for how much.

        The plan holds its folder until it is closed; with `dry` nothing is written. Raises
        UsageError where the folder cannot be used, or another batch is using it.
        """
        from zimage_cli.core.batch.plan import FilePlan
        from zimage_cli.core.making.save import FOLDER
        from zimage_cli.core.run.routes import Routes

        # One that there is not is told once, and not of every line.
        self.settings.presets(defaults.preset)
        folder = folder or self.settings.output_dir.value / FOLDER
        book = self._book(always=not dry)
        routes = Routes(self.settings, self._flags)
        defaults = replace(
            defaults,
            folder=folder,
            check_base_url=routes.check if trust_base_url else None,
            suffix=self.settings.wish.suffix,
            presets=self.settings.config.presets,
        )
        return FilePlan(
            self.settings, source, defaults, options, routes, folder, book, fresh=fresh, dry=dry
        )

    def merge(self, folders: Sequence[Path], into: Path | None = None) -> Merge:
        """Return what brings the folders of a batch's shards together in one; `run` does it."""
        from zimage_cli.core.batch.merge import Merge
        from zimage_cli.core.making.save import FOLDER

        into = into or self.settings.output_dir.value / FOLDER
        return Merge(folders, into, self._book(always=False))

    def start(
        self,
        plan: Plan,
        watcher: Watcher | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> Run:
        """Begin a run in threads of its own and return it; `on_end` is called at its end."""
        from zimage_cli.core.run.run import Run

        self._process = self._process or os.getpid()
        if self._process != os.getpid():
            raise UsageError(
                "This Client was used in another process, and its history does not survive a fork.",
                hint="Make a Client in each process, and begin processes by spawn and not by fork.",
            )
        watcher = watcher or Watcher()

        def ended(run: Run) -> None:
            self._runs.discard(run)
            on_end()

        def prepare(wire: Wire) -> tuple[Engine, Iterator[Job]]:
            return self._session.engine(plan, wire, watcher)

        with self._starting:
            if self._closed:
                raise UsageError("This Client is closed.")
            run = Run(self._session.wire(plan), prepare, ended)
            self._runs.add(run)
            try:
                run.start()
            except BaseException:
                self._runs.discard(run)
                raise
        return run

    # -- inside --------------------------------------------------------------------------------

    def _book(self, *, always: bool) -> History | None:
        """Return the history, None where there is none and it is not `always` to be made."""
        path = self.settings.environment.history_file()
        there = path is not None and path.exists()
        return self._session.history(time.sleep).book if there or always else None

    def _usable(self, api_key: str | None) -> Key | None:
        target = self.settings.target
        if api_key is None or target.key_region is None:
            return None
        return usable_key(
            api_key.strip(),
            Origin(Kind.ARGUMENT, "api_key"),
            target.key_region,
            own_host=target.region_name != CUSTOM,
        )

    def _request(self, given: str | Mapping[str, object] | Request) -> Request:
        if isinstance(given, Request):
            return given
        fields = {"prompt": given} if isinstance(given, str) else given
        return self.settings.request(fields, overrides={})

    def _recorded(self, ref: Ref | None, *, rewritten: bool) -> Like | None:
        if ref is None and not rewritten:
            return None
        from zimage_cli.core.history.like import like
        from zimage_cli.core.history.opening import opened

        with opened(self.settings.environment) as book:
            return like(book, None if ref is None else str(ref), rewritten=rewritten)

    def _settings_for(self, base_urls: set[str | None]) -> Settings:
        """Return the settings for requests that name a base URL. Raises UsageError for several."""
        if len(base_urls) > 1:
            raise UsageError("base_url: the requests of one run go to one place", field="base_url")
        return self.settings.for_base_url(self._flags, base_urls.pop())


def asked(
    prompt: str | None,
    size: str | None,
    seed: int | Literal["new"] | None,
    prompt_extend: bool | None,
) -> dict[str, object]:
    """Return what of `generate` is a field of the request; a seed that is to be drawn is None."""
    given = {"prompt": prompt, "size": size, "seed": seed, "prompt_extend": prompt_extend}
    fields: dict[str, object] = {name: v for name, v in given.items() if v is not None}
    if seed == "new":
        fields["seed"] = None
    return fields


def generate(prompt: str | None = None, **options: Any) -> Picture:
    """Make one picture with the settings of this machine; `options` as `Client.generate` has them.

    Raises the typed error of whatever failed.
    """
    with Client() as client:
        return client.generate(prompt, **options)
