"""The step between a picture as it was served and the file that gets its name."""

from __future__ import annotations

import io
import threading
from typing import IO, NamedTuple

from zimage_cli.core.files import reason
from zimage_cli.core.recipe import png
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.core.request.wish import Wish
from zimage_cli.messages import Message, Unfit

_splicing = threading.Lock()


class FinishError(Unfit):
    """A picture that could not be finished. As it was served it is whole."""


class Finished(NamedTuple):
    """What finishing came to: whether there is another file, and what to tell of it.

    `sha256` is that of the other file, where it is known.
    """

    changed: bool
    told: tuple[Message, ...] = ()
    sha256: str | None = None


def load(wish: Wish) -> None:
    """Load what finishing needs, before it is needed."""
    if wish.format != "png":
        from zimage_cli.core.recipe.convert import load_pillow

        load_pillow(wish.format)


def finish(served: IO[bytes], finished: IO[bytes], wish: Wish, recipe: Recipe) -> Finished:
    """Write the finished picture of a served PNG into an empty file.

    Where nothing is `changed` the file stays empty: the served picture is the finished one. Raises
    FinishError and nothing else, whatever libraries and the disk do; the file then holds anything.
    """
    try:
        written = recipe.without_keys() if wish.metadata else None
        done = _finished(served, finished, wish, written)
    except FinishError:
        raise
    except Exception as error:
        # Pillow raises what it likes, MemoryError included; a paid picture is not lost for it.
        raise FinishError("{why}", why=_why(error)) from error
    if not done.changed or written in {None, recipe}:
        return done
    masked = Message(
        "the prompt holds what looks like an API key: it is masked in what the picture says of "
        "its making"
    )
    return done._replace(told=(*done.told, masked))


def _why(error: Exception) -> str:
    if isinstance(error, Unfit):
        return error.said
    return (reason(error) if isinstance(error, OSError) else str(error)) or type(error).__name__


def _finished(
    served: IO[bytes], finished: IO[bytes], wish: Wish, recipe: Recipe | None
) -> Finished:
    if wish.format != "png":
        from zimage_cli.core.recipe.convert import convert

        told = convert(served, finished, wish.format, wish.quality, recipe)
        return Finished(changed=True, told=told)
    if recipe is None:
        return Finished(changed=False)
    # It holds the whole file in memory, and with many pictures in flight all would at once.
    with _splicing:
        return _spliced(served, finished, recipe)


def _spliced(served: IO[bytes], finished: IO[bytes], recipe: Recipe) -> Finished:
    served.seek(0)
    data = served.read()
    held = io.BytesIO(data)
    walked = tuple(png.chunks(held))
    if any(chunk.kind == png.MANIFEST for chunk in walked):
        told = Message(
            "the service signed the picture (C2PA): saved as it is, without its recipe, because "
            "any text added to it would make the signature invalid"
        )
        return Finished(changed=False, told=(told,))
    # What the service says under one of these names stays, and nothing is said beside it: which
    # of two texts of one name is read differs by reader.
    there = {text.keyword for text in png.texts(held, walked)}
    new = {
        png.PARAMETERS: recipe.parameters(),
        png.RECIPE: recipe.text(),
        png.XMP: recipe.xmp().decode(),
    }
    new_chunks = [png.text_chunk(name, text) for name, text in new.items() if name not in there]
    if not new_chunks:
        return Finished(changed=False)
    return Finished(changed=True, sha256=png.splice(data, finished, new_chunks, walked))
