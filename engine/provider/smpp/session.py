"""One bound session with a message centre, over smpp34.

The library is used for what it does well, and kept from what it does not (docs/decisions/smpp.md):

- Its ``ESME_RSYSERR`` stands for a closed session, a time-out and a wrong answer alike: the outcome is unknown.
- It refuses receipts, in units of a wrong length, when nobody takes them: they are always taken.
- It forgets to say that the session has ended when nobody takes receipts: it is asked too.
- It limits nothing: the window is counted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import smpp34

from engine.provider.smpp.receipts import MESSAGE_PAYLOAD, Delivered
from engine.provider.smpp.source import NPI_ISDN, TON_INTERNATIONAL, Source
from engine.provider.smpp.statuses import SYSTEM_ERROR, UNKNOWN_ERROR
from engine.provider.smpp.texts import Octets

_RECEIPTS_MAX: Final = 100_000
"""Receipts that wait inside the library."""
_UNBIND_SECONDS: Final = 2.0
_VAGUE: Final = tuple(f"(0x{status:08X})" for status in (SYSTEM_ERROR, UNKNOWN_ERROR))


class Link(NamedTuple):
    """Where a centre is, and as whom to bind."""

    host: str
    port: int
    system_id: str
    password: str
    system_type: str = ""
    tls: bool = False
    window: int = 10
    """Units that may be without a response at the same time."""


class Unit(NamedTuple):
    """One ``submit_sm``."""

    destination: str
    source: Source
    octets: Octets
    part: bytes
    validity_period: str
    wants_receipt: bool


class Response(NamedTuple):
    """What the centre said to one unit."""

    status: int
    message_id: str
    """Empty: none was told."""


class NotBoundError(Exception):
    """There is no session: nothing was sent. The words say why."""


class NoResponseError(Exception):
    """The unit may have reached the centre, and no response can be told. The words say why."""


class Session:
    """A session from its bind to its end. ``on_delivered`` gets each ``deliver_sm``, and must not raise."""

    def __init__(self, client: smpp34.Client, smsc: smpp34.Smsc, on_delivered: Callable[[Delivered], None]) -> None:
        self._client, self._smsc, self._on_delivered = client, smsc, on_delivered
        self.heard = 0
        """What has come from the centre: a unit that waits in silence waits for a connection that is dead."""
        self.ended = asyncio.Event()
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def bind(cls, link: Link, timeout_seconds: float, on_delivered: Callable[[Delivered], None]) -> Session:
        """Connect, and bind as a transceiver.

        Raises:
            NotBoundError: it was refused, or not answered in time: the library does not tell these apart.
        """
        client = smpp34.Client(
            link.host,
            link.port,
            link.system_id,
            link.password,
            system_type=link.system_type,
            tls=link.tls,
            window_size=link.window,
            inbound_capacity=_RECEIPTS_MAX,
            connect_timeout_ms=int(timeout_seconds * 1000),
        )
        try:
            smsc = await client.connect()
        except smpp34.SmppError as error:
            await client.stop()
            raise NotBoundError(_not_bound(str(error), timeout_seconds)) from None
        except asyncio.CancelledError:
            await client.stop()
            raise
        return cls(client, smsc, on_delivered)

    async def submit(self, unit: Unit, timeout_seconds: float) -> Response:
        """Send a unit, and wait for its response.

        Raises:
            NotBoundError: the session had ended before: the unit was not written.
            NoResponseError: it may have been written.
        """
        if self.ended.is_set():
            raise NotBoundError("the session has ended")
        before = self.heard
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await self._call(unit)
        except TimeoutError:
            if self.heard == before:
                self.ended.set()  # nothing at all has come: the connection is open on one side only
            raise NoResponseError(f"no response within {round(timeout_seconds, 1):g} s") from None
        except smpp34.SmppError as error:
            status = _status_in(str(error))
            if status is None:
                if not await self._client.is_alive():
                    self.ended.set()
                raise NoResponseError("the session ended, or the response was not readable") from None
            response_status, message_id = status, ""  # generic_nack (4.3.1): the unit was not taken
        else:
            response_status, message_id = response.command_status, response.message_id or ""
        self.heard += 1
        return Response(response_status, message_id)

    async def _call(self, unit: Unit) -> smpp34.SubmitSmResp:
        octets, source = unit.octets, unit.source
        payload = [smpp34.Tlv(MESSAGE_PAYLOAD, unit.part)] if octets.is_payload else []
        return await self._smsc.submit_sm(
            unit.destination,
            b"" if payload else unit.part,
            source_addr=source.address,
            source_addr_ton=source.type_of_number,
            source_addr_npi=source.numbering_plan,
            dest_addr_ton=TON_INTERNATIONAL,
            dest_addr_npi=NPI_ISDN,
            esm_class=octets.esm_class,
            validity_period=unit.validity_period,
            registered_delivery=int(unit.wants_receipt),
            data_coding=octets.data_coding,
            tlvs=payload,
        )

    async def close(self) -> None:
        """Unbind, and let go of the connection; receipts that have come are handed over first."""
        self.ended.set()
        try:
            async with asyncio.timeout(_UNBIND_SECONDS):
                await self._smsc.unbind()
        except (TimeoutError, smpp34.SmppError):
            await self._client.stop()
        try:
            async with asyncio.timeout(_UNBIND_SECONDS):
                await self._listener
        except TimeoutError:  # it was cancelled by that: nobody told it of the end
            pass

    async def _listen(self) -> None:
        """Take what the centre sends, until the session ends."""
        while True:
            event = await self._smsc.next()
            if isinstance(event, smpp34.Disconnected):
                self.ended.set()
                return
            self.heard += 1
            self._on_delivered(
                Delivered(event.esm_class, event.short_message, {tlv.tag: tlv.value for tlv in event.tlvs})
            )


def _status_in(words: str) -> int | None:
    """The status of a ``generic_nack``; ``None``: the words stand for much else too."""
    if words.endswith(_VAGUE):
        return None
    number = words.rpartition("(0x")[2].removesuffix(")")
    try:
        return int(number, 16)
    except ValueError:
        return None


def _not_bound(words: str, timeout_seconds: float) -> str:
    if words == "bind timed out":
        return f"the bind was refused (system_id, password, system_type?) or not answered within {timeout_seconds:g} s"
    return words
