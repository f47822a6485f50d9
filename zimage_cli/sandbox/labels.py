"""What a service writes into a picture of its own: AIGC label, XMP, C2PA manifest.

Made up, so that software can be tried with pictures that carry them: the producer of the AIGC label
is the sandbox, and nothing is signed. A reader of C2PA finds a well-formed manifest without a
signature, and so an invalid one.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from zimage_cli.errors import UsageError
from zimage_cli.messages import Shown

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "aigc": "the label of GB 45438-2025: a text chunk AIGC, and the property in XMP",
        "xmp": "an XMP packet of the service",
        "c2pa": "a C2PA manifest, well-formed and not signed",
    }
)
"""Each label, and what the picture then carries."""

_AFTER_IHDR = 33
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""{}>{}</rdf:Description>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
_AIGC_SPACE = ' xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
_OWN_SPACES = (
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
_OWN = (
    "<xmp:CreatorTool>zimage sandbox</xmp:CreatorTool>"
    "<dc:creator><rdf:Seq><rdf:li>zimage sandbox</rdf:li></rdf:Seq></dc:creator>"
)
# The four letters of a C2PA box are the first part of its type.
_C2PA_TYPE = b"\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
_CLAIM = b"\xa1\x6fclaim_generator\x6ezimage sandbox"


def parse_labels(text: str) -> tuple[str, ...]:
    """Read names of labels with commas between them. Raises UsageError for an unknown one."""
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    check_labels(names)
    return names


def check_labels(names: Iterable[str]) -> None:
    """Raise UsageError for a name of no label."""
    for name in names:
        if name not in LABELS:
            raise UsageError(
                "There is no label {value}; allowed: {allowed}.",
                hint="Name them with commas between: --label {allowed}",
                field="label",
                value=Shown(repr(name), name),
                allowed=",".join(LABELS),
            )


def labelled(png: bytes, names: Iterable[str]) -> bytes:
    """Return a PNG with these labels, the same bytes for the same picture; others as they are."""
    wanted = {*names}
    if not wanted or not png.startswith(_SIGNATURE):
        return png
    return png[:_AFTER_IHDR] + b"".join(_chunks(wanted, zlib.crc32(png))) + png[_AFTER_IHDR:]


def _chunks(wanted: set[str], number: int) -> Iterable[bytes]:
    label = json.dumps(_aigc(number), separators=(",", ":"))
    if "c2pa" in wanted:
        yield _chunk(b"caBX", _manifest(number))
    spaces, properties = "", ""
    if "aigc" in wanted:
        yield _chunk(b"tEXt", b"AIGC\0" + label.encode())
        quoted = label.replace('"', "&quot;")
        spaces, properties = _AIGC_SPACE, f"<TC260:AIGC>{quoted}</TC260:AIGC>"
    if "xmp" in wanted:
        spaces, properties = spaces + _OWN_SPACES, properties + _OWN
    if properties:
        packet = _XMP.format(spaces, properties).encode()
        # Not compressed, no language, no translated keyword.
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)


def _aigc(number: int) -> dict[str, str]:
    return {
        "Label": "1",
        "ContentProducer": "zimage-sandbox",
        "ProduceID": f"sandbox-{number:08x}",
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def _manifest(number: int) -> bytes:
    """Return a manifest store in JUMBF (ISO 19566-5): one manifest, and in it one claim."""
    claim = _superbox(b"c2cl", "c2pa.claim", _box(b"cbor", _CLAIM))
    manifest = _superbox(b"c2ma", f"urn:uuid:{number:08x}-0000-4000-8000-000000000000", claim)
    return _superbox(b"c2pa", "c2pa", manifest)


def _superbox(kind: bytes, label: str, content: bytes) -> bytes:
    # 3: it can be asked for, and has a label.
    about = _box(b"jumd", kind + _C2PA_TYPE + b"\x03" + label.encode() + b"\0")
    return _box(b"jumb", about + content)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
