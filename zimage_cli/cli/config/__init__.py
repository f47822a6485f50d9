"""`zimage config`: what is set, where it comes from, and how to change it."""

from __future__ import annotations

from zimage_cli.cli.app import App
from zimage_cli.cli.config.change import set_region, set_value, set_workspace, unset
from zimage_cli.cli.config.edit import edit
from zimage_cli.cli.config.keys import set_key, unset_key
from zimage_cli.cli.config.show import get, path, show

app = App(default="show", modules={"preset": "zimage_cli.cli.config.preset"})


@app.callback(
    epilog="Examples:\n\nzimage config\n\nzimage config set-key --region singapore\n\n"
    "zimage config set size 16:9"
)
def config() -> None:
    """Show and change the settings: flag > environment > config file > default.

    Without a command it shows.
    """


app.command(
    "show",
    epilog="Examples:\n\nzimage config show\n\nzimage config show --json",
    document={
        "config_file": None,
        "history_file": None,
        "settings": {},
        "target": None,
        "stored_keys": {},
        "workspaces": {},
        "warnings": [],
    },
)(show)
app.command(
    "get",
    epilog="Examples:\n\nzimage config get region\n\nzimage config get base_url",
)(get)
app.command(
    "set",
    epilog="Examples:\n\nzimage config set size 16:9@1536\n\nzimage config set timeout 60\n\n"
    "zimage config set output_dir '~/Pictures'",
)(set_value)
app.command(
    "unset",
    epilog="Examples:\n\nzimage config unset size\n\n"
    "zimage config unset workspace --region singapore",
)(unset)
app.command("path", epilog='Examples:\n\nzimage config path\n\nls -l "$(zimage config path)"')(path)
app.command(
    "edit", epilog="Examples:\n\nzimage config edit\n\nVISUAL='code --wait' zimage config edit"
)(edit)
app.command(
    "set-region",
    epilog="Examples:\n\nzimage config set-region singapore\n\n"
    "zimage config set-region ap-southeast-1\n\nzimage config set-region sandbox",
)(set_region)
app.command(
    "set-key",
    epilog="Examples:\n\nzimage config set-key --region singapore\n\n"
    "pass show dashscope | zimage config set-key --region beijing\n\n"
    "zimage config set-key --from-env",
)(set_key)
app.command(
    "unset-key",
    epilog="Examples:\n\nzimage config unset-key\n\nzimage config unset-key --region singapore",
)(unset_key)
app.command(
    "set-workspace",
    epilog="Examples:\n\nzimage config set-workspace llm-a1b2c3d4\n\n"
    "zimage config set-workspace llm-a1b2c3d4 --region singapore",
)(set_workspace)
