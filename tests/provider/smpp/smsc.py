"""A short message centre (SMSC) for tests, written from the specification of SMPP 3.4 (12 October 1999).

It speaks in bytes over a plain socket, so that no library is tested against itself. It binds, answers ``submit_sm`` as
the test says, sends receipts in ``deliver_sm``, and breaks where it is told to. Numbers in comments are sections of the
specification.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Self

from tests.patience import PATIENT_SECONDS

RESPONSE: Final = 0x80000000
GENERIC_NACK: Final = 0x80000000
SUBMIT_SM: Final = 0x00000004
DELIVER_SM: Final = 0x00000005
UNBIND: Final = 0x00000006
BIND_TRANSCEIVER: Final = 0x00000009
ENQUIRE_LINK: Final = 0x00000015

ROK: Final = 0x00000000
RINVDSTADR: Final = 0x0000000B
RBINDFAIL: Final = 0x0000000D
RINVPASWD: Final = 0x0000000E
RMSGQFUL: Final = 0x00000014
RTHROTTLED: Final = 0x00000058

TLV_RECEIPTED_MESSAGE_ID: Final = 0x001E
TLV_MESSAGE_PAYLOAD: Final = 0x0424
TLV_MESSAGE_STATE: Final = 0x0427

_HEADER: Final = struct.Struct("!IIII")
_LENGTH_MAX: Final = 0x20000
_TLV: Final = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Pdu:
    """One protocol data unit (3.2): its header, and the body as it came."""

    command: int
    status: int
    sequence: int
    body: bytes = b""

    def encoded(self) -> bytes:
        """As it goes over the wire."""
        return _HEADER.pack(_HEADER.size + len(self.body), self.command, self.status, self.sequence) + self.body

    def answered(self, status: int = ROK, body: bytes = b"") -> Pdu:
        """The response to it (3.1): the same number."""
        return Pdu(self.command | RESPONSE, status, self.sequence, body)


@dataclass(frozen=True, slots=True)
class Submit:
    """The body of a ``submit_sm`` (4.4.1), taken apart."""

    source_ton: int
    source_npi: int
    source: str
    destination_ton: int
    destination_npi: int
    destination: str
    esm_class: int
    validity_period: str
    registered_delivery: int
    data_coding: int
    short_message: bytes
    tlvs: dict[int, bytes]

    @property
    def message(self) -> bytes:
        """The text's bytes, from wherever they are."""
        return self.tlvs.get(TLV_MESSAGE_PAYLOAD, self.short_message)

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Take a body apart; raises when it is not as the specification says."""
        rest = _Reader(body)
        rest.text()  # service_type
        source = (rest.octet(), rest.octet(), rest.text())
        destination = (rest.octet(), rest.octet(), rest.text())
        esm_class, _, _ = rest.octet(), rest.octet(), rest.octet()
        rest.text()  # schedule_delivery_time
        validity_period = rest.text()
        registered_delivery, _, data_coding, _ = rest.octet(), rest.octet(), rest.octet(), rest.octet()
        short_message = rest.take(rest.octet())
        return cls(
            *source,
            *destination,
            esm_class,
            validity_period,
            registered_delivery,
            data_coding,
            short_message,
            rest.tlvs(),
        )


class _Reader:
    """Fields of a body, one after another."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, length: int) -> bytes:
        taken = self._body[self._at : self._at + length]
        assert len(taken) == length, "the body is too short"
        self._at += length
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def text(self) -> str:
        end = self._body.index(b"\0", self._at)
        return self.take(end + 1 - self._at)[:-1].decode("ascii")

    def tlvs(self) -> dict[int, bytes]:
        found = {}
        while self._at < len(self._body):
            tag, length = _TLV.unpack(self.take(_TLV.size))
            found[tag] = self.take(length)
        return found


@dataclass(slots=True)
class Session:
    """One connection of a client."""

    smsc: Smsc
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sequence: int = 0
    """Of the requests that the centre sends."""
    responses: dict[int, asyncio.Future[Pdu]] = field(default_factory=dict)

    def send(self, pdu: Pdu) -> None:
        """Write one unit."""
        self.writer.write(pdu.encoded())

    def accept(self, submit: Pdu, message_id: str) -> None:
        """Answer a ``submit_sm`` (4.4.2) with the centre's own id."""
        self.send(submit.answered(body=message_id.encode() + b"\0"))

    async def request(self, command: int, body: bytes = b"") -> Pdu:
        """Send a request of the centre and wait for its response."""
        self.sequence += 1
        self.responses[self.sequence] = asyncio.get_running_loop().create_future()
        self.send(Pdu(command, ROK, self.sequence, body))
        async with asyncio.timeout(PATIENT_SECONDS):
            return await self.responses[self.sequence]

    async def receipt(self, text: str = "", tlvs: dict[int, bytes] | None = None, *, esm_class: int = 0x04) -> Pdu:
        """Send a receipt (4.6.1, appendix B): ``text`` in ``short_message``, or only TLVs; return the response."""
        body = b"\0\1\1" + b"79990000001\0" + b"\5\0" + b"SHOP\0" + bytes([esm_class, 0, 0]) + b"\0\0\0\0\0\0"
        body += bytes([len(text)]) + text.encode("latin-1")
        for tag, value in (tlvs or {}).items():
            body += _TLV.pack(tag, len(value)) + value
        return await self.request(DELIVER_SM, body)

    def reset(self) -> None:
        """Cut the connection with a TCP reset: what is under way is lost."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: no time
        self.writer.transport.abort()


OnSubmit = Callable[[Session, Pdu], Awaitable[None] | None]


class Smsc:
    """The centre: ``async with Smsc() as smsc``. What it does can be changed while it runs."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.port = 0
        self.bind_status = ROK
        self.answers_binds = True
        self.answers_links = True
        """Whether it answers ``enquire_link``; False: as a connection that is open on one side only."""
        self.on_submit: OnSubmit | None = None
        """What to do with a ``submit_sm``; ``None``: accept it with the next id."""
        self.binds: list[bytes] = []
        """Bodies of all bind requests."""
        self.submits: list[Submit] = []
        self.unbinds = 0
        self.strange = 0
        """Units that no client of this protocol sends; each has ended its session."""
        self.links = 0
        """``enquire_link`` that came."""
        self.sessions: list[Session] = []
        """The open ones that are bound."""
        self.ended = asyncio.Event()
        """A session has ended."""
        self._next_id = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Listen no longer, and drop everybody."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def new_id(self) -> str:
        """An id such as centres give: decimal."""
        self._next_id += 1
        return str(self._next_id)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = Session(self, reader, writer)
        try:
            while True:
                await self._take(session, await self._read(reader))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            if session in self.sessions:
                self.sessions.remove(session)
            self.ended.set()
            with contextlib.suppress(ConnectionError):
                writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Pdu:
        length, command, status, sequence = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if not _HEADER.size <= length <= _LENGTH_MAX:
            self.strange += 1
            raise ConnectionResetError
        return Pdu(command, status, sequence, await reader.readexactly(length - _HEADER.size))

    async def _take(self, session: Session, pdu: Pdu) -> None:
        if pdu.command == BIND_TRANSCEIVER:
            self._bind(session, pdu)
        elif pdu.command == ENQUIRE_LINK:
            self.links += 1
            if self.answers_links:
                session.send(pdu.answered())
        elif pdu.command == SUBMIT_SM:
            await self._submit(session, pdu)
        elif pdu.command == UNBIND:
            self.unbinds += 1
            session.send(pdu.answered())
            await session.writer.drain()
            raise ConnectionResetError
        elif pdu.command & RESPONSE:
            waiting = session.responses.pop(pdu.sequence, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(pdu)

    def _bind(self, session: Session, pdu: Pdu) -> None:
        self.binds.append(pdu.body)
        if not self.answers_binds:
            return
        if self.bind_status == ROK:
            self.sessions.append(session)
            session.send(pdu.answered(body=b"SMSC\0"))
        else:
            session.send(pdu.answered(self.bind_status))

    async def _submit(self, session: Session, pdu: Pdu) -> None:
        self.submits.append(Submit.of(pdu.body))
        if self.on_submit is None:
            session.accept(pdu, self.new_id())
            return
        result = self.on_submit(session, pdu)
        if result is not None:
            await result
