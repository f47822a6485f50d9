"""Odd locales, homes, folders, proxies and disks: it works, or says clearly why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX locales and permissions")

HAN = "一只狐狸 ไทย é"


@pytest.fixture(scope="session")
def gbk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path under which a GBK locale lies."""
    if shutil.which("localedef") is None:
        pytest.skip("needs localedef")
    folder = tmp_path_factory.mktemp("locales")
    done = subprocess.run(
        ["localedef", "-i", "zh_CN", "-f", "GBK", str(folder / "zh_CN.GBK")],
        capture_output=True,
        check=False,
    )
    if not (folder / "zh_CN.GBK").exists():
        pytest.skip(f"no GBK locale can be made: {done.stderr!r}")
    return str(folder)


LOCALES: dict[str, dict[str, str | None]] = {
    "C": {"LANG": "C", "LC_ALL": "C"},
    "C without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "nonsense": {"LC_ALL": "xx_YY.nonsense"},
    "GBK streams": {"PYTHONIOENCODING": "gbk"},
    "ASCII streams": {"PYTHONIOENCODING": "ascii:strict"},
}


@pytest.mark.parametrize("name", LOCALES)
def test_a_batch_in_these_locales(unpaced: None, service: Any, name: str) -> None:
    """A name that the locale cannot spell is found before the picture is paid."""
    (service.work / "prompts.txt").write_text(HAN, encoding="utf-8")
    service("batch", "prompts.txt", "-o", "out", "--size", "512x512", env=LOCALES[name])
    (row,) = service.history()
    assert (row["status"], row["prompt"]) == ("saved", HAN)
    assert len(list((service.work / "out").glob("*.png"))) == 1


@pytest.mark.parametrize("name", LOCALES)
def test_locales(unpaced: None, service: Any, name: str) -> None:
    env = LOCALES[name]
    run = service.generate("-", "--json", "--prompt-extend", env=env, stdin=HAN)
    (image,) = run.json["images"]
    assert image["prompt"] == HAN == service.books.billed[0].prompt
    assert HAN in run.stdout
    path = service.work / image["path"]
    assert path.is_file()
    # The streams are UTF-8, whatever the locale says.
    args = ("-", "-o", "图/")
    if name == "C without UTF-8 mode":
        args = ("-", "-o", os.fsdecode("图/".encode()))
    run = service.generate(*args, env=env, stdin=HAN)
    assert (service.work / run.lines[0]).is_file()
    assert "图/" in run.stdout
    assert "Traceback" not in run.stderr


def test_a_gbk_locale(service: Any, gbk: str) -> None:
    env = {"LOCPATH": gbk, "LC_ALL": "zh_CN.GBK", "LANG": "zh_CN.GBK"}
    probe = "import locale, sys; print(locale.getlocale()[1], sys.getfilesystemencoding())"
    found = subprocess.run(
        [sys.executable, "-c", probe],
        env=service.zimage.environment(env),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.lower().split() == ["gbk", "gbk"]
    # What is typed in a GBK terminal comes as GBK bytes.
    typed = os.fsdecode("一只狐狸".encode("gbk"))
    run = service.generate(typed, "--json", env=env)
    (image,) = run.json["images"]
    assert image["prompt"] == "一只狐狸"
    assert (service.work / os.fsdecode(image["path"].encode("gbk"))).is_file()
    assert service.books.billed[0].prompt == "一只狐狸"


def test_presets_and_styles_in_a_gbk_locale(service: Any, gbk: str) -> None:
    """The files are UTF-8, whatever the locale says; the web UI writes its own with a mark."""
    env = {"LOCPATH": gbk, "LC_ALL": "zh_CN.GBK", "LANG": "zh_CN.GBK"}
    (service.work / "styles.csv").write_text("name,prompt\n水墨,水墨画\n", "utf-8-sig")
    service("config", "preset", "import", "styles.csv", env=env)
    (service.work / "c.txt").write_text("红\n", "utf-8")
    words = os.fsdecode("{@c.txt}狐狸".encode("gbk"))
    name = os.fsdecode("水墨".encode("gbk"))
    service.generate(words, "--expand", "--preset", name, env=env)
    assert [asked.prompt for asked in service.books.billed] == ["红狐狸, 水墨画"]


def test_a_name_that_the_file_system_cannot_spell(service: Any, gbk: str) -> None:
    env = {"LOCPATH": gbk, "LC_ALL": "zh_CN.GBK"}
    run = service.generate("-", "--json", env=env, stdin=HAN)
    assert service.books.post_count == 1
    assert len(service.pictures()) == 1
    assert run.json["status"] == "ok"


def test_a_gbk_terminal(service: Any, gbk: str, terminal: Any) -> None:
    env = {**service.env, "LOCPATH": gbk, "LC_ALL": "zh_CN.GBK"}
    screen = terminal("generate", "fox", "--size", "512x512", "-o", "x.png", env=env)
    assert screen.end() == 0
    assert "Traceback" not in screen.raw
    assert (service.work / "x.png").is_file()


# -- proxies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "socks5h://127.0.0.1:9", "http://127.0.0.1:9", "no proxy"]
)
def test_a_proxy_is_not_asked_about_this_machine(zimage: Any, proxy: str) -> None:
    env = {"ALL_PROXY": proxy, "HTTP_PROXY": proxy, "http_proxy": proxy, "all_proxy": proxy}
    run = zimage("generate", "fox", "--sandbox", "--size", "512x512", env=env)
    assert Path(zimage.cwd, run.stdout.rstrip("\n")).is_file()
    assert "proxy" not in run.stderr.lower()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://127.0.0.1:9", "nonsense://x"])
def test_a_proxy_that_does_not_work_is_named(zimage: Any, proxy: str) -> None:
    env = {"ALL_PROXY": proxy, "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123"}
    args = ("--retries", "0", "--base-url", "https://example.invalid")
    run = zimage("generate", "fox", *args, env=env, status=(2, 6))
    assert "proxy" in run.stderr.lower()
    assert "ALL_PROXY" in run.stderr
    assert "Traceback" not in run.stderr


# -- homes -----------------------------------------------------------------------------------------


def test_a_home_that_is_not_there(service: Any) -> None:
    for home in ("/dev/null/home", "/proc/nobody"):
        run = service.generate("fox", env={"HOME": home})
        assert (service.work / run.lines[0]).is_file()
        assert run.stderr.count("warning: history is not being kept: ") == 1
        assert "validate" not in run.stderr
    run = service("history", "list", env={"HOME": "/dev/null/home"}, status=(0, 2))
    assert "Traceback" not in run.stderr
    assert "bug" not in run.stderr
    run = service("validate", env={"HOME": "/dev/null/home"})
    assert "warning" in run.stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_no_home_at_all(service: Any) -> None:
    # A user that no passwd knows, and no HOME: containers are often like that.
    command = ["unshare", "-U", "--map-user=54321", "--map-group=54321"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    done = subprocess.run(
        [*command, *service.zimage.command, "generate", "fox", "--size", "512x512"],
        env=service.zimage.environment({**service.env, "HOME": None, "USERPROFILE": None}),
        cwd=service.work,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (service.work / done.stdout[:-1]).is_file()
    assert "warning: history is not being kept: no home folder is known" in done.stderr


def test_home_unset_falls_back_and_writes_where_it_is_told(service: Any, tmp_path: Path) -> None:
    env = {"HOME": None, "USERPROFILE": None, "ZIMAGE_HOME": str(tmp_path / "mine 图")}
    service.generate("fox", env=env)
    assert (tmp_path / "mine 图" / "history.db").is_file()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that takes nothing."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_home(service: Any, read_only: Path) -> None:
    run = service.generate("fox", env={"HOME": str(read_only)})
    assert (service.work / run.lines[0]).is_file()
    assert run.stderr.count("warning: history is not being kept: ") == 1
    run = service.generate("fox", "--output-dir", str(read_only / "x"), "--json", status=2)
    assert "cannot be written to: read-only file system" in run.json["errors"][0]["message"]
    assert service.books.post_count == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_found_before_the_call(service: Any, small_disk: Path) -> None:
    run = service.generate("fox", "-o", str(small_disk / "x.png"), status=2)
    assert "full" in run.stderr
    (small_disk / "filler").write_bytes(bytes(248 * 1024))
    run = service.generate("fox", "-o", str(small_disk / "x.png"), status=2)
    assert service.books.post_count == 0


def test_a_full_disk_under_the_history_costs_no_picture(service: Any, small_disk: Path) -> None:
    run = service.generate("fox", env={"ZIMAGE_HOME": str(small_disk)})
    (small_disk / "filler").write_bytes(bytes(120 * 1024))
    for _ in range(3):
        run = service.generate("fox", env={"ZIMAGE_HOME": str(small_disk)})
        assert (service.work / run.lines[0]).is_file()
        assert "Traceback" not in run.stderr
        assert run.stderr.count("history is not being kept") <= 1


def test_a_corrupt_history_costs_no_picture(service: Any, home: Path) -> None:
    path = home / ".local" / "share" / "zimage" / "history.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database" * 1000)
    run = service.generate("fox")
    assert (service.work / run.lines[0]).is_file()
    assert "warning: history is not being kept: " in run.stderr
    assert path.read_bytes().startswith(b"this is no database")
    run = service("history", "list", status=2)
    assert str(path) in run.stderr
    assert service("validate").stderr.count("warning") >= 1


# -- working folders -------------------------------------------------------------------------------


def test_a_working_folder_that_is_gone(service: Any) -> None:
    gone = service.work / "gone"
    gone.mkdir()
    script = (
        f'cd "{gone}"; rmdir "{gone}"; "{sys.executable}" -m zimage_cli generate fox '
        f'--size 512x512; echo $?; "{sys.executable}" -m zimage_cli generate fox --size 512x512 '
        f'--output-dir "{service.work / "there"}"; echo $?; '
        f'"{sys.executable}" -m zimage_cli validate; echo $?; '
        f'"{sys.executable}" -m zimage_cli generate fox --dry-run >/dev/null; echo $?'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env=service.zimage.environment(service.env),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "2"
    assert lines[2:] == ["0", "2", "0"]
    assert Path(lines[1]).is_file()
    assert service.books.post_count == 1


def test_long_but_possible_names(service: Any) -> None:
    run = service.generate("fox", "-o", "x" * 251 + ".png")
    assert run.lines == ["x" * 251 + ".png"]
    run = service.generate("fox", "-o", "x" * 251 + ".png")
    assert run.lines == ["x" * 249 + "-2.png"]


def test_a_folder_that_the_locale_cannot_spell(service: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text('output_dir = "图"\n', encoding="utf-8")
    config_file.chmod(0o600)
    env = LOCALES["C without UTF-8 mode"]
    run = service.generate("fox", env=env, status=2)
    assert "cannot be written to: no such name is possible. Nothing was sent." in run.stderr
    assert "no such name is possible" in service("validate", env=env, status=2).stderr
    assert service.books.post_count == 0
