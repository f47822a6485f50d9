"""A recipe, and pictures as a service may serve them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from zimage_cli.core.recipe import png
from zimage_cli.core.recipe.recipe import Recipe


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(
        prompt="A calm lake at dawn",
        size="1024*1024",
        seed=7,
        prompt_extend=True,
        model="z-image-turbo",
        region="beijing",
        request_id="4a1f",
        rewritten_prompt="A calm lake, mist",
        time="2026-11-23T06:00:00Z",
        version="0.1.0",
        width=1024,
        height=1024,
    )


@pytest.fixture(scope="session")
def served() -> Callable[..., io.BytesIO]:
    """Return a function that makes a PNG: with these texts, these raw chunks, in this mode."""

    def make(
        mode: str = "RGB", *, texts: dict[str, str] | None = None, chunks: bytes = b"", **info: Any
    ) -> io.BytesIO:
        from PIL import Image

        plain, made = io.BytesIO(), io.BytesIO()
        Image.linear_gradient("L").resize((24, 16)).convert(mode).save(plain, "PNG", **info)
        new = [png.text_chunk(name, text) for name, text in (texts or {}).items()]
        png.splice(plain.getvalue(), made, [*new, chunks], png.chunks(plain))
        return made

    return make
