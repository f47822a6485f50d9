"""What a notebook shows of a picture: a piece of HTML that needs nothing beside itself.

It has no colours of its own, so that it is readable on dark and on light; every text in it is data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.request.prices import Price, format_price
from zimage_cli.errors import Billed
from zimage_cli.text import clip, visible, without_keys

LONGEST = 512
"""Pixels of the longer side."""
_MOST_PIXELS = 20_000_000
"""The service's largest picture has 4 million: what has more is none of its."""
_SHOWN = 2000
"""Characters of a text."""


def card(facts: Mapping[str, object], file: Path | None = None) -> str:
    """Return facts as HTML, those that are None left out, beside the picture in `file`."""
    rows = "".join(
        f'<tr style="vertical-align:top"><th style="text-align:left;white-space:nowrap">{name}</th>'
        '<td dir="auto" style="text-align:left;white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{_escaped(fact)}</td></tr>"
        for name, fact in facts.items()
        if fact is not None
    )
    # MathJax would take what stands between two dollar signs for a formula.
    return (
        '<div class="tex2jax_ignore mathjax_ignore" style="display:flex;flex-wrap:wrap;gap:1em;'
        f'align-items:flex-start">{_image(file)}<table style="flex:1 1 20em;color:inherit;'
        f'font:inherit">{rows}</table></div>'
    )


def paid(region: str, price: Price | None, billed: Billed = Billed.YES) -> str:
    """Return what a picture cost, or that it is the sandbox's."""
    if region == SANDBOX:
        return "SANDBOX: no cost"
    return {
        Billed.NO: "not billed",
        Billed.MAYBE: f"may be billed: {format_price(price)}",
        Billed.YES: format_price(price),
    }[billed]


def _escaped(fact: object) -> str:
    from html import escape

    text = visible(clip(without_keys(str(fact)), _SHOWN), newlines=True)
    # {{ }} is code where a page is made from a template.
    return escape(text).replace("{", "&#123;").replace("}", "&#125;")


def _image(file: Path | None) -> str:
    """Return the picture, small, in the page itself; nothing where it cannot be drawn."""
    from base64 import b64encode
    from io import BytesIO

    if file is None:
        return ""
    data = BytesIO()
    try:
        from PIL import Image

        # A named pipe would be waited for.
        if not file.is_file():
            return ""
        with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > _MOST_PIXELS:
                return ""
            image.thumbnail((LONGEST, LONGEST))
            small = image.convert("RGB")
        small.save(data, "WEBP", quality=80)
    except Exception:  # noqa: BLE001 - Pillow raises what it likes, and the facts are shown all the same
        return ""
    source = b64encode(data.getvalue()).decode()
    return (
        f'<img alt="" width="{small.width}" height="{small.height}" '
        f'style="max-width:100%;height:auto" src="data:image/webp;base64,{source}">'
    )
