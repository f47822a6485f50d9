"""`zimage validate`: is everything well? Without cost, and without sending anything by itself."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.api.endpoint import REGIONS, origin_of
from zimage_cli.api.errors import AuthenticationError, ZimageError
from zimage_cli.cli import asking, options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output, cell, make_table
from zimage_cli.core import selfcheck
from zimage_cli.core.advice import USAGE_STATUS, error_documents, exit_status
from zimage_cli.core.environment import Environment
from zimage_cli.core.files import reason
from zimage_cli.core.request import Request, prompt_warning
from zimage_cli.core.selfcheck import Check
from zimage_cli.core.settings import Flags, Settings, refused_key_hint, resolve
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}

app = App()


@app.command(
    epilog="Examples:\n\nzimage validate\n\nzimage validate 'A calm lake' --size 16:9\n\n"
    "zimage validate --online --region singapore"
)
def validate(
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT]", help="A prompt to check too; - reads standard input."),
    ] = None,
    size: options.Size = None,
    seed: options.Seed = None,
    prompt_extend: options.PromptExtend = None,
    request: options.RequestJson = None,
    file: options.RequestFile = None,
    region: options.Region = None,
    endpoint: options.Endpoint = None,
    workspace: options.Workspace = None,
    base_url: options.BaseUrl = None,
    sandbox: options.Sandbox = False,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Ask the service too, read-only and free: reachable, key, model.",
            rich_help_panel=options.SERVICE,
        ),
    ] = False,
    output_dir: options.OutputDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check installation, settings and, if one is given, a request."""
    out = Output(quiet=quiet)
    flags = Flags(
        region=region,
        endpoint=endpoint,
        workspace=workspace,
        base_url=base_url,
        output_dir=output_dir,
        sandbox=sandbox or None,
    )
    overrides = asking.given(prompt=prompt, size=size, seed=seed, prompt_extend=prompt_extend)
    wants_request = bool(overrides) or request is not None or file is not None
    session = _Session(out, flags)
    session.check_installation()
    if wants_request:
        session.check_request(overrides, request, file)
    if online:
        session.ask()
    session.report(json=json)


class _Session:
    """The checks of one call, in order; a failed one does not stop the others."""

    def __init__(self, out: Output, flags: Flags) -> None:
        self._out = out
        self._flags = flags
        self._environment = Environment.current()
        self._settings: Settings | None = None
        self._checks: list[Check] = []
        self._errors: list[ZimageError] = []

    def check_installation(self) -> None:
        """Check code, settings, folder and ledger."""
        self._checks.append(selfcheck.check_code())
        try:
            self._settings = resolve(self._environment, self._flags)
        except ZimageError as error:
            self._fail("config", error)
            return
        self._checks.extend(selfcheck.check_settings(self._settings))

    def check_request(
        self, overrides: dict[str, object], request: str | None, file: str | None
    ) -> None:
        """Check a request as `generate` does."""
        prompt = overrides.get("prompt")
        try:
            source, text = asking.read_request(
                prompt if isinstance(prompt, str) else None, request, file
            )
            overrides = {**overrides, **asking.given(prompt=text)}
            settings = self._settings or resolve(Environment({}, None), Flags())
            asked, settings = asking.check(source, overrides, settings, self._flags)
        except ZimageError as error:
            self._fail("request", error)
            return
        self._settings = settings if self._settings else None
        self._note_request(asked)

    def _note_request(self, asked: Request) -> None:
        seed = "drawn when sent" if asked.seed is None else str(asked.seed)
        extend = ", prompt_extend" if asked.prompt_extend else ""
        self._checks.append(Check("request", "ok", f"{asked.size}, seed {seed}{extend}"))
        warning = prompt_warning(asked.prompt)
        if warning:
            self._checks.append(Check("prompt", "warning", warning))

    def ask(self) -> None:
        """Ask the active region; on a refused key the other one, with that one's own key."""
        settings = self._settings
        if settings is None:
            return
        try:
            self._checks.append(_online(settings))
        except ZimageError as error:
            self._fail("online", error)
            if isinstance(error, AuthenticationError) and error.http_status == 401:
                self._ask_other(settings)

    def _ask_other(self, settings: Settings) -> None:
        asked = settings.target.region_name
        for other in REGIONS:
            if asked in {other.name, "sandbox", "custom"} or other.name not in settings.config.keys:
                continue
            flags = replace(
                self._flags, region=other.name, base_url=None, endpoint="shared", workspace=None
            )
            theirs = resolve(self._environment, flags, config=settings.config)
            key = settings.config.keys[other.name]
            name = f"online {other.name}"
            try:
                check = _ask(theirs, key.reveal(), "config file")
            except ZimageError as error:
                self._checks.append(Check(name, "warning", error.message))
            else:
                hint = f"zimage config set-region {other.name}"
                self._checks.append(Check(name, "ok", check.detail, hint))

    def report(self, *, json: bool) -> None:
        """Write `validate.txt`, show the table, and end with the status that fits."""
        self._write()
        if not self._out.quiet:
            self._show()
        for error in self._errors:
            print_error(self._out, error)
        bad = any(check.status == selfcheck.FAILED for check in self._checks)
        if json:
            self._out.json(
                {
                    "schema": 1,
                    "status": "error" if bad else "ok",
                    "checks": [
                        {"name": c.name, "status": c.status, "detail": c.detail, "hint": c.hint}
                        for c in self._checks
                    ],
                    "errors": [doc for error in self._errors for doc in error_documents(error)],
                }
            )
        if bad:
            local = [c for c in self._checks if c.status == selfcheck.FAILED and c.name != "online"]
            status = USAGE_STATUS if local else exit_status(self._errors[0])
            raise typer.Exit(status)

    def _fail(self, name: str, error: ZimageError) -> None:
        self._errors.append(error)
        self._checks.append(selfcheck.failed(name, error))

    def _write(self) -> None:
        base = self._settings.output_dir.value if self._settings else self._base_without_settings()
        try:
            selfcheck.write_report(base, self._checks)
        except (OSError, ValueError) as error:
            self._out.warn(f"{selfcheck.REPORT} could not be written: {reason(error)}")

    def _base_without_settings(self) -> Path:
        given = self._flags.output_dir or self._environment.get("OUTPUT_DIR")
        return Path(given or "output")

    def _show(self) -> None:
        table = make_table(("check", "", "found"))
        for check in self._checks:
            found = check.detail.split("\n")[0]
            if check.hint and check.status != selfcheck.FAILED:
                found += f"\n{check.hint}"
            table.add_row(
                cell(check.name),
                cell(check.status, _STYLES[check.status]),
                _block(found),
            )
        table.columns[2].overflow = "fold"
        self._out.show(table)


def _block(text: str) -> Text:
    from rich.text import Text

    return Text(visible(text, newlines=True))


def _online(settings: Settings) -> Check:
    with ExitStack() as stack:
        if settings.target.api_root is None:
            from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

            root = stack.enter_context(Sandbox()).api_root
            return _ask_at(root, SANDBOX_KEY, "sandbox")
        found = settings.require_key()
        return _ask(settings, found.value.reveal(), found.source)


def _ask(settings: Settings, key: str, source: str) -> Check:
    root = settings.target.api_root
    assert root is not None
    try:
        return _ask_at(root, key, source)
    except AuthenticationError as error:
        if error.http_status == 401:
            raise error.but(hint=refused_key_hint(settings)) from None
        raise


def _ask_at(api_root: str, key: str, source: str) -> Check:
    from zimage_cli.api.wire import Wire

    with Wire() as client:
        answer = client.models(api_root, key)
    if not answer.visible:
        raise AuthenticationError(
            f"The key ({source}) does not see z-image-turbo at {origin_of(api_root)}.",
            hint="Give the key's workspace the right to the model in the Model Studio console.",
        )
    return Check(
        "online",
        "ok",
        f"{origin_of(api_root)}: reachable, key accepted, model visible; "
        f"connect {answer.connect_ms:.0f} ms, answer {answer.answer_ms:.0f} ms",
    )
