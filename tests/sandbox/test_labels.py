"""What the sandbox writes into pictures as a service may: AIGC label, XMP, C2PA manifest."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from zimage_cli.errors import UsageError
from zimage_cli.sandbox.labels import LABELS, labelled, parse_labels
from zimage_cli.sandbox.server import Sandbox

AIGC = "{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC"
FIELDS = {
    *("Label", "ContentProducer", "ProduceID", "ReservedCode1"),
    *("ContentPropagator", "PropagateID", "ReservedCode2"),
}


def texts(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.text  # type: ignore[attr-defined]


def test_a_served_picture_carries_them(sandbox: Any, client: Any, small_png: bytes) -> None:
    server = sandbox(picture_bytes=small_png, labels=("aigc", "xmp", "c2pa"))
    data = client.get(client.post(server).url).body
    found = texts(data)
    label = json.loads(found["AIGC"])
    assert label.keys() == FIELDS
    assert label["Label"] == "1"
    packet = ET.fromstring(found["XML:com.adobe.xmp"])
    assert [json.loads(one.text or "") for one in packet.iter(AIGC)] == [label]
    assert "CreatorTool>zimage sandbox<" in found["XML:com.adobe.xmp"]
    assert data.count(b"caBX") == 1
    # What is added stands in one piece, and all else is as it was.
    added = len(data) - len(small_png)
    assert data[:33] + data[33 + added :] == small_png


@pytest.mark.parametrize(
    ("name", "keywords"),
    [("aigc", {"AIGC", "XML:com.adobe.xmp"}), ("xmp", {"XML:com.adobe.xmp"}), ("c2pa", set())],
)
def test_each_alone(small_png: bytes, name: str, keywords: set[str]) -> None:
    data = labelled(small_png, [name])
    assert {*texts(data)} - {*texts(small_png)} == keywords
    assert (b"caBX" in data) == (name == "c2pa")
    assert (b"TC260:AIGC" in data) == (name == "aigc")
    assert labelled(small_png, [name]) == data


def test_drawn_pictures_are_labelled_too(sandbox: Any, client: Any) -> None:
    server = sandbox(labels=("aigc",))
    url = client.post(server, size="512*512", seed=1).url
    data = client.get(url).body
    assert {"AIGC", "Software"} <= {*texts(data)}
    assert client.get(url).body == data
    other = client.get(client.post(server, size="512*512", seed=2).url).body
    assert texts(other)["AIGC"] != texts(data)["AIGC"]


def test_without_labels_there_are_none(sandbox: Any, client: Any, small_png: bytes) -> None:
    server = sandbox(picture_bytes=small_png)
    assert client.get(client.post(server).url).body == small_png
    assert labelled(small_png, []) == small_png
    assert labelled(b"\xff\xd8\xff no PNG", LABELS) == b"\xff\xd8\xff no PNG"


def test_readers_of_others_read_them(small_png: bytes, tmp_path: Any) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool")
    (tmp_path / "x.png").write_bytes(labelled(small_png, LABELS))
    done = subprocess.run(
        ["exiftool", "-j", "-G1", "-a", "-all", "-validate", str(tmp_path / "x.png")],
        capture_output=True,
        check=True,
    )
    [found] = json.loads(done.stdout)
    assert found["ExifTool:Validate"] == "OK"
    assert found["JUMBF:JUMDLabel"] == "c2pa"
    assert found["CBOR:Claim_generator"] == "zimage sandbox"
    assert "Label" in str(found["XMP-TC260:Aigc"])


def test_names() -> None:
    assert parse_labels(" xmp,AIGC,xmp ") == ("xmp", "aigc")
    for text in ("", "xmp,", "exif", "\x1b[31m"):
        with pytest.raises(UsageError, match=r"There is no label .*allowed: aigc,xmp,c2pa"):
            parse_labels(text)
    with pytest.raises(UsageError, match="no label 'exif'"):
        Sandbox(labels=("exif",))
