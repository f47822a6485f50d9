"""A sandbox to start, and a client so plain that nothing it does is hidden from the test."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from stand_in import Sandbox

from zimage_cli.sandbox.server import SandboxServer

KEY = "sk-0123456789abcdef0123456789abcdef"
GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"


@dataclass(frozen=True)
class Reply:
    """One answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["code"]

    @property
    def message(self) -> dict[str, Any]:
        return self.json["output"]["choices"][0]["message"]

    @property
    def url(self) -> str:
        return self.message["content"][0]["image"]


def body_for(prompt: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": "z-image-turbo",
        "input": {"messages": [{"role": "user", "content": [{"text": prompt}]}]},
        "parameters": parameters,
    }


class Client:
    """Send one request on a connection of its own."""

    key = KEY

    def request(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 10,
    ) -> Reply:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        try:
            target = url[len(f"{parts.scheme}://{parts.netloc}") :]
            connection.request(method, target, body, headers or {})
            # A broken answer would otherwise keep its socket.
            with connection.getresponse() as answer:
                fields = {name.lower(): value for name, value in answer.getheaders()}
                return Reply(answer.status, fields, answer.read())
        finally:
            connection.close()

    def post(
        self,
        server: SandboxServer,
        prompt: str = "a red fox",
        *,
        key: str | None = KEY,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 10,
        **parameters: Any,
    ) -> Reply:
        """Make a generation call; `body` stands in for the ordinary one, bytes as they are."""
        if body is None:
            body = body_for(prompt, parameters)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Type": "application/json"}
        if key is not None:
            fields["Authorization"] = f"Bearer {key}"
        fields |= headers or {}
        return self.request("POST", server.origin + GENERATION, data, fields, timeout)

    def get(self, url: str, headers: dict[str, str] | None = None, timeout: float = 10) -> Reply:
        return self.request("GET", url, None, headers, timeout)

    def raw_post(self, server: SandboxServer, prompt: str = "a red fox") -> bytes:
        """Return the bytes of a generation call as they go over the wire."""
        data = json.dumps(body_for(prompt, {})).encode()
        head = (
            f"POST {GENERATION} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def connect(self, origin: str) -> socket.socket:
        parts = urlsplit(origin)
        return socket.create_connection((parts.hostname, parts.port), timeout=60)

    def read_reply(self, sock: socket.socket) -> tuple[bytes, bool]:
        """Read one answer from a kept connection: its body, and whether that goes on."""
        with http.client.HTTPResponse(sock) as answer:
            answer.begin()
            return answer.read(), not answer.will_close


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def sandbox() -> Iterator[Callable[..., SandboxServer]]:
    """Start a sandbox: `sandbox(rps=2)`; all of them stop when the test ends."""
    with ExitStack() as running:
        yield lambda **config: running.enter_context(Sandbox(**config))


@pytest.fixture(scope="session")
def small_png() -> bytes:
    """A valid PNG that costs nothing to serve."""
    from noise import noise

    return noise(64, 64, 9000)
