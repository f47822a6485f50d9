"""zimage open and generate --open: pictures in the desktop's viewer, which is a program on PATH."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.cli.viewer import launch, opener_of, reachable
from zimage_cli.errors import ConfigurationError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script as the viewer")

NO_DESKTOP = "No desktop can be reached from here: neither DISPLAY nor WAYLAND_DISPLAY is set."


class Viewer:
    """An `xdg-open` that writes down what it is given, and what it runs beside; see `env`."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "opened"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.env: dict[str, str] = {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "DISPLAY": ":99",
        }
        self.does("")

    def does(self, then: str) -> None:
        """Give it another end: `exit 3`, `exec sleep 60`."""
        script = self.bin / "xdg-open"
        # In one write each: several run at the same time.
        text = f"#!/bin/sh\necho noise; echo noise >&2\nprintf '%s\\0' \"$@\" >> '{self.log}'\n"
        script.write_text(f"{text}{then}\n", encoding="utf-8")
        script.chmod(0o755)

    @property
    def broken(self) -> dict[str, str]:
        """The environment in which it cannot be started, and nothing else is there."""
        (self.bin / "xdg-open").write_text("#!/nowhere/sh\n", encoding="utf-8")
        return {**self.env, "PATH": str(self.bin)}

    def number(self, file: Path) -> int:
        """What it wrote into a file of its own, as soon as that is there."""
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("\n")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return int(file.read_text())

    def opened(self, count: int) -> list[Path]:
        """What it was given, sorted, once there are so many of them."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.log.read_bytes().split(b"\0")[:-1] if self.log.exists() else []
            if len(found) >= count:
                assert len(found) == count
                return sorted(Path(os.fsdecode(one)) for one in found)
            time.sleep(0.02)
        raise AssertionError(f"{count} were not opened")


@pytest.fixture
def viewer(tmp_path: Path) -> Viewer:
    return Viewer(tmp_path)


@pytest.fixture
def made(zimage: Any) -> Callable[..., list[Path]]:
    """Make pictures in the sandbox and return their paths."""

    def make(*args: str) -> list[Path]:
        result = zimage("generate", "a fox", "--sandbox", "--size", "512x512", *args)
        return [zimage.cwd / line for line in result.lines]

    return make


def test_without_a_word_the_newest_is_opened(zimage: Any, made: Any, viewer: Viewer) -> None:
    made("-o", "old.png")
    [new] = made("-o", "new.png")
    result = zimage("open", env=viewer.env)
    assert (result.stdout, result.stderr) == (f"{new}\n", "")
    assert viewer.opened(1) == [new]


def test_several_each_once_and_names_of_any_kind(zimage: Any, made: Any, viewer: Viewer) -> None:
    names = ["-rf.png", "a b 'c\" #%.png", "狐狸.webp", "http:x.jpg"]
    paths = [made("-o", f"./{name}")[0] for name in names]
    result = zimage("open", "1-3", "last:2", "./-rf.png", env=viewer.env)
    assert result.lines == [str(zimage.cwd / name) for name in names]
    assert viewer.opened(4) == sorted(path.resolve() for path in paths)


def test_a_copy_is_a_file_of_its_own(zimage: Any, made: Any, viewer: Viewer, work: Path) -> None:
    [path] = made("-o", "fox.png")
    copy = work / "copy.png"
    copy.write_bytes(path.read_bytes())
    result = zimage("open", "1", "copy.png", "./fox.png", "--json", env=viewer.env)
    assert result.json["pictures"] == [
        {"path": str(one), "history_id": 1, "opened": True} for one in (path, copy)
    ]
    assert viewer.opened(2) == [copy, path]


def test_a_picture_that_the_history_does_not_know(
    zimage: Any, made: Any, viewer: Viewer, work: Path
) -> None:
    [path] = made("-o", "fox.png")
    other = Path(work / "other.png")
    other.write_bytes(path.read_bytes())
    zimage("history", "forget", "1", "--yes")
    assert zimage("open", "other.png", env=viewer.env).lines == [str(other)]
    # Nor does it matter whether there is a history that can be read.
    Path(zimage("history", "path").lines[0]).write_bytes(b"damaged" * 1000)
    result = zimage("open", "other.png", env=viewer.env)
    assert result.lines == [str(other)]
    assert "warning: The history " in result.stderr
    assert viewer.opened(2) == [other, other]
    assert "cannot be used" in zimage("open", "other.png", "1", env=viewer.env, status=2).stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.desktop", b"PNG", "is not opened: by its name it is no picture"),
        ("page.html", b"<script>", "is not opened: by its name it is no picture"),
        ("fake.png", b"#!/bin/sh", "is no picture in PNG, JPEG or WebP"),
        ("missing.png", None, "is no picture of the history"),
    ],
)
def test_what_is_no_picture_is_not_opened(
    zimage: Any, viewer: Viewer, work: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (work / name).write_bytes(content)
    result = zimage("open", name, env=viewer.env, status=2)
    assert said in result.stderr
    assert result.stdout == ""
    assert not viewer.log.exists()


def test_a_link_has_the_name_that_it_leads_to(
    zimage: Any, made: Any, viewer: Viewer, work: Path
) -> None:
    [path] = made("-o", "fox.png")
    path.rename(work / "fox.command")
    (work / "fox.png").symlink_to("fox.command")
    result = zimage("open", env=viewer.env, status=2)
    assert f"{path.parent / 'fox.command'} is not opened: by its name" in result.stderr
    assert not viewer.log.exists()


def test_what_stands_now_where_a_picture_was_saved_is_looked_at(
    zimage: Any, made: Any, viewer: Viewer
) -> None:
    [path] = made("-o", "fox.png")
    path.write_bytes(b"#!/bin/sh\n")
    result = zimage("open", "1", env=viewer.env, status=2)
    assert f"{path} is no picture in PNG, JPEG or WebP." in result.stderr
    assert not viewer.log.exists()


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        ("lost", "the answer was lost", "zimage history show 1"),
        ("refused", "content moderation refused it", "zimage history show 1"),
        ("made", "it was made, and is not saved", "zimage history recover 1"),
    ],
)
def test_an_entry_without_a_picture(
    service: Any, viewer: Viewer, status: str, said: str, hint: str
) -> None:
    service.generate("a fox")
    # `with` alone ends the transaction, and leaves the file open.
    with closing(sqlite3.connect(service("history", "path").lines[0])) as db, db:
        db.execute("UPDATE generation SET status = ?, path = NULL", (status,))
    result = service("open", "1", env=viewer.env, status=2)
    assert f"history 1 has no picture: {said}." in result.stderr
    assert hint in result.stderr
    assert not viewer.log.exists()


def test_a_picture_that_went_to_the_standard_output(zimage: Any, viewer: Viewer) -> None:
    zimage("generate", "a fox", "--sandbox", "--size", "512x512", "-o", "-")
    result = zimage("open", env=viewer.env, status=2)
    assert "history 1 has no file: its picture went to the standard output." in result.stderr


def test_one_that_is_gone_is_told_and_the_others_are_opened(
    zimage: Any, made: Any, viewer: Viewer
) -> None:
    [gone], [there] = made("-o", "gone.png"), made("-o", "there.png")
    gone.unlink()
    result = zimage("open", "1-2", "9", env=viewer.env, status=2)
    assert result.lines == [str(there)]
    assert "there is no 9 in the history" in result.stderr
    assert f"{gone}" in result.stderr
    assert "zimage generate --like 1 --sandbox" in result.stderr
    assert viewer.opened(1) == [there]
    document = zimage("open", "1", "2", "--json", env=viewer.env, status=2).json
    assert document["status"] == "partial"
    assert document["pictures"] == [{"path": str(there), "history_id": 2, "opened": True}]
    assert [error["value"] for error in document["errors"]] == ["1"]


def test_more_than_a_person_wants_windows_are_refused(
    zimage: Any, made: Any, viewer: Viewer
) -> None:
    made("-n", "21", "-o", "many/")
    result = zimage("open", "last:21", env=viewer.env, status=2)
    assert "21 pictures are too many to open at once; allowed: 1 … 20" in result.stderr
    assert "zimage gallery --open" in result.stderr
    assert not viewer.log.exists()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, NO_DESKTOP),
        ({"SSH_CONNECTION": "1 2 3 4"}, "This is an ssh session from which no desktop"),
    ],
)
def test_without_a_desktop_the_path_is_printed(
    zimage: Any, made: Any, viewer: Viewer, env: dict[str, str], said: str
) -> None:
    [path] = made("-o", "fox.png")
    result = zimage("open", env={**viewer.env, "DISPLAY": None, **env}, status=2)
    assert result.stdout == f"{path}\n"
    assert said in result.stderr
    document = zimage("open", "--json", env={"DISPLAY": None}, status=2).json
    assert document["pictures"] == [{"path": str(path), "history_id": 1, "opened": False}]
    assert document["errors"][0]["message"] == NO_DESKTOP
    assert not viewer.log.exists()


def test_a_viewer_that_cannot_be_started_is_told(zimage: Any, made: Any, viewer: Viewer) -> None:
    [path] = made("-o", "a b.png")
    result = zimage("open", env=viewer.broken, status=2)
    assert result.stdout == f"{path}\n"
    assert "xdg-open could not be started: no such file or directory." in result.stderr


def test_a_viewer_that_fails_is_told(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    viewer.does("exit 3")
    for name, value in viewer.env.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "a b.png"
    # As long as it takes: how soon it fails is the machine's business.
    [error] = launch([path], patience=60).values()
    assert error.message == f"xdg-open did not open {path}: it ended with status 3."
    assert f"xdg-open '{path}'" in str(error.hint)


def test_a_viewer_that_stays_is_not_waited_for(zimage: Any, made: Any, viewer: Viewer) -> None:
    [path] = made("-o", "fox.png")
    # It ends by itself only after the bound of this call.
    viewer.does("echo $$ > pid; exec sleep 120")
    result = zimage("open", env=viewer.env, timeout=60)
    assert (result.stdout, result.stderr) == (f"{path}\n", "")
    pid = viewer.number(zimage.cwd / "pid")
    # Alive, in a session of its own: no Ctrl-C in this terminal reaches it.
    assert os.getsid(pid) == pid
    os.kill(pid, 9)


def test_a_desktop_without_a_program_that_opens(zimage: Any, made: Any, viewer: Viewer) -> None:
    made("-o", "fox.png")
    (viewer.bin / "xdg-open").unlink()
    env = {"DISPLAY": ":99", "PATH": str(viewer.bin)}
    assert "Install the package xdg-utils." in zimage("open", env=env, status=2).stderr


# -- generate --open ------------------------------------------------------------------------------


def test_generate_opens_what_it_saved(made: Any, viewer: Viewer, zimage: Any) -> None:
    args = ("generate", "a fox", "--sandbox", "--size", "512x512", "--open")
    result = zimage(*args, "-n", "2", "-o", "foxes/", env=viewer.env)
    paths = sorted(zimage.cwd / line for line in result.lines)
    assert viewer.opened(2) == paths
    document = zimage(*args, "-o", "one.png", "--json", env=viewer.env).json
    assert [image["path"] for image in document["images"]] == [str(zimage.cwd / "one.png")]
    assert viewer.opened(3) == sorted([*paths, zimage.cwd / "one.png"])


def test_generate_opens_nothing_in_a_dry_run(zimage: Any, viewer: Viewer) -> None:
    zimage("generate", "a fox", "--sandbox", "--open", "--dry-run", env=viewer.env)
    assert not viewer.log.exists()


def test_no_desktop_costs_generate_nothing(zimage: Any) -> None:
    args = ("generate", "a fox", "--sandbox", "--size", "512x512", "--open", "--json", "--quiet")
    result = zimage(*args, env={"DISPLAY": None})
    assert result.json["status"] == "ok"
    assert result.stderr == f"warning: {NO_DESKTOP}\n"


@pytest.mark.parametrize(
    ("where", "said"), [("-", "contradict each other"), ("page.html", "by its name it is no")]
)
def test_what_cannot_be_shown_is_refused_before_it_is_paid(
    zimage: Any, service: Any, where: str, said: str
) -> None:
    result = service.generate("a fox", "--open", "-o", where, status=2)
    assert said in result.stderr
    assert service.history() == []


def test_a_picture_that_failed_is_not_opened(service: Any, viewer: Viewer) -> None:
    service.script("DataInspectionFailed")
    service.generate("a fox", "--open", env=viewer.env, status=4)
    assert not viewer.log.exists()
    # Of a desktop that is not there nothing is said: there is nothing to show.
    service.script("DataInspectionFailed")
    result = service.generate("a fox", "--open", env={"DISPLAY": None}, status=4)
    assert "desktop" not in result.stderr
    service.script("DataInspectionFailed")
    result = service.generate("a fox", "--open", "-n", "3", env=viewer.env, status=4)
    assert viewer.opened(2) == sorted(service.work / line for line in result.lines)


def test_a_viewer_that_fails_costs_generate_nothing(service: Any, viewer: Viewer) -> None:
    result = service.generate("a fox", "--open", "-o", "fox.png", env=viewer.broken)
    assert result.lines == ["fox.png"]
    assert "warning: xdg-open could not be started: no such file or directory." in result.stderr


def test_more_than_are_opened_are_refused_before_they_are_paid(service: Any) -> None:
    result = service.generate("a fox", "--open", "-n", "21", "--json", status=2)
    assert result.json["errors"][0]["field"] == "open"
    assert service.history() == []


def test_the_line_after_a_saved_picture_names_open_where_there_is_a_desktop(
    terminal: Any, service: Any
) -> None:
    for display, look in ((":99", "zimage open 1 ·"), (None, "zimage history show 2 ·")):
        screen = terminal("generate", "a fox", env={**service.env, "DISPLAY": display})
        assert screen.end() == 0
        assert look in screen.text


# -- other systems --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "environ", "there", "begins"),
    [
        ("darwin", {}, [], "open"),
        ("cygwin", {}, [], "cygstart"),
        ("linux", {"DISPLAY": ":0"}, ["xdg-open", "gio"], "xdg-open"),
        ("linux", {"WAYLAND_DISPLAY": "w"}, ["gio"], "gio"),
        ("freebsd14", {"DISPLAY": ":0"}, ["xdg-open"], "xdg-open"),
        ("linux", {"WSL_DISTRO_NAME": "D"}, ["wslview", "xdg-open"], "wslview"),
        ("linux", {"WSL_DISTRO_NAME": "D"}, ["explorer.exe"], "sh"),
        ("linux", {"DISPLAY": "localhost:10.0", "SSH_TTY": "/dev/pts/1"}, ["xdg-open"], "xdg-open"),
    ],
)
def test_each_system_has_its_own(
    platform: str, environ: Mapping[str, str], there: list[str], begins: str
) -> None:
    assert opener_of(platform, environ, there.__contains__)[0] == begins


@pytest.mark.parametrize("platform", ["win32", "darwin", "cygwin", "linux"])
def test_over_ssh_no_window_is_opened_elsewhere(platform: str) -> None:
    environ = {"SSH_CONNECTION": "1 2 3 4"}
    assert not reachable(platform, environ)
    with pytest.raises(ConfigurationError, match="ssh session"):
        opener_of(platform, environ, lambda _: True)


def test_a_program_that_cannot_be_started_is_an_error_of_each_file(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {**viewer.env, "PATH": str(viewer.bin)}.items():
        monkeypatch.setenv(name, value)
    (viewer.bin / "xdg-open").write_bytes(b"\x7fELF")
    file = tmp_path / "fox.png"
    [error] = launch([file]).values()
    assert "xdg-open could not be started: " in error.message
