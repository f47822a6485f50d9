"""`zimage sizes`: the recommended sizes."""

from __future__ import annotations

from typing import Any

from zimage_cli.cli.app import App, Json
from zimage_cli.cli.output import Output
from zimage_cli.core.request import sizes
from zimage_cli.messages import Listing, Message

app = App()

EXAMPLES = """Examples:

zimage sizes

zimage sizes --json

zimage generate 'A calm lake at dawn' --size 16:9@1536"""


@app.command(epilog=EXAMPLES, document={"default": None, "limits": {}, "names": {}, "sizes": []})
def show(json: Json = False) -> None:
    """Show the recommended sizes by ratio and tier."""
    output = Output()
    if json:
        output.document("ok", **document())
        return
    _print_table(output)


def document() -> dict[str, Any]:
    """Return the keys that `--json` prints: every recommended size, and the limits of all others.

    Sides and counts are in pixels; `size` is the text that `--size` and the service take.
    """
    return {
        "default": sizes.DEFAULT_SIZE,
        "limits": {"min_pixels": sizes.MIN_PIXELS, "max_pixels": sizes.MAX_PIXELS},
        "names": sizes.NAMED_RATIOS,
        "sizes": [
            {
                "ratio": size.ratio,
                "tier": size.tier,
                "size": size.text,
                "width": size.width,
                "height": size.height,
                "pixels": size.pixels,
            }
            for size in sizes.RECOMMENDED
        ],
    }


def _print_table(output: Output) -> None:
    from zimage_cli.cli.table import Cell, Table, cell

    headers = [Cell(Message("ratio"))]
    for tier in sizes.TIERS:
        headers += [cell(f"@{tier}"), Cell(Message("pixels"), piped=f"pixels @{tier}")]
    table = Table(headers, right=[one.text for one in headers[1:]])
    for ratio in sizes.RATIOS:
        row = [cell(ratio)]
        for size in sizes.RECOMMENDED:
            if size.ratio == ratio:
                row.append(cell(size.text.replace("*", "×"), piped=size.text))
                row.append(cell(f"{size.pixels:,}", "dim", piped=str(size.pixels)))
        table.add_row(*row)
    output.result_table(table)
    named = sizes.NAMED_RATIOS.items()
    names = Listing(
        ", ", (Message("{name} is {ratio}", name=name, ratio=one) for name, one in named)
    )
    output.note(Message("{names}; without @TIER it is @{tier}.", names=names, tier=sizes.TIERS[0]))
    output.note(
        Message(
            "Any W*H of {least:,} to {most:,} pixels works; the default is {default}.",
            least=sizes.MIN_PIXELS,
            most=sizes.MAX_PIXELS,
            default=sizes.DEFAULT_SIZE,
        )
    )
