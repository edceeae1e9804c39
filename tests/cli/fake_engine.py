"""A small engine for the tests of what speaks to one: real gRPC over loopback, canned answers, faults on demand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message as ProtoMessage
from google.rpc import error_details_pb2, status_pb2

from mailing.v1 import (
    access_pb2,
    access_service_pb2,
    access_service_pb2_grpc,
    audit_pb2,
    client_pb2,
    client_service_pb2,
    client_service_pb2_grpc,
    engine_pb2,
    engine_service_pb2,
    engine_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
    mailing_stats_pb2,
    message_pb2,
    message_service_pb2,
    message_service_pb2_grpc,
    overview_pb2,
    test_text_pb2,
)
from tests.patience import PATIENT_SECONDS

R = TypeVar("R")
M = TypeVar("M", bound=ProtoMessage)
Context = grpc.aio.ServicerContext[Any, Any]
_CLIENT_FILTERS = ("tag", "phone_code", "phone_number", "time_zone", "language")
T0 = 1_767_225_600  # 2026-01-01T00:00:00Z


class Script:
    """What the fake engine has and does; tests read and change it."""

    def __init__(self) -> None:
        self.requests: list[ProtoMessage] = []
        self.metadata: dict[str, str | bytes] = {}
        self.abort: Callable[[Context], Any] | None = None
        self.rows: list[client_service_pb2.ImportClientsRow] = []
        self.page_sizes: list[int] = []
        self.clients = [_client(n) for n in range(1, 2503)]
        self.progress: list[list[mailing_stats_pb2.MailingProgress]] = []
        self.watches = 0
        self.hangs = False  # a stream of WatchMailing that stays open
        self.refused: dict[str, str] = {}  # numbers that get no test text, and why
        self.mailing: dict[str, Any] = {}  # fields of every mailing that are not as usual
        self.spoil: Callable[[], str] | None = None  # what every text of an answer becomes

    async def take(self, request: ProtoMessage, context: Context, answer: R) -> R:
        """Keep the request, fail if told so, else answer."""
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata() or ())
        if self.abort is not None:
            await self.abort(context)
        if self.spoil is not None and isinstance(answer, ProtoMessage):
            spoil(answer, self.spoil)
        return answer

    def last(self, kind: type[R]) -> R:
        """The last request of a kind."""
        return next(request for request in reversed(self.requests) if isinstance(request, kind))


_OURS = ("next_page_token", "secret")


def spoil(message: ProtoMessage, text: Callable[[], str]) -> None:
    """Put another text into every text of an answer, map keys included; tokens of pages and secrets stay."""
    for field, value in message.ListFields():
        if field.name in _OURS:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _spoil_map(value, text)
        elif field.is_repeated and field.type == field.TYPE_STRING:
            value[:] = [text() for _ in value]
        elif field.is_repeated and field.message_type is not None:
            for item in value:
                spoil(item, text)
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, text())
        elif field.message_type is not None:
            spoil(value, text)


def _spoil_map(value: Any, text: Callable[[], str]) -> None:
    for key in [key for key in value if isinstance(key, str)]:
        spoil(value[key], text)
        value[text()].CopyFrom(value[key])
        del value[key]


def _asked(items: Sequence[M], request: ProtoMessage, *fields: str) -> list[M]:
    """The items that the filters of a list let through. As in the engine, a filter that is set counts, 0 and "" too."""
    given = [field for field in fields if request.HasField(field)]
    return [item for item in items if all(getattr(item, field) == getattr(request, field) for field in given)]


def _client(number: int) -> client_pb2.Client:
    client = client_pb2.Client(
        id=number, phone_number=f"7916{number:07d}", phone_code="916", tag="new", time_zone="Europe/Moscow"
    )
    client.create_time.FromSeconds(T0)
    return client


def mailing(**fields: Any) -> mailing_pb2.Mailing:
    """A mailing as the engine would give it."""
    defaults: dict[str, Any] = {
        "id": 7,
        "text": "Скидка 20 % до пятницы",
        "filter": mailing_pb2.AudienceFilter(tags=["new", ""]),
        "state": mailing_pb2.MAILING_STATE_ACTIVE,
        "audience_state": mailing_pb2.AUDIENCE_STATE_READY,
        "on_uncertain": mailing_pb2.ON_UNCERTAIN_RESEND,
        "segments": 1,
        "provider": "beta",
        "sender": "SHOP",
        "message_counts": mailing_pb2.MessageCounts(pending=6000, sent=3990, not_sent=10, total=10_000),
    }
    result = mailing_pb2.Mailing(**(defaults | fields))
    for field, seconds in (("start_time", T0), ("end_time", T0 + 7200), ("create_time", T0 - 60)):
        getattr(result, field).FromSeconds(seconds)
    return result


def progress(sent: int, total: int = 1000, *, state: int = mailing_pb2.MAILING_STATE_ACTIVE, not_sent: int = 0) -> Any:
    """A step of WatchMailing."""
    counts = mailing_pb2.MessageCounts(sent=sent, not_sent=not_sent, pending=total - sent - not_sent, total=total)
    result = mailing_stats_pb2.MailingProgress(
        mailing_id=7,
        state=mailing_pb2.MailingState.ValueType(state),
        audience_state=mailing_pb2.AUDIENCE_STATE_READY,
        message_counts=counts,
        progress=(sent + not_sent) / total if total else 1,
        rate_per_second=250.0,
    )
    result.time.FromSeconds(T0)
    result.estimated_completion_time.FromSeconds(T0 + counts.pending // 250)
    return result


async def refuse(context: Context, code: grpc.StatusCode, message: str, *, reason: str = "", **fields: str) -> None:
    """Abort with google.rpc details: ErrorInfo with the reason, BadRequest with a violation for each field."""
    bad = error_details_pb2.BadRequest()
    for field, description in fields.items():
        bad.field_violations.add(field=field, description=description)
    details = [any_pb2.Any() for _ in (reason, fields) if _]
    if reason:
        details[0].Pack(error_details_pb2.ErrorInfo(reason=reason))
    if fields:
        details[-1].Pack(bad)
    status = status_pb2.Status(code=code.value[0], message=message, details=details)
    await context.abort(code, message, (("grpc-status-details-bin", status.SerializeToString()),))


class Clients(client_service_pb2_grpc.ClientServiceServicer):
    """ClientService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def CreateClient(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, _client(1))

    async def GetClient(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, _client(request.client_id))

    async def EraseClient(self, request: Any, context: Any) -> Any:
        answer = client_service_pb2.EraseClientResponse(
            messages_removed=1, messages_kept=2, suppressed=request.suppress
        )
        return await self.script.take(request, context, answer)

    async def ListClientFacets(self, request: Any, context: Any) -> Any:
        answer = client_service_pb2.ListClientFacetsResponse(client_count=2)
        answer.tags.add(value="vip", client_count=2)
        return await self.script.take(request, context, answer)

    async def ListAttributeFacets(self, request: Any, context: Any) -> Any:
        answer = client_service_pb2.ListAttributeFacetsResponse(client_count=2, looked_at=2)
        answer.names.add(value="city", client_count=2)
        return await self.script.take(request, context, answer)

    async def BatchUpdateClients(self, request: Any, context: Any) -> Any:
        answer = client_service_pb2.BatchUpdateClientsResponse(updated=len(request.client_ids))
        return await self.script.take(request, context, answer)

    async def BatchDeleteClients(self, request: Any, context: Any) -> Any:
        answer = client_service_pb2.BatchDeleteClientsResponse(deleted=len(request.client_ids))
        return await self.script.take(request, context, answer)

    async def UpdateClient(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, _client(request.client.id))

    async def DeleteClient(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, Empty())

    async def ListClients(self, request: Any, context: Any) -> Any:
        at, clients = int(request.page_token or 0), _asked(self.script.clients, request, *_CLIENT_FILTERS)
        page = clients[at : at + request.page_size]
        token = str(at + len(page)) if at + len(page) < len(clients) else ""
        answer = client_service_pb2.ListClientsResponse(clients=page, next_page_token=token, total_size=len(clients))
        return await self.script.take(request, context, answer)

    async def ImportClients(self, request_iterator: Any, context: Any) -> Any:
        answer = client_service_pb2.ImportClientsResponse()
        await self.script.take(answer, context, None)
        async for page in request_iterator:
            self.script.page_sizes.append(len(page.rows))
            for row in page.rows:
                self.script.rows.append(row)
                if row.phone_number.startswith("79"):
                    answer.created += 1
                else:
                    answer.rejected += 1
                    answer.errors.add(line=row.line, field="phone_number", message="must begin with 7 (or 8)")
        return answer

    async def ExportClients(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self.script.take(request, context, None)
        clients = _asked(self.script.clients, request, *_CLIENT_FILTERS)
        for at in range(0, len(clients), 1000):
            yield client_service_pb2.ExportClientsResponse(clients=clients[at : at + 1000])


class Mailings(mailing_service_pb2_grpc.MailingServiceServicer):
    """MailingService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def _answer(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, mailing(**self.script.mailing))

    CreateMailing = GetMailing = UpdateMailing = PauseMailing = ResumeMailing = CancelMailing = _answer
    ArchiveMailing = UnarchiveMailing = _answer

    async def DeleteMailing(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, Empty())

    async def ListMailings(self, request: Any, context: Any) -> Any:
        answer = mailing_service_pb2.ListMailingsResponse(
            mailings=[mailing(), mailing(id=6, state=mailing_pb2.MAILING_STATE_ENDED)], total_size=2
        )
        return await self.script.take(request, context, answer)

    async def PreviewMailing(self, request: Any, context: Any) -> Any:
        answer = mailing_service_pb2.PreviewMailingResponse(
            audience=12_345,
            segments=1,
            encoding=mailing_service_pb2.TEXT_ENCODING_UCS2,
            units=22,
            incomplete=45,
            recipients=12_300,
            segments_max=2,
            segments_total=13_000,
            samples=[mailing_service_pb2.TextSample(client_id=1, text="Hi Anna", segments=1)],
            warnings=[mailing_pb2.MailingWarning(field="text", message="nobody who matches has nane")],
        )
        answer.forecast.completion_time.FromSeconds(T0 + 99)
        answer.forecast.rate_per_second = 123.4
        answer.forecast.missed = 5
        return await self.script.take(request, context, answer)

    async def TestMailing(self, request: Any, context: Any) -> Any:
        answer = test_text_pb2.TestMailingResponse()
        for number in request.phone_numbers:
            detail = self.script.refused.get(number, "")
            status = test_text_pb2.TEST_STATUS_NOT_SENT if detail else test_text_pb2.TEST_STATUS_SENT
            answer.results.add(phone_number=number, status=status, detail=detail, segments=1)
        return await self.script.take(request, context, answer)

    async def GetMailingStats(self, request: Any, context: Any) -> Any:
        counts = mailing().message_counts
        answer = mailing_stats_pb2.MailingStats(mailing_id=7, message_counts=counts, progress=0.4, rate_per_second=250)
        answer.reasons.rejected = 10
        answer.attempts.total, answer.attempts.retried = 4200, 200
        answer.attempts.by_http_status.update({200: 3990, 400: 10, 503: 150, 0: 50})
        answer.attempts.by_smpp_status.update({0x58: 3})
        answer.cost = 4000
        for name, sent, cost in (("alpha", 3000, 1500), ("beta", 990, 2500)):
            answer.by_provider[name].sent, answer.by_provider[name].cost = sent, cost
        answer.delivery.delivered, answer.delivery.undelivered, answer.delivery.none = 3900, 20, 70
        answer.delivery.seconds.p50, answer.delivery.seconds.p95 = 2.1, 9.5
        answer.latency_seconds.p50, answer.latency_seconds.p95, answer.latency_seconds.p99 = 0.02, 0.3, 1.25
        for name, groups in (("new", answer.by_tag), ("916", answer.by_phone_code), ("Asia/Omsk", answer.by_time_zone)):
            groups[name].CopyFrom(counts)
        answer.by_tag[""].CopyFrom(mailing_pb2.MessageCounts(total=3, pending=3))
        for version, (text, sent) in enumerate((("the old price", 636), ("the new price", 3354)), 1):
            answer.text_versions.add(version=version, text=text, sent=sent)
        for step, sent in enumerate((10, 800, 2300, 2500, 2400, 900)):
            answer.timeline.add(sent=sent).time.FromSeconds(T0 + step * 10)
        return await self.script.take(request, context, answer)

    async def WatchMailing(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self.script.take(request, context, None)
        steps = self.script.progress[min(self.script.watches, len(self.script.progress) - 1)]
        self.script.watches += 1
        for step in steps:
            yield step
        if self.script.hangs:
            await asyncio.Event().wait()
        if self.script.watches < len(self.script.progress):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the engine stops")


class Messages(message_service_pb2_grpc.MessageServiceServicer):
    """MessageService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def _message(self) -> message_pb2.Message:
        message = message_pb2.Message(
            id=5_000_000_001,
            mailing_id=7,
            client_id=1,
            phone_number="79160000001",
            status=message_pb2.MESSAGE_STATUS_NOT_SENT,
            reason=message_pb2.NOT_SENT_REASON_REJECTED,
            attempts=2,
        )
        message.create_time.FromSeconds(T0)
        message.last_error.http_status, message.last_error.detail = 400, "HTTP 400: bad phone"
        message.provider, message.provider_message_id = "fbrq", "at-the-provider"
        message.delivery.status, message.delivery.code = message_pb2.DELIVERY_STATUS_UNDELIVERED, "9"
        message.delivery.time.FromSeconds(T0 + 9)
        return message

    async def GetMessage(self, request: Any, context: Any) -> Any:
        message = self._message()
        calls = ((1, "DEFERRED", "time-out after 10 s", "acme"), (2, "REJECTED", "HTTP 400: bad phone", "fbrq"))
        for number, word, detail, provider in calls:
            outcome = message_pb2.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{word}")
            attempt = message.attempt_history.add(number=number, outcome=outcome, detail=detail, provider=provider)
            attempt.start_time.FromSeconds(T0 + number)
            attempt.end_time.FromMilliseconds((T0 + number) * 1000 + 120)
        message.attempt_history[1].http_status = 400
        return await self.script.take(request, context, message)

    async def ExportMessages(self, request: Any, context: Any) -> AsyncIterator[Any]:
        answer = message_service_pb2.ExportMessagesResponse(messages=[self._message()])
        yield await self.script.take(request, context, answer)

    async def ListMessages(self, request: Any, context: Any) -> Any:
        found = _asked([self._message()], request, "mailing_id", "client_id")
        found = [m for m in found if request.status in (0, m.status) and request.reason in (0, m.reason)]
        answer = message_service_pb2.ListMessagesResponse(messages=found, total_size=len(found))
        return await self.script.take(request, context, answer)


class Engine(engine_service_pb2_grpc.EngineServiceServicer):
    """EngineService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def BackUp(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self.script.take(request, context, None)
        for data in (b"SQLite ", b"format 3"):
            yield engine_service_pb2.BackUpResponse(data=data)

    async def GetOverview(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, overview_pb2.Overview(mailings_total=1))

    async def _status(self, request: Any, context: Any) -> Any:
        answer = engine_pb2.EngineStatus(
            workers=64, queue_size=1000, queue_depth=873, in_flight=64, rate_per_second=1234.5, engine_id=3
        )
        answer.sending = engine_pb2.SENDING_STATE_RUNNING
        answer.breaker.state = engine_pb2.BREAKER_STATE_OPEN
        answer.breaker.consecutive_failures, answer.breaker.detail = 21, "503 Service Unavailable"
        answer.breaker.next_probe_time.FromSeconds(T0 + 4)
        engine = answer.engines.add(id=3, name="host:4711", workers=64, in_flight=64)
        engine.start_time.FromSeconds(T0)
        engine.heartbeat_time.FromSeconds(T0 + 60)
        self._providers(answer)
        answer.missing_providers.add(name="gone", messages=12)
        answer.actors.add(name="recorder", healthy=False, restarts=2, detail="database is locked")
        return await self.script.take(request, context, answer)

    def _providers(self, answer: engine_pb2.EngineStatus) -> None:
        """One that is down, as the whole's breaker has it, and one that has taken over."""
        answer.providers.add(name="fbrq", kind="fbrq", breaker=answer.breaker, workers=32, calls=50, errors=50)
        other = answer.providers.add(name="acme", kind="http", workers=32, calls=150, rate_limit=30.0)
        other.rate_unit, other.breaker.state = "segments", engine_pb2.BREAKER_STATE_CLOSED
        other.price_per_segment = 2.5

    GetStatus = SetWorkers = SetRate = PauseSending = ResumeSending = UpdateEngine = _status

    async def ListAuditEvents(self, request: Any, context: Any) -> Any:
        event = audit_pb2.AuditEvent(
            id=9,
            actor="local",
            action="mailing.pause",
            object_type="mailing",
            object_id=7,
            peer="127.0.0.1",
            actor_kind=audit_pb2.ACTOR_KIND_TOKEN,
            actor_id=5,
        )
        event.time.FromSeconds(T0)
        event.detail.update({"text": ["old", "new"]})
        found = _asked([event], request, "object_id")
        found = [e for e in found if request.actor in ("", e.actor) and request.object_type in ("", e.object_type)]
        answer = engine_service_pb2.ListAuditEventsResponse(audit_events=found, total_size=len(found))
        return await self.script.take(request, context, answer)

    async def GetReport(self, request: Any, context: Any) -> Any:
        date = request.date or "2026-11-29"
        answer = engine_service_pb2.Report(date=date, subject=f"Mailings on {date}", text=f"{date}\n[12]\n", html="<p>")
        return await self.script.take(request, context, answer)

    async def MailReport(self, request: Any, context: Any) -> Any:
        refused = ["anna@example.com: 550 no such mailbox"]
        answer = engine_service_pb2.MailReportResponse(date="2026-11-29", refused=refused)
        return await self.script.take(request, context, answer)


class Access(access_service_pb2_grpc.AccessServiceServicer):
    """AccessService."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def _token(self) -> access_pb2.ApiToken:
        token = access_pb2.ApiToken(
            id=5, name="nightly report", role=access_pb2.ROLE_VIEWER, hint="mlt_Ab3x", created_by="admin"
        )
        token.create_time.FromSeconds(T0)
        return token

    def _account(self) -> access_pb2.Account:
        account = access_pb2.Account(id=2, name="anna", role=access_pb2.ROLE_OPERATOR)
        account.create_time.FromSeconds(T0)
        return account

    async def CreateToken(self, request: Any, context: Any) -> Any:
        answer = access_service_pb2.CreateTokenResponse(token=self._token(), secret="mlt_Ab3x-the-secret")
        return await self.script.take(request, context, answer)

    async def ListTokens(self, request: Any, context: Any) -> Any:
        answer = access_service_pb2.ListTokensResponse(tokens=[self._token()], total_size=1)
        return await self.script.take(request, context, answer)

    async def RevokeToken(self, request: Any, context: Any) -> Any:
        token = self._token()
        token.revoke_time.FromSeconds(T0 + 86_400)
        return await self.script.take(request, context, token)

    async def CreateAccount(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, self._account())

    async def ListAccounts(self, request: Any, context: Any) -> Any:
        answer = access_service_pb2.ListAccountsResponse(accounts=[self._account()], total_size=1)
        return await self.script.take(request, context, answer)

    async def RevokeAccount(self, request: Any, context: Any) -> Any:
        account = self._account()
        account.revoke_time.FromSeconds(T0 + 86_400)
        account.live_token_count = 0 if request.revoke_made_tokens else 3
        return await self.script.take(request, context, account)

    async def ResetTotp(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, self._account())

    async def GetTotp(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, access_pb2.Totp())

    async def BeginTotp(self, request: Any, context: Any) -> Any:
        begun = access_service_pb2.BeginTotpResponse(secret="JBSWY3DPEHPK3PXP", uri="otpauth://totp/x?secret=JBSWY3DP")
        return await self.script.take(request, context, begun)

    async def RenewRecoveryCodes(self, request: Any, context: Any) -> Any:
        codes = access_service_pb2.RecoveryCodes(recovery_codes=["mnop-qrst-2345-uvwx"])
        return await self.script.take(request, context, codes)

    async def ConfirmTotp(self, request: Any, context: Any) -> Any:
        codes = access_service_pb2.RecoveryCodes(recovery_codes=["abcd-efgh-2345-ijkl"])
        return await self.script.take(request, context, codes)

    async def WhoAmI(self, request: Any, context: Any) -> Any:
        answer = access_pb2.Identity(name="nightly report", role=access_pb2.ROLE_VIEWER, token_id=5)
        return await self.script.take(request, context, answer)

    async def SignIn(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, access_service_pb2.SignInResponse(secret="mls_secret"))

    async def _done(self, request: Any, context: Any) -> Any:
        return await self.script.take(request, context, Empty())

    SignOut = ChangePassword = _done
    DescribeSignIn = BeginOidcSignIn = FinishOidcSignIn = _done
    DisableTotp = _done


async def start(
    script: Script, address: str = "127.0.0.1:0", tls: grpc.ServerCredentials | None = None
) -> tuple[grpc.aio.Server, str]:
    """Start the fake engine; return it and where it listens."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    client_service_pb2_grpc.add_ClientServiceServicer_to_server(Clients(script), server)
    mailing_service_pb2_grpc.add_MailingServiceServicer_to_server(Mailings(script), server)
    message_service_pb2_grpc.add_MessageServiceServicer_to_server(Messages(script), server)
    engine_service_pb2_grpc.add_EngineServiceServicer_to_server(Engine(script), server)
    access_service_pb2_grpc.add_AccessServiceServicer_to_server(Access(script), server)
    port = server.add_insecure_port(address) if tls is None else server.add_secure_port(address, tls)
    await server.start()
    return server, f"127.0.0.1:{port}"


@contextmanager
def running(script: Script, address: str = "127.0.0.1:0", tls: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """The fake engine on a thread and a loop of its own; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake engine", daemon=True)
    thread.start()
    server, target = asyncio.run_coroutine_threadsafe(start(script, address, tls), loop).result(PATIENT_SECONDS)
    try:
        yield target
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(None), loop).result(PATIENT_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENT_SECONDS)
        loop.close()
