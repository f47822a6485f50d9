from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from zimage_cli.core.settings.environment import Environment
from zimage_cli.errors import ConfigurationError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the XDG rules are Linux's")


def test_reads_the_process_when_asked(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("ZIMAGE_REGION", "singapore")
    environment = Environment.current()
    monkeypatch.setenv("ZIMAGE_REGION", "beijing")
    assert environment.get("ZIMAGE_REGION") == "singapore"
    assert environment.home == home


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_empty_and_blank_count_as_unset(value: str) -> None:
    assert Environment({"OUTPUT_DIR": value}, None).get("OUTPUT_DIR") is None


@LINUX
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_CONFIG_HOME": "/tmp/c", "XDG_DATA_HOME": "/tmp/d"},
        {"XDG_CONFIG_HOME": "", "XDG_DATA_HOME": " "},
        {"XDG_CONFIG_HOME": "/tmp/a b/图", "XDG_DATA_HOME": "/tmp/d/"},
    ],
)
def test_the_same_folders_as_platformdirs(
    variables: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    environment = Environment.current()
    config = Path(platformdirs.user_config_dir("zimage", appauthor=False))
    data = Path(platformdirs.user_data_dir("zimage", appauthor=False))
    assert environment.config_file() == config / "config.toml"
    assert environment.history_file() == data / "history.db"


@LINUX
def test_a_folder_that_is_no_whole_path_is_not_used(home: Path) -> None:
    # As the XDG specification has it; older versions of platformdirs take it all the same.
    environment = Environment({"XDG_CONFIG_HOME": "relative/c"}, home)
    assert environment.config_file() == home / ".config" / "zimage" / "config.toml"


def test_zimage_home_puts_both_in_one_folder(tmp_path: Path) -> None:
    environment = Environment({"ZIMAGE_HOME": str(tmp_path / "z")}, None)
    assert environment.config_file() == tmp_path / "z" / "config.toml"
    assert environment.history_file() == tmp_path / "z" / "history.db"


def test_a_relative_zimage_home_is_below_the_current_folder(work: Path) -> None:
    assert Environment({"ZIMAGE_HOME": "z"}, None).config_file() == work / "z" / "config.toml"
    environment = Environment({"ZIMAGE_HOME": "~/z"}, Path("/somewhere"))
    assert environment.config_file() == Path("/somewhere/z/config.toml")


@LINUX
def test_no_home_at_all_is_said_and_no_crash() -> None:
    environment = Environment({}, None)
    assert environment.config_file() is None
    assert environment.history_file() is None
    with pytest.raises(ConfigurationError, match="no home folder") as caught:
        environment.require_config_file()
    assert "ZIMAGE_HOME" in (caught.value.hint or "")
    with pytest.raises(ConfigurationError, match="begins with ~"):
        environment.expand("~/pictures")


@LINUX
def test_a_variable_names_the_folder_where_there_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    environment = Environment({"XDG_CONFIG_HOME": str(tmp_path)}, None)
    assert environment.config_file() == tmp_path / "zimage" / "config.toml"
    assert environment.history_file() is None


@LINUX
@pytest.mark.parametrize("value", [None, "", "relative"])
def test_without_a_usable_home_the_passwd_entry_counts(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    if value is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", value)
    assert Environment.current().home == Path(pwd.getpwuid(os.getuid()).pw_dir)


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root to become nobody's uid"
)
def test_a_user_without_home_and_passwd_entry(tmp_path: Path) -> None:
    program = (
        "from zimage_cli.core.settings.environment import Environment\n"
        "import os\n"
        # This user may not be able to read it.
        "import platformdirs\n"
        "os.setuid(54321)\n"
        "print(Environment.current().config_file())\n"
    )
    source = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"


@LINUX
def test_expands_home_and_users_and_nothing_else() -> None:
    environment = Environment({}, Path("/h"))
    assert environment.expand("~") == Path("/h")
    assert environment.expand("~/a b") == Path("/h/a b")
    assert environment.expand("a/~/b") == Path("a/~/b")
    assert environment.expand("~no-such-user-here/x") == Path("~no-such-user-here/x")
    assert environment.expand("~root/x") == Path("~root/x").expanduser()
