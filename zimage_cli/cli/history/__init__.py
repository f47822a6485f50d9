"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from zimage_cli.cli.app import App
from zimage_cli.cli.history.filters import Searching
from zimage_cli.cli.history.listing import list_
from zimage_cli.cli.history.recover import recover
from zimage_cli.cli.history.show import show

app = App(
    default="list",
    takes_words=True,
    epilog="Examples:\n\nzimage history --limit 5\n\nzimage history fox snow -night\n\n"
    "zimage history show 42\n\nzimage history recover",
    help="Look at everything ever made, and recover what was not saved. "
    "Without a command it lists; words are searched for.",
)

app.command(
    "list",
    base=Searching,
    epilog="Examples:\n\nzimage history list --limit 100 --json\n\n"
    "zimage history list 'red kite' snow -night --since 7d\n\n"
    "zimage history list fox --paths -0 | xargs -0 ls -l",
    document={"entries": []},
)(list_)
app.command(
    epilog="Examples:\n\nzimage history show 42\n\nzimage history show last:2\n\n"
    "zimage history show 42 --json | zimage generate --file - --seed 8",
    document={"entry": None},
)(show)
app.command(
    epilog="Examples:\n\nzimage history recover\n\n"
    "zimage history recover 42 --output-dir elsewhere",
    document={"pictures": []},
    statuses=(0, 2, 8, 130),
)(recover)
