"""The same two calls as `zimage generate`, with the standard library and nothing else."""

import json
import os
import sys
import urllib.request

root, folder = sys.argv[1:3]
body = {
    "model": "z-image-turbo",
    "input": {"messages": [{"role": "user", "content": [{"text": "A calm lake at dawn"}]}]},
    "parameters": {"size": "1024*1024", "prompt_extend": False, "seed": 1234},
}
request = urllib.request.Request(
    f"{root}/services/aigc/multimodal-generation/generation",
    data=json.dumps(body).encode(),
    headers={
        "Content-Type": "application/json",
        "Authorization": f"Bearer {os.environ['DASHSCOPE_API_KEY']}",
    },
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)
url = answer["output"]["choices"][0]["message"]["content"][0]["image"]
with urllib.request.urlopen(url) as response, open(f"{folder}/plain.png", "wb") as file:  # noqa: PTH123
    file.write(response.read())
