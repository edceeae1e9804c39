"""PostgreSQL addresses as hosting companies write them: what the driver is told, and what is refused in one line."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.command_line import BadSettings
from engine.postgres_url import CONNECT_SECONDS, PostgresUrl, parse
from engine.settings import load
from tests.cli.test_tls import Authority

PLAIN = {"host": "h", "port": 5432, "user": "u", "password": None, "database": "d", "timeout": CONNECT_SECONDS}


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgres://u@h/d", {}),
        ("postgresql://u@h/d", {}),
        ("POSTGRES://u@h/d", {}),
        ("postgres://u:p@h/d", {"password": "p"}),
        ("postgres://u:@h/d", {}),
        ("postgres://u@h:6543/d", {"port": 6543}),
        ("postgres://h/d", {"user": None}),
        ("postgres:///d", {"user": None, "host": None}),
        ("postgres://a%40b@h/my%20db%2Fx", {"user": "a@b", "database": "my db/x"}),
        ("postgres://u:p%40%3A%2F%3F%23%25%20w@h/d", {"password": "p@:/?#% w"}),
        ("postgres://a@b:p@h/d", {"user": "a@b", "password": "p"}),
        ("postgres://u:a+b@h/d", {"password": "a+b"}),
        ("postgres://%D0%B6:%D0%B6@h/%D0%B6", {"user": "ж", "password": "ж", "database": "ж"}),
        ("postgres://u@[::1]/d", {"host": "::1"}),
        ("postgres://u@[2001:db8::7]:6543/d", {"host": "2001:db8::7", "port": 6543}),
        ("postgres://u@/d?host=/var/run/postgresql", {"host": "/var/run/postgresql"}),
        ("postgres://u@%2Fvar%2Frun%2Fpostgresql/d", {"host": "/var/run/postgresql"}),
        ("postgresql:///d?host=h&port=6543&user=u&password=p%40", {"port": 6543, "password": "p@"}),
        ("postgres://u@h?dbname=d", {}),
        ("postgres://u@h/d?", {}),
        ("postgres://u@h/d?sslmode=disable", {"ssl": False}),
        ("postgres://u@h/d?sslmode=allow", {"ssl": "allow"}),
        ("postgres://u@h/d?sslmode=prefer", {"ssl": "prefer"}),
        ("postgres://u@h/d?connect_timeout=3", {"timeout": 3.0}),
        ("postgres://u@h/d?application_name=mailing%20one&connect_timeout=10", {"timeout": 10.0}),
        ("postgres://u@h/d?channel_binding=prefer&gssencmode=disable", {}),
        ("postgres://u@h/d?target_session_attrs=read-write", {"target_session_attrs": "read-write"}),
    ],
)  # fmt: skip
def test_an_address_becomes_connect_arguments(url: str, arguments: dict[str, Any]) -> None:
    assert parse(url).connect_arguments() == PLAIN | arguments


def test_what_the_server_is_asked_for() -> None:
    url = "postgres://u@h/d?application_name=one%20two&options=endpoint%3Dx"
    assert parse(url).server_settings() == {"application_name": "one two", "options": "endpoint=x"}
    assert parse("postgres://u@h/d").server_settings() == {}


REQUIRED, NONE = ssl.CERT_REQUIRED, ssl.CERT_NONE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("postgres-url")
    authority = Authority(folder, "ca")
    authority.issue("caller")
    authority.issue("locked", passphrase=b"open sesame")
    (folder / "junk.pem").write_text("junk")
    return folder


@pytest.mark.parametrize(
    ("query", "verify", "checks_host"),
    [
        ("sslmode=require", NONE, False),
        ("sslmode=require&sslrootcert=F/ca.pem", REQUIRED, False),
        ("sslmode=verify-ca&sslrootcert=F/ca.pem", REQUIRED, False),
        ("sslmode=verify-full&sslrootcert=F/ca.pem", REQUIRED, True),
        ("sslmode=verify-full", REQUIRED, True),
        ("sslmode=verify-full&sslrootcert=system", REQUIRED, True),
        ("sslrootcert=system", REQUIRED, True),
        ("sslmode=require&sslcert=F/caller.pem&sslkey=F/caller.key", NONE, False),
        ("sslmode=require&sslcert=F/locked.pem&sslkey=F/locked.key&sslpassword=open%20sesame", NONE, False),
        ("sslmode=require&sslnegotiation=direct", NONE, False),
        ("sslmode=require&channel_binding=require", REQUIRED, True),  # as Neon writes it
        ("sslmode=require&channel_binding=prefer", NONE, False),
    ],
)
def test_where_tls_is_a_must_the_context_is_as_strict_as_libpq(
    folder: Path, query: str, verify: ssl.VerifyMode, checks_host: bool
) -> None:
    arguments = parse(f"postgres://u@h/d?{query.replace('F/', f'{folder}/')}").connect_arguments()
    context = arguments["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (verify, checks_host)
    assert arguments.get("direct_tls", False) is ("direct" in query)
    if "ca.pem" in query:
        assert len(context.get_ca_certs()) == 1


BAD = {  # Q: a good address up to its query
    "Qsslmod=require": "parameter sslmod is not known",
    "Qpool_size=5": "parameter pool_size is not known",
    "Q%s%s=5": "a parameter is not known",
    "Qsslmode=on": "sslmode should be one of disable, allow, prefer, require, verify-ca, verify-full",
    "Qsslmode=": "sslmode should be one of",
    "Qsslmode": "sslmode should be one of",
    "Qsslmode=require&sslmode=disable": "sslmode is given twice",
    "Qconnect_timeout=soon": "connect_timeout should be 1 to 3600 whole seconds",
    "Qconnect_timeout=0": "connect_timeout should be",
    "Qconnect_timeout=-1": "connect_timeout should be",
    "Qconnect_timeout=99999": "connect_timeout should be",
    "Qport=70000": "port should be 1 to 65535",
    "Qchannel_binding=require": "channel_binding=require needs sslmode=require",
    "Qchannel_binding=maybe": "channel_binding should be one of disable, prefer, require",
    "Qtarget_session_attrs=x": "target_session_attrs should be one of any,",
    "Qsslmode=verify-ca": "sslmode=verify-ca needs sslrootcert",
    "Qsslmode=require&sslrootcert=system": "sslrootcert=system needs sslmode=verify-full",
    "Qsslmode=require&sslrootcert=F/none.pem": "none.pem can't be read: No such file",
    "Qsslmode=require&sslrootcert=F": "can't be read: Is a directory",
    "Qsslmode=require&sslrootcert=F/junk.pem": "sslrootcert can't be used: no certificate",
    "Qsslmode=require&sslcert=F/junk.pem": "sslcert, sslkey can't be used: ",
    "Qsslmode=require&sslcert=F/caller.pem&sslkey=F/locked.key": "sslcert, sslkey can't be used: ",
    "Qsslmode=require&sslkey=F/caller.key": "sslkey needs sslcert",
    "Qsslrootcert=F/ca.pem": "sslrootcert needs sslmode=require, verify-ca, verify-full",
    "Qsslmode=prefer&sslcert=F/caller.pem": "sslcert needs sslmode=require",
    "Qsslnegotiation=direct": "sslnegotiation=direct needs sslmode=require",
    "postgres://u:SECRET@h": "should name a database",
    "postgres://u:SECRET@h/": "should name a database",
    "postgres://u:SECRET@h,h2/d": "names several hosts",
    "postgres://u:SECRET@h:x/d": "is not a URL",
    "postgres://u:SECRET@[::1/d": "is not a URL",
    "postgres://u:SECRET/x@h/d": "is not a URL",
    "postgres://u:1%SECRET@h/d": "has a % alone: write it as %25",
    "postgres://u:%FFSECRET@h/d": "has a % that stands for no UTF-8",
    "postgres://u:%00SECRET@h/d": "has a control character in it",
    "postgres://u:1#SECRET@h/d": "has a # in it: write it as %23",
    f"postgres://u:SECRET@{'h' * 70}/d": "has a host that is neither a name nor an address",
    "mysql://u:SECRET@h/d": "should begin with sqlite:// or postgres://",
}


@pytest.mark.parametrize("url", BAD)
def test_what_is_wrong_is_one_line_that_names_it_and_no_password(folder: Path, url: str) -> None:
    address = url.replace("Q", "postgres://u:SECRET@h/d?", 1).replace("=F", f"={folder}")
    with pytest.raises(BadSettings) as caught:
        load({}, {"MAILING_DATABASE_URL": address}, None)
    (line,) = caught.value.lines
    assert line.startswith("MAILING_DATABASE_URL: ")
    assert BAD[url] in line
    assert "SECRET" not in line


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@given(user=texts, password=texts, database=texts.filter(lambda text: text.strip("/")))
def test_whatever_is_percent_encoded_comes_out_as_it_was(user: str, password: str, database: str) -> None:
    def quoted(text: str) -> str:
        return quote(text, safe="")

    found = parse(f"postgresql://{quoted(user)}:{quoted(password)}@db.example/{quoted(database)}?sslmode=require")
    assert (found.user, found.password, found.database, found.host) == (user, password, database, "db.example")
    assert parse(found.name).database == database
    shown = PostgresUrl("h", 5432, "d", user, password)
    assert shown.name == f"postgres://{quoted(user)}:***@h/d"
    assert repr(shown) == repr(PostgresUrl("h", 5432, "d", user, "x"))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:p@h:6543/d?sslmode=require", "postgres://u:***@h:6543/d"),
        ("postgres://u@[::1]/d", "postgres://u@[::1]/d"),
        ("postgres:///d?user=u&password=p&host=/tmp/x", "postgres://u:***@/d?host=/tmp/x"),
        ("sqlite://data/x.db", "sqlite://data/x.db"),
    ],
)
def test_the_name_for_logs_has_neither_password_nor_parameters(url: str, name: str) -> None:
    assert load({"database_url": url, "provider_url": "http://127.0.0.1:1"}, {}, None).database_name == name
