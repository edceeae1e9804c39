"""Three public APIs as their documentation describes them: what they take, what they answer, what they say later.

Each checks a request as strictly as the documentation words it, and fails by the number that is called: the last digits
of a number choose the answer, as test numbers of such APIs do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

SECRETS: Final = {
    "SINCH_SERVICE_PLAN_ID": "plan-0123456789",
    "SINCH_API_TOKEN": "sinch-token-0123456789",
    "SINCH_RECEIPTS_PASSWORD": "sinch-receipts-0123456789",
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "twilio-token-0123456789",
    "TWILIO_RECEIPTS_URL": "https://twilio:pass-0123456789@mailing.example/api/v1/receipts/twilio",
    "TWILIO_RECEIPTS_PASSWORD": "pass-0123456789",
    "SMSC_API_KEY": "smsc-key-0123456789",
    "SMSC_RECEIPTS_KEY": "smsc-receipts-0123456789",
}
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SINCH_SENT: Final = {"from", "to", "body", "delivery_report", "client_reference", "expire_at", "callback_url", "type"}
_TWILIO_SENT: Final = {"To", "From", "Body", "ValidityPeriod", "StatusCallback", "MessagingServiceSid"}
_SMSC_SENT: Final = {"apikey", "phones", "mes", "sender", "id", "valid", "charset", "fmt"}


def basic(user: str, password: str) -> str:
    """The value of ``Authorization``."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def code_in(number: str, codes: Mapping[str, Any]) -> Any:
    """What a number asks for with its last four digits; ``None``: success."""
    return codes.get(number[-4:])


@dataclass
class StandIn:
    """An API: what it took, by the provider's id."""

    taken: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer any request."""
        return web.Response(status=404)

    def keep(self, message_id: str, what: Mapping[str, Any]) -> None:
        """Remember a text that was accepted."""
        assert message_id not in self.taken
        self.taken[message_id] = dict(what)


class Sinch(StandIn):
    """POST /xms/v1/{service_plan_id}/batches."""

    CODES: Final = {"0400": 400, "0401": 401, "0403": 403, "0429": 429, "0503": 503}

    async def handle(self, request: web.Request) -> web.Response:
        """Take a batch of one text."""
        assert request.method == "POST"
        assert request.headers["Content-Type"] == "application/json"
        if request.headers.get("Authorization") != f"Bearer {SECRETS['SINCH_API_TOKEN']}":
            return web.Response(status=401)
        if request.path != f"/xms/v1/{SECRETS['SINCH_SERVICE_PLAN_ID']}/batches":
            return web.json_response({"code": "not_found", "text": "No such service plan"}, status=404)
        body = orjson.loads(await request.read())
        assert body.keys() <= _SINCH_SENT
        assert all(map(_E164.fullmatch, body["to"]))
        assert datetime.fromisoformat(body.get("expire_at", "2026-01-01T00:00:00Z")).tzinfo is not None
        match code_in(body["to"][0], self.CODES):
            case 400:
                words = f"The property to contains an invalid number {body['to'][0]}"
                return web.json_response({"code": "syntax_invalid_parameter_format", "text": words}, status=400)
            case 401:
                return web.Response(status=401)
            case 403:
                return web.json_response({"code": "unknown_group", "text": "Forbidden"}, status=403)
            case int(status):
                return web.Response(status=status, headers={"Retry-After": "3"})
        batch_id = f"01FC66621XXXXX119Z8PMV{len(self.taken):04}"
        self.keep(batch_id, body)
        return web.json_response({"id": batch_id, "canceled": False, "type": "mt_text", **body}, status=201)

    def receipt(self, batch_id: str, status: str, at: str, code: int) -> tuple[str, bytes]:
        """A recipient delivery report: content type and body."""
        batch = self.taken[batch_id]
        report = {
            "type": "recipient_delivery_report_sms",
            "batch_id": batch_id,
            "recipient": batch["to"][0].removeprefix("+"),
            "client_reference": batch["client_reference"],
            "code": code,
            "status": status,
            "at": at,
            "operator_status_at": at,
        }
        return "application/json", orjson.dumps(report)


class Twilio(StandIn):
    """POST /2010-04-01/Accounts/{AccountSid}/Messages.json."""

    CODES: Final = {
        "1211": (400, 21211, "The 'To' number {to} is not a valid phone number."),
        "1610": (400, 21610, "Attempt to send to unsubscribed recipient"),
        "1606": (400, 21606, "The From phone number is not a valid, SMS-capable inbound phone number"),
        "1611": (400, 21611, "This 'From' number has exceeded the maximum number of queued messages"),
        "0003": (401, 20003, "Authenticate"),
        "0429": (429, 20429, "Too Many Requests"),
        "0500": (500, 20500, "Internal Server Error"),
    }

    async def handle(self, request: web.Request) -> web.Response:
        """Take a message."""
        assert request.method == "POST"
        account = SECRETS["TWILIO_ACCOUNT_SID"]
        if request.headers.get("Authorization") != basic(account, SECRETS["TWILIO_AUTH_TOKEN"]):
            return self._problem(401, 20003, "Authenticate")
        assert request.path == f"/2010-04-01/Accounts/{account}/Messages.json"
        assert request.content_type == "application/x-www-form-urlencoded"
        form = {key: str(value) for key, value in (await request.post()).items()}
        assert form.keys() <= _TWILIO_SENT
        assert _E164.fullmatch(form["To"])
        assert 1 <= int(form.get("ValidityPeriod", 1)) <= 36000
        if (failure := code_in(form["To"], self.CODES)) is not None:
            status, code, words = failure
            return self._problem(status, code, words.format(to=form["To"]))
        sid = f"SM{len(self.taken):032x}"
        self.keep(sid, form)
        message = {"sid": sid, "status": "queued", "error_code": None, "error_message": None, "body": form["Body"]}
        return web.json_response({**message, "to": form["To"], "from": form.get("From")}, status=201)

    @staticmethod
    def _problem(status: int, code: int, words: str) -> web.Response:
        info = f"https://www.twilio.com/docs/errors/{code}"
        return web.json_response({"code": code, "message": words, "more_info": info, "status": status}, status=status)

    def receipt(self, sid: str, status: str, error_code: int | None = None) -> tuple[str, bytes]:
        """Twilio's request to the StatusCallback URL."""
        sent = self.taken[sid]
        form = {
            "AccountSid": SECRETS["TWILIO_ACCOUNT_SID"],
            "ApiVersion": "2010-04-01",
            "From": sent["From"],
            "MessageSid": sid,
            "MessageStatus": status,
            "SmsSid": sid,
            "SmsStatus": status,
            "To": sent["To"],
        }
        if error_code is not None:
            form["ErrorCode"] = str(error_code)
        return "application/x-www-form-urlencoded", urlencode(form).encode()


class Smsc(StandIn):
    """GET /sys/send.php."""

    CODES: Final = {
        "0001": "ERROR = 1 (parameters error)",
        "0002": "ERROR = 2 (authorise error)",
        "0003": "ERROR = 3 (no money)",
        "0004": "ERROR = 4 (ip is blocked)",
        "0006": "ERROR = 6 (message is denied), ID - {id}",
        "0007": "ERROR = 7 (invalid number), ID - {id}",
        "0008": "ERROR = 8 (message can't be delivered), ID - {id}",
        "0009": "ERROR = 9 (too many requests)",
    }

    async def handle(self, request: web.Request) -> web.Response:
        """Take a text."""
        assert request.method == "GET"
        assert request.path == "/sys/send.php"
        assert await request.read() == b""
        query = dict(request.query)
        if query.get("apikey") != SECRETS["SMSC_API_KEY"]:
            return web.Response(text="ERROR = 2 (authorise error)")
        assert query.keys() <= _SMSC_SENT
        assert (query["charset"], query["fmt"]) == ("utf-8", "0")
        assert 0 < int(query["id"]) < 2**31
        assert re.fullmatch(r"(0[0-9]|1[0-9]|2[0-4]):[0-5][0-9]", query.get("valid", "01:00"))
        if (failure := code_in(query["phones"], self.CODES)) is not None:
            return web.Response(text=failure.format(id=query["id"]))
        self.keep(query["id"], query)
        return web.Response(text=f"OK - 1 SMS, ID - {query['id']}")

    def receipt(self, message_id: str, status: int, second: int, err: int = 0) -> tuple[str, bytes]:
        """A status as it is given to the client's handler."""
        form = {
            "id": message_id,
            "phone": self.taken[message_id]["phones"],
            "status": status,
            "time": "29.11.2026 12:30:00",
            "ts": second,
            "err": err,
            "cnt": 1,
            "type": 0,
        }
        return "application/x-www-form-urlencoded", urlencode(form).encode()
