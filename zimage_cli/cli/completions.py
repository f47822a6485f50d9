"""`zimage completions`: what a shell needs to complete zimage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zimage_cli.cli.app import App
from zimage_cli.cli.completion import SCRIPTS
from zimage_cli.cli.output import Output
from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Shown, Translate

app = App(no_args_is_help=True)

_SHELLS = ", ".join(SCRIPTS)

Shell = Annotated[str, typer.Argument(metavar="SHELL", help=f"One of: {_SHELLS}.")]
MaybeShell = Annotated[
    str | None,
    typer.Argument(metavar="[SHELL]", help=f"One of: {_SHELLS}; default: the one you are in."),
]


@app.callback(
    epilog="Examples:\n\nzimage completions install\n\n"
    "zimage completions show zsh > ~/.zfunc/_zimage"
)
def completions() -> None:
    """Have the shell complete zimage; no TAB starts it."""


@app.command(
    epilog="Examples:\n\nzimage completions show bash\n\n"
    "zimage completions show fish > ~/.config/fish/completions/zimage.fish"
)
def show(shell: Shell) -> None:
    """Print the script for a shell."""
    output = Output()
    for line in script(known_shell(shell), output.translate).decode("utf-8").splitlines():
        output.result(line)


@app.command(epilog="Examples:\n\nzimage completions install\n\nzimage completions install zsh")
def install(shell: MaybeShell = None) -> None:
    """Put the script where the shell looks for it, and print what was written."""
    from zimage_cli.cli.completion import install as places

    name = known_shell(shell) if shell is not None else places.current_shell()
    output = Output()
    places.install(output, name, script(name, output.translate))


@app.command(epilog="Examples:\n\nzimage completions uninstall\n\nzimage completions uninstall zsh")
def uninstall(shell: MaybeShell = None) -> None:
    """Undo what install did, and print what was changed."""
    from zimage_cli.cli.completion import install as places

    places.uninstall(Output(), known_shell(shell) if shell is not None else places.current_shell())


def known_shell(text: str) -> str:
    """Return a shell's name as we spell it. Raises UsageError that lists them."""
    name = Path(text.strip().lower()).name.removesuffix(".exe").lstrip("-")
    name = {"pwsh": "powershell"}.get(name, name)
    if name not in SCRIPTS:
        raise UsageError(
            "{value} is not a shell that zimage has a completion for; allowed: {allowed}",
            field="shell",
            value=Shown(repr(text), text),
            allowed=_SHELLS,
        )
    return name


def script(shell: str, translate: Translate | None = None) -> bytes:
    """Return a shell's script, UTF-8. Raises ConfigurationError where the installation lacks it.

    The English scripts are made when zimage is built and not when they are asked for: printing a
    file takes none of the modules that the commands need. A wheel holds them beside the code, a
    checkout where they are made. In another language a script is made now.
    """
    if translate is not None:
        from zimage_cli.cli.completion.render import render

        return render(shell, translate=translate).encode("utf-8")
    package = Path(__file__).parents[1]
    for folder in (package / "completions_data", package.parent / "completions"):
        try:
            return (folder / SCRIPTS[shell]).read_bytes()
        except OSError:
            continue
    raise ConfigurationError(
        "this installation lacks the script {name}",
        hint="Install zimage again.",
        name=SCRIPTS[shell],
    )
