"""Processes for scripts/launch.py: start, watch, stop."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from common import private
from common.process import PARENT_PIPE

POLL_SECONDS: Final = 0.1
_ANY_PORTS: Final = 10_000, 32_768
"""From and below. Higher ones are given to connections, by Linux, macOS and Windows."""
_ANY_PORTS_TRIED: Final = 20
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Failed(Exception):
    """The run can't go on; the text is one line for people."""


class Stopped(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM, or the terminal was closed."""


def hear_signals() -> None:
    """From now on the first signal raises ``Stopped`` in the main thread; further ones are not heard.

    A process that is being stopped already needs no second hint, and a child that hangs is killed anyway.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise Stopped

    for number in _SIGNALS:
        signal.signal(number, stop)


def ignore_signals() -> None:
    """While things are being stopped, nothing interrupts that.

    A function and not SIG_IGN: Python complains of a second signal that came before the first was handled.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda _number, _frame: None)


@cache
def _pipe() -> int:
    """The end of a pipe that our children inherit. We keep the other one, and never write: the system closes it when
    we die, kill -9 included, and the children see the end (``common.process.end_with_parent``)."""
    theirs, _ours = os.pipe()
    return theirs


def start(command: Sequence[str], environ: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that ends when we do, if it is one of ours; ``options``: of Popen."""
    environ = {**environ, PARENT_PIPE: str(_pipe())}
    return subprocess.Popen(command, env=environ, pass_fds=[_pipe()], **options)


class Child:
    """A process in the background, its output in a file."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        private.make_file(log)  # it names who was sent what
        log.write_bytes(b"")
        with log.open("ab") as out:  # after whoever cuts it off, such as logrotate, it goes on at the new end
            # A session of its own: Ctrl-C reaches this process only, which then stops the children in order.
            self._process = start(
                command,
                environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ``Failed`` with the end of its output when the process has ended."""
        code = self._process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise Failed(f"the {self.name} {how}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines of its output."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])

    def stop(self, limit_seconds: float) -> bool:
        """SIGTERM, and SIGKILL after the limit; True when it ended by itself, with exit code 0."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(limit_seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode == 0


def run_watched(
    command: Sequence[str], environ: Mapping[str, str], children: Sequence[Child], out: IO[bytes] | None = None
) -> int:
    """Run a command in the foreground while the children are watched; return its exit code."""
    process = start(command, environ, stdout=out)
    try:
        while (code := process.poll()) is None:
            for child in children:
                child.check()
            time.sleep(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return code


def wait_until(is_ready: Callable[[], bool], children: Sequence[Child], limit_seconds: float) -> bool:
    """Wait until ``is_ready``; False when the limit has passed. A child that ends is a failure."""
    deadline = time.monotonic() + limit_seconds
    while not is_ready():
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def get(url: str, *, token: str = "", body: object = None) -> tuple[int, str]:
    """Status and body of a request to one of our own processes; (0, reason) when nobody answers.

    Args:
        url: its address.
        token: what it is to carry.
        body: as JSON; then it is a POST.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    # Without the proxies of the environment, and whatever name is in the certificate: these are our own ports.
    trusting = urllib.request.HTTPSHandler(context=_any_certificate())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
    try:
        request = urllib.request.Request(url, data, headers)
        with opener.open(request, timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException) as error:  # or who answers there does not speak HTTP
        return 0, str(error)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _bind(probe: socket.socket, host: str, port: int) -> None:
    """For port 0 it takes one that the system gives to nobody by itself: each connection has one of the others, so that
    it might be taken between this look and its use by a process that starts."""
    for any_port in [random.randrange(*_ANY_PORTS) for _ in range(_ANY_PORTS_TRIED)] if port == 0 else ():
        with suppress(OSError):
            probe.bind((host, any_port))
            return
    probe.bind((host, port))


def claim_port(address: str, setting: str) -> str:
    """Return the address, a free port put in for port 0.

    Raises:
        Failed: the port is in use, or the address is none of this machine's.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            _bind(probe, host, int(port))
        except (OSError, ValueError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise Failed(f"can't listen on {address} ({setting}): {reason}; --free-ports takes any") from None
        return f"{address.rpartition(':')[0]}:{probe.getsockname()[1]}"
