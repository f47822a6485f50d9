"""XMP: properties written into a packet, added to somebody's packet, and read from one.

A packet from outside may hold anything: it is read without document types, so without entities.
Source: the XMP specification (Adobe, part 1; ISO 16684-1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple


class Name(NamedTuple):
    """The name of a property: its namespace, and the prefix that is usual for it."""

    namespace: str
    prefix: str
    local: str
    localized: bool = False
    """Whether its value is written as an alternative by language."""


DESCRIPTION = Name("http://purl.org/dc/elements/1.1/", "dc", "description", localized=True)
SOURCE_TYPE = Name(
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "Iptc4xmpExt", "DigitalSourceType"
)
CREATOR_TOOL = Name("http://ns.adobe.com/xap/1.0/", "xmp", "CreatorTool")
LABEL = Name("http://www.tc260.org.cn/ns/AIGC/1.0/", "TC260", "AIGC")
"""The AI label that China's GB 45438-2025 asks for: JSON."""
RECIPE = Name("urn:zimage:xmp:1.0/", "zimage", "Recipe")
"""Ours, where a format has no other place for it: JSON."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"


class Property(NamedTuple):
    """A property and its value."""

    name: Name
    value: str


class XmpError(ValueError):
    """The bytes are no XMP that zimage can read."""


def packet(properties: Iterable[Property]) -> bytes:
    """Return a packet with these properties."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f'<rdf:RDF xmlns:rdf="{_RDF}">\n{_description(properties, "")}</rdf:RDF>\n'
        '</x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def added(own: bytes, properties: Iterable[Property]) -> bytes:
    """Return somebody's packet with those of the properties that it does not have.

    Nothing in it is changed: they stand in an element of their own behind all others. Raises
    XmpError where there is no place for that.
    """
    reader = _Reader(own)
    missing = [found for found in properties if found.name not in reader]
    if not missing:
        return own
    end = reader.end
    if end is None or own[end : end + 2] != b"</" or not _is_utf8(own):
        raise XmpError("it has no end that properties could be put before")
    return own[:end] + _description(missing, reader.about).encode() + own[end:]


def read(own: bytes) -> dict[Name, str]:
    """Return the text of the properties that zimage knows. Raises XmpError.

    The first where there are several, by language or as a list.
    """
    reader = _Reader(own)
    known = (DESCRIPTION, SOURCE_TYPE, CREATOR_TOOL, LABEL, RECIPE)
    return {name: reader[name] for name in known if name in reader}


def _is_utf8(own: bytes) -> bool:
    try:
        return "\0" not in own.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _description(properties: Iterable[Property], about: str) -> str:
    lines = []
    namespaces = {"rdf": _RDF}
    for name, value in properties:
        namespaces[name.prefix] = name.namespace
        written = _escaped(value)
        if name.localized:
            written = f'<rdf:Alt><rdf:li xml:lang="x-default">{written}</rdf:li></rdf:Alt>'
        lines.append(f"<{name.prefix}:{name.local}>{written}</{name.prefix}:{name.local}>\n")
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    head = f'<rdf:Description rdf:about="{_escaped(about)}"{spaces}>\n'
    return f"{head}{''.join(lines)}</rdf:Description>\n"


def _escaped(text: str) -> str:
    """Return text as XML; what XML 1.0 cannot hold becomes U+FFFD."""
    text = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    for char, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("\r", "#13")):
        text = text.replace(char, f"&{entity};")
    return text


class _Reader:
    """The properties of a packet, by the names that expat gives: namespace, space, local name."""

    def __init__(self, own: bytes) -> None:
        from xml.parsers import expat

        self.about = ""
        self.end: int | None = None
        """Where the end tag of the last `rdf:RDF` begins."""
        self._found: dict[str, str] = {}
        self._path: list[str] = []
        self._text: list[str] | None = None
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._finish
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refuse
        try:
            parser.Parse(own, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise XmpError(str(error)) from None

    def __contains__(self, name: Name) -> bool:
        return self._key(name) in self._found

    def __getitem__(self, name: Name) -> str:
        return self._found[self._key(name)]

    @staticmethod
    def _key(name: Name) -> str:
        return f"{name.namespace} {name.local}"

    def _refuse(self, *_: Any) -> None:
        raise XmpError("it declares a document type")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        parents = self._path[-2:]
        self._path.append(tag)
        if self._is_item():
            self._text = []
        if tag == f"{_RDF} Description" and parents[-1:] == [f"{_RDF} RDF"]:
            self.about = self.about or attributes.get(f"{_RDF} about", "")
            for name, value in attributes.items():
                if " " in name and not name.startswith((f"{_RDF} ", f"{_XML} ")):
                    self._found.setdefault(name, value)
        elif parents == [f"{_RDF} RDF", f"{_RDF} Description"]:
            self._text = []
            if f"{_RDF} resource" in attributes:
                self._found.setdefault(tag, attributes[f"{_RDF} resource"])

    def _is_item(self) -> bool:
        """Tell whether this is an item of a property: of an alternative or a list."""
        path = self._path
        return path[-1] == f"{_RDF} li" and path[-5:-3] == [f"{_RDF} RDF", f"{_RDF} Description"]

    def _data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _finish(self, tag: str) -> None:
        path = self._path
        if self._is_item():
            self._found.setdefault(path[-3], "".join(self._text or ()))
        elif path[-3:-1] == [f"{_RDF} RDF", f"{_RDF} Description"]:
            self._found.setdefault(tag, "".join(self._text or ()))
            self._text = None
        elif tag == f"{_RDF} RDF":
            self.end = self._parser.CurrentByteIndex
        path.pop()
