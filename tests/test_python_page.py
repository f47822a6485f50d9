"""docs/python.md: what it shows runs, what it names is there, and what is public is in it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import zimage_cli
from zimage_cli import AsyncClient, Client, Observer, Outcome, Picture, Watcher, errors
from zimage_cli.core.advice import exit_status
from zimage_cli.core.history.entry import Entry
from zimage_cli.core.history.history import History
from zimage_cli.core.making.recovery import Recovered
from zimage_cli.core.recipe.inspect import Inspected
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.request import Request
from zimage_cli.core.run.money import Estimate
from zimage_cli.core.run.plan import RequestPlan
from zimage_cli.core.settings.table import TABLE
from zimage_cli.core.validate.ping import Ping
from zimage_cli.core.validate.report import Check, Report

SOURCE = Path(__file__).resolve().parent.parent
PAGE = SOURCE / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = {
    page: re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for page in (SOURCE / "README.md", *(SOURCE / "docs").glob("*.md"))
}

# Of the commands, and so not promised.
COMMANDS = {"start", "plan_file", "recovery", "merge"}

# As a notebook runs cells: one after the other, in a loop that is running already.
NOTEBOOK = """
import ast, asyncio, sys
from pathlib import Path
async def main():
    names = {"__name__": "__main__"}
    for cell in sys.argv[1:]:
        code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        ended = eval(code, names)
        if ended is not None:
            await ended
asyncio.run(main())
"""


@pytest.fixture
def sandbox(zimage: Any) -> dict[str, str]:
    """A home whose settings ask the sandbox for small pictures, at once."""
    zimage("config", "set", "size", "512*512")
    zimage("config", "set", "rps", "0")
    return dict(zimage.environment({"ZIMAGE_REGION": "sandbox"}))


def python(*args: str, env: dict[str, str], work: Path) -> str:
    done = subprocess.run(
        [sys.executable, *args],
        cwd=work,
        env=env,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "page", [page for page, cells in SHOWN.items() if cells], ids=lambda page: page.name
)
def test_what_a_page_shows_runs(page: Path, sandbox: dict[str, str], work: Path) -> None:
    said = python("-c", NOTEBOOK, *SHOWN[page], env=sandbox, work=work)
    first, *_ = said.splitlines()
    assert Path(first.split()[0]).suffix == ".png"


def test_the_page_is_run() -> None:
    assert len(SHOWN[PAGE]) > 6
    [first] = SHOWN[SOURCE / "README.md"]
    assert len(first.splitlines()) <= 10


def test_the_sample_runs(sandbox: dict[str, str], work: Path) -> None:
    sample = str(SOURCE / "docs" / "sample.py")
    first, *made = python(sample, "a fox", "a kite", env=sandbox, work=work).splitlines()
    assert first == "2 pictures: no price"
    assert [Path(line.split()[0]).suffix for line in made] == [".png", ".png"]
    # What tells type checkers that there are types.
    assert (Path(zimage_cli.__file__).parent / "py.typed").is_file()


# -- what is promised --------------------------------------------------------------------------


def section(title: str) -> str:
    """Return the text below a heading, without code."""
    _, text = TEXT.split(f"\n## {title}\n")
    return re.sub(r"```.*?```", "", text.partition("\n## ")[0], flags=re.DOTALL)


def names_in(text: str, pattern: str = r"\.?(\w+)(?:\(.*?\))?") -> set[str]:
    """Return the names that stand by themselves between backticks."""
    quoted = re.findall(r"`([^`]+)`", text)
    return {found[1] for one in quoted if (found := re.fullmatch(pattern, one, re.DOTALL))}


def attributes_in(text: str) -> set[str]:
    return names_in(text, r"\.(\w+)(?:\(.*?\))?")


def public(cls: type) -> set[str]:
    fields = (
        {one.name for one in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {*()}
    )
    return {name for name in vars(cls) if name[0] != "_"} | fields


def test_every_public_name_is_in_the_page() -> None:
    for name in zimage_cli.__all__:
        assert re.search(rf"`(zimage_cli\.)?{name}\b", TEXT), name
    assert names_in(section("Errors")) >= {*errors.__all__}


@pytest.mark.parametrize(
    ("title", "cls", "others"),
    [
        ("Client", Client, {"estimate", "requests", "warnings"}),  # of a plan
        ("With asyncio: AsyncClient", AsyncClient, set()),
        ("Picture", Picture, {"amount", "currency"}),  # of a cost
    ],
)
def test_every_public_method_is_in_its_section(title: str, cls: type, others: set[str]) -> None:
    named = attributes_in(section(title))
    assert public(cls) - COMMANDS <= named
    assert named <= public(cls) | others


def test_what_the_other_sections_name_is_there() -> None:
    outcome = public(Outcome) | public(Request) | {*Job._fields, "recover"}
    assert {"status", "picture", "error", "take"} <= attributes_in(section("Outcome")) <= outcome
    error = errors.RequestInvalid((errors.UsageError("{field}", field="x"),))
    for name in attributes_in(section("Errors")) - {"recover"}:
        assert hasattr(error, name), name
    watched = names_in(section("Watching a run"), r"(\w+)\(.*\)")
    assert watched == public(Watcher) | public(Observer)
    there = set[str]().union(*map(public, (History, Entry, Inspected)), Recipe._fields)
    assert names_in(section("What was made")) <= {*there, "inspect", "Picture"}


def test_what_calls_take_and_give_is_there() -> None:
    given = set[str]().union(*map(public, (Request, Recovered, Ping, Report, Check)))
    calls = (Client, Client.generate, Client.plan_all)
    takes = set[str]().union(*(inspect.signature(call).parameters for call in calls))
    known = {*given, *takes, *TABLE, *public(Client), "settings", "with", "Picture", "Outcome"}
    assert names_in(section("Client"), r"(\w+)") <= known
    assert {"estimate", "requests", "warnings"} <= {*dir(RequestPlan)}
    assert {"pictures", "cost", "free"} <= {*dir(Estimate)}


def test_the_parameters_are_there() -> None:
    for name, given in re.findall(r"^\| `\.(\w+)\((.*?)\)`", section("Client"), re.MULTILINE):
        there = inspect.signature(getattr(Client, name)).parameters
        more = inspect.signature(Client.plan_all).parameters if name == "plan" else {}
        for parameter in re.findall(r"\w+(?==)|\w+(?=,|$)", given):
            assert parameter in {*there, *more, "None", "False"}, f"{name}: {parameter}"


def test_the_exit_statuses_are_those_of_the_commands() -> None:
    rows = re.findall(r"^\| (`.*?`) \| (\d+) \|", section("Errors"), re.MULTILINE)
    found = {name: int(status) for names, status in rows for name in names_in(names)}
    assert {*found} == {*errors.__all__} - {"ZimageError"}
    for name, status in found.items():
        cls = getattr(errors, name)
        error = cls((errors.UsageError("x", field="x"),)) if name == "RequestInvalid" else cls("x")
        assert exit_status(error) == status, name
