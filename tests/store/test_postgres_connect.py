"""`python -m engine` on a PostgreSQL with TLS and passwords: addresses that work, and what is said of the others."""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import re
import socket
import ssl
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from common import logs, process
from engine.program import main
from tests.cli.test_tls import Authority
from tests.patience import PATIENT_SECONDS

USER, PASSWORD, DATABASE = "a@b", "p@ss:w/rd?#%й +", "my db/ü"
QUOTED = "a%40b:p%40ss%3Aw%2Frd%3F%23%25%D0%B9%20+"
WRONG = "a%40b:S3cr3t-and-wrong"
PATH = "my%20db%2F%C3%BC"
Migrate = Callable[[str], tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL behind TLS with a certificate for `localhost`; users must say their password."""

    port: int
    direct_port: int
    """Where TLS begins at once."""
    folder: Path
    """The certificates."""
    socket: str
    """The folder of its Unix socket; there it speaks without TLS."""

    def url(self, query: str = "", user: str = QUOTED, host: str = "localhost", database: str = PATH) -> str:
        """An address of it."""
        port = self.direct_port if "direct" in query else self.port
        query = query.replace("F/", f"{self.folder}/")
        return f"postgres://{user}@{host}:{port}/{database}{'?' if query else ''}{query}"


class TlsProxy:
    """TLS before a PostgreSQL, as its build in the wheel has none: the negotiation in its place, then both ways."""

    SSL_REQUEST = struct.pack("!ii", 8, 80877103)
    REFUSAL = b"SFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"

    def __init__(self, upstream: str, context: ssl.SSLContext) -> None:
        self._upstream, self._context = upstream, context

    async def negotiate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection that begins in plain text."""
        with suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) != self.SSL_REQUEST:
                writer.write(b"E" + struct.pack("!i", len(self.REFUSAL) + 4) + self.REFUSAL)
                writer.close()
                return
            writer.write(b"S")
            await writer.start_tls(self._context)
            await self.serve(reader, writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection that is encrypted."""
        with suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._upstream)
            await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def tls_before(upstream: str, context: ssl.SSLContext) -> Iterator[tuple[int, int]]:
    """The proxy on a thread and a loop of its own: the ports where TLS is negotiated, and where it begins at once."""
    proxy, ports, over = TlsProxy(upstream, context), queue.SimpleQueue[tuple[int, int]](), asyncio.Event()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        first = await asyncio.start_server(proxy.negotiate, "127.0.0.1", 0)
        second = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context)
        ports.put((first.sockets[0].getsockname()[1], second.sockets[0].getsockname()[1]))
        async with first, second:
            await over.wait()

    loops: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="tls")
    thread.start()
    try:
        yield ports.get(timeout=PATIENT_SECONDS)
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(20)


async def _make_user(url: str) -> str:
    """Make a user who must say a password, and a database; return where the server's socket is."""
    postgres = await asyncpg.connect(url)
    try:
        _ask_passwords(Path(await postgres.fetchval("SHOW hba_file")))
        await postgres.execute("SELECT pg_reload_conf()")
        await postgres.execute(f"CREATE ROLE \"{USER}\" LOGIN PASSWORD '{PASSWORD}'")
        await postgres.execute(f'CREATE DATABASE "{DATABASE}" OWNER "{USER}"')
        return str(await postgres.fetchval("SHOW unix_socket_directories"))
    finally:
        await postgres.close()


def _ask_passwords(rules: Path) -> None:
    asked = "".join(f"local all {user} scram-sha-256\n" for user in (f'"{USER}"', "nobody"))
    rules.write_text(asked + rules.read_text())


@pytest.fixture(scope="module")
def server(postgres_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    Authority(folder, "ca").issue("server")
    Authority(folder, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.set_alpn_protocols(["postgresql"])
    sockets = asyncio.run(_make_user(postgres_url()))
    with tls_before(f"{sockets}/.s.PGSQL.5432", context) as (port, direct_port):
        yield Server(port, direct_port, folder, sockets)


@pytest.fixture
def migrate(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Migrate:
    """`python -m engine migrate` in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    monkeypatch.setattr(process, "tune", lambda: None)

    def run(url: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["engine", "migrate"])
        monkeypatch.setenv("MAILING_DATABASE_URL", url)
        # A connection that failed may still say goodbye when the loop ends: its process ends too, and nobody hears it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                code = main()
            except SystemExit as error:
                code = int(error.code or 0)
            gc.collect()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.mark.postgres
@pytest.mark.parametrize(
    "query",
    [
        "",
        "sslmode=allow",
        "sslmode=prefer",
        "sslmode=require",
        "sslmode=require&sslrootcert=F/ca.pem",
        "sslmode=verify-ca&sslrootcert=F/ca.pem",
        "sslmode=verify-full&sslrootcert=F/ca.pem",
        "sslmode=require&sslnegotiation=direct",
        "sslmode=require&connect_timeout=10&application_name=mailing%20one&target_session_attrs=read-write",
        "sslmode=require&options=-c%20work_mem%3D8MB&channel_binding=prefer",
    ],
)
def test_an_address_as_a_hosting_company_gives_it_works(server: Server, migrate: Migrate, query: str) -> None:
    code, out, err = migrate(server.url(query))
    assert (code, err) == (0, "")
    assert re.fullmatch(r"The database postgres://a%40b:\*\*\*@localhost:\d+/my%20db/%C3%BC is up to date.\n", out)


@pytest.mark.postgres
def test_a_socket_folder_and_the_other_scheme_work(server: Server, migrate: Migrate) -> None:
    for url in (
        f"postgresql://{QUOTED}@/{PATH}?host={server.socket}",
        f"postgresql:///{PATH}?host={server.socket}&user=a%40b&password={QUOTED.partition(':')[2]}",
        f"postgres://{QUOTED}@{server.socket.replace('/', '%2F')}/{PATH}?sslmode=prefer",
    ):
        assert migrate(url)[0] == 0, url


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": WRONG, "query": "sslmode=require"}, 'password authentication failed for user "a@b"'),
        ({"user": "nobody:S3cr3t", "query": "sslmode=require"}, 'password authentication failed for user "nobody"'),
        ({"query": "sslmode=disable"}, "no pg_hba.conf entry for host"),
        ({"query": "sslmode=verify-ca&sslrootcert=F/stranger.pem"}, "its certificate is not trusted: "),
        ({"query": "sslmode=require&sslrootcert=F/stranger.pem"}, "its certificate is not trusted: "),
        ({"query": "sslmode=verify-full"}, "its certificate is not trusted: "),
        (
            {"query": "sslmode=verify-full&sslrootcert=F/ca.pem", "host": "127.0.0.1"},
            "its certificate is not trusted: ",
        ),
        ({"query": "sslmode=require", "database": "nowhere"}, "nowhere"),
    ],
)
def test_why_there_is_no_connection_is_one_line(
    server: Server, migrate: Migrate, changes: dict[str, str], words: str
) -> None:
    code, out, err = migrate(server.url(**changes))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("python -m engine: can't open the database at postgres://")
    assert words in err
    assert not re.search("S3cr3t|p@ss", err)


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """A server that says this to whoever asks for TLS, and no more; None: it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    held.append(connection)
                    if answer is None:
                        # With what was sent unread and no lingering: a reset.
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        connection.close()
                    else:
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("answer", "query", "words"),
    [
        (b"N", "sslmode=require", "it does not use TLS, which sslmode=require asks for"),
        (b"N", "sslmode=verify-full", "it does not use TLS, which sslmode=verify-full asks for"),
        (b"", "sslmode=require&connect_timeout=1", "no answer within 1 s"),
        (b"", "sslmode=disable&connect_timeout=1", "no answer within 1 s"),
        (b"SHTTP/1.1 400 Bad Request\r\n\r\n", "sslmode=require&connect_timeout=2", ""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "sslmode=disable&connect_timeout=2", ""),
        (None, "sslmode=require&connect_timeout=5", ""),
        (None, "sslmode=disable&connect_timeout=5", ""),
        (None, "connect_timeout=5", ""),
    ],
)
def test_what_answers_something_else_is_one_line(
    migrate: Migrate, answer: bytes | None, query: str, words: str
) -> None:
    with answering(answer) as port:
        code, out, err = migrate(f"postgres://u:S3cr3t@127.0.0.1:{port}/d?{query}")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert re.fullmatch(
        rf"python -m engine: can't open the database at postgres://u:\*\*\*@127.0.0.1:{port}/d: .+\n", err
    )
    assert words in err
    assert "S3cr3t" not in err


@pytest.mark.parametrize("url", ["postgres://u:S3cr3t@127.0.0.1:1/d", "postgres://u:S3cr3t@no-such-host.invalid/d"])
def test_a_server_that_is_not_there_is_one_line(migrate: Migrate, url: str) -> None:
    code, out, err = migrate(url)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "S3cr3t" not in err


def test_a_bad_address_is_exit_code_2(migrate: Migrate) -> None:
    code, out, err = migrate("postgres://u:S3cr3t@h/d?sslmode=on")
    assert (code, out) == (2, "")
    assert err.startswith("python -m engine: MAILING_DATABASE_URL: sslmode should be one of disable, allow, ")
