"""The `mailing` command against a fake engine over real gRPC: what is asked, what is shown, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from cli import messages
from cli.app import hoist
from cli.failures import EXIT_INTERRUPTED, EXIT_SERVICE, EXIT_UNREACHABLE, EXIT_USAGE, UsageFailure
from cli.values import moment
from mailing.v1 import (
    client_service_pb2,
    engine_service_pb2,
    mailing_pb2,
    mailing_service_pb2,
    message_pb2,
    message_service_pb2,
)
from tests.cli import fake_engine
from tests.cli.conftest import Run
from tests.cli.fake_engine import Script, progress
from tests.patience import PATIENT_SECONDS

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"  # nobody listens there


# -- every command answers, in words and in JSON ---------------------------------------------------

COMMANDS = [
    ("clients list", "7916000000"),
    ("clients get 4", "79160000004"),
    ("clients add 89161234567 --tag vip", "79160000001"),
    ("clients edit 4 --tag vip", "79160000004"),
    ("clients delete 4 --yes", "deleted"),
    ("mailing create --text hi", "3,990 sent"),
    ("mailing preview --text hi", "12,300 clients of 12,345 who match"),
    ("mailing preview --text hi", "45 would get no text"),
    ("mailing preview --text hi", "13,000 segments, 2 at most in one"),
    ("mailing preview --text hi", "text: nobody who matches has nane"),
    ("mailing preview --text hi", "Hi Anna"),
    ("mailing test --text hi --to 79160000001", "sent, 1 segment"),
    ("mailing create --text hi --test 79160000001", "3,990 sent"),
    ("mailing list", "ended"),
    ("mailing get 7", "new, (none)"),
    ("mailing edit 7 --text ho", "Скидка"),
    ("mailing pause 7", "active"),
    ("mailing resume 7", "active"),
    ("mailing cancel 7 --yes", "active"),
    ("mailing archive 7", "active"),
    ("mailing unarchive 7", "active"),
    ("mailing delete 7 --yes", "deleted"),
    ("mailing stats 7", "10 rejected"),
    ("mailing stats 7", "3 × SMPP 0x58"),
    ("mailing stats 7", "beta"),
    ("messages list --mailing 7", "5000000001"),
    ("messages get 5000000001", "time-out after 10 s"),
    ("engine status", "21 failures in a row"),
    ("engine status", "provider gone is no longer in the file; 12 messages wait for its answer"),
    ("engine workers 200", "64"),
    ("engine rate 12.5", "1,234/s"),
    ("engine pause", "running"),
    ("engine resume", "running"),
    ("audit --object mailing", "mailing.pause"),
    ("messages list", "1 of 1 messages"),
    ("audit", "1 of 1 audit events"),
    ("audit --kind token --actor-id 5", "token 5 local"),
    ("audit --id 7 --limit 1", "1 of 1 audit events"),
    ("token create report --role viewer", "mlt_Ab3x-the-secret"),
    ("token list", "nightly report"),
    ("token revoke 5 --yes", "2026-01-02"),
    ("account list", "anna"),
    ("account reset-totp 2 --yes", "two-step since"),
    ("account revoke 2 --with-tokens --yes", "2026-01-02"),
    ("whoami", "API token 5"),
]


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_a_command_shows_its_answer(run: Run, command: str, shown: str) -> None:
    code, out, err = run(*command.split())
    assert (code, err) == (0, "The secret is shown only here.\n" if command.startswith("token create") else "")
    assert shown in out


@pytest.mark.parametrize("command", [command for command, _ in COMMANDS])
def test_a_command_gives_json(run: Run, command: str) -> None:
    code, out, _ = run(*command.split(), "--json")
    assert code == 0
    assert isinstance(json.loads(out), dict)


def test_json_is_that_of_the_rest_api(run: Run) -> None:
    value = json.loads(run("mailing", "get", "7", "--json")[1])
    assert (value["id"], value["state"], value["rate_limit"]) == (7, "active", None)
    assert value["start_time"] == "2026-01-01T00:00:00.000000Z"
    assert value["message_counts"] == {"pending": 6000, "sent": 3990, "not_sent": 10, "total": 10_000}
    stats = json.loads(run("mailing", "stats", "7", "--json")[1])
    assert stats["attempts"]["by_http_status"] == {"0": 50, "200": 3990, "400": 10, "503": 150}


# -- what is asked of the engine ---------------------------------------------------------------------


def test_a_script_is_told_the_id_alone(run: Run, script: Script) -> None:
    code, out, _ = run("mailing", "create", "--text", "Привет", "--quiet")
    assert (code, out.strip().isdigit()) == (0, True)
    assert script.last(mailing_service_pb2.CreateMailingRequest).mailing.text == "Привет"


def test_an_attribute_with_a_russian_name_is_told_why(run: Run) -> None:
    code, _, err = run("mailing", "preview", "--text", "x", "--where", "Город=Омск")
    assert code == 2
    assert "Latin" in err.replace("\n", " ")


def test_create_sends_what_was_written(run: Run, script: Script) -> None:
    arguments = (
        "--name Sale --audience fixed --tag vip --tag new --phone-code 916 --local-hours 9:00-21:00 --rate 5.5"
        " --on-uncertain not_sent --budget 12.5 --provider beta --sender SHOP"
    )
    times = "--start 2030-01-01T09:00:00+03:00 --end +2h30m"
    assert run("mailing", "create", "--text", "Привет", *arguments.split(), *times.split())[0] == 0
    request = script.last(mailing_service_pb2.CreateMailingRequest)
    m = request.mailing
    assert (m.text, list(m.filter.tags), list(m.filter.phone_codes)) == ("Привет", ["vip", "new"], ["916"])
    assert (getattr(m.local_hours, "from"), m.local_hours.to, m.rate_limit) == ("09:00", "21:00", 5.5)
    assert (m.name, m.on_uncertain) == ("Sale", mailing_pb2.ON_UNCERTAIN_NOT_SENT)
    assert m.audience == mailing_pb2.AUDIENCE_MODE_FIXED
    assert (m.budget, m.provider, m.sender) == (12.5, "beta", "SHOP")
    assert not m.filter.HasField("messages")
    assert m.start_time.ToDatetime(UTC) == datetime(2030, 1, 1, 6, tzinfo=UTC)
    assert m.end_time.ToDatetime(UTC) == datetime(2030, 1, 1, 8, 30, tzinfo=UTC)
    assert len(request.request_id) == 36


def test_what_became_of_messages_is_written_as_a_file(run: Run, script: Script, tmp_path: Path) -> None:
    code, out, _ = run("messages", "export", "--mailing", "7", "--status", "not-sent", "--reason", "rejected")
    header, row = out.splitlines()
    assert (code, header.split(",")[:6]) == (0, ["id", "mailing_id", "client_id", "phone_number", "status", "reason"])
    assert row.startswith("5000000001,7,1,79160000001,not_sent,rejected,2,2026-01-01T00:00:00.000000Z,,,,,400,HTTP 400")
    request = script.last(message_service_pb2.ExportMessagesRequest)
    assert (request.mailing_id, request.reason) == (7, message_pb2.NOT_SENT_REASON_REJECTED)
    assert run("messages", "export", str(tmp_path / "out.ndjson"))[0] == 0
    line = json.loads((tmp_path / "out.ndjson").read_text())
    assert (line["id"], line["sent_time"], line["http_status"], line["text_version"]) == (5000000001, None, 400, None)


def test_a_mailing_for_those_who_did_not_get_another_one(run: Run, script: Script) -> None:
    those = "--messages-of 3 --messages-status not-sent --messages-reason expired --messages-reason rejected"
    assert run("mailing", "create", "--text", "x", *those.split())[0] == 0
    messages = script.last(mailing_service_pb2.CreateMailingRequest).mailing.filter.messages
    assert (messages.mailing_id, list(messages.statuses)) == (3, [message_pb2.MESSAGE_STATUS_NOT_SENT])
    assert list(messages.reasons) == [message_pb2.NOT_SENT_REASON_EXPIRED, message_pb2.NOT_SENT_REASON_REJECTED]
    run("mailing", "create", "--text", "x", "--messages-of", "3", "--messages-delivery", "undelivered")
    messages = script.last(mailing_service_pb2.CreateMailingRequest).mailing.filter.messages
    assert list(messages.delivery) == [message_pb2.DELIVERY_FILTER_UNDELIVERED]
    run("mailing", "edit", "7", "--messages-of", "3")
    request = script.last(mailing_service_pb2.UpdateMailingRequest)
    assert list(request.update_mask.paths) == ["filter.messages"]
    code, _, err = run("mailing", "create", "--text", "x", "--messages-status", "sent")
    assert (code, "--messages-of" in err) == (EXIT_USAGE, True)


def test_edit_changes_only_what_is_given(run: Run, script: Script) -> None:
    run("mailing", "edit", "7", "--all-tags", "--local-hours", "any", "--rate", "0", "--end", "+1h")
    request = script.last(mailing_service_pb2.UpdateMailingRequest)
    assert list(request.update_mask.paths) == ["filter.tags", "end_time", "local_hours", "rate_limit"]
    assert not request.mailing.HasField("local_hours")
    assert not request.mailing.HasField("rate_limit")
    run("mailing", "edit", "7", "--name", "", "--audience", "live")
    request = script.last(mailing_service_pb2.UpdateMailingRequest)
    assert (list(request.update_mask.paths), request.mailing.name) == (["name", "audience"], "")
    assert request.mailing.audience == mailing_pb2.AUDIENCE_MODE_LIVE
    run("clients", "edit", "4", "--tag", "")
    assert list(script.last(client_service_pb2.UpdateClientRequest).update_mask.paths) == ["tag"]


def test_filters_and_numbers(run: Run, script: Script) -> None:
    run("messages", "list", "--status", "not-sent", "--reason", "expired", "--client", "3")
    request = script.last(message_service_pb2.ListMessagesRequest)
    assert (request.status, request.reason) == (
        message_pb2.MESSAGE_STATUS_NOT_SENT,
        message_pb2.NOT_SENT_REASON_EXPIRED,
    )
    assert request.client_id == 3
    assert not request.HasField("mailing_id")
    run("mailing", "list", "--state", "paused", "--search", "скидка")
    listed = script.last(mailing_service_pb2.ListMailingsRequest)
    assert (listed.state, listed.search) == (mailing_pb2.MAILING_STATE_PAUSED, "скидка")
    run("engine", "rate", "12.5")
    assert script.last(engine_service_pb2.SetRateRequest).rate_limit == 12.5


def test_a_filter_that_is_not_given_is_not_sent(run: Run, script: Script) -> None:
    """The engine reads an `optional` field that is set as a filter, also when it is 0: the lists were always empty."""
    for command, kind in (
        ("messages list", message_service_pb2.ListMessagesRequest),
        ("audit", engine_service_pb2.ListAuditEventsRequest),
        ("clients list", client_service_pb2.ListClientsRequest),
        ("clients export", client_service_pb2.ExportClientsRequest),
        ("mailing list", mailing_service_pb2.ListMailingsRequest),
    ):
        assert run(*command.split())[0] == 0
        fields = {field.name for field, _ in script.last(kind).ListFields()}
        assert fields - {"with_attribute_names"} == {"page_size"}, command


def test_import_and_create_set_only_what_is_given(run: Run, script: Script, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("phone_number\n79161234567\n")
    run("clients", "import", str(tmp_path / "c.csv"))
    assert {field.name for field, _ in script.rows[0].ListFields()} == {"line", "phone_number"}
    run("mailing", "create", "--text", "x")
    sent = script.last(mailing_service_pb2.CreateMailingRequest).mailing
    assert {field.name for field, _ in sent.ListFields()} == {"text", "filter", "start_time", "end_time"}


@pytest.mark.parametrize(
    ("status", "detail", "shown"),
    [
        (400, "HTTP 400: bad phone", "HTTP 400: bad phone"),
        (307, "HTTP 307 (redirects are not followed)", "HTTP 307 (redirects are not followed)"),
        (503, "HTTP 503", "HTTP 503"),
        (503, "busy", "HTTP 503: busy"),
        (200, "", "HTTP 200"),
        (None, "time-out after 10 s", "time-out after 10 s"),
        (None, "", ""),
    ],
)
def test_an_answer_in_words(status: int | None, detail: str, shown: str) -> None:
    message = message_pb2.Message(last_error=message_pb2.MessageError(http_status=status, detail=detail))
    assert messages.error_of(message) == shown


def test_lists_turn_the_pages(run: Run, script: Script) -> None:
    assert len(json.loads(run("clients", "list", "--all", "--json")[1])["clients"]) == 2502
    assert "1,200 of 2,502 clients" in run("clients", "list", "--limit", "1200")[1]


def test_the_token_travels_as_a_bearer(run: Run, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    run("engine", "status")
    assert "authorization" not in script.metadata
    run("engine", "status", "--token", "s3cret")
    assert script.metadata["authorization"] == "Bearer s3cret"
    monkeypatch.setenv("MAILING_API_TOKEN", "from-env")
    run("engine", "status")
    assert script.metadata["authorization"] == "Bearer from-env"


def test_common_options_may_stand_anywhere() -> None:
    assert hoist(["mailing", "list", "--json", "--target", "a", "-n", "3", "--token=t"]) == [
        *("--json", "--target", "a", "--token=t"),
        *("mailing", "list", "-n", "3"),
    ]
    assert hoist(["clients", "add", "--", "--json"]) == ["clients", "add", "--", "--json"]


# -- times ---------------------------------------------------------------------------------------------

BASE = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("now", 0), ("+10m", 600), ("+1h30m", 5400), ("+2d", 172_800), ("2030-01-01T15:00:01+03:00", 1),
     ("2030-01-01T12:00:02Z", 2)],
)  # fmt: skip
def test_moment(text: str, seconds: int) -> None:
    assert moment("--start", text, BASE) == BASE + timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["2030-01-01T15:00:01", "2030-01-01", "tomorrow", "+", "+10", "10m", "+999999w", ""])
def test_a_time_that_is_none_or_naive_is_refused(text: str) -> None:
    with pytest.raises(UsageFailure, match="--start: "):
        moment("--start", text, BASE)


def test_a_naive_time_tells_how_to_write_it(run: Run) -> None:
    code, _, err = run("mailing", "create", "--text", "x", "--start", "2030-01-01T09:00")
    assert code == EXIT_USAGE
    assert "2030-01-01T09:00Z (UTC)" in err
    assert err.count("\n") == 1


# -- what goes wrong ------------------------------------------------------------------------------------


def test_each_bad_field_is_a_line(run: Run, script: Script) -> None:
    script.abort = lambda context: fake_engine.refuse(
        context, grpc.StatusCode.INVALID_ARGUMENT, "2 fields are wrong", text="must not be empty", end_time="is past"
    )
    code, out, err = run("mailing", "create", "--text", "")
    assert (code, out) == (EXIT_SERVICE, "")
    assert err.splitlines() == ["error: text: must not be empty", "error: end_time: is past"]


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (grpc.StatusCode.NOT_FOUND, EXIT_SERVICE, "error: no such thing"),
        (grpc.StatusCode.UNAUTHENTICATED, EXIT_SERVICE, "error: not signed in: no such thing"),
        (grpc.StatusCode.UNAVAILABLE, EXIT_UNREACHABLE, "is away: no such thing"),
        (grpc.StatusCode.INTERNAL, EXIT_SERVICE, "error: no such thing"),
    ],
)
def test_the_services_refusal_is_one_line(
    run: Run, script: Script, status: grpc.StatusCode, code: int, line: str
) -> None:
    script.abort = lambda context: fake_engine.refuse(context, status, "no such thing")
    got, _, err = run("mailing", "get", "7")
    assert got == code
    assert line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["engine status", "mailing watch 7", "clients export", "clients import FILE"])
def test_an_engine_out_of_reach(run: Run, command: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(CSV)
    code, _, err = run("--target", NOBODY, *command.replace("FILE", str(tmp_path / "c.csv")).split())
    assert code == EXIT_UNREACHABLE
    assert f"nothing answers at {NOBODY}" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "nope",
        "mailing get",
        "mailing get seven",
        "mailing create",
        "mailing list --state lost",
        "mailing delete 7",
        "clients edit 4",
        "mailing edit 7",
        "mailing create --text x --local-hours 9",
        "clients import x --format xml",
        "engine status --tls-ca /nowhere.pem",
        "engine status --colour",
        "clients import - --encoding nonsense",
        "clients import - --encoding base64",
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, command: str, stdin: Path) -> None:
    assert not stdin.read_bytes()
    code, _, err = run(*command.split())
    assert code == EXIT_USAGE
    assert err.startswith("error: ")
    assert err.count("\n") == 1


# -- import and export --------------------------------------------------------------------------------------

CSV = b"phone_number,tag\n" + b"".join(b"79%09d,new\n" % n for n in range(2500))


def test_import_sends_pages_and_tells_counts(run: Run, script: Script, tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_bytes(CSV)
    code, out, _ = run("clients", "import", str(tmp_path / "clients.csv"))
    assert (code, out) == (0, "2,500 created, 0 updated, 0 unchanged, 0 rejected\n")
    assert script.page_sizes == [1000, 1000, 500]
    row = script.rows[0]
    assert (row.line, row.phone_number, row.tag, row.HasField("phone_code")) == (2, "79000000000", "new", False)


@pytest.mark.parametrize("said", [["--attributes", "all"], ["--map", "Total spent=tag"]])
def test_a_file_whose_columns_contradict_is_one_line(run: Run, tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "c.csv").write_text("phone_number,tag,Total spent,total_spent\n79161234567,a,b,c\n")
    code, _, err = run("clients", "import", str(tmp_path / "c.csv"), *said)
    assert code == EXIT_SERVICE
    assert "is there twice: as" in err
    assert err.count("\n") == 1


def test_import_reports_rejected_lines_of_both_sides(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(CSV + b"12,new\nx,y,z\n79161234567,vip\n")
    code, out, _ = run("clients", "import", str(tmp_path / "c.csv"), "--errors-file", str(tmp_path / "e.csv"))
    assert code == EXIT_SERVICE
    assert "2,501 created, 0 updated, 0 unchanged, 2 rejected" in out
    assert (tmp_path / "e.csv").read_text().splitlines() == [
        "line,field,message",
        "2502,phone_number,must begin with 7 (or 8)",
        '2503,,"has 3 cells, the header has 2"',
    ]


def test_import_from_standard_input_as_json(run: Run, stdin: Path) -> None:
    stdin.write_bytes(b'{"phone_number": "79161234567"}\n{"phone_number": "1", "x": 2, "y": 3}\n')
    code, out, _ = run("clients", "import", "-", "--json")
    assert code == EXIT_SERVICE
    value = json.loads(out)
    assert (value["created"], value["rejected"], len(value["errors"])) == (1, 1, 2)


@pytest.mark.parametrize("data", [None, b"", b"name\nx\n", b"\x7fELF\0\0\n", b"PK\x03\x04abc"])
def test_import_of_what_is_no_table_is_one_line(run: Run, script: Script, tmp_path: Path, data: bytes) -> None:
    if data is not None:
        (tmp_path / "file").write_bytes(data)
    code, out, err = run("clients", "import", str(tmp_path / "file"))
    assert (code, out, script.rows) == (EXIT_SERVICE, "", [])
    assert err.count("\n") == 1
    assert err.startswith("error: cannot ")


def test_import_in_an_encoding_that_is_named(run: Run, script: Script, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes("phone_number,tag\n79161234567,Новые\n".encode("koi8-r"))
    command = ("clients", "import", str(tmp_path / "c.csv"))
    code, out, _ = run(*command)
    assert (code, script.rows) == (EXIT_SERVICE, [])
    assert "--encoding" in out
    code, out, err = run(*command, "--encoding", "KOI8-R")
    assert (code, out.startswith("1 created"), script.rows[0].tag) == (0, True, "Новые")
    assert "read as koi8-r" in err
    code, _, err = run(*command, "--encoding", "utf-8")
    assert (code, err.count("\n")) == (EXIT_SERVICE, 1)
    assert err.startswith("error: cannot import: line 2 is not UTF-8 text")


def test_import_that_the_engine_refuses(run: Run, script: Script, tmp_path: Path) -> None:
    script.abort = lambda context: fake_engine.refuse(context, grpc.StatusCode.PERMISSION_DENIED, "viewers only read")
    (tmp_path / "c.csv").write_bytes(CSV)
    assert run("clients", "import", str(tmp_path / "c.csv")) == (EXIT_SERVICE, "", "error: viewers only read\n")


def test_export_gives_what_import_takes(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("clients", "export")
    assert code == 0
    assert out.splitlines()[:2] == [
        "phone_number,phone_code,tag,time_zone,language",
        "79160000001,916,new,Europe/Moscow,",
    ]
    for name in ("c.csv", "c.ndjson"):
        assert run("clients", "export", str(tmp_path / name))[0] == 0
        assert "2,502 created" in run("clients", "import", str(tmp_path / name))[1]


def test_an_export_guards_what_a_table_program_would_run_unless_it_is_raw(run: Run, script: Script) -> None:
    script.clients = script.clients[:1]
    script.clients[0].tag = "=1+1"
    for options, cell in (((), "'=1+1"), (("--raw",), "=1+1")):
        assert run("clients", "export", *options)[1].splitlines()[1].split(",")[2] == cell
    assert json.loads(run("clients", "export", "--format", "ndjson")[1])["tag"] == "=1+1"


def test_an_export_that_breaks_leaves_no_file(run: Run, script: Script, tmp_path: Path) -> None:
    script.abort = lambda context: fake_engine.refuse(context, grpc.StatusCode.UNAVAILABLE, "stopping")
    assert run("clients", "export", str(tmp_path / "c.csv"))[0] == EXIT_UNREACHABLE
    assert list(tmp_path.iterdir()) == []


def test_backup(run: Run, script: Script, tmp_path: Path) -> None:
    """The file is whole or not there, for its owner only, and takes the place of none."""
    copy = tmp_path / "copy.db"
    code, _, err = run("backup", str(copy))
    assert (code, copy.read_bytes(), copy.stat().st_mode & 0o777) == (0, b"SQLite format 3", 0o600)
    assert "mailing engine resume" in err
    assert run("backup", str(copy)) == (EXIT_SERVICE, "", f"error: can't write {copy}: File exists\n")
    script.abort = lambda context: fake_engine.refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "on a server")
    assert run("backup", str(tmp_path / "other.db")) == (EXIT_SERVICE, "", "error: on a server\n")
    assert list(tmp_path.iterdir()) == [copy]


# -- the process -----------------------------------------------------------------------------------------------


# A shell that put the tests into the background has taught its children to ignore Ctrl-C. Not by ``preexec_fn``: that
# runs Python between fork and exec, in a process whose threads (gRPC's) are gone.
_HEARS_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("cli", run_name="__main__")
"""


def test_ctrl_c_ends_cleanly(script: Script) -> None:
    script.progress, script.hangs = [[progress(1)]], True
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"}
    command = [sys.executable, "-c", _HEARS_CTRL_C, "mailing", "watch", "7", "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(b"{"), process.communicate(timeout=PATIENT_SECONDS)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENT_SECONDS)
    assert process.returncode == EXIT_INTERRUPTED
    assert b"Traceback" not in err


def test_an_errors_file_has_all_errors_however_many(run: Run, script: Script, tmp_path: Path) -> None:
    """In the order of the lines, of both sides; also where no line can be read for a long while."""
    lines = [b"12,bad\n" if number % 3 else b"x\n" for number in range(2, 3002)] + [b"x\n"] * 2500
    (tmp_path / "c.csv").write_bytes(b"phone_number,tag\n" + b"".join(lines) + b"79161234567,vip\n")
    code, out, _ = run("clients", "import", str(tmp_path / "c.csv"), "--errors-file", str(tmp_path / "e.csv"))
    assert (code, "1 created" in out, "5,500 rejected" in out) == (EXIT_SERVICE, True, True)
    told = (tmp_path / "e.csv").read_text().splitlines()[1:]
    assert [int(line.partition(",")[0]) for line in told] == list(range(2, 5502))
    assert max(script.page_sizes) == 100
