"""The window's title, progress and bell: only where they are known to be understood."""

from __future__ import annotations

import io

import pytest

from zimage_cli.cli.desktop import Desktop, knows_progress, ring

PUSH, POP = "\x1b[22;0t", "\x1b[23;0t"
GHOSTTY = {"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty", "TERM_PROGRAM_VERSION": "1.2.0"}
XTERM = {"TERM": "xterm-256color"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(environ: dict[str, str], stream: io.StringIO | None = None) -> str:
    stream = Terminal() if stream is None else stream
    desktop = Desktop(stream, environ)
    desktop.show("zimage: 3 of 4", 0.75)
    desktop.close()
    return stream.getvalue()


def test_title_and_progress_follow_and_are_given_back() -> None:
    stream = Terminal()
    desktop = Desktop(stream, GHOSTTY)
    desktop.show("zimage: 0 of 4", 0.0)
    desktop.show("zimage: 1 of 4", 0.25)
    desktop.show("zimage: 1 of 4", 0.25)
    desktop.show("zimage: 1 of 4", 0.25, paused=True)
    desktop.close()
    desktop.close()
    assert stream.getvalue() == (
        f"{PUSH}\x1b]0;zimage: 0 of 4\x1b\\\x1b]9;4;1;0\x1b\\"
        "\x1b]0;zimage: 1 of 4\x1b\\\x1b]9;4;1;25\x1b\\"
        "\x1b]9;4;4;25\x1b\\"
        f"\x1b]9;4;0;0\x1b\\{POP}"
    )


def test_what_was_never_shown_is_not_taken_away() -> None:
    stream = Terminal()
    Desktop(stream, GHOSTTY).close()
    assert stream.getvalue() == ""


def test_a_terminal_that_is_not_known_gets_a_title_alone() -> None:
    assert shown(XTERM) == f"{PUSH}\x1b]0;zimage: 3 of 4\x1b\\{POP}"


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM": "dumb"},
        {"TERM": "unknown"},
        {"TERM": "linux"},
        {"TERM": "screen-256color"},
        {"TERM": "tmux-256color"},
        {},
        {**XTERM, "TMUX": "/tmp/tmux-0/default,1,0"},
        {**XTERM, "STY": "1.pts-0.host"},
        {**XTERM, "NO_COLOR": "1"},
        {**GHOSTTY, "TMUX": "/tmp/tmux-0/default,1,0"},
        {**GHOSTTY, "NO_COLOR": "1"},
    ],
)
def test_where_no_window_takes_it_nothing_is_written(environ: dict[str, str]) -> None:
    assert shown(environ) == ""


def test_in_a_pipe_nothing_is_written() -> None:
    assert shown(GHOSTTY, io.StringIO()) == ""
    pipe = io.StringIO()
    ring(pipe)
    assert pipe.getvalue() == ""
    terminal = Terminal()
    ring(terminal)
    assert terminal.getvalue() == "\a"


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "gone")

    assert shown(GHOSTTY, Gone()) == ""
    ring(Gone())


@pytest.mark.parametrize(
    ("environ", "known"),
    [
        ({"WT_SESSION": "4b6e"}, True),
        ({"ConEmuANSI": "ON"}, True),
        ({"ConEmuANSI": "OFF"}, False),
        (GHOSTTY, True),
        ({**GHOSTTY, "TERM_PROGRAM_VERSION": "1.1.3"}, False),
        ({"TERM_PROGRAM": "ghostty"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.6"}, True),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.10"}, True),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.6.5"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5.11"}, False),
        ({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20250209-182623-44866cc1"}, True),
        ({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "20240203-110809-5046fc22"}, False),
        ({"TERM_PROGRAM": "mintty", "TERM_PROGRAM_VERSION": "3.7.8"}, True),
        ({**XTERM, "KONSOLE_VERSION": "260401"}, True),
        ({**XTERM, "KONSOLE_VERSION": "251203"}, False),
        ({**XTERM, "VTE_VERSION": "7900"}, True),
        ({**XTERM, "VTE_VERSION": "7803"}, False),
        ({**XTERM, "VTE_VERSION": "?"}, False),
        # Started from such a terminal, another one inherits its variables.
        ({"TERM": "xterm-kitty", "VTE_VERSION": "7900"}, False),
        ({"TERM_PROGRAM": "Apple_Terminal", "VTE_VERSION": "7900"}, False),
        ({"TERM_PROGRAM": "vscode", "WT_SESSION": "4b6e"}, False),
        (XTERM, False),
        ({}, False),
    ],
)
def test_progress_only_where_it_is_known(environ: dict[str, str], known: bool) -> None:
    assert knows_progress(environ) is known
