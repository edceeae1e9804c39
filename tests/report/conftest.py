"""A real mail server on a free port, which does what a test says."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession

from tests.cli.test_tls import Authority

USER, PASSWORD = "anna@mail.example", "ge/he:im"


@dataclass
class Mails:
    """What a server has got, and how it answers."""

    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Answers by recipient."""
    answer: str = "250 OK"
    """To a whole mail."""
    hangs: bool = False
    """With that answer."""

    async def handle_RCPT(
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        content = envelope.content
        assert isinstance(content, bytes)
        if self.answer.startswith("2"):
            self.got.append(message_from_bytes(content, policy=default))
            self.recipients.append(list(envelope.rcpt_tos))
            self.signed_in.append(bool(session.authenticated))
        return self.answer


def _signs_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def _smtp(mails: Mails, options: Mapping[str, Any]) -> SMTP:
    with warnings.catch_warnings(action="ignore"):  # it warns of signing in without STARTTLS, though TLS is on before
        return SMTP(mails, hostname="mail.example", auth_require_tls=False, **options)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca`` has signed ``engine`` for localhost; ``stranger`` has signed nothing."""
    folder = tmp_path_factory.mktemp("mail")
    Authority(folder, "ca").issue("engine")
    Authority(folder, "stranger")
    return folder


Serve = Callable[..., Awaitable[Mails]]


@pytest.fixture
async def serve(certificates: Path) -> AsyncIterator[Serve]:
    """Starts a server: ``tls`` from the first byte, ``starttls``, ``auth``: only those who sign in."""
    stack = AsyncExitStack()

    async def start(*, tls: bool = False, starttls: bool = False, auth: bool = False) -> Mails:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates / "engine.pem", certificates / "engine.key")
        mails = Mails()
        options = {
            "tls_context": context if starttls else None,
            "require_starttls": starttls,
            "authenticator": _signs_in if auth else None,
            "auth_required": auth,
        }
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _smtp(mails, options), "127.0.0.1", 0, ssl=context if tls else None)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        mails.port = server.sockets[0].getsockname()[1]
        return mails

    yield start
    await stack.aclose()
