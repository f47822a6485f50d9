"""What a user would write without zimage: httpx and a thread pool; a failure ends it.

python plain_httpx.py API_ROOT FOLDER COUNT WORKERS: prints the seconds it took.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

root, folder = sys.argv[1], Path(sys.argv[2])
count, workers = int(sys.argv[3]), int(sys.argv[4])
client = httpx.Client(
    timeout=60,
    limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
    headers={"Authorization": "Bearer sk-benchmark"},
)
pictures = httpx.Client(
    timeout=60, limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
)


def make(number: int) -> None:
    """Ask for one picture and save it."""
    body = {
        "model": "z-image-turbo",
        "input": {"messages": [{"role": "user", "content": [{"text": f"a lake, view {number}"}]}]},
        "parameters": {"size": "1024*1024", "prompt_extend": False, "seed": number},
    }
    url = f"{root}/services/aigc/multimodal-generation/generation"
    answer = client.post(url, json=body).raise_for_status().json()
    image = answer["output"]["choices"][0]["message"]["content"][0]["image"]
    (folder / f"{number}.png").write_bytes(pictures.get(image).raise_for_status().content)


began = time.monotonic()
with ThreadPoolExecutor(workers) as pool:
    list(pool.map(make, range(count)))
print(time.monotonic() - began)
