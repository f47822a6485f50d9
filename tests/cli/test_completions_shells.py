"""What the shells do with the scripts: real bash, zsh and fish, real TABs in real terminals."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pexpect = pytest.importorskip("pexpect")

from screens import end  # noqa: E402

from zimage_cli.cli.completion import SCRIPTS  # noqa: E402
from zimage_cli.cli.completion.model import Command, read_tree  # noqa: E402
from zimage_cli.cli.completion.render import render  # noqa: E402
from zimage_cli.core.request import sizes  # noqa: E402
from zimage_cli.core.settings.table import NAMES  # noqa: E402

BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
SECONDS = 60


def path_of(shell: str) -> str:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    return program


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with the scripts as the generator makes them now."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for shell, name in SCRIPTS.items():
        (folder / name).write_text(render(shell), "utf-8")
    return folder


@pytest.fixture
def things(work: Path) -> Path:
    """Files and folders to complete."""
    for name in ("req.json", "my req.JSON", "prompts.csv", "lines.jsonl", "notes.md", "pic.png"):
        (work / name).write_text("")
    for name in ("out", "sub dir"):
        (work / name).mkdir()
    (work / "out" / "deep.json").write_text("")
    (work / ".hidden.json").write_text("")
    return work


# -- what is offered ----------------------------------------------------------------------------
#
# One table for all shells: a line, and all that is offered for its last word.

REGIONS = ["beijing", "singapore", "cn-beijing", "ap-southeast-1", "sandbox"]
HELP = ["--help", "-h"]


TREE = read_tree()


def find(key: str) -> Command:
    return next(command for command in TREE.walk() if command.key == key)


def options(key: str, start: str, *given: str) -> list[str]:
    """Return a command's options that begin so, but for those that are given."""
    left = [one for one in find(key).options if one.repeatable or not {*one.group} & {*given}]
    return [name for one in left for name in one.names if name.startswith(start)]


OFFERS: list[tuple[str, list[str]]] = [
    ("zimage ", [command.name for command in TREE.commands]),
    ("zimage gen", ["generate"]),
    ("zimage -", ["--version", *HELP]),
    ("zimage bogus ", []),
    ("zimage bogus -", []),
    ("zimage config un", ["unset", "unset-key"]),
    ("zimage completions ", ["show", "install", "uninstall"]),
    ("zimage completions show ", ["bash", "zsh", "fish", "powershell"]),
    # free text
    ("zimage generate ", []),
    ("zimage generate --seed ", []),
    ("zimage generate --seed=", []),
    ("zimage generate --name ", []),
    ("zimage generate --name --s", []),
    ("zimage config set timeout ", []),
    ("zimage history recover ", ["pic.png", "out/", "sub dir/"]),
    ("zimage history recover 12 ", ["pic.png", "out/", "sub dir/"]),
    # options: not those given, before and after the argument, behind their values
    ("zimage sizes ", ["--json", *HELP]),
    ("zimage sizes --json ", HELP),
    ("zimage generate --se", options("generate", "--se")),
    ("zimage generate 'a b' --se", options("generate", "--se")),
    ("zimage generate 'it is' --seed 7 --s", options("generate", "--s", "--seed")),
    ("zimage generate --seed=7 --s", options("generate", "--s", "--seed")),
    ("zimage generate -s 1:1 --s", options("generate", "--s", "--size")),
    ("zimage generate -s1:1 --s", options("generate", "--s", "--size")),
    ("zimage generate -qs 1:1 --", options("generate", "--", "--size", "--quiet")),
    ("zimage generate --size 1:1 -q --quie", []),
    ("zimage generate --prompt-extend --", options("generate", "--", "--prompt-extend")),
    ("zimage generate --no-prompt-extend --", options("generate", "--", "--prompt-extend")),
    ("zimage generate a -- b --s", []),
    ("zimage sandbox serve --fault reset:0.1 --fault", ["--fault", "--fault-seed"]),
    # `--` ends them
    ("zimage generate -- --s", []),
    ("zimage generate -- -", []),
    ("zimage regions show -- be", ["beijing"]),
    # values
    ("zimage generate --region ", REGIONS),
    ("zimage generate -r ", REGIONS),
    ("zimage generate -qr s", ["singapore", "sandbox"]),
    ("zimage generate --endpoint ", ["shared", "workspace", "trial"]),
    ("zimage regions show ", REGIONS),
    ("zimage regions ping --json ", REGIONS),
    ("zimage config set-region ap", ["ap-southeast-1"]),
    ("zimage config set-key --region ", REGIONS[:-1]),
    ("zimage config get ", [*NAMES]),
    ("zimage config get --h", ["--help"]),
    ("zimage config set ", [name for name in NAMES if name != "key"]),
    ("zimage config unset re", ["region", "retries"]),
    ("zimage config set prompt_extend ", ["true", "false"]),
    ("zimage config set region s", ["singapore", "sandbox"]),
    ("zimage config set --region beijing endpoint t", ["trial"]),
    ("zimage generate --size p", ["portrait"]),
    ("zimage generate --size 16", ["16:9", "16:9@1280", "16:9@1536"]),
    ("zimage generate x --size 16", ["16:9", "16:9@1280", "16:9@1536"]),
    ("zimage validate -s 7", ["7:9", "7:9@1280", "7:9@1536"]),
    ("zimage config set size 21", ["21:9", "21:9@1280", "21:9@1536"]),
    ("zimage generate --size 102", []),
    # bare groups take the options of their default
    ("zimage history --l", ["--limit"]),
    ("zimage config --j", ["--json"]),
    ("zimage help gen", ["generate"]),
    (
        "zimage help history ",
        ["list", "show", "stats", "recover", "export", "forget", "path"],
    ),
    ("zimage help generate ", []),
    ("zimage sandbox serve --fault picture-cut", ["picture-cut", "picture-cut-chunked"]),
    ("zimage sandbox serve --fault lis", ["list"]),
    ("zimage sandbox serve --fault Throttling.B", ["Throttling.BurstRate"]),
    ("zimage batch --input-format ", ["jsonl", "csv", "tsv", "txt"]),
    ("zimage batch --sizes p", ["portrait"]),
    # files by suffix, in any case, and folders
    ("zimage generate --file ", ["my req.JSON", "req.json", "out/", "sub dir/"]),
    ("zimage generate --file r", ["req.json"]),
    ("zimage generate --output ", ["pic.png", "out/", "sub dir/"]),
    ("zimage generate -o p", ["pic.png"]),
    ("zimage generate --output-dir ", ["out/", "sub dir/"]),
    ("zimage batch ", ["lines.jsonl", "prompts.csv", "out/", "sub dir/"]),
    ("zimage batch -o ", ["out/", "sub dir/"]),
    ("zimage generate --file nothing", []),
]  # fmt: skip


@pytest.fixture
def bash_offers(scripts: Path, things: Path, zimage) -> Callable[[list[str]], list[list[str]]]:
    """Call the function that bash calls at a TAB, as bash calls it."""
    program = """\
source "$1"
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
    _zimage zimage '' ''
    for word in "${COMPREPLY[@]}"; do
        [ ! -d "$word" ] || word=$word/
        printf '%s\\0' "${word//\\\\/}"
    done
    printf '\\n\\0'
done
"""

    def ask(lines: list[str]) -> list[list[str]]:
        done = subprocess.run(
            [path_of("bash"), "--norc", "-c", program, "bash", str(scripts / "zimage.bash")],
            input="".join(f"{line}\n" for line in lines),
            env=zimage.environment(),
            cwd=things,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        assert done.stderr == ""
        return [part.split("\0")[:-1] for part in done.stdout.split("\n\0")[:-1]]

    return ask


@pytest.fixture
def fish_offers(scripts: Path, things: Path, zimage) -> Callable[[list[str]], list[list[str]]]:
    """Ask fish's own engine."""
    program = """\
source $argv[1]
while read -l line
    complete -C $line | string replace -r '\\t.*' ''
    printf '%s\\n' ----
end
"""

    def ask(lines: list[str]) -> list[list[str]]:
        done = subprocess.run(
            [path_of("fish"), "-N", "-c", program, str(scripts / "zimage.fish")],
            input="".join(f"{line}\n" for line in lines),
            env=zimage.environment(),
            cwd=things,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        assert done.stderr == ""
        return [part.split("\n")[:-1] for part in done.stdout.split("----\n")[:-1]]

    return ask


# What the completion system hands to the editor passes through `compadd`: this notes it down.
ZSH_CAPTURE = """\
PROMPT='ready> '
fpath=($SCRIPTS $fpath)
autoload -Uz compinit && compinit -u -D
_capture() {
  function compadd {
    local -a hits
    if [[ -n ${(M)@:#-[OAD]} ]]; then builtin compadd "$@"; return; fi
    builtin compadd -O hits "$@"
    (( $#hits )) && print -rl -- $IPREFIX${^hits} >> $OUT
    builtin compadd "$@"
  }
  _main_complete
  compstate[insert]= compstate[list]=
  unfunction compadd
  print -r -- ---- >> $OUT
}
zle -C capture complete-word _capture
bindkey '^T' capture
"""


@pytest.fixture
def zsh_offers(
    scripts: Path, things: Path, zimage, home: Path, tmp_path: Path
) -> Iterator[Callable[[list[str]], list[list[str]]]]:
    """Ask zsh's own engine, which runs in its line editor only."""
    out = tmp_path / "offers"
    (home / ".zshrc").write_text(ZSH_CAPTURE)
    env = zimage.environment({"SCRIPTS": str(scripts), "OUT": str(out)})
    shell = pexpect.spawn(
        path_of("zsh"), ["-d"], env=env, cwd=str(things), encoding="utf-8",
        dimensions=(60, 300), timeout=SECONDS,
    )  # fmt: skip
    shell.expect("ready> ")

    def ask(lines: list[str]) -> list[list[str]]:
        found = []
        for line in lines:
            out.write_text("")
            shell.send(f"{line}\x14")
            wait_for(lambda: out.read_text().endswith("----\n"), line)
            shell.send("\x03")
            shell.expect("ready> ")
            words = out.read_text().replace("\\", "").split("\n")[:-2]
            found.append([f"{word}/" if (things / word).is_dir() else word for word in words])
        return found

    yield ask
    end(shell)


def wait_for(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end, f"nothing came of: {what}"
        time.sleep(0.01)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_offered(shell: str, request: pytest.FixtureRequest) -> None:
    path_of(shell)
    ask = request.getfixturevalue(f"{shell}_offers")
    found = ask([line for line, _ in OFFERS])
    wrong = {
        line: (sorted(offered), sorted(expected))
        for (line, expected), offered in zip(OFFERS, found, strict=True)
        if sorted(offered) != sorted(expected)
    }
    assert not wrong, "\n".join(f"{key!r}: {value}" for key, value in wrong.items())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_offers_all_of_its_options(
    shell: str, request: pytest.FixtureRequest
) -> None:
    path_of(shell)
    ask = request.getfixturevalue(f"{shell}_offers")
    tree = list(read_tree().walk())
    found = ask([f"zimage {command.key} -".replace("  ", " ") for command in tree])
    for command, offered in zip(tree, found, strict=True):
        names = [name for option in command.options for name in option.names]
        assert sorted(offered) == sorted(names), command.key
        if shell != "zsh":  # zsh puts both names of an option on one line, the long one first
            longs = [name.startswith("--") for name in offered]
            assert longs == sorted(longs, reverse=True), "a short option before a long one"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_size_is_offered(shell: str, request: pytest.FixtureRequest) -> None:
    path_of(shell)
    ask = request.getfixturevalue(f"{shell}_offers")
    (found,) = ask(["zimage generate --size "])
    assert len(found) == len(set(found))
    assert set(found) == {
        *sizes.NAMED_RATIOS,
        *sizes.RATIOS,
        *(f"{size.ratio}@{size.tier}" for size in sizes.RECOMMENDED if size.tier != sizes.TIERS[0]),
    }
    assert sizes.parse_size(found[-1])


def test_fish_describes_what_it_offers(scripts: Path, zimage) -> None:
    program = f"source {scripts}/zimage.fish; complete -C 'zimage generate --no-s'"
    done = subprocess.run(
        [path_of("fish"), "-N", "-c", program],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    (found,) = (one for one in find("generate").options if "--no-seed" in one.names)
    assert done.stdout == f"--no-seed\t{found.about}\n"


# -- real TABs ----------------------------------------------------------------------------------

LEFT = "\x1b[D"

RC = {
    "bash": """\
PS1='ready> '
bind 'set enable-bracketed-paste off' 'set bell-style none' 2>/dev/null
zimage() { printf '%s\\0' "$@" END > "$OUT"; }
""",
    "zsh": """\
PROMPT='ready> '
unsetopt zle_bracketed_paste beep 2>/dev/null
zimage() { printf '%s\\0' "$@" END > $OUT; }
""",
    "fish": """\
function fish_prompt; printf 'ready> '; end
function fish_greeting; end
set -g fish_autosuggestion_enabled 0
function zimage; printf '%s\\0' $argv END > $OUT; end
""",
}
LOADED = {
    "bash": "source {scripts}/zimage.bash\n",
    "zsh": "fpath=({scripts} $fpath); autoload -Uz compinit && compinit -u -D\n",
    "fish": "source {scripts}/zimage.fish\n",
}


class Terminal:
    """A shell in a pseudo-terminal; its `zimage` writes down the words that it was called with."""

    def __init__(self, shell: str, rc: str, home: Path, work: Path, env: dict[str, str]) -> None:
        self.shell = shell
        self.out = home.parent / "words"
        if shell == "fish":
            # Without it, fish has Python read all manual pages at its first start.
            (home / ".local/share/fish/generated_completions").mkdir(parents=True, exist_ok=True)
        place = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}[shell]
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        with (home / place).open("a") as file:
            file.write(RC[shell] + rc)
        self.child = pexpect.spawn(
            path_of(shell), {"bash": ["-i"], "zsh": ["-d"], "fish": []}[shell],
            env={**env, "OUT": str(self.out)}, cwd=str(work), encoding="utf-8",
            dimensions=(60, 300), timeout=SECONDS,
        )  # fmt: skip
        self.child.delaybeforesend = 0
        self.child.expect("ready> ")

    def words(self, keys: str) -> list[str]:
        """Type keys and Enter, and return the words that zimage got."""
        self.out.write_text("")
        self.send(keys)
        self.child.send("\r")
        wait_for(lambda: self.out.read_bytes().endswith(b"END\0"), repr(keys))
        return self.out.read_text("utf-8").split("\0")[:-2]

    def send(self, keys: str) -> None:
        """Type as a person does: what is typed after a TAB comes after the shell's answer."""
        for part in re.findall(r"[^\t]+|\t", keys):
            self.child.send(part)
            if part == "\t":
                self.settle()

    def settle(self) -> None:
        """Read until the shell has nothing more to say."""
        quiet = 0.12 if self.shell == "fish" else 0.06
        while True:
            try:
                self.child.read_nonblocking(65536, quiet)
            except pexpect.TIMEOUT:
                return

    def run(self, line: str) -> None:
        self.child.send(f"{line}\r")
        self.settle()


@pytest.fixture
def terminal(scripts: Path, things: Path, home: Path, zimage) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(shell: str, rc: str | None = None) -> Terminal:
        path_of(shell)
        text = LOADED[shell] if rc is None else rc
        text = text.replace("{scripts}", str(scripts))
        opened.append(Terminal(shell, text, home, things, zimage.environment()))
        return opened[-1]

    yield open_terminal
    for one in opened:
        end(one.child)


TYPED: list[tuple[str, list[str]]] = [
    ("zimage gen\t", ["generate"]),
    ("zimage gen\t--reg\tap\t", ["generate", "--region", "ap-southeast-1"]),
    ("zimage generate --size 16:9@15\t", ["generate", "--size", "16:9@1536"]),
    ("zimage generate --size=16:9@15\t", ["generate", "--size=16:9@1536"]),
    ("zimage generate --size=21:9@12\t", ["generate", "--size=21:9@1280"]),
    ("zimage generate --size '21:9@15\t", ["generate", "--size", "21:9@1536"]),
    ("zimage generate -s21:9@15\t", ["generate", "-s21:9@1536"]),
    ("zimage generate -qs 21:9@15\t", ["generate", "-qs", "21:9@1536"]),
    ("zimage generate --region=ap\t", ["generate", "--region=ap-southeast-1"]),
    ("zimage generate -r cn\t--quiet", ["generate", "-r", "cn-beijing", "--quiet"]),
    ("zimage generate 'a \"b' -n 3 --ov\t", ["generate", 'a "b', "-n", "3", "--overwrite"]),
    ("zimage generate \"it's\" --dry\t", ["generate", "it's", "--dry-run"]),
    ("zimage generate a\\ b --dry\t", ["generate", "a b", "--dry-run"]),
    ("zimage generate 晨雾中的湖 --dry\t", ["generate", "晨雾中的湖", "--dry-run"]),
    ("zimage generate '晨 雾' --size=16:9@15\t", ["generate", "晨 雾", "--size=16:9@1536"]),
    # free text stays what it is
    ("zimage generate no\t", ["generate", "no"]),
    ("zimage generate --seed 1\t", ["generate", "--seed", "1"]),
    ("zimage generate -- --si\t", ["generate", "--", "--si"]),
    # files and folders
    ("zimage generate --file r\t", ["generate", "--file", "req.json"]),
    ("zimage generate --file my\t", ["generate", "--file", "my req.JSON"]),
    ("zimage generate --file=my\t", ["generate", "--file=my req.JSON"]),
    ("zimage generate --file 'my\t", ["generate", "--file", "my req.JSON"]),
    ("zimage generate --file out/\t", ["generate", "--file", "out/deep.json"]),
    ("zimage generate --file o\tde\t", ["generate", "--file", "out/deep.json"]),
    ("zimage generate --file=o\tde\t", ["generate", "--file=out/deep.json"]),
    ("zimage generate --file not\t", ["generate", "--file", "not"]),
    ("zimage generate --output-dir su\t", ["generate", "--output-dir", "sub dir/"]),
    ("zimage generate -opi\t", ["generate", "-opic.png"]),
    ("zimage batch pro\t", ["batch", "prompts.csv"]),
    # the cursor in the middle
    (f"zimage generate --overw lake{LEFT * 5}\t", ["generate", "--overwrite", "lake"]),
    (f"zimage gen --quiet{LEFT * 8}\t", ["generate", "--quiet"]),
    # several sizes in one word
    ("zimage batch --sizes 1:1,21:9@15\t", ["batch", "--sizes", "1:1,21:9@1536"]),
    ("zimage batch --sizes=16:9@1280,1:1@15\t", ["batch", "--sizes=16:9@1280,1:1@1536"]),
]  # fmt: skip


def plain(words: list[str]) -> list[str]:
    """Make the shells' habits one.

    Behind an option zsh goes on with `=`, the others with a space; it drops a folder's last slash
    at Enter.
    """
    parts = (word.split("=", 1) if word.startswith("--") else [word] for word in words)
    return [part.removesuffix("/") for both in parts for part in both if part]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_tab_makes_of_a_line(shell: str, terminal) -> None:
    one = terminal(shell)
    wrong = {}
    for keys, expected in TYPED:
        words = one.words(keys)
        if plain(words) != plain(expected):
            wrong[keys] = (words, expected)
    assert not wrong, "\n".join(f"{key!r}: {value}" for key, value in wrong.items())


def test_for_bash_an_option_behind_the_cursor_is_given_too(terminal) -> None:
    words = terminal("bash").words("zimage generate --regi --region beijing" + LEFT * 17 + "\t")
    assert words == ["generate", "--regi", "--region", "beijing"]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_value_that_looks_like_an_option_gives_none(
    shell: str, request: pytest.FixtureRequest
) -> None:
    path_of(shell)
    ask = request.getfixturevalue(f"{shell}_offers")
    assert ask(["zimage generate --name --seed --see"])[0][:1] == ["--seed"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_size_arrives_as_it_is_whatever_files_there_are(
    shell: str, terminal, things: Path
) -> None:
    words = [f"{size.ratio}@{size.tier}" for size in sizes.RECOMMENDED if size.tier > 1024]
    for word in words:
        (things / word.replace("@", "")).write_text("")
        (things / word).mkdir()
    one = terminal(shell)
    for word in words:
        assert one.words(f"zimage generate --size {word[:-2]}\t") == ["generate", "--size", word]


# -- the ways in which a script gets loaded -----------------------------------------------------


def test_bash_without_compopt(terminal) -> None:
    """Bash 3.2, which macOS has, knows none: spaces and slashes come from the script."""
    one = terminal("bash", "enable -n compopt\nsource {scripts}/zimage.bash\n")
    cases = {
        "zimage gen\t--reg\tap\t-q": ["generate", "--region", "ap-southeast-1", "-q"],
        "zimage generate --size=16:9@15\t-q": ["generate", "--size=16:9@1536", "-q"],
        "zimage generate --file my\t-q": ["generate", "--file", "my req.JSON", "-q"],
        "zimage generate --file ou\tde\t-q": ["generate", "--file", "out/deep.json", "-q"],
        "zimage generate --file 'sub\t": ["generate", "--file", "sub dir/"],
        "zimage sandbox serve --fault htm\t502\t:1": ["sandbox", "serve", "--fault", "html-502:1"],
    }  # fmt: skip
    for keys, expected in cases.items():
        assert one.words(keys) == expected


@pytest.mark.parametrize(
    "options",
    ["set -u", "shopt -s failglob", "shopt -s nullglob dotglob", "shopt -s nocasematch extglob",
     "IFS=:/", "set -o posix", "COMP_WORDBREAKS=\" '\\\"><;|&(\""],
)  # fmt: skip
def test_bash_with_the_options_that_people_set(terminal, options: str) -> None:
    one = terminal("bash", "source {scripts}/zimage.bash\n")
    one.run(options)
    assert one.words("zimage generate --size=16:9@15\t") == ["generate", "--size=16:9@1536"]
    assert one.words("zimage generate --file r\t") == ["generate", "--file", "req.json"]
    assert one.words("zimage generate --file nowh\t") == ["generate", "--file", "nowh"]
    assert one.words("zimage regions show be\t") == ["regions", "show", "beijing"]


def test_bash_redirects_to_any_file(terminal, things: Path) -> None:
    one = terminal("bash")
    assert one.words("zimage generate --regi\tap\t 2> note\t") == [
        "generate",
        "--region",
        "ap-southeast-1",
    ]
    one.run("echo kept > notes.md")
    assert one.words("zimage generate < no\t -q") == ["generate", "-q"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_tilde_is_the_home_folder(shell: str, terminal, home: Path) -> None:
    (home / "at home.json").write_text("")
    (home / "pictures").mkdir()
    one = terminal(shell)
    assert one.words("zimage generate --file ~/at\t") == [
        "generate",
        "--file",
        str(home / "at home.json"),
    ]
    assert plain(one.words("zimage generate --output-dir ~/pi\t")) == [
        "generate",
        "--output-dir",
        str(home / "pictures"),
    ]


@pytest.mark.skipif(not BASH_COMPLETION.exists(), reason="bash-completion is not installed")
def test_installed_for_bash_with_bash_completion(terminal, zimage, home: Path) -> None:
    (home / ".bashrc").write_text(f". {BASH_COMPLETION}\n")
    assert len(zimage("completions", "install", "bash").lines) == 1
    one = terminal("bash", "")
    assert one.words("zimage generate --size=16:9@15\t") == ["generate", "--size=16:9@1536"]
    assert one.words("zimage generate --file my\t") == ["generate", "--file", "my req.JSON"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installed_for_a_shell_without_anything(shell: str, terminal, zimage) -> None:
    path_of(shell)
    zimage("completions", "install", shell)
    assert terminal(shell, "").words("zimage gen\t") == ["generate"]


def test_installed_for_a_zsh_that_has_loaded_its_completions(terminal, zimage, home: Path) -> None:
    path_of("zsh")
    (home / ".zshrc").write_text("autoload -Uz compinit && compinit -u -C -d ~/.zcompdump\n")
    zimage("completions", "install", "zsh")
    assert (home / ".zshrc").read_text().count("fpath=") == 1
    assert terminal("zsh", "").words("zimage gen\t") == ["generate"]


@pytest.mark.parametrize("before", ["", "autoload -Uz compinit && compinit -u -D\n"])
def test_zsh_takes_the_script_by_source_too(terminal, before: str) -> None:
    one = terminal("zsh", before + "source {scripts}/_zimage\n")
    assert one.words("zimage gen\t") == ["generate"]


# -- no process ---------------------------------------------------------------------------------

TRAPPED = (
    "zimage python python3 env sh bash zsh fish cat ls sed awk grep sort tr uname find basename"
    " dirname test head cut"
)

WATCH = {
    "bash": 'command_not_found_handle() { echo "$*" >> {log}; }',
    "zsh": 'command_not_found_handler() { echo "$*" >> {log}; }',
    "fish": "function fish_command_not_found; echo $argv >> {log}; end",
}
KEYS = {
    "zimage gen\t--reg\tap\t-s 16:9@15\t--file r\t--output-dir ou\t -q --dry\t": "--dry-run",
    "zimage config set si\t16:9@15\t": "16:9@1536",
    "zimage sandbox serve --fault Throttling.B\t": "Throttling.BurstRate",
}


def faults_of_children(number: int) -> int:
    """Return the page faults of a process's children that have ended: any child has some.

    The kernel counts them, a subshell's included, whoever started it and for however short a time.
    """
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return int(fields[8])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_no_tab_starts_a_process(shell: str, terminal, tmp_path: Path) -> None:
    log, traps = tmp_path / "started", tmp_path / "traps"
    traps.mkdir()
    for name in TRAPPED.split():
        (traps / name).write_text(f"#!/bin/sh\necho {name} >> {log}\n")
        (traps / name).chmod(0o755)
    one = terminal(shell)
    one.run(f"set -gx PATH {traps}" if shell == "fish" else f"PATH={traps}")
    one.run(WATCH[shell].replace("{log}", str(log)))
    before = faults_of_children(one.child.pid)
    one.run("python --version")
    # It counts once the shell knows that it has ended.
    wait_for(
        lambda: log.exists() and faults_of_children(one.child.pid) > before,
        "a trap that works, and a child that is noticed",
    )
    for keys, last in KEYS.items():
        log.write_text("")
        before = faults_of_children(one.child.pid)
        assert one.words(keys)[-1] == last
        assert log.read_text() == ""
        assert faults_of_children(one.child.pid) == before, "a child was started"


# -- PowerShell ---------------------------------------------------------------------------------


def test_powershell(scripts: Path, things: Path, zimage) -> None:
    lines = [line for line, _ in OFFERS if "'" not in line]
    program = """\
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
. $env:SCRIPT
foreach ($line in ($env:LINES_TO_TRY -split "`n")) {
    $found = (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches
    (@($found | ForEach-Object { $_.ListItemText }) -join "`t")
}
"""
    done = subprocess.run(
        [path_of("pwsh"), "-NoProfile", "-NonInteractive", "-Command", program],
        env=zimage.environment(
            {"SCRIPT": str(scripts / "zimage.ps1"), "LINES_TO_TRY": "\n".join(lines)}
        ),
        cwd=things,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    offers = dict(OFFERS)
    wrong = {}
    for line, row in zip(lines, done.stdout.splitlines(), strict=True):
        found = sorted(word for word in row.split("\t") if word)
        expected = sorted(word.rstrip("/").rpartition("/")[2] for word in offers[line])
        if found != expected:
            wrong[line] = (found, expected)
    assert not wrong
