"""A PNG made into a JPEG or WebP that says the same of itself."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NamedTuple

from zimage_cli.core.recipe import exif, png, xmp
from zimage_cli.core.request.wish import FORMATS, QUALITY
from zimage_cli.messages import Message, Unfit

if TYPE_CHECKING:
    from zimage_cli.core.recipe.recipe import Recipe

_LONGEST = {
    "jpeg": {"EXIF": 65533, "XMP": 65504},
    "webp": {"EXIF": 1 << 24, "XMP": 1 << 24},
}
"""Bytes: a segment of a JPEG has a length of 16 bits, XMP's with a header of 29 bytes."""


class ConversionError(Unfit):
    """A picture that cannot become the other format without a loss that nobody asked for."""


class _Served(NamedTuple):
    """What the service says in its PNG."""

    xmp: bytes | None
    label: str | None
    parameters: str | None
    recipe: str | None
    signed: bool


def load_pillow(target: str) -> None:
    """Load what a conversion needs: Pillow would load all of its formats to find WebP."""
    if target == "webp":
        import PIL.WebPImagePlugin  # noqa: F401
    from PIL import Image

    Image.preinit()


def convert(
    served: IO[bytes],
    finished: IO[bytes],
    target: str,
    quality: int | None,
    recipe: Recipe | None,
) -> tuple[Message, ...]:
    """Write a PNG as jpeg or webp, and return what to tell of it.

    What the service says of the picture is carried over: its label, XMP, EXIF and colour profile.
    The recipe is added to that; None: nothing is. A JPEG has no transparency: it is shown on white.
    Raises whatever Pillow raises, and ConversionError.
    """
    from PIL import Image

    load_pillow(target)
    told = []
    said = _said(served)
    if said.signed:
        told.append(
            Message(
                "the service signed the picture (C2PA), and no signature survives the conversion "
                "to {format}: the file has none",
                format=FORMATS[target],
            )
        )
    packet, whole = _packet(said, recipe, _LONGEST[target]["XMP"])
    served.seek(0)
    with Image.open(served, formats=("PNG",)) as image:
        block = image.info.get("exif")
        if not block and recipe is not None:
            block = exif.with_comment(said.parameters or recipe.parameters())
            if len(block) > _LONGEST[target]["EXIF"]:
                block, whole = None, False
        painted = _painted(image, target)
        # Named in any case: Pillow takes what is missing here from the PNG.
        painted.save(
            finished,
            target,
            quality=quality or QUALITY[target],
            exif=block or b"",
            xmp=packet or b"",
            icc_profile=_profile(image, painted.mode),
        )
    if not whole:
        told.append(
            Message(
                "the prompt is too long for a {format}: the file does not say all of how it was "
                "made, as a PNG would",
                format=FORMATS[target],
            )
        )
    return tuple(told)


def _said(served: IO[bytes]) -> _Served:
    texts = {text.keyword: text.text for text in png.texts(served)}
    if any(name in texts and texts[name] is None for name in (png.XMP, png.LABEL)):
        raise ConversionError("what the service says of the picture cannot be read")
    packet = texts.get(png.XMP)
    return _Served(
        packet.encode() if packet else None,
        texts.get(png.LABEL),
        texts.get(png.PARAMETERS),
        texts.get(png.RECIPE),
        any(chunk.kind == png.MANIFEST for chunk in png.chunks(served)),
    )


def _packet(said: _Served, recipe: Recipe | None, longest: int) -> tuple[bytes | None, bool]:
    """Return the XMP of the new file, and whether all of the recipe is in it.

    That is the service's own packet, and what it lacks: the label of the service's text in any
    case, then as much of ours as there is room for. Raises ConversionError.
    """
    label = [xmp.Property(xmp.LABEL, said.label)] if said.label else []
    try:
        if label and said.xmp and xmp.read(said.xmp).get(xmp.LABEL, said.label) != said.label:
            raise ConversionError("the service put two labels into it that differ")
        made = _merged(said.xmp, label)
    except xmp.XmpError as error:
        if label:
            raise ConversionError("its label cannot be carried over: {why}", why=error) from None
        # It goes over as it is, whatever it is.
        label, made = [], said.xmp
        recipe = None
    whole = True
    if recipe is not None:
        text = xmp.Property(xmp.RECIPE, said.recipe or recipe.text())
        description, *others = recipe.properties()
        for ours in ([text, *others, description], [text, *others], others):
            whole = text in ours
            longer = _merged(said.xmp, [*label, *ours])
            if longer is not None and len(longer) <= longest:
                made = longer
                break
    if made is not None and len(made) > longest:
        raise ConversionError("what the service says of the picture does not fit into the format")
    return made, whole


def _merged(own: bytes | None, properties: list[xmp.Property]) -> bytes | None:
    if own is not None:
        return xmp.added(own, properties)
    return xmp.packet(properties) if properties else None


def _painted(image: Any, target: str) -> Any:
    """Return the pixels in a mode that the format has."""
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        if target == "webp":
            return image
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode in {"1", "L"}:
        return image.convert("L" if target == "jpeg" else "RGB")
    if image.mode not in {"P", "RGB"}:
        raise ConversionError("it has more than 8 bits a colour ({mode})", mode=image.mode)
    return image.convert("RGB")


def _profile(image: Any, mode: str) -> bytes:
    """Return the picture's colour profile where it speaks of the new picture's colours."""
    profile: bytes = image.info.get("icc_profile") or b""
    return profile if profile[16:20] == (b"GRAY" if mode == "L" else b"RGB ") else b""
