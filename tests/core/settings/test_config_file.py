from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zimage_cli.core.settings import config_file
from zimage_cli.core.settings.config_change import change, drop, put
from zimage_cli.core.settings.config_file import read
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import resolve
from zimage_cli.core.settings.table import TABLE
from zimage_cli.errors import ConfigurationError, ZimageError

KEY = "sk-0123456789abcdef0123456789abcdef"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "zimage" / "config.toml"


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def problem(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    return caught.value.message.replace(str(path), "FILE")


# -- reading -------------------------------------------------------------------------------------


def test_no_file_is_an_empty_config(path: Path) -> None:
    assert read(path) == config_file.Config(path)
    assert read(None) == config_file.Config()
    write(path.parent, "the folder is a file")
    assert read(path) == config_file.Config(path)


def test_every_setting(path: Path) -> None:
    write(
        path,
        f"""\ufeff# all of them
region = "AP-Southeast-1"
endpoint = "trial"
base_url = "https://dashscope-intl.aliyuncs.com/"
size = "16:9"
prompt_extend = true
output_dir = "~/Bilder 图"
timeout = 60
retries = 0
rps = 1.5
evidence = false
[keys]
"cn-beijing" = "{KEY}"
[workspaces]
singapore = "llm-1"
""",
    )
    config = read(path)
    assert config.values == {
        "region": "singapore",
        "endpoint": "trial",
        "base_url": "https://dashscope-intl.aliyuncs.com/api/v1",
        "size": "1280*720",
        "prompt_extend": True,
        "output_dir": "~/Bilder 图",
        "timeout": 60.0,
        "retries": 0,
        "rps": 1.5,
        "evidence": False,
    }
    assert {name: key.reveal() for name, key in config.keys.items()} == {"beijing": KEY}
    assert config.workspaces == {"singapore": "llm-1"}
    assert config.warnings == ()
    assert KEY not in repr(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size", "FILE, line 1: not valid TOML: Expected '=' after a key in a key/value pair"),
        ('\n\nregion = "a" b', "FILE, line 3: not valid TOML:"),
        ('region = "mars"', "FILE, line 1: region: 'mars' is not a region; allowed: beijing"),
        ("# c\nregion = 1", "FILE, line 2: region: 1 is of the wrong type; allowed: text in"),
        ("timeout = true", "FILE, line 1: timeout: true is of the wrong type; allowed: a number"),
        ('timeout = "60"', 'FILE, line 1: timeout: "60" is of the wrong type'),
        ("timeout = 0", "FILE, line 1: timeout: 0 is out of range; allowed: seconds, more"),
        ("timeout = inf", "FILE, line 1: timeout: Infinity is not a number"),
        ("rps = nan", "FILE, line 1: rps: NaN is not a number"),
        ("retries = 1.0", "FILE, line 1: retries: 1.0 is of the wrong type; allowed: a whole"),
        ("retries = 101", "FILE, line 1: retries: 101 is out of range; allowed: a whole"),
        (f"retries = 0x{'f' * 9000}", "FILE, line 1: retries: an integer of too many digits"),
        (f"retries = {'9' * 9000}", "FILE: not valid TOML:"),
        ("preview = true", 'FILE, line 1: preview: true is of the wrong type; allowed: "auto", "'),
        ('prompt_extend = "yes"', 'FILE, line 1: prompt_extend: "yes" is of the wrong type'),
        ('size = "16x9"', 'FILE, line 1: size: "16x9" is 144 pixels'),
        ('output_dir = "a\\u0007b"', 'FILE, line 1: output_dir: "a\\u0007b" holds control'),
        ('output_dir = ""', "FILE, line 1: output_dir: the value is empty"),
        ('base_url = "http://example.com"', "is http, which is for loopback addresses only"),
        ('regoin = "beijing"', 'FILE, line 1: "regoin" is not a setting; did you mean region?'),
        ('workspace = "x"', "a workspace belongs to a region: zimage config set-workspace"),
        ("\n[key]\nbeijing = 1", 'FILE, line 2: "key" is not a setting'),
        ("keys = 1", "FILE, line 1: keys: not a table; allowed: [keys] with a line a region"),
        ('[keys]\nsandbox = "x"', 'FILE, line 2: [keys] "sandbox": it needs none'),
        ('[keys]\nmars = "x"', 'FILE, line 2: [keys] "mars": not a region'),
        ("[keys]\nbeijing = 1", "FILE, line 2: [keys] beijing: the key is not text in quotes"),
        (
            f'[keys]\nbeijing = "{KEY}"\n"cn-beijing" = "{KEY}"',
            "FILE, line 3: [keys] cn-beijing: beijing is given twice",
        ),
        ('[workspaces]\nbeijing = "a.b"', "FILE, line 2: [workspaces] beijing: workspace: 'a.b'"),
        ('workspaces.beijing = "a/b"', "FILE, line 1: [workspaces] beijing: workspace: 'a/b'"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str, path: Path) -> None:
    assert message in problem(write(path, text))


def test_all_problems_at_once(path: Path) -> None:
    found = problem(write(path, 'region = "mars"\n[keys]\nbeijing = 1\n[workspaces]\nmars = "x"'))
    assert [line.split(":")[0] for line in found.splitlines()] == [
        "FILE, line 1",
        "FILE, line 3",
        "FILE, line 5",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'[keys]\nbeijing = "{KEY} x"',
        f'[keys]\nbeijing = "{KEY}" x',
        f'region = "{KEY}"',
        f'key = "{KEY}"',
        f'output_dir = "{KEY}"',
        f'size = "{KEY}"',
        f'base_url = "https://{KEY}@dashscope.aliyuncs.com"',
        f'[workspaces]\nbeijing = "{KEY}"',
        f'[keys]\n"{KEY}" = "beijing"',
        f'"{KEY}" = 1',
    ],
)
def test_an_error_never_quotes_a_key(text: str, path: Path) -> None:
    assert KEY not in problem(write(path, text))


def test_what_is_no_text_file(path: Path) -> None:
    assert problem(write(path, b"# ok\nsize = '\xff'")) == "FILE, line 2: it is not UTF-8 text"
    assert "larger than any" in problem(write(path, b"#" * 2_000_000))
    path.unlink()
    path.mkdir()
    assert problem(path) == "FILE cannot be read: it is a folder"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_does_not_hang(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    assert problem(path) == "FILE cannot be read: it is not a regular file"


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(path: Path) -> None:
    write(path, "").chmod(0)
    assert "cannot be read: Permission denied" in problem(path)


@POSIX
def test_a_file_of_keys_that_others_can_read_is_warned_of(path: Path) -> None:
    write(path, f'[keys]\nbeijing = "{KEY}"').chmod(0o644)
    (warning,) = read(path).warnings
    assert "mode 644" in warning
    assert "chmod 600" in warning
    write(path, 'region = "beijing"').chmod(0o644)
    assert read(path).warnings == ()


# -- writing -------------------------------------------------------------------------------------

COMMENTED = """\
# mine
region = "beijing" # near

# sizes I like
size = "1024*1024"

[keys] # secret
"cn-beijing" = "sk-0000000000000000" # old
singapore = "sk-1111111111111111"
"""


def test_comments_and_order_survive(path: Path) -> None:
    write(path, COMMENTED)
    change(path, lambda document: put(document, None, "region", "singapore"))
    change(path, lambda document: put(document, None, "timeout", 60))
    change(path, lambda document: put(document, "keys", "beijing", KEY))
    change(path, lambda document: put(document, "workspaces", "beijing", "llm-1"))
    text = path.read_text()
    for line in ("# mine", 'region = "singapore" # near', "# sizes I like", "[keys] # secret"):
        assert line in text
    assert "cn-beijing" not in text
    assert list(tomllib.loads(text)) == ["region", "size", "timeout", "keys", "workspaces"]
    assert read(path).values["timeout"] == 60


def test_crlf_survives(path: Path) -> None:
    write(path, b'# a\r\nregion = "beijing"\r\nrps = 1\r\n')
    change(path, lambda document: put(document, None, "region", "singapore"))
    assert path.read_bytes() == b'# a\r\nregion = "singapore"\r\nrps = 1\r\n'


def test_dropping(path: Path) -> None:
    write(path, COMMENTED)
    was: list[bool] = []
    change(path, lambda document: was.append(drop(document, None, "size")))
    change(path, lambda document: was.append(drop(document, "keys", "beijing")))
    change(path, lambda document: was.append(drop(document, "keys", "singapore")))
    assert all(was)
    assert "keys" not in path.read_text()
    was.clear()
    change(path, lambda document: was.append(drop(document, "workspaces", "beijing")))
    change(path, lambda document: was.append(drop(document, None, "size")))
    assert not any(was)
    assert tomllib.loads(path.read_text()) == {"region": "beijing"}
    assert "# mine" in path.read_text()


def test_another_bad_value_is_no_reason_to_refuse_a_good_one(path: Path) -> None:
    write(path, 'region = "mars"\nsize = "huge"\n')
    change(path, lambda document: put(document, None, "region", "beijing"))
    assert path.read_text() == 'region = "beijing"\nsize = "huge"\n'


def test_a_broken_file_is_refused_and_untouched(path: Path) -> None:
    write(path, 'region = "bei')
    with pytest.raises(ConfigurationError, match="line 1: not valid TOML"):
        change(path, lambda document: put(document, None, "region", "beijing"))
    assert path.read_text() == 'region = "bei'
    write(path, "keys = 1")
    with pytest.raises(ConfigurationError, match="keys: not a table"):
        change(path, lambda document: put(document, "keys", "beijing", KEY))
    assert path.read_text() == "keys = 1"


@POSIX
def test_modes_of_file_and_folder(path: Path) -> None:
    change(path, lambda document: put(document, "keys", "beijing", KEY))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    change(path, lambda document: put(document, None, "retries", 1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.glob("*.tmp")] == []


@POSIX
def test_a_symlink_stays_one(path: Path, tmp_path: Path) -> None:
    target = write(tmp_path / "dotfiles" / "zimage.toml", "# kept\n")
    path.parent.mkdir()
    path.symlink_to(target)
    change(path, lambda document: put(document, None, "region", "beijing"))
    assert path.is_symlink()
    assert target.read_text() == '# kept\nregion = "beijing"\n'
    assert [one.name for one in target.parent.iterdir()] == ["zimage.toml"]


@POSIX
def test_a_loop_of_links_is_an_error(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.name)
    with pytest.raises(ConfigurationError):
        read(path)
    with pytest.raises(ConfigurationError):
        change(path, lambda document: put(document, None, "region", "beijing"))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    path = write(tmp_path / "file", "") / "zimage" / "config.toml"
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        change(path, lambda document: put(document, None, "region", "beijing"))
    assert "ZIMAGE_HOME" in (caught.value.hint or "")


WRITER = """
import sys
from pathlib import Path
from zimage_cli.core.settings.config_change import change, put
path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(10):
    change(path, lambda document: put(document, None, f"{name}{number}", number))
"""


def test_writers_at_once_lose_nothing(path: Path) -> None:
    source = Path(config_file.__file__).parents[3]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            env={**os.environ, "PYTHONPATH": str(source)},
        )
        for name in "abcd"
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    written = tomllib.loads(path.read_text())
    assert written == {f"{name}{number}": number for name in "abcd" for number in range(10)}
    assert list(path.parent.iterdir()) == [path]


LOCKER = """
import sys
from pathlib import Path
from zimage_cli.core.settings.config_change import locked
path, count = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(300):
    with locked(path):
        count.write_text(str(int(count.read_text()) + 1))
"""


def test_a_lock_that_is_removed_each_time_is_held_by_one_at_a_time(
    path: Path, tmp_path: Path
) -> None:
    (tmp_path / "count").write_text("0")
    others = [
        subprocess.Popen(
            [sys.executable, "-c", LOCKER, str(path), str(tmp_path / "count")],
            env={**os.environ, "PYTHONPATH": str(Path(config_file.__file__).parents[3])},
        )
        for _ in range(4)
    ]
    assert [other.wait(timeout=60) for other in others] == [0, 0, 0, 0]
    assert (tmp_path / "count").read_text() == "1200"
    assert list(path.parent.iterdir()) == []


def test_the_file_goes_with_its_last_setting(path: Path) -> None:
    change(path, lambda document: put(document, "keys", "beijing", KEY))
    assert list(path.parent.iterdir()) == [path]
    change(path, lambda document: drop(document, "keys", "beijing"))
    assert list(path.parent.iterdir()) == []
    change(path, lambda document: drop(document, "keys", "beijing"))
    assert list(path.parent.iterdir()) == []


def test_a_comment_keeps_the_file(path: Path) -> None:
    write(path, '# mine\nregion = "beijing"\n')
    change(path, lambda document: drop(document, None, "region"))
    assert path.read_text() == "# mine\n"


@POSIX
def test_an_emptied_file_behind_a_link_stays(path: Path, tmp_path: Path) -> None:
    target = write(tmp_path / "dotfiles" / "zimage.toml", "retries = 1\n")
    path.parent.mkdir()
    path.symlink_to(target)
    change(path, lambda document: drop(document, None, "retries"))
    assert path.is_symlink()
    assert target.read_text() == ""


@POSIX
def test_a_link_in_the_place_of_the_lock_is_refused(path: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", "precious")
    path.parent.mkdir()
    path.with_name(".config.toml.lock").symlink_to(other)
    with pytest.raises(ConfigurationError, match="it is a link"):
        change(path, lambda document: put(document, None, "retries", 1))
    assert other.read_text() == "precious"
    assert not path.exists()


# -- anything at all -----------------------------------------------------------------------------

NAMES = st.sampled_from([*TABLE, *config_file.TABLES, "beijing", "cn-beijing", "x y"])
SCALARS = st.one_of(
    st.text(max_size=30),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.sampled_from(
        ["beijing", "sandbox", "workspace", "https://[::1", "https://dashscope.aliyuncs.com",
         "http://127.0.0.1:1/", "1024*1024", "sk-0123456789abcdef", "~", "~x/\x00", "\ud7ff", "-0"]
    ),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def as_toml(values: dict[str, object]) -> bytes:
    import tomlkit

    return tomlkit.dumps(values).encode("utf-8", "surrogatepass")


FILES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.dictionaries(NAMES, VALUES, max_size=6).map(as_toml),
    st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=6).map(
        lambda lines: "\n".join(f"{name} = {text}" for name, text in lines).encode(
            "utf-8", "surrogatepass"
        )
    ),
)


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=FILES)
def test_any_config_file_is_settings_or_a_typed_error(data: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "z" / "config.toml", data)
    environment = Environment({"ZIMAGE_HOME": str(path.parent)}, tmp_path)
    try:
        resolved = resolve(environment)
        resolved.key()
    except ZimageError as error:
        assert error.message
    else:
        assert resolved.region.value in {"beijing", "singapore", "sandbox"}


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=FILES, table=st.sampled_from([None, "keys", "workspaces"]))
def test_a_change_to_any_file_is_made_or_nothing_is(
    data: bytes, table: str | None, tmp_path: Path
) -> None:
    path = write(tmp_path / "z" / "config.toml", data)
    name = "beijing" if table else "region"
    try:
        change(path, lambda document: put(document, table, name, "value"))
    except ZimageError:
        assert path.read_bytes() == data
    else:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        assert (written[table] if table else written)[name] == "value"
