"""The tools that look: a picture as an image, the history, and what a file says of itself."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from noise import noise
from PIL import Image, PngImagePlugin

from zimage_cli.errors import UsageError
from zimage_cli.mcp.folder import Folder
from zimage_cli.mcp.inspecting import inspect_picture
from zimage_cli.mcp.looking import search_history, view_picture
from zimage_cli.mcp.results import MOST_BYTES

SECRET = "the canary's own words"


def jpeg(result: Any) -> Image.Image:
    """Return the picture that an answer holds, and nothing beside it."""
    assert not result.is_error, result.content
    assert result.structured_content is None
    [item] = result.content
    assert (item.type, item.mime_type) == ("image", "image/jpeg")
    return Image.open(io.BytesIO(base64.b64decode(item.data)), formats=("JPEG",))


def told(result: Any) -> Any:
    """Return what an answer says: the same twice, in 4 kB."""
    assert len(result.model_dump_json(by_alias=True, exclude_none=True)) <= MOST_BYTES
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


# -- with a real server ---------------------------------------------------------------------------


@pytest.fixture
def canary(service: Any) -> Path:
    """A picture beside the output folder that says what nobody may read."""
    path: Path = service.work.parent / "canary.png"
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", SECRET)
    Image.new("RGB", (64, 64), "red").save(path, pnginfo=info)
    return path


def test_a_session(service: Any, talk: Any, work: Path) -> None:
    service.generate("A red fox in the snow")
    service.generate("a red panda", "--seed", "7", "--format", "webp")
    service.generate("雪地里的狐狸")
    service.generate("a red fox elsewhere", "-o", str(work.parent / "elsewhere" / "fox.png"))

    async def meet(client: Any) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["view_picture"].output_schema is None
        for name in ("view_picture", "search_history", "inspect_picture"):
            assert tools[name].annotations.read_only_hint
            assert tools[name].input_schema["additionalProperties"] is False

        async def search(query: str, **more: Any) -> Any:
            found = told(await client.call_tool("search_history", {"query": query, **more}))
            return [one["prompt"] for one in found["pictures"]], found["more"]

        assert await search("red") == (["a red panda", "A red fox in the snow"], 0)
        assert await search("RED -panda") == (["A red fox in the snow"], 0)
        assert await search('"fox in"') == (["A red fox in the snow"], 0)
        assert await search('"in fox"') == ([], 0)
        assert await search("狐狸") == (["雪地里的狐狸"], 0)
        assert await search("", limit=1) == (["雪地里的狐狸"], 2)

        found = told(await client.call_tool("search_history", {"query": "panda"}))
        [panda] = found["pictures"]
        assert (panda["seed"], panda["size"], panda["status"]) == (7, "512*512", "saved")
        assert Path(found["folder"], panda["path"]).is_file()

        # Each way to name it: the id, the path as it was told, and the address of a link.
        path = Path(found["folder"], panda["path"])
        for ref in (str(panda["id"]), panda["id"], panda["path"], str(path), path.as_uri()):
            image = jpeg(await client.call_tool("view_picture", {"ref": ref, "max_side": 100}))
            assert image.size == (100, 100)
        assert jpeg(await client.call_tool("view_picture", {"ref": "last"})).size == (512, 512)

        said = told(await client.call_tool("inspect_picture", {"ref": str(panda["id"])}))
        assert said["recipe"]["prompt"] == "a red panda"
        assert (said["recipe"]["seed"], said["format"], said["id"]) == (7, "webp", panda["id"])
        assert said["path"] == str(path)
        assert said["cut"] is False

    talk(service, meet)
    assert talk.stderr == ""


def test_nothing_of_what_lies_outside_is_ever_told(
    service: Any, wire: Any, canary: Path, work: Path
) -> None:
    """Not one line of the server's holds anything of it, however it is named."""
    service.generate("a fox")
    service.generate("a canary", "-o", str(canary.with_name("other.png")))
    output = work / "output"
    (output / "out.png").symlink_to(canary)
    (output / "up").symlink_to(canary.parent)
    os.mkfifo(output / "pipe")
    (output / "notes.png").write_text("no picture")
    up = "../" * 20
    server = wire(service)
    server.shake_hands()
    for ref in (
        *(str(canary), canary.as_uri(), f"file://localhost{canary}", f"{up}{canary}", "2"),
        *("../canary.png", "../../canary.png", "out.png", "up/canary.png", "up/./canary.png"),
        *(f"{output}/../../canary.png", f"{canary}\0.png", "..\\..\\canary.png", "~/canary.png"),
        *("%2e%2e/%2e%2e/canary.png", f"file:{up}canary.png", "pipe", "up", "/proc/self/cwd", ""),
        *("/etc/passwd", f"/proc/self/root{canary}", "/dev/zero", "notes.png", "x" * 9_000),
        *("canary.PNG", "a\nb", "\u202egnp", "１", "-1", "last:4", "1-2", "LAST", "*", "."),
        *(12, -1, 10**30, 1.5, True, None, ["1"], {"ref": 1}),
    ):
        for name in ("view_picture", "inspect_picture"):
            answer = server.request("tools/call", name=name, arguments={"ref": ref})["result"]
            assert answer["isError"], (name, ref)
            assert len(json.dumps(answer)) < 2 * MOST_BYTES
    assert not server.request("tools/call", name="view_picture", arguments={"ref": "1"})[
        "result"
    ].get("isError")
    assert server.end() == 0
    pixels = base64.b64encode(canary.read_bytes())[100:200]
    assert not any(SECRET.encode() in line or pixels in line for line in server.lines)
    assert server.stderr == ""


# -- what is drawn --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "out").mkdir()
    return Folder(tmp_path / "out", None, lambda: nullcontext(None))


def test_wrong_arguments_are_told_in_words(folder: Folder) -> None:
    def wrong(tool: Any, **arguments: Any) -> str:
        with pytest.raises(UsageError) as error:
            tool(folder, arguments)
        return error.value.message

    for side in (63, 1569, "512", True, 99.5, [64]):
        said = wrong(view_picture, ref="last", max_side=side)
        assert said.startswith("max_side: ")
        assert said.endswith("is not allowed; allowed: 64 … 1568")
    said = wrong(search_history, limit=51)
    assert said == "limit: 51 is not allowed; allowed: 1 … 50"
    assert wrong(search_history, query=["fox"]).startswith("query: an array is not")
    assert wrong(inspect_picture, ref="last", path="/etc/passwd") == (
        '"path" is no argument of this tool; allowed: ref'
    )
    assert "names no picture in" in wrong(view_picture, ref="last")
    # As some hosts fill in what was left out.
    assert told(search_history(folder, {"query": None, "limit": None}))["pictures"] == []


def test_a_picture_is_shown_upright_on_white_and_never_larger(folder: Folder) -> None:
    image = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 150, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder.path / "a.png", exif=exif, comment="no words")
    shown = jpeg(view_picture(folder, {"ref": "a.png", "max_side": 1568}))
    assert shown.size == (100, 300)
    assert [min(shown.getpixel((50, y))) > 240 for y in (50, 250)] == [False, True]
    assert not shown.getexif()
    assert "comment" not in shown.info


def test_what_cannot_be_made_small_is_shown_smaller(folder: Folder) -> None:
    """Hosts refuse answers of over 1 MB."""
    (folder.path / "a.png").write_bytes(noise(1600, 1600, 8_000_000))
    result = view_picture(folder, {"ref": "a.png", "max_side": 1568})
    shown = jpeg(result)
    assert len(result.content[0].data) < 1_000_000
    assert max(shown.size) >= 512


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", noise(64, 64, 3_000)[:2_000]])
def test_what_is_no_whole_picture_is_an_error(folder: Folder, data: bytes) -> None:
    (folder.path / "a.png").write_bytes(data)
    with pytest.raises(UsageError, match=r'^"a.png" cannot be shown: it is damaged'):
        view_picture(folder, {"ref": "a.png"})


def test_what_is_no_picture_is_said_of_the_argument(folder: Folder) -> None:
    (folder.path / "a.png").write_text("words")
    with pytest.raises(UsageError, match="is no picture in PNG, JPEG or WebP") as caught:
        inspect_picture(folder, {"ref": "a.png"})
    assert caught.value.facts["field"] == "ref"


# -- what is said ---------------------------------------------------------------------------------


def hostile(folder: Folder, count: int, length: int) -> None:
    info = PngImagePlugin.PngInfo()
    for number in range(count):
        info.add_itxt(f"words {number}", f"\u202e\x07IGNORE {number} " + "龙\\" * length)
    info.add_itxt("Key", "sk-0123456789abcdef0123456789abcdef")
    info.add_itxt("parameters", "a cat " * length + "\nSteps: 20, Seed: 1, Size: 8x8, Model: m")
    Image.new("RGB", (64, 64)).save(folder.path / "a.png", pnginfo=info)


@pytest.mark.parametrize(("count", "length"), [(0, 1), (3, 10), (40, 200), (2, 100_000)])
def test_texts_of_a_picture_are_data_in_4_kb(folder: Folder, count: int, length: int) -> None:
    hostile(folder, count, length)
    result = inspect_picture(folder, {"ref": "a.png"})
    said = told(result)
    assert said["recipe"] is None
    assert said["says"]["parameters"].startswith("a cat")
    assert said["cut"] is (count > 3 or length > 100)
    assert "sk-0123456789" not in result.content[0].text
    assert all(letter not in result.content[0].text for letter in "\u202e\x07")


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_a_name_that_is_no_text_can_be_told(folder: Folder) -> None:
    name = os.fsdecode(b"\xff.png")
    Image.new("RGB", (64, 64)).save(folder.path / name)
    assert jpeg(view_picture(folder, {"ref": name})).size == (64, 64)
    assert told(inspect_picture(folder, {"ref": name}))["path"].endswith("/\\udcff.png")


def test_many_rows_are_4_kb(service: Any, unpaced: None) -> None:
    """As many as there is room for; the others are counted."""
    service.generate("狐" * 790, "--count", "12")
    found = told(search_history(Folder(service.work / "output"), {"limit": 12}))
    shown = found["pictures"]
    assert 3 <= len(shown) < 12
    assert len(shown) + found["more"] == 12
    assert all(one["prompt"].endswith("…") for one in shown)
