"""What readers that others wrote find in our files."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_in import Sandbox

from zimage_cli.core.recipe import png
from zimage_cli.core.recipe.finish import finish
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.core.request.wish import Wish

VARIABLE = "ZIMAGE_READERS"
FOLDER = os.environ.get(VARIABLE)  # read before the fixtures clear every ZIMAGE_ variable
needs_folder = pytest.mark.skipif(not FOLDER, reason=f"{VARIABLE} names no folder of readers")

FORMATS = ("png", "jpeg", "webp")
PROMPTS = {
    "plain": "A calm lake at dawn",
    "quotes": """A sign says "don't" and \\'open\\'""",
    "marks": "Seed: 5, Size: 3x3, Model: other, a: b, , ::",
    "lines": "first line\nsecond line\n\nfourth line",
    "latin": "un café à l'été",
    "han": "狐狸，水墨画：留白",
    "emoji": "a fox 🦊 and a family 👩‍👧",
    "markup": "<b>bold</b> &amp; [x](y) {z} %s",
    "object": '{"subject": "a fox"}',
    "steps": "a cat\nSteps: 5\nat dawn",
    "steps first": "Steps: 5, Sampler: Euler, Seed: 3\na cat",
    "negative": "Negative prompt: dogs, a cat",
    "negatives": "a cat Negative prompt: dogs\nNegative prompt: birds",
}
# The form has no words for these: what its readers get differs by a space that is seen as one.
AS_READ = {
    "steps": "a cat\n Steps: 5\nat dawn",
    "negative": "Negative\u00a0prompt: dogs, a cat",
    "negatives": "a cat Negative\u00a0prompt: dogs\nNegative\u00a0prompt: birds",
}
CASES = [(name, target) for name in PROMPTS for target in FORMATS]

Pictures = dict[tuple[str, str], Path]
OPENED: list[Any] = []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe, served: Any) -> Pictures:
    """A picture of every prompt in every format."""
    folder, found = tmp_path_factory.mktemp("pictures"), {}
    for name, target in CASES:
        path = found[name, target] = folder / f"{name}.{target}"
        with path.open("wb") as file:
            finish(served(), file, Wish(target), recipe._replace(prompt=PROMPTS[name]))
    return found


def output(*command: object, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **env},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode("utf-8")


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool(pictures: Pictures, recipe: Recipe) -> None:
    printed = output("exiftool", "-json", "-G1", "-struct", *pictures.values())
    for (name, target), found in zip(pictures, json.loads(printed), strict=True):
        expected = recipe._replace(prompt=PROMPTS[name])
        assert not {key for key in found if key.endswith((":Warning", ":Error"))}
        places = {"png": ("PNG:Parameters", "PNG:Zimage")}
        parameters, text = places.get(target, ("ExifIFD:UserComment", "XMP-zimage:Recipe"))
        assert found[parameters].strip() == expected.parameters().strip()
        assert found[text] == expected.text()
        assert found["XMP-dc:Description"] == PROMPTS[name]
        assert found["XMP-xmp:CreatorTool"] == "zimage 0.1.0"
        assert found["XMP-iptcExt:DigitalSourceType"] == (
            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        )


@pytest.mark.skipif(not shutil.which("pngcheck"), reason="pngcheck is not installed")
def test_pngcheck(pictures: Pictures) -> None:
    ours = [path for (_, target), path in pictures.items() if target == "png"]
    lines = output("pngcheck", *ours).splitlines()
    assert [line.partition(":")[0] for line in lines[: len(ours)]] == ["OK"] * len(ours)
    assert lines[-1] == f"No errors were detected in {len(ours)} of the {len(ours)} files tested."


@pytest.mark.parametrize(("name", "target"), CASES)
def test_sd_parsers(pictures: Pictures, name: str, target: str) -> None:
    from PIL import Image
    from sd_parsers import ParserManager
    from sd_parsers.data import Generators

    with Image.open(pictures[name, target]) as image:
        # It keeps what it read last by the identity of the image object: none may take another's.
        OPENED.append(image)
        found = ParserManager().parse(image)
    assert found is not None
    assert found.generator is Generators.AUTOMATIC1111
    assert found.full_prompt == AS_READ.get(name, PROMPTS[name])
    assert found.full_negative_prompt == ""
    (sampler,) = found.samplers
    assert (sampler.name, sampler.parameters) == ("Undefined", {"seed": "7", "steps": "0"})
    assert sampler.model is not None
    assert sampler.model.name == "z-image-turbo"
    assert found.metadata == {"Size": "1024x1024", "Version": "zimage 0.1.0"}


# Its window and its own Pillow are not needed for this: it runs with what is there.
PROMPT_READER = """\
import json
import sys

from sd_prompt_reader.format import A1111
from sd_prompt_reader.image_data_reader import ImageDataReader

found = []
for path in sys.argv[1:]:
    reader = ImageDataReader(path)
    assert isinstance(reader._parser, A1111), (path, reader.status)
    found.append([reader.positive, reader.negative, reader.parameter])
print(json.dumps(found))
"""


@needs_folder
def test_sd_prompt_reader(pictures: Pictures) -> None:
    assert FOLDER is not None
    printed = output(sys.executable, "-c", PROMPT_READER, *pictures.values(), PYTHONPATH=FOLDER)
    facts = {"model": "z-image-turbo", "sampler": "Undefined", "seed": "7", "steps": "0"}
    for (name, _), found in zip(pictures, json.loads(printed), strict=True):
        expected = {**facts, "cfg": None, "size": "1024x1024"}
        assert found == [AS_READ.get(name, PROMPTS[name]), "", expected]


CERTIFICATE = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
SIGN = """\
import json
import sys

import c2pa

certificates, key, unsigned, signed = sys.argv[1:]
info = c2pa.C2paSignerInfo(
    alg=b"es256",
    sign_cert=open(certificates, "rb").read(),
    private_key=open(key, "rb").read(),
    ta_url=None,
)
source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
created = {"action": "c2pa.created", "digitalSourceType": source}
made_by = [{"name": "a test", "version": "1"}]
actions = [{"label": "c2pa.actions", "data": {"actions": [created]}}]
manifest = {"claim_generator_info": made_by, "assertions": actions}
builder, signer = c2pa.Builder(json.dumps(manifest)), c2pa.Signer.from_info(info)
with open(unsigned, "rb") as before, open(signed, "w+b") as after:
    builder.sign(signer, "image/png", before, after)
"""
VALIDATE = """\
import sys

import c2pa

for path in sys.argv[1:]:
    with open(path, "rb") as file, c2pa.Reader("image/png", file) as reader:
        print(reader.get_validation_state())
"""


@pytest.fixture
def signed(tmp_path: Path, small_png: bytes) -> Path:
    """A PNG with a C2PA manifest, signed with a certificate of our own."""
    key, csr, chain = tmp_path / "key", tmp_path / "csr", tmp_path / "chain.pem"
    ca, ca_key, leaf = tmp_path / "ca.pem", tmp_path / "ca.key", tmp_path / "leaf.pem"
    (tmp_path / "extensions").write_text(CERTIFICATE)
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    output(*new, "-x509", "-subj", "/O=zimage/CN=CA", "-keyout", ca_key, "-out", ca)
    output(*new, "-subj", "/O=zimage/CN=signer", "-keyout", key, "-out", csr)
    extensions = ("-extfile", tmp_path / "extensions")
    ca_of = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "9")
    output("openssl", "x509", "-req", "-in", csr, *ca_of, *extensions, "-out", leaf)
    chain.write_bytes(leaf.read_bytes() + ca.read_bytes())

    unsigned, signed = tmp_path / "unsigned.png", tmp_path / "signed.png"
    unsigned.write_bytes(small_png)
    assert FOLDER is not None
    output(sys.executable, "-c", SIGN, chain, key, unsigned, signed, PYTHONPATH=FOLDER)
    return signed


@needs_folder
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_a_signed_picture_is_still_valid_when_it_is_saved(
    signed: Path, key: str, zimage: Callable[..., Any]
) -> None:
    assert FOLDER is not None
    with Sandbox(picture_bytes=signed.read_bytes()) as service:
        env = {"DASHSCOPE_BASE_URL": service.api_root, "DASHSCOPE_API_KEY": key}
        done = zimage("generate", "A calm lake at dawn", "--size", "512*512", env=env)
    (saved,) = done.lines
    assert "the service signed the picture (C2PA): saved as it is" in done.stderr
    assert Path(saved).read_bytes() == signed.read_bytes()

    # What the signature is good for: a text of ours would have broken it.
    spoiled, walked = signed.with_name("spoiled.png"), io.BytesIO(signed.read_bytes())
    with spoiled.open("wb") as file:
        png.splice(walked.getvalue(), file, [png.text_chunk("zimage", "{}")], png.chunks(walked))
    states = output(sys.executable, "-c", VALIDATE, saved, spoiled, PYTHONPATH=FOLDER)
    assert states.split() == ["Valid", "Invalid"]
