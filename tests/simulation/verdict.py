"""Whether a life kept the invariant of ``life.py``. Each check bears its number."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from engine.domain.audience import Candidate
from engine.domain.message import Reason, Status
from engine.domain.validate import ClientInput
from engine.domain.window import next_open_us
from tests.simulation.asked import Client, Mailing
from tests.simulation.costs import wrong_costs
from tests.simulation.decided import Decision, decision
from tests.simulation.history import NEVER_US
from tests.simulation.life import SECOND_US
from tests.simulation.providers import by_provider, in_two_hands
from tests.simulation.receipts import ReceiptFaults
from tests.simulation.snapshots import Snapshots
from tests.simulation.texts import mailing_in, sayings
from tests.simulation.world import BUSY, BUSY_SECONDS, Call

Row = Mapping[str, Any]
TRANSIT_US = 45_000
"""A call takes so long to arrive."""


class Verdict:
    """Collects what is wrong; empty ``faults`` is a life well lived."""

    def __init__(self, life: Any) -> None:
        """``life``: a ``Life`` or a ``ManyLife`` that was run."""
        self.life = life
        self.mailings: dict[int, Mailing] = {mailing.id: mailing for mailing in life.mailings}
        self.clients: dict[int, Client] = life.clients
        messages, self.counters = life.final()
        self.rows: dict[int, Row] = {row["id"]: row for row in messages}
        self.calls: dict[int, list[Call]] = defaultdict(list)
        for call in life.calls:
            self.calls[call.message_id].append(call)
        # Messages whose call may have reached a number, by mailing and number.
        self.reached: dict[tuple[int, int], set[int]] = defaultdict(set)
        for call in life.calls:
            if call.http_status == 200 or not call.is_known:
                self.reached[mailing_in(call.text), call.phone_number].add(call.message_id)
        self._receipts = ReceiptFaults(life.mouth, self._slack_us)
        self._doubtful = set(self._doubts())
        self._snapshots = Snapshots(life.notes())

    def faults(self) -> list[str]:
        """All violations, in words."""
        checks = (
            self._in_time,
            self._rates,
            self._repeats,
            self._crashes,
            self._ends,
            self._audiences,
            self._truth,
            self._held,
            self._told,
            self._incomplete,
            self._listed,
            self._hands,
            self._heard,
            self._costs,
        )
        found = [fault for check in checks for fault in check()]
        found += self.life.statistics.faults
        return [*found, *self.life.mouth.failures, *(f"16: {said}" for said in self.life.stalls)]

    def _costs(self) -> Iterator[str]:
        yield from wrong_costs(self.rows, self.calls, self.counters, self.life.prices)

    def _hands(self) -> Iterator[str]:
        for calls in self.calls.values():
            yield from in_two_hands(calls)

    def _heard(self) -> Iterator[str]:
        yield from self._receipts.of_strangers()
        yield from self._receipts.of_counters(self.rows.values(), self.counters)
        for message_id in sorted(self._receipts.ids | self.rows.keys()):
            if not self._is_gone(message_id):
                yield from self._receipts.of_message(message_id, self.rows.get(message_id), self.calls[message_id])

    def _is_gone(self, message_id: int) -> bool:
        """Whether the message's mailing was deleted."""
        return False

    def _in_time(self) -> Iterator[str]:
        for call in self.life.calls:
            mailing, client = self.mailings[mailing_in(call.text)], self._owner(call)
            was, plans = client.was.at(call.began_us), mailing.plans.at(call.began_us)
            at_us = self._by_its_clock_us(call)
            if not any(plan.start_us <= at_us < plan.end_us - TRANSIT_US for plan in plans):
                yield f"1: message {call.message_id} was called outside its window"
            if at_us + call.timeout_us > max(plan.end_us for plan in plans) + 1:
                yield f"1: message {call.message_id} was waited for beyond its mailing's end"
            hours = {plan.local_hours for plan in plans}
            zones = {ZoneInfo(one.time_zone) for one in was}
            if all(next_open_us(each, zone, at_us) != at_us for each in hours for zone in zones):
                yield f"1: message {call.message_id} was called outside local hours"
            if call.text not in sayings([plan.text for plan in plans], [one.tag for one in was]):
                yield f"19: message {call.message_id} was called with an old text, or with a hole in it: {call.text}"
            at_us = call.began_us
            if any(since < at_us < until for since, until in mailing.pauses):
                yield f"1: message {call.message_id} was called while mailing {mailing.id} was paused or cancelled"
            if client.deleted_us is not None and at_us > client.deleted_us:
                yield f"1: message {call.message_id} was called after its client was deleted"
            yield from self._edits(call, mailing, client, was)

    def _by_its_clock_us(self, call: Call) -> int:
        """When the call began by the clock of the engine that made it."""
        return call.began_us

    def _owner(self, call: Call) -> Client:
        """Who had the number then; the last one who could."""
        known: list[Client] = self.life.owners[call.phone_number]
        owners = [one for one in known if one.since_us <= call.began_us]
        had = [one for one in owners if any(w.phone_number == call.phone_number for w in one.was.at(call.began_us))]
        alive = [one for one in had if one.deleted_us is None or call.began_us <= one.deleted_us]
        return (alive or had or owners)[-1]

    def _incomplete(self) -> Iterator[str]:
        for row in self.rows.values():
            if row["reason"] != Reason.INCOMPLETE or row["id"] not in self.life.whose:
                continue
            _, client_id = self.life.whose[row["id"]]
            if all(one.tag for one in self.clients[client_id].was.between(0, NEVER_US)):
                yield f"19: message {row['id']} is incomplete, but nothing lacked"

    def _told(self) -> Iterator[str]:
        for (mailing_id, phone_number), messages in self.reached.items():
            if len(messages) > 1:
                yield f"10: mailing {mailing_id} may have told {phone_number} by the messages {sorted(messages)}"

    def _listed(self) -> Iterator[str]:
        for call in self.life.calls:
            if self.life.stop_list.forbids(call.phone_number, call.began_us):
                yield f"18: message {call.message_id} was called while {call.phone_number} was on the stop list"
        for row in self.rows.values():
            client = self.clients.get(row["client_id"])
            if row["reason"] == Reason.SUPPRESSED and client is not None and not self._was_listed(client):
                yield f"18: message {row['id']} is suppressed, but no number of its client was on the stop list"

    def _was_listed(self, client: Client) -> bool:
        return any(self.life.stop_list.ever_had(was.phone_number) for was in client.was.between(0, NEVER_US))

    def _edits(self, call: Call, mailing: Mailing, owner: Client, was: list[ClientInput]) -> Iterator[str]:
        if not any(one.phone_number == call.phone_number for one in was):
            yield f"1: message {call.message_id} was called with a number that is the client's no more"
        decided = self._decision(mailing, call.began_us)
        if decided is not None:
            if not decided.may_have(owner):
                yield f"7: message {call.message_id} was called for a client who came to match too late"
            return
        filters = mailing.filters.at(call.began_us)
        matched = [filter for filter in filters if any(any(filter.among([Candidate.of(owner.id, one)])) for one in was)]
        if not matched:
            yield f"1: message {call.message_id} was called for a client that does not match any more"
        elif not any(self._snapshots.may_have(filter, owner.id) for filter in matched):
            yield f"20: message {call.message_id} was called for a client whose other message was not so"

    def _decision(self, mailing: Mailing, at_us: int) -> Decision | None:
        built_us = self.life.built_us.get(mailing.id, ())
        return decision(mailing, built_us, at_us, self._snapshots, self._slack_us)

    @property
    def _slack_us(self) -> int:
        """How far two clocks may be apart."""
        return 0

    def _rates(self) -> Iterator[str]:
        for mailing in self.mailings.values():
            times = [call.began_us for call in self.life.calls if mailing_in(call.text) == mailing.id]
            for index, at_us in enumerate(times):
                within = [t for t in times[index:] if t < at_us + SECOND_US and not self._crashed_between(at_us, t)]
                rates = [plan.rate_limit for plan in mailing.plans.between(at_us, at_us + SECOND_US)]
                rate = max((rate for rate in rates if rate is not None), default=None)
                if rate is not None and None not in rates and len(within) > rate:
                    yield f"2: mailing {mailing.id} made {len(within)} calls in one second, its rate is {rate}"

    def _repeats(self) -> Iterator[str]:
        for message_id, calls in self.calls.items():
            policy = self.mailings[mailing_in(calls[0].text)].asked.on_uncertain
            for first, second in pairwise(calls):
                if policy == "not_sent" and not first.is_known:
                    yield f"4: message {message_id} was called again after an unknown outcome"
                if self._crashed_between(first.began_us, second.began_us):
                    continue
                if first.ended_us is None or second.began_us < first.ended_us:
                    yield f"3: two calls of message {message_id} overlap"
                if first.http_status in (200, 400) and first.understood:
                    yield f"3: message {message_id} was called again after {first.http_status}"

    def _crashes(self) -> Iterator[str]:
        slots = max(self.life.settings.workers, self.life.settings.slots) * len(self.life.specs)
        for open_messages in self.life.open_after_crash:
            if len(open_messages) > slots:
                yield f"5: a crash left {len(open_messages)} messages open, of {slots} slots"

    def _ends(self) -> Iterator[str]:
        for row in self.rows.values():
            status, calls = Status(row["status"]), self.calls[row["id"]]
            answers = {call.http_status for call in calls}
            if not status.is_final:
                yield f"6: message {row['id']} is still {status.name}"
            is_taken = any(call.took or call.http_status == 200 for call in calls)
            if status is Status.SENT and not is_taken and not self._receipts.has_lied(row["id"]):
                yield f"6: message {row['id']} is SENT, but the provider never accepted it"
            if row["reason"] == Reason.REJECTED and 400 not in answers:
                yield f"6: message {row['id']} is rejected, but the provider never said so"
        counted = Counter((row["mailing_id"], row["status"], row["reason"]) for row in self.rows.values())
        for counters in self.counters:
            mailing_id = counters["mailing_id"]
            named: dict[str, tuple[int, int | None]] = {"sent": (Status.SENT, None)}
            named |= {reason.public: (Status.NOT_SENT, reason) for reason in Reason}
            for name, (number, reason) in named.items():
                rows = counted[mailing_id, number, reason]
                if counters[name] != rows:
                    yield f"6: mailing {mailing_id} counts {counters[name]} {name}, not {rows}"
            if counters["pending"]:
                yield f"6: mailing {mailing_id} counts {counters['pending']} pending"

    def _audiences(self) -> Iterator[str]:
        by_pair = {(row["mailing_id"], row["client_id"]): row for row in self.rows.values()}
        for mailing in self.mailings.values():
            if mailing.cancelled_us is not None:
                continue
            decided = self._decision(mailing, mailing.asked.end_us)
            for client in self.clients.values():
                if client.is_deleted or client.was.settled_us >= mailing.first_end_us:
                    continue
                row = by_pair.get((mailing.id, client.id))
                matches = self._matches(mailing, decided, client)
                numbers = self._numbers(mailing, client)
                if row is None and any(self._is_told(mailing, one) or self._is_listed(mailing, one) for one in numbers):
                    continue
                yield from self._fate(mailing, client.id, matches, row)

    def _matches(self, mailing: Mailing, decided: Decision | None, client: Client) -> bool | None:
        """Whether a client should have a message in the end; ``None``: it may, and may not."""
        filter = mailing.asked.filter
        if decided is not None:
            return True if decided.must_have(client) else None if decided.may_have(client) else False
        if not any(filter.among([Candidate.of(client.id, client.given)])):
            return False
        if self._snapshots.must_have(filter, client.id, client.was.between(0, NEVER_US)):
            return True
        return None if self._snapshots.may_have(filter, client.id) else False

    def _was_fixed(self, mailing: Mailing) -> bool:
        return any(plan.audience_fixed for plan in mailing.plans.between(0, NEVER_US))

    def _asked_for_messages(self, mailing: Mailing) -> bool:
        return any(plan.filter.messages is not None for plan in mailing.plans.between(0, NEVER_US))

    def _numbers(self, mailing: Mailing, client: Client) -> list[int]:
        """Those that may be why the client has no message. Who has left a decided audience does not return, nor
        one by another mailing's messages: a number that had been told there may have cost the client that message."""
        if not (self._was_fixed(mailing) or self._asked_for_messages(mailing)):
            return [client.given.phone_number]
        return [one.phone_number for one in client.was.between(0, NEVER_US)]

    def _is_listed(self, mailing: Mailing, phone_number: int) -> bool:
        """Whether this number may be on the stop list, or was until the mailing's end, or ever if that was fixed."""
        stop_list = self.life.stop_list
        until_us = 1 if self._was_fixed(mailing) else mailing.first_end_us
        return bool(stop_list.may_have(phone_number) or stop_list.settled_us(phone_number) >= until_us)

    def _is_told(self, mailing: Mailing, phone_number: int) -> bool:
        """Whether a message that is gone may have told this number."""
        pair = mailing.id, phone_number
        return pair in self.reached or pair in self._doubtful

    def _doubts(self) -> Iterator[tuple[int, int]]:
        """Mailings and numbers of messages that may have reached somebody: the store does not know at which of their
        client's numbers, so each that the client has left since is taken for told. A message whose call was refused may
        be sent all the same, by a receipt."""
        for message_id, (mailing_id, client_id) in self.life.whose.items():
            calls, row = self.calls.get(message_id, ()), self.rows.get(message_id)
            if message_id in self.life.lost or not all(call.is_known for call in calls):
                for was in self.clients[client_id].was.between(0, NEVER_US):
                    yield mailing_id, was.phone_number
            elif row is not None and row["status"] == Status.SENT:
                yield from ((mailing_id, call.phone_number) for call in calls)

    def _fate(self, mailing: Mailing, client_id: int, matches: bool | None, row: Row | None) -> Iterator[str]:
        if row is None:
            if matches and not self._is_short(mailing):
                yield f"7: client {client_id} matches mailing {mailing.id} and has no message"
            return
        # A filter that was edited just before the end, with a slow store: nothing follows it any more.
        followed = mailing.filters.changed_us < mailing.first_end_us - 60 * SECOND_US
        if followed and matches is False and row["status"] == Status.NOT_SENT and row["reason"] == Reason.EXPIRED:
            yield f"7: client {client_id} does not match mailing {mailing.id}, but its message was kept"
        if row["reason"] == Reason.EXPIRED and not self._is_short(mailing) and matches:
            yield f"7: message {row['id']} expired, though there was time to send it"

    def _held(self) -> Iterator[str]:
        for calls in by_provider(self.life.calls):
            yield from self._held_at_one(calls)

    def _held_at_one(self, calls: Sequence[Call]) -> Iterator[str]:
        said_us = held_until_us = 0
        for at_us, call in sorted(
            [(call.began_us, None) for call in calls]
            + [(call.ended_us, call) for call in calls if call.ended_us is not None],
            key=lambda moment: (moment[0], moment[1] is None),
        ):
            if call is not None and call.understood and call.http_status == BUSY:
                said_us, held_until_us = at_us, at_us + BUSY_SECONDS * SECOND_US
            elif call is None and at_us < held_until_us and not self._crashed_between(said_us, at_us):
                yield f"9: a call began {held_until_us - at_us} us before the provider wanted one again"

    def _truth(self) -> Iterator[str]:
        for message_id, calls in self.calls.items():
            if message_id not in self.rows and not all(call.is_known for call in calls):
                yield f"8: message {message_id} may have been sent, and has left no row"
        for row in self.rows.values():
            if row["status"] != Status.NOT_SENT:
                continue
            calls, reason = self.calls[row["id"]], Reason(row["reason"])
            unknown = row["id"] in self.life.lost or not all(call.is_known for call in calls)
            if unknown != (reason is Reason.UNCERTAIN):
                yield f"8: message {row['id']} is {reason.public}, its outcome was {'un' if unknown else ''}known"
            if not unknown and any(call.http_status == 200 for call in calls):
                yield f"8: message {row['id']} is {reason.public}, but the provider has accepted it"

    def _is_short(self, mailing: Mailing) -> bool:
        """Whether the mailing ended before or soon after the faults did, so that expiry is no surprise."""
        end_us, quiet_us = mailing.first_end_us, self.life.quiet_since_us
        has_hours = any(plan.local_hours is not None for plan in mailing.plans.between(0, NEVER_US))
        local = has_hours and end_us - quiet_us < 25 * 3600 * SECOND_US
        return local or bool(end_us < quiet_us + 120 * SECOND_US)

    def _crashed_between(self, first_us: int, second_us: int) -> bool:
        return any(first_us <= crash_us <= second_us for crash_us in self.life.crashes_us)
