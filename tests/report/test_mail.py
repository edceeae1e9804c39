"""engine/report/mail.py against a real mail server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.report.letter import Letter
from engine.report.mail import Mailer, NotMailed
from engine.smtp_url import parse
from tests.report.conftest import Serve

LETTER = Letter("2026-11-29", "Mailings on Sunday: «1,200» sent", "The text, über alles: да.\n", "<p>да</p>")
NOW_US = 1_796_000_000_000_000
FROM, TO = "mailing@mail.example", ("anna@example.com", "oleg@example.com")


async def mail(url: str, *, seconds: float = 20.0) -> dict[str, str]:
    return await Mailer(parse(url), FROM, seconds).mail(LETTER, TO, NOW_US)


async def test_a_letter_arrives_as_text_and_html(serve: Serve) -> None:
    mails = await serve()
    assert await mail(f"smtp://localhost:{mails.port}") == {}
    (got,), (recipients,) = mails.got, mails.recipients
    assert recipients == [*TO]
    assert (got["Subject"], got["To"]) == (LETTER.subject, ", ".join(TO))
    assert got["From"] == f"Mailing Service <{FROM}>"
    assert got["Message-ID"] == "<report-2026-11-29@mail.example>"
    assert got["Date"].datetime.timestamp() == NOW_US / 1e6
    assert got["Auto-Submitted"] == "auto-generated"
    kinds = [(part.get_content_type(), part.get_content().strip()) for part in got.iter_parts()]
    assert kinds == [("text/plain", LETTER.text.strip()), ("text/html", LETTER.html)]


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
async def test_tls_from_the_first_byte_and_starttls(serve: Serve, certificates: Path, scheme: str) -> None:
    mails = await serve(tls=scheme == "smtps", starttls=scheme == "smtp", auth=True)
    always = "starttls=always&" if scheme == "smtp" else ""
    where = f"localhost:{mails.port}?{always}ca={certificates}"
    await mail(f"{scheme}://anna%40mail.example:ge%2Fhe%3Aim@{where}/ca.pem")
    assert mails.signed_in == [True]
    with pytest.raises(NotMailed, match="certificate verify failed"):
        await mail(f"{scheme}://{where}/stranger.pem")
    with pytest.raises(NotMailed, match="535"):
        await mail(f"{scheme}://anna%40mail.example:wrong@{where}/ca.pem")
    assert len(mails.got) == 1


async def test_nobody_talks_us_out_of_starttls(serve: Serve) -> None:
    mails = await serve()
    with pytest.raises(NotMailed, match=r"(?i)starttls"):
        await mail(f"smtp://localhost:{mails.port}?starttls=always")
    assert mails.got == []


async def test_those_who_are_refused_are_named_and_the_others_get_it(serve: Serve) -> None:
    mails = await serve()
    mails.refused[TO[0]] = "550 no such mailbox"
    assert await mail(f"smtp://localhost:{mails.port}") == {TO[0]: "550 no such mailbox"}
    assert mails.recipients == [[TO[1]]]
    mails.refused[TO[1]] = "451 come back later"
    with pytest.raises(NotMailed) as caught:
        await mail(f"smtp://localhost:{mails.port}")
    assert str(caught.value) == f"{TO[0]}: 550 no such mailbox; {TO[1]}: 451 come back later"


async def test_a_refused_mail_is_an_error_with_the_servers_words(serve: Serve) -> None:
    mails = await serve()
    mails.answer = "554 looks like spam"
    with pytest.raises(NotMailed, match="554 looks like spam"):
        await mail(f"smtp://localhost:{mails.port}")


async def test_a_server_that_hangs_is_left(serve: Serve) -> None:
    mails = await serve()
    mails.hangs = True
    with pytest.raises(NotMailed, match="has not answered in time"):
        await mail(f"smtp://localhost:{mails.port}", seconds=0.2)


async def test_a_server_that_is_not_there_or_is_none() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "localhost", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(NotMailed, match=f"smtp://localhost:{port}: "):
        await mail(f"smtp://localhost:{port}")
    server.close()
    await server.wait_closed()
    with pytest.raises(NotMailed, match=f"smtp://localhost:{port}: "):
        await mail(f"smtp://localhost:{port}")
