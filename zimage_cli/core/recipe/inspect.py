"""What a picture of anybody's making says of its own making.

Everything in it is data: nothing is believed because it stands under a name of ours, and C2PA is
not verified.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO

from zimage_cli.core.files import reason
from zimage_cli.core.recipe import png, xmp
from zimage_cli.core.recipe.containers import NoPicture, Pieces, pieces
from zimage_cli.core.recipe.exif_reading import USER_COMMENT, exif_texts, is_on_its_side
from zimage_cli.core.recipe.foreign import (
    NoData,
    Parameters,
    data_of,
    is_label,
    label_of,
    parameters,
)
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import visible

STDIN = "-"

_BLOCK = 1 << 20
_LARGEST_STREAM = 256 << 20
_MOST_LABELS = 16
_COMFYUI = ("prompt", "workflow")
_ZIMAGE = "zimage "
_PROPERTIES = {
    xmp.DESCRIPTION: "description",
    xmp.CREATOR_TOOL: "creator_tool",
    xmp.SOURCE_TYPE: "digital_source_type",
}


class Source(StrEnum):
    """Where in a file its recipe stands, the one that is trusted most first."""

    ZIMAGE = "zimage"
    PARAMETERS = "parameters"
    USER_COMMENT = USER_COMMENT
    XMP = "XMP"


@dataclass(frozen=True, slots=True)
class Label:
    """An AI label as GB 45438-2025 asks for it, and where it stands.

    `data` is its JSON, or its text where that is none.
    """

    source: str
    data: object


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a file is, and what it says.

    `recipe` is zimage's own, from `source`; other than in `zimage` it does not tell whether
    prompt_extend was on. `parameters` is a text of another program in AUTOMATIC1111's form,
    `comfyui` holds the JSON of ComfyUI's texts, `texts` all others by keyword. `unread` names texts
    that are damaged or longer than 1 MiB. `whole` is False where the file is cut off or damaged, or
    holds more than is read.
    """

    path: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    whole: bool
    recipe: Recipe | None = None
    source: Source | None = None
    parameters: Parameters | None = None
    comfyui: dict[str, object] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    c2pa: bool = False
    xmp: dict[str, str] = field(default_factory=dict)
    texts: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()
    on_its_side: bool = False

    @property
    def prompt_extend(self) -> bool | None:
        """Whether the service was to rewrite the prompt, None where the file does not tell."""
        if self.recipe is None or self.source is not Source.ZIMAGE:
            return None
        return self.recipe.prompt_extend


def inspect(path: str | os.PathLike[str], *, hashed: bool = True) -> Inspected:
    """Return what a picture says; `-` is standard input.

    Without `hashed` less is read of the file, and sha256 is empty text. Raises UsageError for what
    cannot be read, or is no picture.
    """
    path = os.fspath(path)
    with _opened(path) as file:
        return inspect_open(path, file, hashed=hashed)


def inspect_open(path: str, file: IO[bytes], *, hashed: bool = True) -> Inspected:
    """Return what an open file says, as `inspect` does; `path` is what it is called."""
    try:
        return _inspected(path, file, hashed=hashed)
    except NoPicture:
        raise UsageError(
            "{name} is no picture in PNG, JPEG or WebP.",
            field="FILE",
            value=path,
            name=_name(path),
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _inspected(path: str, file: IO[bytes], *, hashed: bool) -> Inspected:
    held = pieces(file)
    found = _Findings(held)
    sha256 = _sha256(file) if hashed else ""
    return Inspected(
        path=path,
        format=held.format,
        width=held.width,
        height=held.height,
        bytes=file.seek(0, os.SEEK_END),
        sha256=sha256,
        whole=held.whole,
        recipe=found.recipe,
        source=found.source,
        parameters=found.foreign(),
        comfyui=found.comfyui,
        labels=found.merged_labels(),
        c2pa=held.c2pa,
        xmp=found.xmp,
        texts=tuple(found.texts),
        unread=tuple(dict.fromkeys(found.unread)),
        on_its_side=is_on_its_side(held.exif or b""),
    )


def _sha256(file: IO[bytes]) -> str:
    import hashlib

    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(_BLOCK):
        digest.update(part)
    return digest.hexdigest()


class _Findings:
    """What the pieces of a file mean."""

    def __init__(self, held: Pieces) -> None:
        self.comfyui: dict[str, object] = {}
        self.xmp: dict[str, str] = {}
        self.texts: list[tuple[str, str]] = []
        self.unread = [*held.unread]
        self._recipes: dict[Source, Recipe] = {}
        self._parameters: dict[Source, Parameters] = {}
        self._labels: list[Label] = []
        for keyword, text, _ in held.texts:
            if text is None:
                self.unread.append(keyword)
            elif keyword != png.XMP:
                self._text(keyword, text)
        for tag, text in exif_texts(held.exif or b"").items():
            self._exif(tag, text)
        for packet in held.xmp:
            self._packet(packet)
        for source, one in self._parameters.items():
            if (own := _own(one)) is not None:
                self._recipes[source] = own
        self.source = next((one for one in Source if one in self._recipes), None)
        self.recipe = None if self.source is None else self._recipes[self.source]

    def foreign(self) -> Parameters | None:
        """Return the first text in AUTOMATIC1111's form that does not just say the recipe again."""
        for one in self._parameters.values():
            own = _own(one)
            if self.recipe is None or own is None or own.prompt != self.recipe.prompt.strip():
                return one
        return None

    def merged_labels(self) -> tuple[Label, ...]:
        """Return the AI labels, those that say the same as one."""
        merged: list[Label] = []
        for label in self._labels:
            same = next((at for at, one in enumerate(merged) if one.data == label.data), None)
            if same is None:
                merged.append(label)
            elif label.source not in merged[same].source.split(", "):
                merged[same] = Label(f"{merged[same].source}, {label.source}", label.data)
        return tuple(merged)

    def _text(self, keyword: str, text: str) -> None:
        if keyword == png.RECIPE and Source.ZIMAGE not in self._recipes:
            recipe = Recipe.read(text)
            if recipe is not None:
                self._recipes[Source.ZIMAGE] = recipe
                return
        elif keyword == png.PARAMETERS and Source.PARAMETERS not in self._parameters:
            self._parameters[Source.PARAMETERS] = parameters(text)
            return
        elif keyword.upper() == png.LABEL and len(self._labels) < _MOST_LABELS:
            self._labels.append(Label(png.LABEL, label_of(text)))
            return
        if not (keyword in _COMFYUI and self._workflow(keyword, text)):
            self.texts.append((keyword, text))

    def _exif(self, tag: str, text: str) -> None:
        if not text.strip():
            return
        if is_label(label := label_of(text)):
            self._labels.append(Label(tag, label))
            return
        if tag == USER_COMMENT:
            one = parameters(text)
            # A camera's comment is no prompt.
            if one.settings or one.negative_prompt is not None:
                self._parameters[Source.USER_COMMENT] = one
                return
        # ComfyUI writes into WebP so: the name, a colon and the JSON, in tags for something else.
        name, _, rest = text.partition(":")
        if not (name.lower() in _COMFYUI and self._workflow(name.lower(), rest)):
            self.texts.append((tag, text))

    def _workflow(self, name: str, text: str) -> bool:
        try:
            found = data_of(text)
        except NoData:
            return False
        return self.comfyui.setdefault(name, found) is found

    def _packet(self, packet: bytes) -> None:
        try:
            found = xmp.read(packet)
        except ValueError:
            self.unread.append("XMP")
            return
        for name, key in _PROPERTIES.items():
            if name in found:
                self.xmp.setdefault(key, found[name])
        if xmp.LABEL in found:
            self._labels.append(Label("XMP", label_of(found[xmp.LABEL])))
        # What has no text chunks has the JSON here.
        recipe = Recipe.read(found.get(xmp.RECIPE, ""))
        if recipe is not None:
            self._recipes.setdefault(Source.ZIMAGE, recipe)
        prompt, tool = found.get(xmp.DESCRIPTION), found.get(xmp.CREATOR_TOOL, "")
        if prompt and tool.startswith(_ZIMAGE):
            own = Recipe(prompt.strip(), version=tool.removeprefix(_ZIMAGE))
            self._recipes.setdefault(Source.XMP, own)


def _own(found: Parameters) -> Recipe | None:
    """Return the recipe that zimage wrote in this form, None where another program did."""
    settings = found.settings
    seed, size = settings.get("Seed", ""), settings.get("Size", "")
    version = settings.get("Version", "")
    if not version.startswith(_ZIMAGE):
        return None
    # What Recipe.parameters() changes in a prompt so that other readers do not cut it.
    prompt = re.sub("^ Steps:", "Steps:", found.prompt, flags=re.MULTILINE)
    return Recipe(
        prompt.replace("Negative\u00a0prompt:", "Negative prompt:").strip(),
        size=size.replace("x", "*") if re.fullmatch(r"[0-9]{1,5}x[0-9]{1,5}", size) else "",
        seed=int(seed) if re.fullmatch(r"[0-9]{1,10}", seed) else None,
        model=settings.get("Model", ""),
        version=version.removeprefix(_ZIMAGE),
    )


def _opened(path: str) -> IO[bytes]:
    """Open a file that can be read from any place; standard input and pipes are copied first."""
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise UsageError("Standard input is closed.", field="FILE", value=path)
            return _copied(path, sys.stdin.buffer)
        mode = os.stat(path).st_mode  # noqa: PTH116 - no Path: its form of "" is a folder
        if stat.S_ISDIR(mode):
            raise UsageError(
                "{name} is a folder; give a picture.", field="FILE", value=path, name=_name(path)
            )
        file = open(path, "rb")  # noqa: PTH123, SIM115 - the caller closes it
        if stat.S_ISREG(mode):
            return file
        with file:
            return _copied(path, file)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _copied(path: str, stream: IO[bytes]) -> IO[bytes]:
    import tempfile

    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    left = _LARGEST_STREAM
    while part := stream.read(min(_BLOCK, left + 1)):
        left -= len(part)
        if left < 0:
            copy.close()
            raise UsageError(
                "{name} is larger than {most} MiB.",
                hint="Save it in a file first.",
                field="FILE",
                value=path,
                name=_name(path),
                most=_LARGEST_STREAM >> 20,
            )
        copy.write(part)
    return copy


def _unreadable(path: str, error: OSError | ValueError) -> UsageError:
    return UsageError(
        "{name} cannot be read: {why}.",
        field="FILE",
        value=path,
        name=_name(path),
        why=reason(error),
    )


def _name(path: str) -> str:
    return Message("Standard input") if path == STDIN else visible(path)
