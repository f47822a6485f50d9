"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from zimage_cli.cli.app import App
from zimage_cli.cli.history.export import export
from zimage_cli.cli.history.filters import Searching
from zimage_cli.cli.history.forget import forget
from zimage_cli.cli.history.listing import list_
from zimage_cli.cli.history.path import path
from zimage_cli.cli.history.recover import recover
from zimage_cli.cli.history.show import show
from zimage_cli.cli.history.stats import stats

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
    epilog="Examples:\n\nzimage history stats\n\nzimage history stats --by day --since 30d\n\n"
    "zimage history stats --by month --json",
    document={"by": None, "groups": [], "total": None},
)(stats)
app.command(
    epilog="Examples:\n\nzimage history recover\n\n"
    "zimage history recover 42 --output-dir elsewhere",
    document={"pictures": []},
    statuses=(0, 2, 8, 130),
)(recover)
app.command(
    base=Searching,
    epilog="Examples:\n\nzimage history export -o history.jsonl\n\n"
    "zimage history export fox --since 30d -o foxes.csv\n\n"
    "zimage history export -o - --format jsonl | head -n 1",
    document={"path": None, "entries": 0},
    statuses=(0, 2, 130),
)(export)
app.command(
    epilog="Examples:\n\nzimage history forget 42\n\nzimage history forget 42-45 fox.png --yes",
    document={"forgotten": 0},
    statuses=(0, 2, 130),
)(forget)
app.command(
    epilog="Examples:\n\nzimage history path\n\n"
    "sqlite3 \"$(zimage history path)\" 'SELECT count(*) FROM generation'",
    document={"path": None, "exists": False},
)(path)
