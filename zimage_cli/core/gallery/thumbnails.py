"""Thumbnails: drawn once, and kept beside the page under names that are hashes."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

from zimage_cli.api import threads
from zimage_cli.core.drafts import remove_abandoned, write_whole
from zimage_cli.core.files import NO_LOCKS, make_folder, open_locked, reason
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

LONGEST = 480
"""Pixels of the longer side."""
_QUALITY = 80
_FORM = 1
"""Another number draws all thumbnails anew."""
_NAME = r"zimage-[0-9a-f]{24}\.webp"
_LOCK = ".zimage-gallery.lock"

_MOST_PIXELS = 80_000_000
"""Above it Pillow warns of a bomb."""
_MANY_PIXELS = 16_000_000
"""Two of more are not in memory at the same time."""
_LONGEST_PROFILE = 64 * 1024
_ORIENTATION = 0x0112


class NotDrawn(Exception):
    """A picture of which no thumbnail can be made; `why` says it."""

    def __init__(self, why: Message) -> None:
        self.why = why
        super().__init__(str(why))


def name_of(address: str, size: int, mtime_ns: int) -> str:
    """Return the name of a picture's thumbnail: another one where the picture has changed."""
    from hashlib import blake2b

    facts = f"{_FORM}\0{address}\0{size}\0{mtime_ns}"
    return f"zimage-{blake2b(facts.encode(), digest_size=12).hexdigest()}.webp"


def is_ours(name: str) -> bool:
    """Tell whether a file's name is one of a thumbnail."""
    return re.fullmatch(_NAME, name) is not None


def folder_of(page: Path) -> Path:
    """Return the folder of a page's thumbnails."""
    return page.with_name(f"{page.stem}_files")


# -- one of them ----------------------------------------------------------------------------------

_large = threading.Lock()


def load() -> None:
    """Load what draws, before threads do."""
    from zimage_cli.core.recipe.convert import load_pillow

    load_pillow("webp")


def draw(path: str) -> bytes:
    """Return a small WebP of a picture, whoever made it. Raises NotDrawn.

    It holds the pixels and their colour profile, and nothing that the file says.
    """
    image, profile = small(path, LONGEST)
    file = io.BytesIO()
    # All named: Pillow takes what is missing here from the picture.
    with _telling():
        image.save(file, "WEBP", quality=_QUALITY, icc_profile=profile, exif=b"", xmp=b"")
    return file.getvalue()


def small(source: str | IO[bytes], longest: int) -> tuple[Image, bytes]:
    """Return a picture's pixels, upright, RGB or RGBA, no side longer; and their colour profile.

    Raises NotDrawn.
    """
    from PIL import Image

    with _telling(), ExitStack() as stack:
        image = stack.enter_context(Image.open(source, formats=("PNG", "JPEG", "WEBP")))
        pixels = image.width * image.height
        if pixels > _MOST_PIXELS:
            raise NotDrawn(_too_large())
        stack.enter_context(_large if pixels > _MANY_PIXELS else nullcontext())
        return _small(image, longest)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except NotDrawn:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow raises what it likes
        raise NotDrawn(_why(error)) from None


def _why(error: Exception) -> Message:
    """Return why a picture cannot be drawn."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return _too_large()
    if isinstance(error, MemoryError):
        return Message("there is not enough memory")
    if isinstance(error, OSError) and error.errno:
        return reason(error)
    # Pillow's words for that hold the path.
    if isinstance(error, UnidentifiedImageError) or not str(error):
        return Message("it is damaged")
    return Message("it is damaged: {why}", why=str(error))


def _too_large() -> Message:
    return Message("it has more than {most:,} pixels", most=_MOST_PIXELS)


def _small(image: Any, longest: int) -> tuple[Image, bytes]:
    orientation = image.getexif().get(_ORIENTATION)
    profile = image.info.get("icc_profile") or b""
    if image.mode not in {"RGB", "RGBA", "L", "LA", "CMYK", "YCbCr"}:
        # Of palettes no colours between two can be made; 16 bits would be cut off, not scaled.
        image = _plain(image)
    image.thumbnail((longest, longest))
    fits = profile[16:20] == b"RGB " and len(profile) <= _LONGEST_PROFILE
    return _turned(_plain(image), orientation), profile if fits else b""


def _plain(image: Image) -> Image:
    """Return the pixels as RGB or RGBA."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _turned(image: Image, orientation: object) -> Image:
    """Return the pixels as EXIF has them shown."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


# -- all of them ----------------------------------------------------------------------------------


class Shelf:
    """The folder of a page's thumbnails, kept from other processes while it is open.

    A context manager. Raises UsageError where another one makes the same page, and OSError.
    """

    def __init__(self, page: Path) -> None:
        self.folder = folder_of(page)
        self._page = page
        self._there: frozenset[str] = frozenset()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        make_folder(self.folder)
        try:
            self._lock = open_locked(self.folder / _LOCK, os.O_RDWR | os.O_CREAT)
        except BlockingIOError:
            raise UsageError(
                "Another zimage writes {path} at this moment.",
                hint="Wait for its end, or write another page with -o FILE.",
                field="output",
                path=self._page,
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        # Of a process that was killed.
        remove_abandoned(self.folder)
        with os.scandir(self.folder) as found:
            # A power cut may leave an empty file.
            self._there = frozenset(
                one.name for one in found if is_ours(one.name) and one.stat().st_size
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None and os.name == "nt":
            # No open file is removed there.
            os.close(self._lock)
            self._lock = None
        # Removed while it is held: afterwards it may be another process's.
        with suppress(OSError):
            (self.folder / _LOCK).unlink()
        if self._lock is not None:
            os.close(self._lock)
        # One that holds anything stays.
        with suppress(OSError):
            self.folder.rmdir()

    def has(self, name: str) -> bool:
        """Tell whether a thumbnail was drawn by an earlier run."""
        return name in self._there

    def put(self, name: str, data: bytes) -> None:
        """Write a thumbnail. Raises OSError."""
        write_whole(self.folder / name, data, sync=False)

    def tidy(self, shown: set[str]) -> None:
        """Remove thumbnails that the page no longer shows: the folder is handed on with it."""
        for name in self._there - shown:
            with suppress(OSError):
                (self.folder / name).unlink()


def in_two_threads(items: Iterable[T], do: Callable[[T], None]) -> None:
    """Do something with each item in this thread and another; the first error ends both."""
    left, taking = iter([*items]), threading.Lock()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while not errors:
                with taking:
                    item = next(left, left)
                if item is left:
                    return
                do(item)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    helper = threading.Thread(target=run, name="work-thumbnails", daemon=True)
    try:
        threads.start(helper)
    except RuntimeError:
        # One thread draws them too.
        run()
    else:
        run()
        helper.join()
    if errors:
        raise errors[0]
