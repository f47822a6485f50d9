"""`zimage skill`: what software agents read about zimage, and where they look for it."""

from __future__ import annotations

from typing import Annotated

import typer

from zimage_cli.cli.app import App
from zimage_cli.cli.options import Json as OneDocument
from zimage_cli.cli.output import Output
from zimage_cli.cli.skill.files import AGENTS, FILES, shipped

app = App(no_args_is_help=True)


@app.callback(epilog="Examples:\n\nzimage skill show\n\nzimage skill install")
def skill() -> None:
    """Give software agents what they need to know of zimage."""


@app.command(
    epilog="Examples:\n\nzimage skill show\n\nzimage skill show references/errors.md",
)
def show(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help=f"One of: {', '.join(FILES)}; default: {FILES[0]}."),
    ] = None,
) -> None:
    """Print the skill, or one of its other files."""
    output = Output()
    for line in shipped(file or FILES[0]).decode("utf-8").splitlines():
        output.result(line)


@app.command(
    epilog="Examples:\n\nzimage skill install\n\nzimage skill install --user\n\n"
    "zimage skill install --agent claude --agent cursor",
    document={"files": []},
)
def install(
    project: Annotated[
        bool,
        typer.Option("--project", help="For this project: the nearest folder with .git, or here."),
    ] = False,
    user: Annotated[
        bool, typer.Option("--user", help="For all projects of yours: the home folder.")
    ] = False,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            metavar="NAME",
            help=f"For this agent only, can be given again: {', '.join(AGENTS)}; default: "
            ".agents/skills, and the folder of each agent that is there, such as .claude/skills.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that were edited.")
    ] = False,
    json: OneDocument = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
) -> None:
    """Put the skill where agents look for it, and print the files that were written."""
    from zimage_cli.cli.errors import print_error
    from zimage_cli.cli.skill.install import KEPT, UNCHANGED, install_into, places
    from zimage_cli.core.advice import USAGE_STATUS, error_documents
    from zimage_cli.errors import UsageError
    from zimage_cli.messages import Message

    if project and user:
        raise UsageError("--project and --user are two places.", hint="Leave one of them out.")
    output = Output(quiet=quiet)
    root, folders = places(agent or (), user=user)
    done, errors = [], []
    for folder in folders:
        files, problems = install_into(folder, root, force=force)
        done += files
        errors += problems
    for one in done:
        if one.action == UNCHANGED:
            output.note_data(Message("{path} is there already", path=one.path))
        elif one.action != KEPT and not json:
            output.path(one.path)
    for error in errors:
        print_error(output, error)
    if json:
        named = [{"path": str(one.path), "action": one.action} for one in done]
        status = "ok" if not errors else "partial" if done else "error"
        told = [document for error in errors for document in error_documents(error)]
        output.document(status, files=named, errors=told)
    if errors:
        raise typer.Exit(USAGE_STATUS)
    output.note(Message("Agents that are started from now on find it."))
