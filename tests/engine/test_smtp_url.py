"""engine/smtp_url.py: what an address of a mail server means, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.command_line import BadSettings
from engine.settings import load
from engine.smtp_url import parse

PASSWORD = "geheim"


@pytest.mark.parametrize(
    ("url", "host", "port", "uses_tls", "starts_tls", "is_safe"),
    [
        ("smtps://mail.example", "mail.example", 465, True, False, True),
        ("smtps://mail.example:4650", "mail.example", 4650, True, False, True),
        ("smtp://mail.example", "mail.example", 587, False, True, True),
        ("smtp://mail.example:25/", "mail.example", 25, False, True, True),
        ("smtp://mail.example?starttls=never", "mail.example", 25, False, False, False),
        ("smtp://localhost", "localhost", 25, False, False, True),
        ("smtp://[::1]:2525", "::1", 2525, False, False, True),
        ("smtp://127.0.0.1?starttls=always", "127.0.0.1", 587, False, True, True),
    ],
)
def test_what_an_address_means(url: str, host: str, port: int, uses_tls: bool, starts_tls: bool, is_safe: bool) -> None:
    server = parse(url)
    assert (server.host, server.port, server.uses_tls, server.starts_tls, server.is_safe) == (
        *(host, port, uses_tls, starts_tls, is_safe),
    )


def test_user_and_password_are_percent_encoded_and_not_shown(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    server = parse(f"smtps://anna%40mail.example:ge%2Fhe%3Aim@[::1]?ca={ca}")
    assert (server.user, server.password, server.ca) == ("anna@mail.example", "ge/he:im", ca)
    assert str(server) == "smtps://[::1]:465"
    assert "ge/he:im" not in repr(server)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("mail.example", "should be smtp://HOST or smtps://HOST"),
        ("http://mail.example", "should be smtp://HOST or smtps://HOST"),
        ("smtp://", "should be smtp://HOST or smtps://HOST"),
        ("smtp://mail.example:123456", "is not a URL"),
        (f"smtp://anna:ge/{PASSWORD}@mail.example", "is not a URL"),
        ("smtp://mail.example/inbox", "nothing after the host but parameters"),
        ("smtp://anna@mail.example", "both a user and a password"),
        (f"smtp://anna:{PASSWORD}%0D%0A@mail.example", "no control characters"),
        ("smtp://mail.example?tls=1", "no parameters but starttls and ca"),
        ("smtp://mail.example?starttls=maybe", "always or never"),
        ("smtps://mail.example?starttls=always", "no starttls with smtps"),
        ("smtps://mail.example?ca=/nowhere/ca.pem", "can't be read: No such file"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, wrong: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load({}, {"MAILING_SMTP_URL": url, "MAILING_REPORT_TO": "a@example.com"}, None)
    (line,) = caught.value.lines
    assert line.startswith("MAILING_SMTP_URL: ")
    assert wrong in line
    assert PASSWORD not in line


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"report_to": "a@example.com"}, "MAILING_SMTP_URL: is missing: MAILING_REPORT_TO is set"),
        ({"smtp_url": "smtp://localhost"}, "MAILING_REPORT_TO: is missing: MAILING_SMTP_URL is set"),
        ({"report_to": "anna"}, "MAILING_REPORT_TO: should be addresses with commas"),
        ({"report_to": "a@example.com\r\nBcc: b@example.com"}, "MAILING_REPORT_TO: should be addresses with commas"),
        ({"report_to": ",".join(f"a{n}@example.com" for n in range(51))}, "MAILING_REPORT_TO: should be at most 50"),
        ({"report_from": "Anna <a@example.com>"}, "MAILING_REPORT_FROM: should be an address"),
        ({"report_time": "8:00"}, 'MAILING_REPORT_TIME: should be a time of day, such as 08:00, but is "8:00"'),
        (
            {"report_to": "a@example.com", "smtp_url": "smtp://mail.example?starttls=never"},
            "MAILING_SMTP_URL: the report would leave this machine in the clear",
        ),
    ],
)
def test_settings_that_do_not_fit_are_one_line(settings: dict[str, str], wrong: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load({}, {f"MAILING_{name.upper()}": value for name, value in settings.items()}, None)
    (line,) = caught.value.lines
    assert line.startswith(wrong.partition(":")[0])
    assert wrong in line


def test_addresses_are_read_once_each() -> None:
    flags = {
        "report_to": " a@example.com,,b@example.com, a@example.com",
        "smtp_url": f"smtps://anna:{PASSWORD}@m.example",
    }
    settings = load(flags, {}, None)
    assert settings.report_to == ("a@example.com", "b@example.com")
    assert PASSWORD not in repr(settings)
    assert settings.mail_server is not None
    assert settings.mail_server.password == PASSWORD
