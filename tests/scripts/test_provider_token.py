"""The sandbox's token is made once, and again when the service does not know it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.processes import Failed
from scripts.provider_token import keep_provider_token


class Gateway(ThreadingHTTPServer):
    """Knows the tokens that it has made; a token of the role provider may not ask who it is."""

    def __init__(self, status: int = 201) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = status
        self.made: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        number = self.headers["Authorization"].removeprefix("Bearer mlt_")
        self._answer(403 if number.isdigit() and int(number) <= len(self.server.made) else 401, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.made.append({"path": self.path, "by": self.headers["Authorization"], **asked})
        self._answer(self.server.status, {"secret": f"mlt_{len(self.server.made)}", "detail": "no"})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it is a test."""


@contextmanager
def serving(status: int = 201) -> Iterator[Gateway]:
    with Gateway(status) as gateway:
        thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield gateway
        finally:
            gateway.shutdown()
            thread.join()


def test_it_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "data" / "sandbox-token"
    with serving() as gateway:
        for _ in range(2):
            keep_provider_token(file, gateway.url, "mlt_admin")
        asked = {"path": "/api/v1/tokens", "by": "Bearer mlt_admin", "name": "sandbox", "role": "provider"}
        assert gateway.made == [asked]
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("mlt_1", 0o600)


def test_one_of_another_database_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "sandbox-token"
    file.write_text("mlt_99")
    with serving() as gateway:
        keep_provider_token(file, gateway.url, "mlt_admin")
    assert file.read_text() == "mlt_1"


def test_a_service_that_gives_none_is_one_clear_line(tmp_path: Path) -> None:
    with serving(422) as gateway, pytest.raises(Failed, match=r"can't hand in answers, it gets no token: 422 .*no"):
        keep_provider_token(tmp_path / "sandbox-token", gateway.url, "mlt_admin")
    (tmp_path / "file").write_text("")
    with serving() as gateway, pytest.raises(Failed, match="can't keep the sandbox's token in"):
        keep_provider_token(tmp_path / "file" / "token", gateway.url, "mlt_admin")
