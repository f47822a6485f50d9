"""What a command may load: start-up time is spent on what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {
    *("httpx", "httpcore", "anyio", "rich", "PIL", "sqlite3", "tomlkit", "platformdirs"),
    *("truststore", "pydantic", "asyncio", "http.client", "hypothesis"),
    *("click", "pygments", "urllib.request", "email", "ssl", "logging", "multiprocessing"),
    *("tempfile", "hashlib", "tomllib", "subprocess", "shellingham", "difflib"),
    *("linecache", "tokenize", "mimetypes", "gettext"),
    *("chafa", "ctypes", "jinja2", "markupsafe", "webbrowser"),
    *("mcp", "mcp_types", "jsonschema", "redis"),
}

# What serves programs, and what they call: nobody else loads it.
SERVING = ("zimage_cli.mcp", "zimage_cli.async_client", "zimage_cli.cli.mcp")

# What shows pictures: only the commands that do so load it.
SHOWING = (
    *("zimage_cli.cli.gallery", "zimage_cli.cli.open", "zimage_cli.cli.viewer"),
    "zimage_cli.core.gallery",
)

# Load nothing beside what is looked at: the report is written when all is done.
PROGRAM = """
import atexit, json, os, sys
report = os.environ.pop("REPORT")
def write():
    with open(report, "w") as file:
        # What stands for a module that is not loaded has no spec.
        real = [name for name, one in sys.modules.items() if getattr(one, "__spec__", None)]
        json.dump(sorted(real), file)
atexit.register(write)
leave = os._exit
os._exit = lambda status: (write(), leave(status))
from zimage_cli.__main__ import run
run()
"""


def loaded(zimage: Any, *args: str, **env: str) -> set[str]:
    """Run a command and return the modules that it has loaded at its end.

    What the interpreter loads by itself for a program of `-c` does not count: from Python 3.13 on
    it loads linecache.
    """
    report = zimage.cwd.parent / "modules.json"
    # A file: for a program of `-c`, Python 3.13 itself loads linecache.
    program = zimage.cwd.parent / "program.py"
    program.write_text(PROGRAM)
    subprocess.run(
        [sys.executable, str(program), *args],
        env=zimage.environment({**env, "REPORT": str(report)}),
        cwd=zimage.cwd,
        capture_output=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(report.read_text()))
    assert "zimage_cli" in modules
    return modules


@pytest.mark.parametrize(
    "line",
    [
        *("sizes --json", "generate --help", "--help", "--help --json", "completions show bash"),
        *("schema", "schema batch-line", "schema request --for openai"),
    ],
)
def test_what_answers_at_once_loads_nothing_heavy(zimage: Any, line: str) -> None:
    assert loaded(zimage, *line.split()) & HEAVY == set()


@pytest.mark.parametrize("line", ["generate fox --dry-run", "config get region", "config get size"])
def test_what_looks_for_the_settings_loads_nothing_heavy(zimage: Any, line: str) -> None:
    modules = loaded(zimage, *line.split())
    assert modules & HEAVY <= (set() if sys.platform == "linux" else {"platformdirs"})
    assert not [name for name in modules if name.startswith(SERVING)]
    # Prices need it: no setting does.
    assert ("decimal" in modules) is line.startswith("generate")


def test_the_version_needs_nothing_at_all(zimage: Any) -> None:
    modules = loaded(zimage, "--version")
    assert modules & (HEAVY | {"typer", "typing", "dataclasses", "re", "json.decoder"}) <= {
        # The test's own program has loaded json.
        *("re", "json.decoder")
    }
    assert {name for name in modules if name.startswith("zimage_cli")} == {
        "zimage_cli",
        "zimage_cli.__main__",
        "zimage_cli.version",
    }


def test_a_command_loads_no_other_command(zimage: Any) -> None:
    modules = loaded(zimage, "sizes", "--json")
    commands = {name for name in modules if name.startswith("zimage_cli.cli.")}
    assert commands <= {
        *("zimage_cli.cli.main", "zimage_cli.cli.app", "zimage_cli.cli.output"),
        *("zimage_cli.cli.process", "zimage_cli.cli.streams"),
        *("zimage_cli.cli.options", "zimage_cli.cli.sizes", "zimage_cli.cli.errors"),
    }
    assert not [name for name in modules if name.startswith("zimage_cli.sandbox")]


def test_a_picture_in_a_pipe_needs_no_display(service: Any) -> None:
    modules = loaded(
        service.zimage, "generate", "fox", "--size", "512x512", "--json", **service.env
    )
    assert {"httpx", "sqlite3", "zimage_cli.core.history.history"} <= modules
    unneeded = {"rich", "PIL", "tomlkit", "pydantic", "asyncio"}
    # What httpx imports where it is installed, and needs for other calls than ours.
    unneeded |= {"click", "truststore", "pygments", "certifi", "idna", "anyio", "socksio", "h2"}
    unneeded |= {"subprocess", "platform", "difflib", "linecache", "mimetypes", "tokenize"}
    unneeded |= {"brotli", "zstandard", "trio"}
    unneeded |= {"chafa", "jinja2", "markupsafe", "webbrowser"}
    unneeded |= {"mcp", "mcp_types", "concurrent.futures.thread"}
    # Of a pace that machines share, nothing is loaded where there is none.
    unneeded |= {"redis", "zimage_cli.core.making.pace.shared", "zimage_cli.core.making.pace.link"}
    assert modules & unneeded == set()
    assert not [name for name in modules if name.startswith((*SHOWING, *SERVING))]
    assert not [name for name in modules if name.startswith("zimage_cli.sandbox")]


def test_a_search_in_a_pipe_draws_nothing(service: Any) -> None:
    service.generate("a fox")
    for words in (["fox"], ["list", "--json"], ["--paths", "--since", "7d"], ["stats"]):
        modules = loaded(service.zimage, "history", *words, **service.env)
        assert "sqlite3" in modules
        unneeded = {"rich", "httpx", "PIL", "tomlkit", "tomllib", "difflib", "hashlib", "asyncio"}
        assert modules & (unneeded | {"chafa", "jinja2", "webbrowser"}) == set()
        unneeded_rooms = ("zimage_cli.core.recipe", *SHOWING)
        assert not [name for name in modules if name.startswith(unneeded_rooms)]


def test_the_display_waits_until_the_request_has_left(serve: Any) -> None:
    # The interpreter itself tells when a module is asked for, and when the service is called.
    program = PROGRAM.replace(
        "from zimage_cli.__main__ import run",
        """
import time
first = {}
def hook(event, args):
    if event == "import":
        for name in (args[0], args[0].partition(".")[0]):
            first.setdefault(name, time.monotonic())
    elif event == "socket.connect":
        first.setdefault(event, time.monotonic())
sys.addaudithook(hook)
def write_first():
    with open(report + ".first", "w") as file:
        json.dump(first, file)
atexit.register(write_first)
from zimage_cli.__main__ import run
""",
    )
    pexpect = pytest.importorskip("pexpect")
    service = serve(latency=0.5)
    report = service.work.parent / "modules.json"
    child = pexpect.spawn(
        sys.executable,
        ["-c", program, "generate", "fox", "--size", "512x512"],
        env=service.zimage.environment({**service.env, "REPORT": str(report)}),
        cwd=str(service.work),
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    first = json.loads((report.parent / "modules.json.first").read_text())
    assert service.books.post_count == 1
    assert first["httpx"] < first["socket.connect"]
    # Where that has not left after a second, it is not waited for any longer.
    late = first["zimage_cli.cli.generate.display"] + 1
    assert first["socket.connect"] < first["rich"] or late < first["rich"]
    assert not {"PIL", "tomlkit"} & set(first)


FINISHING = """
import sys, threading
from zimage_cli import Client
from zimage_cli.core.observer import Observer, Watcher

class Look(Observer):
    def answered(self, answer, request):
        for thread in threading.enumerate():
            if thread.name == "loader":
                thread.join()
        self.before = set(sys.modules)

    def saved(self, picture):
        print(sorted(name for name in set(sys.modules) - self.before if name.startswith(OURS)))

class Watch(Watcher):
    def started(self, job):
        return Look()

# The sandbox in this process draws with Pillow meanwhile.
OURS = ("zimage_cli.core", "zimage_cli.api", "PIL.WebP", "hashlib", "xml")
with Client(sandbox=True, size="512*512", format=sys.argv[1]) as client:
    [outcome] = client.run(["a lake"], Watch())
print(outcome.take().path.suffix)
"""


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_what_finishing_needs_is_loaded_while_the_service_paints(
    zimage: Any, work: Path, suffix: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FINISHING, suffix[1:]],
        env=zimage.environment(),
        cwd=work,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", suffix]
