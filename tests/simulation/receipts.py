"""What providers say later of the texts that they took, whom they tell, and what has to be true then.

Receipts come before their call's answer, long after, twice, in any order, by our id, for messages whose outcome nobody
knows, that are claimed again, or that are none. One that is not answered is handed in again, also after a kill. What
was answered is remembered, and the oracle of ``ReceiptFaults`` says what the tables must show.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from engine.api.receipts import Inbox
from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.message import Status
from engine.domain.receipt import Delivery as Said
from engine.domain.receipt import Effect, Receipt
from engine.ports import Claim, StoreUnavailable
from tests.simulation.history import NEVER_US
from tests.simulation.world import ODD_STATUSES, Call, Faults

_SECOND_US: Final = 1_000_000
_STEP_SECONDS: Final = 0.2
_DAY_US: Final = 86_400 * _SECOND_US
_DELAYS_SECONDS: Final = (0.0, 0.3, 4.0, 4.0, 40.0)
_TIMEOUT_SECONDS: Final = 5.0
"""So long a provider waits for an answer."""
_HURRY: Final = 0.8
_LATE: Final = 0.7
_NARROW: Final = 0.7
_NARROW_LATENCY: Final = (0.05, 0.5)
_NARROW_SETTINGS: Final[dict[str, Any]] = {
    "workers": 1,
    "slots": 0,
    "queue_size": 50,
    "provider_timeout_seconds": 0.6,
    "retry_base_seconds": 0.2,
}
_SOON_SECONDS: Final = (0.0, 0.0, 0.5)
_LIST: Final = 30
NOBODY: Final = 1_000_000_000
"""Greater than any id."""
STRANGER: Final = "a stranger"
"""A provider that was never given a message."""
HandIn = Callable[[Sequence[Receipt]], Awaitable[tuple[Effect, ...]]]


@dataclass(slots=True)
class Answer:
    """What became of a receipt that was handed in once."""

    asked_us: int
    returned_us: int = NEVER_US
    """``NEVER_US``: nobody was told, and it may have been stored or not."""
    effect: Effect | None = None


@dataclass(slots=True)
class Word:
    """A receipt, until it is answered."""

    receipt: Receipt
    due_us: int
    is_true: bool = True
    """The provider took the message before."""
    is_out: bool = False
    answers: list[Answer] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        return any(answer.effect is not None for answer in self.answers)

    @property
    def message_id(self) -> int:
        assert self.receipt.message_id is not None
        return self.receipt.message_id


class Mouth:
    """All providers', for as long as the life lasts."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"receipts of {seed}")
        """Draws nothing else."""
        self.words: list[Word] = []
        self._open: list[Word] = []
        """Those that were not answered, and some that were."""
        self._news = asyncio.Event()
        """There is something to say, or somebody to say it again."""
        self.strangers: list[Word] = []
        """Said by somebody who has no say."""
        self.failures: list[str] = []
        """Receipts that failed, though the store did not."""
        self.is_silent = self.random.random() < 0.2
        self._repeats = Random(f"repeats of {seed}")
        """Draws nothing else, so that receipts are otherwise what they were before answers to them were lost."""
        self._is_narrow = False
        self._lost = self._repeats.choice((0.0, 0.5))
        """This share of the answers is lost: what was said is stored, and nobody was told of it."""

    def doubtful(self, faults: Faults) -> Faults:
        """These faults, or such with which the outcome of many calls is unknown until a receipt tells."""
        if self.random.random() < 0.6:
            return faults
        self._is_narrow = self._repeats.random() < _NARROW
        latency = _NARROW_LATENCY if self._is_narrow else faults.latency_seconds
        lose, misroute = self.random.uniform(0.2, 0.6), self.random.uniform(0, 0.3)
        return replace(faults, latency_seconds=latency, lose_answer=lose, misroute=misroute)

    def narrow(self, settings: DeliverySettings) -> DeliverySettings:
        """These settings; in some doubtful lives such with which one call is made at a time, and tried again soon: what
        is claimed again waits in the queue then, and its receipt may come meanwhile."""
        return replace(settings, **_NARROW_SETTINGS) if self._is_narrow else settings

    def answered(self, call: Call) -> None:
        """A provider has decided on its answer: if it takes the text, plan what it will say. It may have taken one for
        which somebody else answers."""
        random = self.random
        if self.is_silent or not (
            call.http_status == 200 or (call.http_status in ODD_STATUSES and random.random() < 0.5)
        ):
            return
        call.took = True
        if random.random() < 0.25:
            return
        time_us = call.began_us + random.randrange(_SECOND_US)
        word = Said.DELIVERED if random.random() < 0.7 else Said.UNDELIVERED
        other = Said.UNDELIVERED if word is Said.DELIVERED else Said.DELIVERED
        self._plan(call, word, time_us)
        dice = random.random()
        if dice < 0.2:
            self._plan(call, word, time_us)
        elif dice < 0.35:
            self._plan(call, other, time_us - random.randrange(1, _SECOND_US))
        elif dice < 0.5:
            self._plan(call, other, time_us + random.randrange(1, _SECOND_US))

    def lie(self, message_ids: Collection[int], calls: Sequence[Call], now_us: int) -> None:
        """Now and then somebody speaks of a message that there is not, or of one that was claimed and not called."""
        if not self.is_silent and self.random.random() < 0.1:
            uncalled = sorted(set(message_ids) - {call.message_id for call in calls})
            id = self.random.choice((NOBODY, *uncalled))
            self._say(Word(Receipt(Said.DELIVERED, now_us, id), now_us, is_true=False))

    def claimed_again(self, message_ids: Collection[int], now_us: int) -> None:
        """An engine has just taken these for another call: what there is to say of the earlier ones comes now, while
        they wait in its queue."""
        for word in self._open if message_ids else ():
            if word.message_id in message_ids and word.due_us > now_us and self.random.random() < _HURRY:
                word.due_us = now_us + int(self.random.uniform(0, self.random.choice(_SOON_SECONDS)) * _SECOND_US)
                self._news.set()

    def loses(self) -> bool:
        """Whether the answer to some receipts, which are stored, is lost on the way."""
        return self._repeats.random() < self._lost

    def meddle(self, message_ids: Sequence[int], now_us: int) -> list[list[Word]]:
        """Lists of receipts of these messages by somebody who was given none of them: nothing must come of them. Each
        waits for whoever holds one of the messages, and holds others meanwhile."""
        lists = []
        for _ in range(self._repeats.choice((0, 1, 3)) if len(message_ids) > 1 else 0):
            ids = self._repeats.sample(message_ids, min(len(message_ids), _LIST))
            said = [Receipt(Said.DELIVERED, now_us, id, provider=STRANGER) for id in ids]
            lists.append([Word(receipt, now_us, is_true=False) for receipt in said])
        self.strangers += [word for each in lists for word in each]
        return lists

    def _plan(self, call: Call, said: Said, time_us: int) -> None:
        delay_seconds = self.random.uniform(0, self.random.choice(_DELAYS_SECONDS))
        if call.is_lost and self._repeats.random() < _LATE:
            delay_seconds = _DELAYS_SECONDS[-1]  # or when the message is claimed again
        due_us = call.began_us + int(delay_seconds * _SECOND_US)
        self._say(Word(Receipt(said, time_us, call.message_id), due_us))

    async def speak(self, now_us: Callable[[], int], hand_in: Callable[[list[Word]], None]) -> None:
        """Hand in what is due, for ever, in lists of some."""
        self._news = asyncio.Event()
        while True:
            await asyncio.sleep(self.random.uniform(0.005, self.random.choice((0.02, _STEP_SECONDS))))
            waiting = [word for word in self.open() if not word.is_out]
            due = [word for word in waiting if word.due_us <= now_us()]
            if not due:
                await self._something_new(min((word.due_us for word in waiting), default=NEVER_US) - now_us())
                continue
            self.random.shuffle(due)
            while due:
                number = self.random.choice((1, 1, 5))
                hand_in(due[:number])
                del due[:number]

    async def _something_new(self, wait_us: int) -> None:
        """Until there is something else to say, or so long: to look again and again would cost a tenth of a life."""
        self._news.clear()
        timer = asyncio.get_running_loop().call_later(min(wait_us, _DAY_US) / _SECOND_US, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

    def open(self) -> list[Word]:
        """What was not answered."""
        self._open = [word for word in self._open if not word.is_answered]
        return self._open

    def all_is_due(self) -> None:
        """Wait no longer, and hear each answer."""
        self._lost = 0.0
        for word in self.words:
            word.due_us = 0
        self._news.set()

    def _say(self, word: Word) -> None:
        self.words.append(word)
        self._open.append(word)
        self._news.set()

    def hang_up(self) -> None:
        """Whoever was asked is dead."""
        self.back(self.words)

    def back(self, words: Iterable[Word]) -> None:
        """Nobody is asked about these any more: who has got no answer asks again."""
        for word in words:
            word.is_out = False
        self._news.set()


async def tell(mouth: Mouth, words: list[Word], hand_in: HandIn, now_us: Callable[[], int]) -> None:
    """Hand in receipts once."""
    answers = [Answer(now_us()) for _ in words]
    for word, answer in zip(words, answers, strict=True):
        word.is_out = True
        word.answers.append(answer)
    try:
        effects = await hand_in([word.receipt for word in words])
    except StoreUnavailable:
        pass  # answered 503: they come again
    except Exception as error:
        mouth.failures.append(f"22: receipts of {sorted(word.message_id for word in words)} fail: {error!r}")
    else:
        for answer, effect in zip(answers, effects, strict=True):
            answer.returned_us, answer.effect = now_us(), effect
    finally:
        mouth.back(words)


def note_claims(mouth: Mouth, store: Any, now_us: Callable[[], int]) -> None:
    """Make a store tell what is claimed again, before whoever claims knows of it."""
    store.claim = _noting(mouth, store.claim, now_us)
    store.claim_all = _noting(mouth, store.claim_all, now_us)


def _noting(mouth: Mouth, claim: Callable[..., Awaitable[list[Any]]], now_us: Callable[[], int]) -> Any:

    async def noted(*args: Any, **kwargs: Any) -> list[Any]:
        found = await claim(*args, **kwargs)
        claims = [each for some in found for each in ([some] if isinstance(some, Claim) else some)]
        mouth.claimed_again({each.message_id for each in claims if each.attempt > 1}, now_us())
        return found

    return noted


def handing_in(inbox: Inbox, delivery: Delivery, mouth: Mouth) -> HandIn:
    """As the API does it."""

    async def hand_in(receipts: Sequence[Receipt]) -> tuple[Effect, ...]:
        done = await inbox.hand_in(receipts)
        if mouth.loses():
            raise StoreUnavailable("the connection broke after the commit")
        if done.client_ids:
            delivery.actors.clients.changed(done.client_ids)
            await delivery.actors.clients.followed(done.client_ids)
        return done.effects

    return hand_in


def giving_up(mouth: Mouth, words: list[Word]) -> None:
    """A provider waits no longer for an answer, and asks somebody else."""
    asyncio.get_running_loop().call_later(_TIMEOUT_SECONDS, mouth.back, words)


class ReceiptFaults:
    """What is wrong with the messages that receipts were about. Parts 21 to 24 of the invariant."""

    def __init__(self, mouth: Mouth, slack_us: int) -> None:
        """``slack_us``: how far two clocks may be apart."""
        words = mouth.words
        self._strangers = mouth.strangers
        self._words: defaultdict[int, list[Word]] = defaultdict(list)
        for word in words:
            self._words[word.message_id].append(word)
        self._slack_us = slack_us

    def of_counters(self, rows: Collection[Mapping[str, Any]], counters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Part 21."""
        found = Counter((row["mailing_id"], row["delivery"]) for row in rows if row["status"] == Status.SENT)
        for counted in counters:
            id, told = counted["mailing_id"], 0
            for said in Said:
                told += counted[said.public]
                if counted[said.public] != found[id, said]:
                    yield f"21: mailing {id} counts {counted[said.public]} {said.public}, not {found[id, said]}"
            if told + found[id, None] != counted["sent"]:
                yield f"21: mailing {id} counts {counted['sent']} sent; {told} have a receipt, {found[id, None]} none"

    def of_strangers(self) -> Iterator[str]:
        """Part 22."""
        for word in self._strangers:
            if any(answer.effect not in (None, Effect.UNKNOWN) for answer in word.answers):
                yield f"22: a receipt of message {word.message_id} was kept, by one who was never given it"

    def of_message(self, id: int, row: Mapping[str, Any] | None, calls: Sequence[Call]) -> Iterator[str]:
        """Parts 22 to 24; ``row``: ``None`` when there is none in the end."""
        words = self._words.get(id, [])
        if id == NOBODY and any(
            answer.effect not in (None, Effect.UNKNOWN) for word in words for answer in word.answers
        ):
            yield "22: a receipt of a message that there is not was kept"
        if not words:
            if row is not None and row["delivery"] is not None:
                yield f"22: message {id} has a receipt, and nobody sent one"
            return
        if not all(word.is_true for word in words):
            return  # it has said what never was
        if row is None:
            yield f"22: message {id} was called and has receipts, but left no row"
            return
        yield from self._latest(id, row, words)
        yield from self._calls(id, words, calls)
        yield from self._fate(id, row, words, calls)

    @property
    def ids(self) -> set[int]:
        """Of all that receipts were about."""
        return set(self._words)

    def has_lied(self, id: int) -> bool:
        """Whether somebody has said of a message what was not so."""
        return not all(word.is_true for word in self._words.get(id, ()))

    def _latest(self, id: int, row: Mapping[str, Any], words: Sequence[Word]) -> Iterator[str]:
        """Of those that were answered the latest counts, or a later one whose answer nobody got."""
        settled_us = max((word.receipt.time_us for word in words if word.is_answered), default=None)
        possible = {
            (word.receipt.delivery, word.receipt.time_us)
            for word in words
            if word.answers and (settled_us is None or word.receipt.time_us >= settled_us)
        }
        possible_none = {(None, None)} if settled_us is None else set()
        if (row["delivery"], row["delivery_us"]) not in possible | possible_none:
            yield f"22: message {id} shows {row['delivery'], row['delivery_us']}, not one of {sorted(possible)}"
        for answer in (answer for word in words for answer in word.answers):
            if answer.effect is Effect.UNKNOWN:
                yield f"22: a receipt of message {id} was unknown, though the provider had taken it"

    def _calls(self, id: int, words: Sequence[Word], calls: Sequence[Call]) -> Iterator[str]:
        heard_us = _first_answer_us(words)
        for call in calls:
            if call.began_us > heard_us:
                yield f"23: message {id} was called {call.began_us - heard_us} us after its receipt was answered"

    def _fate(self, id: int, row: Mapping[str, Any], words: Sequence[Word], calls: Sequence[Call]) -> Iterator[str]:
        effects = {answer.effect for word in words for answer in word.answers}
        heard_us = _first_answer_us(words)
        if row["status"] == Status.SENT or heard_us == NEVER_US:
            return
        if Effect.CONFIRMS in effects:
            yield f"24: message {id} was sent by its receipt, and is not"
        elif row["finished_us"] is not None and row["finished_us"] > heard_us + self._slack_us:
            yield f"24: message {id} ended as not sent after its receipt was answered"
        elif self._was_open(row, words) and any(call.began_us < heard_us < (call.ended_us or 0) for call in calls):
            yield f"24: message {id} was being called when its receipt came, and is not sent"

    def _was_open(self, row: Mapping[str, Any], words: Sequence[Word]) -> bool:
        """Whether the message may not have ended when the first receipt came. A frozen engine's call goes on after
        another engine has taken its lease and ended the message as uncertain; a receipt no longer changes that."""
        asked_us = min(answer.asked_us for word in words for answer in word.answers)
        return row["finished_us"] is None or row["finished_us"] >= asked_us - self._slack_us


def _first_answer_us(words: Sequence[Word]) -> int:
    return min((answer.returned_us for word in words for answer in word.answers), default=NEVER_US)
