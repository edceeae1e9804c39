"""The providers' file: what is read, and that each thing that is wrong is one line which says where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from common.command_line import BadSettings
from engine.ports import Abilities
from engine.provider.configured import configured_providers
from engine.provider.described import DescribedProvider
from engine.provider.fbrq import FbrqProvider
from engine.provider.file import ConfiguredProvider, describe, read_providers
from engine.provider.spec import ProviderSpec, RateUnit
from engine.settings import load

ENVIRON: Final = {"TOKEN": "t0p-secret-token", "KEY": "a-receipts-key"}
FBRQ: Final = """
[[provider]]
name = "main"
kind = "fbrq"
url = "https://probe.fbrq.cloud/v1"
secrets = { token = "TOKEN" }
"""
HTTP: Final = """
[[provider]]
name = "other"
kind = "http"
url = "https://api.example/send?v=1"
secrets = { token = "TOKEN", key = "KEY" }
order = 1
rate = 12.5
rate_unit = "segments"
workers = 3
time_out_seconds = 4
prefixes = ["7916", "7495"]
senders = ["Shop", "Bank"]
price_per_segment = 2.5
failover = false
[provider.request]
headers = { Authorization = "Bearer {secret.token}" }
json = { to = "+{phone}", text = "{text}", from = "{sender}", ref = "{id}" }
[provider.answers]
provider_message_id = "/id"
rules = [{ means = "accepted", pointer = "/id" }]
[provider.receipts]
format = "json"
id = "/ref"
status = "/status"
delivered = ["DELIVERED"]
undelivered = ["FAILED"]
secret = { header = "X-Key", value = "{secret.key}" }
"""


def read(
    folder: Path, text: str, environ: Mapping[str, str] = ENVIRON, *, allow_plaintext: bool = False
) -> tuple[ConfiguredProvider, ...]:
    file = folder / "providers.toml"
    file.write_text(text, encoding="utf-8")
    return read_providers(file, environ, allow_plaintext=allow_plaintext)


def lines_of(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """What is wrong, without the file's name."""
    with pytest.raises(BadSettings) as caught:
        read(folder, text, environ)
    prefix = f"{folder / 'providers.toml'}: "
    assert all(line.startswith(prefix) and "\n" not in line for line in caught.value.lines)
    return [line.removeprefix(prefix) for line in caught.value.lines]


def test_two_providers(tmp_path: Path) -> None:
    main, other = read(tmp_path, FBRQ + HTTP)
    assert main.spec == ProviderSpec(name="main", kind="fbrq", order=1)
    assert isinstance(main.make(), FbrqProvider)
    assert main.receiver is None
    assert other.spec == ProviderSpec(
        name="other",
        kind="http",
        order=1,
        rate=12.5,
        rate_unit=RateUnit.SEGMENTS,
        workers=3,
        time_out_seconds=4.0,
        prefixes=("7916", "7495"),
        senders=("Shop", "Bank"),
        price_per_segment=2.5,
        failover=False,
    )
    provider = other.make()
    assert isinstance(provider, DescribedProvider)
    assert provider.abilities == Abilities(sender=True, receipts=True)
    assert other.receiver is not None
    assert describe(other) == (
        "other: kind http; order 1; 7916, 7495; 12.5 segments/s; takes sender, receipts; workers 3"
    )


CHANGED: Final[dict[str, tuple[str, str, str]]] = {
    "an unknown key": ("rate = 12.5", "rat = 12.5", "rat: is not known here; did you mean rate?"),
    "an unknown key far from all": (
        'format = "json"\nid',
        'format = "json"\nzzz = 1\nid',
        "receipts.zzz: is not known here: there are answer, code, delivered, detail, format, id, id_pattern, list, "
        "provider_message_id, secret, status, time, time_format, time_zone, undelivered",
    ),
    "an unknown key of a rule": (
        "pointer = ",
        "pointr = ",
        "answers.rules[0].pointr: is not known here; did you mean pointer?",
    ),
    "an unknown key of a secret": (
        'header = "X-Key"',
        'headr = "X-Key"',
        "receipts.secret.headr: is not known here; did you mean header?",
    ),
    "a missing table": ("[provider.request]", "[provider.requests]", "request: is missing"),
    "a bad name": ('"other"', '"Other!"', "name: string should match pattern '^[a-z][a-z0-9_-]{0,31}$'"),
    "no name": ('name = "other"', "", "name: is missing"),
    "a bad kind": ('kind = "http"', 'kind = "htp"', "kind: should be one of fbrq, http"),
    "no kind": ('kind = "http"', "", "kind: is missing"),
    "a negative price": ("t = 2.5", "t = -2.5", "price_per_segment: should be greater than or equal to 0"),
    "a price that is none": ("t = 2.5", "t = nan", "price_per_segment: should be a finite number"),
    "a negative rate": ("12.5", "-1", "rate: should be greater than or equal to 0"),
    "a rate that is true": ("rate = 12.5", "rate = true", "rate: should be a number"),
    "a rate that is a text": ("rate = 12.5", 'rate = "5"', "rate: should be a number"),
    "a price that is a text": ("t = 2.5", 't = "1"', "price_per_segment: should be a number"),
    "a time that is a text": ("time_out_seconds = 4", 'time_out_seconds = "4"', "time_out_seconds: should be a number"),
    "workers that are true": ("workers = 3", "workers = true", "workers: should be a whole number"),
    "an order that is a text": ("order = 1", 'order = "1"', "order: should be a whole number"),
    "a failover that is a text": ("failover = false", 'failover = "no"', "failover: should be true or false"),
    "a name that is a number": ('name = "other"', "name = 5", "name: should be a text"),
    "prefixes that are no list": ('["7916", "7495"]', '"7916"', "prefixes: should be a list"),
    "secrets that are no table": ('{ token = "TOKEN", key = "KEY" }', '"TOKEN"', "secrets: should be a table"),
    "no rule": ('[{ means = "accepted", pointer = "/id" }]', "[]", "rules: should be a list of one rule or more"),
    "no workers": ("workers = 3", "workers = 0", "workers: should be greater than or equal to 1"),
    "no time": ("time_out_seconds = 4", "time_out_seconds = 0", "time_out_seconds: should be greater than 0"),
    "another unit": ('"segments"', '"parts"', "rate_unit: should be 'messages' or 'segments'"),
    "prefixes of nobody": ('"7916"', '"+7916"', "prefixes: should be the first digits of numbers, such as 7 or 7916"),
    "a sender with a line break": (
        '"Shop"',
        '"Sh\\nop"',
        "senders: should be names of 1 to 64 visible characters",
    ),
    "the secret itself": (
        '"TOKEN"',
        '"t0p-secret-token"',
        "secrets: token should be the name of an environment variable, not the secret itself",
    ),
    "no such variable": ('"KEY"', '"KEY_2"', "secrets.key: the environment variable KEY_2 is not set"),
    "no such secret": (
        "{secret.key}",
        "{secret.keys}",
        "receipts.secret: has {secret.keys}, and secrets have no keys",
    ),
    "no such placeholder": (
        "{text}",
        "{txt}",
        "request.json: has {txt}, which is no placeholder; did you mean {text}?",
    ),
    "a brace alone": ("{text}", "{text", "request.json: has a brace alone: a placeholder is {text}, a brace is {{"),
    "nowhere the text": ("{text}", "x", "request: has {text} nowhere"),
    "nowhere the sender": ("{sender}", "x", "senders: the request has {sender} nowhere"),
    "nowhere the id": ("{id}", "x", "receipts.id: can't be ours: the request has {id} nowhere"),
    "a text in a header": (
        "Bearer {secret.token}",
        "{text}",
        "request.headers.Authorization: can't have {text}: a header takes visible ASCII characters only",
    ),
    "two bodies": ("[provider.request]", "[provider.request]\nform = {}", "request.form: is one body too many"),
    "a body for GET": (
        "[provider.request]",
        '[provider.request]\nmethod = "GET"',
        "request.method: GET has no body: use query, or POST",
    ),
    "two authorizations": (
        "[provider.request]",
        '[provider.request]\nbasic = { user = "a", password = "{secret.token}" }',
        "request.basic: is one too many: headers have Authorization",
    ),
    "nothing is accepted": ('"accepted"', '"busy"', 'answers.rules: say nowhere what means "accepted"'),
    "a pointer without a slash": (
        '"/id" }]',
        '"id" }]',
        "answers.rules[0].pointer: should be a JSON pointer, such as /messages/0/status",
    ),
    "values of nothing": (
        'pointer = "/id" }',
        "values = [1] }",
        "answers.rules[0].values: needs a pointer, which says where they stand",
    ),
    "a bad pattern": (
        'pointer = "/id" }',
        "pattern = '(' }",
        "answers.rules[0].pattern: is no regular expression: missing ): (",
    ),
    "a pattern that looks around": (
        'pointer = "/id" }',
        "pattern = '(?=a)' }",
        "answers.rules[0].pattern: is no regular expression: invalid perl operator: (?=",
    ),
    "a status that is none": (
        'means = "accepted",',
        'means = "accepted", status = "2x",',
        'answers.rules[0].status: should be statuses, such as 201, "2xx" or [200, 202]',
    ),
    "a pattern would do": (
        "[provider.answers]",
        '[provider.answers]\nformat = "text"',
        'answers.rules: accepted needs a pattern where format is "text": a page of HTML has a 200 too',
    ),
    "a word with two meanings": (
        '"FAILED"',
        '"delivered"',
        "receipts.undelivered: has 'delivered', and so has delivered",
    ),
    "receipts of nobody": (
        'id = "/ref"',
        "",
        "receipts.id: is missing, and so is provider_message_id: receipts could not be told apart",
    ),
    "receipts with a form's field": (
        'id = "/ref"',
        'id = "ref"',
        "receipts.id: should be a JSON pointer, such as /messages/0/status",
    ),
    "receipts of everybody": (
        'value = "{secret.key}"',
        'value = "known"',
        "receipts.secret.value: has no {secret.NAME}",
    ),
    "two secrets": (
        'header = "X-Key"',
        'header = "X-Key", query = "k"',
        "receipts.secret: should have one of header, query, basic",
    ),
    "a form of time": (
        'status = "/status"',
        'status = "/status"\ntime_format = "iso"',
        'receipts.time_format: should be "rfc3339", "seconds", "milliseconds" or a form such as "%d.%m.%Y %H:%M:%S"',
    ),
    "a zone": (
        'status = "/status"',
        'status = "/status"\ntime_zone = "Moscow"',
        "receipts.time_zone: should be an IANA time zone name, such as Europe/Moscow",
    ),
    "a URL that is none": ("https://api.example/send?v=1", "api.example", "url: the provider's URL should look like"),
    "a URL with a password": (
        "https://api.example",
        "https://me:pw@api.example",
        "url: the provider's URL may have neither user name nor password, query or fragment",
    ),
    "a host that a message chooses": (
        "https://api.example",
        "https://{id}.example",
        "url: has {id} before its path",
    ),
    "plain text on the way": (
        "https://api.example",
        "http://api.example",
        "url: token, numbers and texts would leave this machine in the clear: needs https://",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_is_wrong_is_one_line(case: str, tmp_path: Path) -> None:
    before, after, words = CHANGED[case]
    assert before in HTTP
    lines = lines_of(tmp_path, HTTP.replace(before, after))
    named = [line for line in lines if words in line]
    assert len(named) == 1, lines
    assert named[0].startswith("[[provider]] 1")
    assert not any(value in line for line in lines for value in ENVIRON.values())


WHOLE_FILES: Final[dict[str, tuple[str, str]]] = {
    "nothing": ("", "has no table [[provider]]"),
    "no TOML": (
        "[[provider]\n",
        "is not TOML: Expected ']]' at the end of an array declaration (at line 1, column 11)",
    ),
    "another table": (FBRQ + "[other]\n", "other: is not known here: a provider is a table [[provider]]"),
    "one table": ("[provider]\nname = 'x'\n", "has no table [[provider]]"),
    "numbers": ("provider = [1]\n", "[[provider]] 1: is no table"),
    "one name twice": (FBRQ + FBRQ, "name: 2 tables [[provider]] are 'main'"),
    "a secret that fbrq does not know": (
        FBRQ.replace("token =", "tokn ="),
        "[[provider]] 1 (main): secrets.tokn: is not known here; there is token",
    ),
    "a sender for fbrq": (FBRQ + 'senders = ["A"]\n', "[[provider]] 1 (main): senders: fbrq takes no sender"),
    "a date in JSON": (
        HTTP.replace('ref = "{id}"', "ref = 2026-11-29"),
        "[[provider]] 1 (other): request.json: can't hold dates or times: write them as texts",
    ),
}


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_what_is_wrong_with_the_file(case: str, tmp_path: Path) -> None:
    text, line = WHOLE_FILES[case]
    assert line in lines_of(tmp_path, text)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, FBRQ.replace("url", "ulr") + HTTP.replace("workers = 3", "workers = -3"))
    assert lines == [
        "[[provider]] 1 (main): url: is missing",
        "[[provider]] 1 (main): ulr: is not known here; did you mean url?",
        "[[provider]] 2 (other): workers: should be greater than or equal to 1",
    ]


def test_of_a_wrong_rule_nothing_is_said_but_what_is_wrong(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, HTTP.replace('"accepted"', '"acepted"'))
    assert line.startswith("[[provider]] 1 (other): answers.rules[0].means: should be 'accepted', 'rejected', 'busy'")


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + FBRQ)[0].spec.name == "main"


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BadSettings, match=words):
            read_providers(path, ENVIRON)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="is not UTF-8"):
        read_providers(tmp_path / "b.toml", ENVIRON)
    (tmp_path / "c.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(BadSettings, match="is larger than 1 MB"):
        read_providers(tmp_path / "c.toml", ENVIRON)


def test_plain_text_to_this_machine_or_when_it_is_allowed(tmp_path: Path) -> None:
    there = HTTP.replace("https://api.example", "http://api.example")
    here = HTTP.replace("https://api.example", "http://127.0.0.1:8099")
    assert read(tmp_path, there, allow_plaintext=True)[0].spec.name == "other"
    assert read(tmp_path, here)[0].spec.name == "other"


def test_a_provider_may_be_retired_if_another_is_not(tmp_path: Path) -> None:
    retired = HTTP.replace("failover = false", "retired = true")
    assert lines_of(tmp_path, retired, ENVIRON) == ["retired: all providers are: nobody would get a text"]
    first, second = read(tmp_path, retired + FBRQ)
    assert (first.spec.retired, second.spec.retired) == (True, False)
    assert describe(first).startswith("other: kind http; order 1; retired;")


def test_a_variable_that_is_empty_is_not_set(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, HTTP, {"TOKEN": "", "KEY": "x"})
    assert lines == ["[[provider]] 1 (other): secrets.token: the environment variable TOKEN is not set"]


@pytest.mark.parametrize("secret", ["two\nlines", "ключ"])
def test_a_secret_that_can_stand_nowhere_is_not_repeated(secret: str, tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, HTTP, {**ENVIRON, "TOKEN": secret})
    assert line == "[[provider]] 1 (other): secrets.token: TOKEN should be visible ASCII characters"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            {"workers": "5", "provider_rate": "2"},
            "fbrq: kind fbrq; order 0; all numbers; 2 messages/s; takes receipts; workers 5",
        ),
        ({"providers": "FILE"}, "main: kind fbrq; order 1; all numbers; no rate limit; takes receipts; workers 64"),
    ],
)
def test_the_providers_of_the_settings(flags: Mapping[str, str], expected: str, tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(FBRQ, encoding="utf-8")
    named = {key: str(file) if value == "FILE" else value for key, value in flags.items()}
    settings = load(named, {"FBRQ_TOKEN": "x"}, None)
    assert [describe(each) for each in configured_providers(settings, ENVIRON)] == [expected]
