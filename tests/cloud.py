"""The real hosts' names, answered by stand-ins: for what depends on a region and its prices.

A proxy of the environment leads every https call here, where TLS ends under a certificate that the
test alone trusts. So the whole path is real but for the machine at its end.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stand_in import Sandbox

from zimage_cli.sandbox.server import SandboxServer

BEIJING, SINGAPORE = "dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"
WORKSPACE = "ws-1.cn-beijing.maas.aliyuncs.com"
# As long as http://127.0.0.1:12345, so that an answer keeps its length.
PICTURES = "pic.example.co"
KEYS = {
    "beijing": "sk-beijing0123456789abcdef01234567",
    "singapore": "sk-singapore0123456789abcdef0123456",
}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path_factory.mktemp("tls") / "all.pem"
    names = ",".join(f"DNS:{name}" for name in (BEIJING, SINGAPORE, WORKSPACE, PICTURES))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=zimage test", "-keyout", str(path)),
            *("-out", f"{path}.crt", "-addext", f"subjectAltName={names}"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@dataclass
class Cloud:
    """A CONNECT proxy that ends TLS itself and leads each host to its stand-in."""

    beijing: SandboxServer
    singapore: SandboxServer
    certificate: Path
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # `close` alone does not wake who accepts: stopped and gone on with, it would do so for the
        # next cloud, whose listener has the same number by then.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    @property
    def env(self) -> dict[str, str]:
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.listener.getsockname()[1]}",
            "SSL_CERT_FILE": f"{self.certificate}.crt",
        }

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            host = head.split()[1].decode().removesuffix(":443")
            self.asked.append(host)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with self.context.wrap_socket(client, server_side=True) as inner:
                self._join(inner, host)

    def _join(self, inner: ssl.SSLSocket, host: str) -> None:
        # A picture is with the region that was asked last.
        asked = [name for name in self.asked if name != PICTURES][-1]
        region = self.singapore if asked == SINGAPORE else self.beijing
        target = region.picture_origin if host == PICTURES else region.origin
        there = f"https://{PICTURES}".encode()
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as outer:
            # One thread: two that read and write one TLS connection at a time garble it.
            waited: list[socket.socket] = [inner, outer]
            while outer in waited:
                ready = [inner] if inner.pending() else select.select(waited, [], [])[0]
                if inner in ready and (data := _received(inner)) is not None:
                    if data:
                        outer.sendall(data)
                    else:
                        waited.remove(inner)
                        outer.shutdown(socket.SHUT_WR)
                if outer in ready:
                    if data := outer.recv(1 << 16):
                        inner.sendall(data.replace(region.picture_origin.encode(), there))
                    else:
                        waited.remove(outer)


def _received(inner: ssl.SSLSocket) -> bytes | None:
    """Return what has come, None for what is only half a record so far."""
    inner.settimeout(0)
    try:
        return inner.recv(1 << 16)
    except ssl.SSLWantReadError:
        return None
    finally:
        inner.settimeout(None)


@contextmanager
def clouds(certificate: Path, **config: Any) -> Iterator[Cloud]:
    """Run a cloud; `config` is that of both regions' sandboxes."""
    with ExitStack() as running:
        servers = [
            running.enter_context(Sandbox(keys=frozenset({key}), **config)) for key in KEYS.values()
        ]
        found = Cloud(*servers, certificate)
        running.callback(found.close)
        yield found
