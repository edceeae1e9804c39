"""A service beside a model of the rules: the same things are done to both, over REST, and must come out alike.

INVARIANT. After each step, once the engine has caught up:
  1  a mailing has a message for each client that matches while it is open, and for whoever got its text (rule 1)
  2  everybody who matches an open mailing that has begun gets its text; no client and no number gets it twice
  3  nothing is sent before the start, while it is paused, or after a cancel (rules 4, 10)
  4  total = pending + sent + not_sent (rule 13), and each is as the model says
  5  what can't be done is refused with the status that the model says, and changes nothing
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

API: Final = "/api/v1"
TAGS: Final = ("red", "green", "")
_CATCH_UP_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 0.01
_HOUR: Final = timedelta(hours=1)
_tags = st.sampled_from(TAGS)
_filters = st.lists(st.sampled_from(TAGS[:2]), max_size=2, unique=True)
_numbers = st.integers(79160000000, 79160000003)


class Rest:
    """One connection to the gateway, and one to the provider's own count."""

    def __init__(self, address: str, token: str, provider: str) -> None:
        """``address`` and ``provider`` are ``host:port``."""
        self._gateway = http.client.HTTPConnection(address, timeout=30)
        self._provider = http.client.HTTPConnection(provider, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request: its status, and its JSON."""
        self._gateway.request(method, API + path, None if body is None else json.dumps(body), self._headers)
        answer = self._gateway.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None

    def texts(self, text: str) -> list[int]:
        """The numbers that have got this text, as often as they got it."""
        self._provider.request("GET", "/sandbox/messages?limit=1000")
        found = json.loads(self._provider.getresponse().read())["messages"]
        return sorted(int(one["phone"]) for one in found if one["text"] == text for _ in range(one["count"]))


@dataclass
class Client:
    """What the model knows of one."""

    id: int
    phone: int
    tag: str


@dataclass
class Mailing:
    """What the model knows of one, and what it says must be."""

    id: int
    text: str
    tags: list[str]
    begun: bool
    paused: bool = False
    cancelled: bool = False
    pending: set[int] = field(default_factory=set)
    """Clients."""
    told: dict[int, int] = field(default_factory=dict)
    """Numbers by message, which is named by its client: who got the text, at which number."""
    ended: set[int] = field(default_factory=set)
    """Clients whose messages were cancelled."""

    @property
    def numbers(self) -> set[int]:
        """Who got the text."""
        return set(self.told.values())


class Service(RuleBasedStateMachine):
    """The machine; ``rest`` is set before it runs. Each run has tags and texts of its own: the service goes on."""

    rest: Rest
    runs = 0
    clients_of = Bundle("clients")
    mailings_of = Bundle("mailings")

    @initialize()
    def begin(self) -> None:
        """Nobody is there."""
        Service.runs += 1
        self._texts = 0
        self.clients: dict[int, Client] = {}
        self.mailings: dict[int, Mailing] = {}

    # -- clients ---------------------------------------------------------------------------------------
    @rule(target=clients_of, phone=_numbers, tag=_tags)
    def add_client(self, phone: int, tag: str) -> int:
        """A number is somebody's or free."""
        status, found = self.rest.ask("POST", "/clients", {"phone_number": str(phone), "tag": tag})
        if self._holder(phone) is not None:
            assert status == 409
            return 0
        assert status == 201
        self.clients[found["id"]] = Client(found["id"], phone, tag)
        self._follow()
        return int(found["id"])

    @rule(id=clients_of, phone=_numbers, tag=_tags)
    def edit_client(self, id: int, phone: int, tag: str) -> None:
        """Another number, another tag."""
        status, _ = self.rest.ask("PATCH", f"/clients/{id}", {"phone_number": str(phone), "tag": tag})
        if id not in self.clients:
            assert status == 404
        elif self._holder(phone) not in (None, id):
            assert status == 409
        else:
            assert status == 200
            self.clients[id].phone, self.clients[id].tag = phone, tag
            self._follow()

    @rule(id=consumes(clients_of))
    def delete_client(self, id: int) -> None:
        """Nothing more is sent to it; what was sent stays."""
        status, _ = self.rest.ask("DELETE", f"/clients/{id}")
        assert status == (204 if id in self.clients else 404)
        self.clients.pop(id, None)
        self._follow()

    # -- mailings ------------------------------------------------------------------------------------
    @rule(target=mailings_of, tags=_filters, begun=st.booleans())
    def register(self, tags: list[str], begun: bool) -> int:
        """One that has begun, or one for tomorrow."""
        self._texts += 1
        text, now = f"run {Service.runs}, text {self._texts}", datetime.now(UTC)
        start = now - _HOUR if begun else now + 24 * _HOUR
        body = {
            "text": text,
            "filter": {"tags": tags},
            "start_time": start.isoformat(),
            "end_time": (now + 48 * _HOUR).isoformat(),
        }
        status, found = self.rest.ask("POST", "/mailings", body)
        assert status == 201
        self.mailings[found["id"]] = Mailing(found["id"], text, tags, begun)
        self._follow()
        return int(found["id"])

    @rule(id=mailings_of, tags=_filters)
    def edit_filter(self, id: int, tags: list[str]) -> None:
        """Unsent messages follow."""
        status, _ = self.rest.ask("PATCH", f"/mailings/{id}", {"filter": {"tags": tags}})
        if self._may_change(id, status):
            self.mailings[id].tags = tags
            self._follow()

    @rule(id=mailings_of, verb=st.sampled_from(["pause", "resume", "cancel"]))
    def control(self, id: int, verb: str) -> None:
        """What is cancelled can't be paused or resumed; cancelling it once more changes nothing."""
        status, _ = self.rest.ask("POST", f"/mailings/{id}/{verb}")
        mailing = self.mailings.get(id)
        if verb == "cancel" and mailing is not None:
            assert status == 200
            mailing.cancelled = True
            mailing.ended |= mailing.pending
            mailing.pending = set()
        elif self._may_change(id, status):
            self.mailings[id].paused = verb == "pause"
            self._follow()

    @rule(id=consumes(mailings_of))
    def delete_mailing(self, id: int) -> None:
        """Its messages go with it."""
        status, _ = self.rest.ask("DELETE", f"/mailings/{id}")
        assert status == (204 if id in self.mailings else 404)
        self.mailings.pop(id, None)

    # -- what must be true ------------------------------------------------------------------------------
    @precondition(lambda self: bool(getattr(self, "mailings", None)))
    @invariant()
    def all_is_as_the_model_says(self) -> None:
        """Counters, and who got what."""
        for mailing in self.mailings.values():
            wanted = {"pending": len(mailing.pending), "sent": len(mailing.told), "not_sent": len(mailing.ended)}
            wanted["total"] = sum(wanted.values())
            deadline = time.monotonic() + _CATCH_UP_SECONDS
            while (found := self._found(mailing)) != (wanted, "ready") and time.monotonic() < deadline:
                time.sleep(_STEP_SECONDS)
            assert found == (wanted, "ready")
            assert self.rest.texts(mailing.text) == sorted(mailing.numbers)

    def teardown(self) -> None:
        """The next run begins with nobody."""
        for path in [f"/mailings/{id}" for id in self.mailings] + [f"/clients/{id}" for id in self.clients]:
            assert self.rest.ask("DELETE", path)[0] == 204

    # -- the model ----------------------------------------------------------------------------------------
    def _found(self, mailing: Mailing) -> tuple[Any, str]:
        _, found = self.rest.ask("GET", f"/mailings/{mailing.id}")
        return found["message_counts"], found["audience_state"]

    def _holder(self, phone: int) -> int | None:
        return next((client.id for client in self.clients.values() if client.phone == phone), None)

    def _may_change(self, id: int, status: int) -> bool:
        mailing = self.mailings.get(id)
        wanted = 404 if mailing is None else 409 if mailing.cancelled else 200
        assert status == wanted
        return status == http.client.OK

    def _follow(self) -> None:
        """Rule 1: who matches has a message; who has one and matches no more loses it, unless it was sent."""
        for mailing in self.mailings.values():
            if mailing.cancelled:
                continue
            mailing.pending = {
                client.id
                for client in self.clients.values()
                if (not mailing.tags or client.tag in mailing.tags)
                and client.id not in mailing.told
                and client.phone not in mailing.numbers
            }
            if mailing.begun and not mailing.paused:
                mailing.told |= {id: self.clients[id].phone for id in mailing.pending}
                mailing.pending = set()
