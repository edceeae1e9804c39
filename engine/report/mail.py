"""Handing a report to a mail server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from engine.report.letter import Letter
from engine.smtp_url import SmtpServer

STEP_SECONDS: Final = 20.0
"""For each answer of the server."""
MAIL_SECONDS: Final = 90.0
"""For all of it: a server that answers each step late is left, too."""


class NotMailed(Exception):
    """Nobody has got it, or nobody knows; in words for a log."""


@dataclass(frozen=True, slots=True)
class Mailer:
    """Mails from one address through one server."""

    server: SmtpServer
    sender: str
    mail_seconds: float = MAIL_SECONDS

    async def mail(self, letter: Letter, recipients: Sequence[str], now_us: int) -> dict[str, str]:
        """Hand in a letter; return who is refused, with the server's words.

        Raises:
            NotMailed: the server takes it for nobody, can't be reached, or does not answer in time.
        """
        try:
            async with asyncio.timeout(self.mail_seconds):
                return await self._mail(letter, recipients, now_us)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise NotMailed("; ".join(f"{each.recipient}: {_said(each)}" for each in error.recipients)) from None
        except TimeoutError:
            raise NotMailed(f"{self.server} has not answered in time") from None
        except aiosmtplib.SMTPResponseException as error:
            raise NotMailed(f"{self.server}: {_said(error)}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise NotMailed(f"{self.server}: {error}") from None

    async def _mail(self, letter: Letter, recipients: Sequence[str], now_us: int) -> dict[str, str]:
        server = self.server
        context = None
        if server.uses_tls or server.starts_tls:
            context = await asyncio.to_thread(ssl.create_default_context, cafile=server.ca)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            local_hostname=socket.gethostname(),  # else it asks name servers for a longer one
            use_tls=server.uses_tls,
            start_tls=server.starts_tls,
            tls_context=context,
            timeout=STEP_SECONDS,
        )
        message = _message(letter, self.sender, recipients, now_us)
        try:
            await client.connect()
            refused, _ = await client.send_message(message, sender=self.sender, recipients=list(recipients))
            with suppress(aiosmtplib.SMTPException):  # they have got it already
                await client.quit()
        finally:
            client.close()  # at once: a server that does not answer is not told goodbye
        return {address: f"{said.code} {said.message}" for address, said in refused.items()}


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {error.message}"


def _message(letter: Letter, sender: str, recipients: Sequence[str], now_us: int) -> EmailMessage:
    """The mail. Its id follows from its day: so a server can tell that it gets it again, for its answer was lost."""
    message = EmailMessage()
    message["Subject"] = letter.subject
    message["From"] = f"Mailing Service <{sender}>"
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_us / 1e6, UTC))
    message["Message-ID"] = f"<report-{letter.key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message
