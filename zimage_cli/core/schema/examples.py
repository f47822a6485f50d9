"""What the schemas of output give as examples, made as the output itself is."""

from __future__ import annotations

from pathlib import Path

from zimage_cli.core.advice import error_document
from zimage_cli.core.picture import Picture
from zimage_cli.core.request.prices import list_price
from zimage_cli.errors import RefusedError

PICTURE = Picture(
    image_url="https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/7d/kite.png?Signature=abc",
    width=1280,
    height=720,
    prompt="一只红色的风筝",
    rewritten_prompt=None,
    reasoning=None,
    request_id="31f2b5a0-6c0e-9a2c-8d6b-0d2f1f3c9a11",
    path=Path("/home/me/output/ai-image-zimage-turbo/images/20261123-140501-一只红色的风筝-7.png"),
    history_id=42,
    evidence_path=Path("/home/me/output/aliyun-zimage-turbo/20261123-140500.json"),
    seed=7,
    size="1280*720",
    prompt_extend=False,
    region="beijing",
    endpoint="https://dashscope.aliyuncs.com",
    bytes=1_204_113,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    served_sha256="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    cost=list_price("beijing", prompt_extend=False),
    elapsed_seconds=6.4,
    attempts=1,
)

ERROR = error_document(
    RefusedError(
        "Content moderation refused the prompt.",
        code="DataInspectionFailed",
        http_status=400,
        request_id="c2a9c1de-6c0e-9a2c-8d6b-0d2f1f3c9a12",
        service_message="Input data may contain inappropriate content.",
    ),
    prompt="一只红色的风筝",
)

RESULT = {"schema": 1, "status": "partial", "images": [PICTURE.document], "errors": [ERROR]}

LINE = {
    "line": 1,
    "variant": None,
    "job": "0f4e2c6a9b8d7e5f1a2b3c4d5e6f7a8b",
    "status": "saved",
    **PICTURE.document,
    "billed": "yes",
}
