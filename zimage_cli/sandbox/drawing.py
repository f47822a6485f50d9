"""Draw the sandbox's picture from prompt and seed."""

from __future__ import annotations


def draw(prompt: str, seed: int, width: int, height: int) -> bytes:
    """Return a PNG of `width` × `height` pixels, the same bytes for the same arguments."""
    from hashlib import sha256
    from io import BytesIO

    from PIL import Image

    dice = sha256(f"{seed}/{prompt}".encode()).digest()
    small = Image.frombytes("RGB", (3, 3), dice[:27])
    out = BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(out, "PNG", compress_level=1)
    return out.getvalue()
