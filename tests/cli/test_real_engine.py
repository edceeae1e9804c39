"""The `mailing` command against the real engine, with a sandbox as its provider: what scripts read from `--json`.

The fake engine of the other tests answers what it is told; here both sides must mean the same. The engine runs on a
thread with a loop of its own, as the command runs its own.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from cli.app import call
from scripts.token_channel import API_TOKEN
from tests.gateway.tables.workbooks import Raw, workbook
from tests.patience import PATIENT_SECONDS
from tests.rules.rig import Rig, running

CSV = """\
phone_number,tag,time_zone
+7 (916) 000-00-01,real,Europe/Moscow
89160000002,real,
79030000003,other,Asia/Omsk
"""
Run = Callable[..., Any]


class Engine:
    """The rig on its thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="real engine", daemon=True)
        self.rig: Rig | None = None

    def __enter__(self) -> Rig:
        self._thread.start()
        assert self._ready.wait(20)
        assert self.rig is not None, "the engine did not start"
        return self.rig

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._loop.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        async with running(self._folder) as self.rig:
            self._ready.set()
            await self._stop.wait()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One engine for all of these tests; it logs into a list, not between the answers on stdout."""
    with structlog.testing.capture_logs(), Engine(tmp_path_factory.mktemp("engine")) as rig:
        yield rig


@pytest.fixture
def run(rig: Rig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command with `--json`; give its answer as values (`lines=True`: as a list, one for each line)."""
    for kind in ("CA", "CERT", "KEY"):
        monkeypatch.delenv(f"MAILING_ENGINE_TLS_{kind}", raising=False)
    monkeypatch.setenv("MAILING_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("MAILING_ENGINE_TARGET", f"127.0.0.1:{rig.service.grpc_port}")

    def run(*arguments: str, code: int = 0, lines: bool = False) -> Any:
        assert call([*arguments, "--json"]) == code
        out, err = capfd.readouterr()
        if code:
            return err
        return [json.loads(line) for line in out.splitlines()] if lines else json.loads(out)

    return run


@pytest.fixture
def clients(run: Run, tmp_path: Path) -> list[dict[str, Any]]:
    """Two clients with the tag `real`, one with `other`; the first tests of a run add them."""
    (tmp_path / "clients.csv").write_text(CSV)
    answer = run("clients", "import", str(tmp_path / "clients.csv"))
    assert (answer["rejected"], answer["errors"]) == (0, [])
    listed: list[dict[str, Any]] = run("clients", "list", "--tag", "real")["clients"]
    return listed


@pytest.fixture
def delivered(run: Run, clients: list[dict[str, Any]]) -> int:
    """A mailing to the two of them that is through."""
    steps = run("mailing", "create", "--text", "Привет", "--tag", "real", "--watch", lines=True)
    assert steps[-1]["message_counts"] == {"pending": 0, "sent": 2, "not_sent": 0, "total": 2}
    assert (steps[-1]["state"], steps[-1]["audience_state"], steps[-1]["progress"]) == ("active", "ready", 1.0)
    identifier: int = steps[-1]["mailing_id"]
    return identifier


def test_clients(run: Run, clients: list[dict[str, Any]], tmp_path: Path) -> None:
    assert sorted((c["phone_number"], c["phone_code"], c["time_zone"]) for c in clients) == [
        ("79160000001", "916", "Europe/Moscow"),
        ("79160000002", "916", "UTC"),
    ]
    listed = run("clients", "list")
    assert (len(listed["clients"]), listed["total_size"], listed["next_page_token"]) == (3, 3, "")
    first = run("clients", "list", "--limit", "1")
    assert (len(first["clients"]), first["total_size"], bool(first["next_page_token"])) == (1, 3, True)
    assert run("clients", "list", "--phone-number", "8 903 000-00-03")["clients"][0]["tag"] == "other"
    assert run("clients", "list", "--tag", "")["total_size"] == 0  # a filter for "no tag", not the lack of one
    assert run("clients", "get", str(clients[0]["id"])) == clients[0]
    assert call(["clients", "export", str(tmp_path / "out.csv"), "--tag", "real"]) == 0
    assert sorted((tmp_path / "out.csv").read_text().splitlines()) == [
        "79160000001,916,real,Europe/Moscow,",
        "79160000002,916,real,UTC,",
        "phone_number,phone_code,tag,time_zone,language",
    ]
    again = run("clients", "import", str(tmp_path / "out.csv"))
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)


def test_any_spreadsheet(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    never = Raw("", "<f>A1</f>")
    rows = [["Мобильный", "Имя", "Тег", "Цвет"], [79161230001, "Анна", "sheet", never], ["12", "Ян", "sheet", ""]]
    crm, back = tmp_path / "crm.xlsx", tmp_path / "back.csv"
    crm.write_bytes(workbook(("Итоги", [["1"]]), ("Клиенты", rows)))
    arguments = ["clients", "import", str(crm), "--map", "Мобильный=phone_number", "--rejected", str(back)]
    arguments += ["--sheet", "Клиенты"]
    assert call(arguments) == 1
    told = capfd.readouterr()
    assert "1 created, 0 updated, 0 unchanged, 1 rejected" in told.out
    notes = (
        "the sheet 'Клиенты' was read, not 'Итоги' (--sheet)",
        "column 'Цвет' has formulas without a value, so 1 of its cells",
    )
    for words in (*notes, "'Мобильный' is phone_number", "ignored: 'Цвет'"):
        assert words in " ".join(told.err.split())
    lines = back.read_text("utf-8-sig").splitlines()
    assert lines[0] == "import_error;Мобильный;Имя;Тег;Цвет"
    assert lines[1].endswith(";12;Ян;sheet;")
    back.write_text(back.read_text("utf-8-sig").replace(";12;", ";79161230002;"))
    again = run("clients", "import", str(back), "--map", "Цвет=ignore", "--map", "Имя=ignore")
    assert (again["created"], again["rejected"]) == (1, 0)
    many = tmp_path / "many.xlsx"  # its reader is still at work when the header turns out to be no good
    many.write_bytes(workbook(("Клиенты", [*rows, *([79161230001, "Анна " * 40, "sheet", n] for n in range(5000))])))
    assert call(["clients", "import", str(many), "--map", "Сотовый=phone_number"]) == 1
    refused = capfd.readouterr().err
    assert refused.startswith("error: cannot import: line 1: there is no column 'сотовый'")
    assert "generator" not in refused
    assert call(["clients", "import", str(crm), "--map", "Мобильный"]) == 2
    assert "--map: must be Header=field" in " ".join(capfd.readouterr().err.split())


def test_a_client_is_added_edited_and_deleted(run: Run) -> None:
    made = run("clients", "add", "8 (999) 123-45-67", "--tag", "guest")
    assert (made["phone_number"], made["phone_code"], made["tag"]) == ("79991234567", "999", "guest")
    edited = run("clients", "edit", str(made["id"]), "--tag", "", "--time-zone", "Asia/Omsk")
    assert (edited["phone_code"], edited["tag"], edited["time_zone"]) == ("999", "", "Asia/Omsk")
    assert run("clients", "delete", str(made["id"]), "--yes") == {}
    assert str(made["id"]) in run("clients", "get", str(made["id"]), code=1)


def test_a_mailing_is_watched_listed_and_counted(run: Run, delivered: int) -> None:
    got = run("mailing", "get", str(delivered))
    assert (got["id"], got["text"], got["state"], got["segments"]) == (delivered, "Привет", "active", 1)
    assert (got["filter"]["tags"], got["local_hours"], got["rate_limit"]) == (["real"], None, None)
    assert got["on_uncertain"] == "resend"
    for listed in (run("mailing", "list", "--state", "active", "--all"), run("mailing", "list", "--all")):
        assert listed["total_size"] == len(listed["mailings"])
        assert next(m for m in listed["mailings"] if m["id"] == delivered)["message_counts"] == got["message_counts"]
    assert run("mailing", "list", "--state", "ended")["total_size"] == 0
    stats = run("mailing", "stats", str(delivered))
    assert (stats["message_counts"]["sent"], stats["attempts"]["by_http_status"]) == (2, {"200": 2})
    assert stats["by_time_zone"].keys() == {"Europe/Moscow", "UTC"}
    preview = run("mailing", "preview", "--text", "hello", "--tag", "real")
    assert (preview["audience"], preview["segments"], preview["encoding"]) == (2, 1, "gsm7")


def test_a_mailing_is_held_changed_resumed_and_cancelled(run: Run, clients: list[dict[str, Any]]) -> None:
    identifier = str(run("mailing", "create", "--text", "News", "--tag", "real", "--start", "+1h", "--rate", "5")["id"])
    assert run("mailing", "pause", identifier)["state"] == "paused"
    edited = run("mailing", "edit", identifier, "--all-tags", "--rate", "0")
    assert (edited["state"], edited["filter"]["tags"], edited["rate_limit"]) == ("paused", [], None)
    assert run("mailing", "resume", identifier)["state"] == "scheduled"
    assert "it is scheduled; cancel it first" in run("mailing", "archive", identifier, code=1)
    assert run("mailing", "cancel", identifier, "--yes")["state"] == "cancelled"
    assert "cancelled" in run("mailing", "resume", identifier, code=1)
    assert run("mailing", "archive", identifier)["archived_time"] is not None
    assert [each["id"] for each in run("mailing", "list", "--archived")["mailings"]] == [int(identifier)]
    assert int(identifier) not in [each["id"] for each in run("mailing", "list", "--all")["mailings"]]
    assert run("mailing", "unarchive", identifier)["archived_time"] is None
    assert run("mailing", "list", "--archived")["total_size"] == 0
    assert run("mailing", "delete", identifier, "--yes") == {}


def test_messages(run: Run, clients: list[dict[str, Any]], delivered: int) -> None:
    of_mailing = run("messages", "list", "--mailing", str(delivered))
    assert of_mailing["total_size"] == 2
    assert {(m["status"], m["reason"], m["attempts"]) for m in of_mailing["messages"]} == {("sent", None, 1)}
    everything = run("messages", "list", "--all")
    assert everything["total_size"] == len(everything["messages"]) >= 2
    assert {m["id"] for m in of_mailing["messages"]} <= {m["id"] for m in everything["messages"]}
    client = str(clients[0]["id"])
    both = run("messages", "list", "--mailing", str(delivered), "--client", client, "--status", "sent")
    assert [m["client_id"] for m in both["messages"]] == [clients[0]["id"]]
    assert run("messages", "list", "--mailing", str(delivered), "--reason", "expired")["total_size"] == 0
    message = run("messages", "get", str(both["messages"][0]["id"]))
    assert (message["phone_number"], message["mailing_id"]) == (clients[0]["phone_number"], delivered)
    attempts = [(a["number"], a["outcome"], a["http_status"]) for a in message["attempt_history"]]
    assert attempts == [(1, "sent", 200)]


def test_a_rejected_message_says_its_status_once(
    run: Run, rig: Rig, clients: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    rig.sandbox.set_faults(share_400=1)
    try:
        last = run("mailing", "create", "--text", "no", "--tag", "other", "--watch", lines=True)[-1]
    finally:
        rig.sandbox.set_faults(share_400=0)
    assert (last["message_counts"]["not_sent"], last["message_counts"]["total"]) == (1, 1)
    mailing = str(last["mailing_id"])
    message = run("messages", "list", "--mailing", mailing, "--reason", "rejected")["messages"][0]
    assert message["last_error"]["http_status"] == 400
    assert call(["messages", "get", str(message["id"])]) == 0
    shown = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("last error"))
    assert shown.removeprefix("last error").strip().startswith("HTTP 400: ")


def test_the_engine_is_steered(run: Run) -> None:
    status = run("engine", "status")
    assert (status["sending"], status["workers"], status["rate_limit"]) == ("running", 32, None)
    assert [e["id"] for e in status["engines"]] == [status["engine_id"]]
    assert run("engine", "workers", "7")["workers"] == 7
    assert run("engine", "rate", "12.5")["rate_limit"] == 12.5
    assert run("engine", "rate", "0")["rate_limit"] is None
    assert run("engine", "pause")["sending"] == "paused"
    assert run("engine", "resume")["sending"] == "running"
    assert run("engine", "workers", "32")["workers"] == 32
    assert "workers" in run("engine", "workers", "0", code=1)


def test_audit(run: Run) -> None:
    mailing = run("mailing", "create", "--text", "x", "--start", "+1h")["id"]
    run("mailing", "pause", str(mailing))
    everything = run("audit", "--all")
    assert everything["total_size"] == len(everything["audit_events"]) >= 2
    newest = everything["audit_events"][0]
    assert (newest["action"], newest["object_type"], newest["object_id"]) == ("mailing.pause", "mailing", mailing)
    assert newest["actor"] == "MAILING_API_TOKEN"
    one = run("audit", "--object", "mailing", "--id", str(mailing))
    assert [e["action"] for e in one["audit_events"]] == ["mailing.pause", "mailing.create"]
    assert run("audit", "--actor", "nobody")["total_size"] == 0


def test_the_stop_list(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    entry = run("suppressions", "add", "8 916 777-00-01", "--reason", "opt_out", "--note", "asked")
    assert (entry["phone_number"], entry["reason"], entry["source"]) == ("79167770001", "opt_out", "cli")
    assert call(["suppressions", "add", "79167770001"]) == 0
    told = capfd.readouterr()
    assert "the first entry stays" in " ".join(told.err.split())
    assert "opt_out" in told.out
    (tmp_path / "stop.csv").write_text("Phone,reason\n89167770002,complaint\n79167770001,\n12,\n89167770003,asked me\n")
    assert call(["suppressions", "import", str(tmp_path / "stop.csv"), "--json"]) == 1
    answer = json.loads(capfd.readouterr().out)
    assert (answer["created"], answer["unchanged"], answer["rejected"]) == (2, 1, 1)
    assert [error["field"] for error in answer["errors"]] == ["phone_number"]
    listed = run("suppressions", "list", "--reason", "complaint")
    assert [each["phone_number"] for each in listed["suppressions"]] == ["79167770002"]
    assert call(["suppressions", "export", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("79167770001,opt_out,asked,cli,")
    assert (
        run("suppressions", "list", "--reason", "manual")["suppressions"][0]["note"] == "asked me"
    )  # nobody is left out
    for number in ("+7 916 777-00-01", "79167770002", "79167770003"):
        assert run("suppressions", "remove", number) == {}
    assert run("suppressions", "list")["total_size"] == 0
    assert "does not exist" in run("suppressions", "remove", "79167770001", code=1)


def test_a_client_is_erased(run: Run, tmp_path: Path) -> None:
    client = run("clients", "add", "79167770009")
    erased = run("clients", "erase", str(client["id"]), "--suppress", "--yes")
    assert (erased["messages_in_hand"], erased["suppressed"]) == (0, True)
    assert run("suppressions", "list")["suppressions"][0]["source"] == "erase"
    run("suppressions", "remove", "79167770009")


def test_webhooks_and_events(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    url = "https://example.invalid/hooks"
    made = run("webhooks", "create", url, "--event", "client.opted_out", "-e", "mailing.ended")
    assert made["secret"].startswith("whsec_")
    assert "is an address of this machine" in run("webhooks", "create", "https://127.1/", "-e", "mailing.ended", code=1)
    id = str(made["id"])
    edited = run("webhooks", "edit", id, "--off", "--event", "mailing.started")
    assert (edited["active"], edited["events"], edited["url"]) == (False, ["mailing.started"], url)
    assert "switched off" in run("webhooks", "test", id, code=1)
    assert run("webhooks", "edit", id, "--on")["active"]
    tested = run("webhooks", "test", id)
    assert run("webhooks", "deliveries", id)["deliveries"][0]["id"] == tested["id"]
    assert run("webhooks", "deliveries", id, "--state", "given_up")["total_size"] == 0
    assert run("webhooks", "list")["webhooks"][0]["id"] == made["id"] == run("webhooks", "get", id)["id"]
    run("suppressions", "add", "79167770009", "--reason", "opt_out")
    # Numbers of other tests have left the list, and so their events.
    deadline, numbers, told = time.monotonic() + PATIENT_SECONDS, set[str](), {}
    while "79167770009" not in numbers and time.monotonic() < deadline:
        time.sleep(0.05)
        told = run("events", "--type", "client.opted_out")
        numbers = {each["data"]["phone_number"] for each in told["events"]}
    assert "79167770009" in numbers
    last = str(told["events"][-1]["id"])
    assert run("events", "--after", last, "--type", "client.opted_out")["events"] == []
    for command in (("webhooks", "list"), ("webhooks", "deliveries", id), ("events",)):
        assert call(list(command)) == 0
    assert "client.opted_out" in capfd.readouterr().out
    assert run("webhooks", "delete", id, "--yes") == {}
    assert "does not exist" in run("webhooks", "get", id, code=1)
