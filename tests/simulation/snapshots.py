"""Whom a filter with ``messages`` meant: by the order in which things were committed.

The store copies nothing; it finds out later, by the times that stand in the rows. A life notes what is committed, in
its order, so here is another answer to the same question. The two differ where something was under way as the filter
was said: its time is of before, and its commit came after, or the clocks of two engines differ. Then a client may be
meant, and may not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from engine.domain.audience import AudienceFilter, Candidate, MessageCondition
from engine.domain.message import Reason, Status
from engine.domain.validate import ClientInput
from engine.store.mailing_rows import filter_of

_CONDITIONS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (("not_sent",), ()),
    (("sent",), ()),
    (("pending",), ()),
    (("pending", "not_sent"), ()),
    ((), ("rejected", "uncertain", "expired")),
    ((), ("cancelled", "suppressed", "incomplete")),
    ((), ()),
)
_NEVER: Final = 2**62


class Note(NamedTuple):
    """Something that was committed."""

    kind: str
    """A message was ``made``, became ``final``, is ``gone``, or was ``purged`` with its mailing; a mailing's ``filter``
    was said, its audience is ``ready``."""
    mailing_id: int
    message_id: int = 0
    client_id: int | None = None
    status: int = 0
    reason: int | None = None
    at_us: int = 0
    """The time that was stored with it."""
    text: str = ""
    """The filter."""


NOTING: Final = """
CREATE TABLE note (n INTEGER PRIMARY KEY, kind, mailing_id, message_id, client_id, status, reason, at_us, text);
CREATE TRIGGER note_made AFTER INSERT ON message BEGIN INSERT INTO note
 VALUES (NULL, 'made', NEW.mailing_id, NEW.id, NEW.client_id, 0, NULL, NEW.create_us, ''); END;
CREATE TRIGGER note_final AFTER UPDATE OF status ON message WHEN NEW.status > 2 BEGIN INSERT INTO note
 VALUES (NULL, 'final', NEW.mailing_id, NEW.id, NEW.client_id, NEW.status, NEW.reason, coalesce(NEW.finished_us, 0), '')
; END;
CREATE TRIGGER note_gone AFTER DELETE ON message BEGIN INSERT INTO note
 VALUES (NULL, 'gone', OLD.mailing_id, OLD.id, OLD.client_id, 0, NULL, 0, ''); END;
CREATE TRIGGER note_filter AFTER INSERT ON mailing BEGIN INSERT INTO note
 VALUES (NULL, 'filter', NEW.id, 0, NULL, 0, NULL, NEW.audience_us, NEW.audience_filter); END;
CREATE TRIGGER note_edit AFTER UPDATE OF audience_filter ON mailing WHEN NEW.audience_filter <> OLD.audience_filter
 BEGIN INSERT INTO note
 VALUES (NULL, 'filter', NEW.id, 0, NULL, 0, NULL, NEW.audience_us, NEW.audience_filter); END;
CREATE TRIGGER note_ready AFTER UPDATE OF audience_ready ON mailing WHEN NEW.audience_ready BEGIN INSERT INTO note
 VALUES (NULL, 'ready', NEW.id, 0, NULL, 0, NULL, 0, ''); END;
"""
"""Makes SQLite keep the notes of a life; what ``ReadNotes`` reads."""
READ_NOTES: Final = "SELECT kind, mailing_id, message_id, client_id, status, reason, at_us, text FROM note ORDER BY n"


@dataclass(slots=True)
class _Message:
    """One message of a client; places are those of notes."""

    made_at: int
    create_us: int
    status: int = Status.PENDING
    reason: int | None = None
    final_at: int = _NEVER
    finished_us: int = _NEVER
    gone_at: int = _NEVER
    is_purged: bool = False

    def was(self, condition: MessageCondition, *, is_final: bool) -> bool:
        """Whether the condition holds of the message; ``is_final``: by then it was."""
        status, reason = (Status(self.status), self.reason) if is_final else (Status.PENDING, None)
        if condition.statuses and status.name.lower() not in condition.statuses:
            return False
        return not condition.reasons or (reason is not None and Reason(reason).public in condition.reasons)


@dataclass(slots=True)
class _Said:
    """A filter, from when it was said."""

    place: int
    at_us: int
    condition: MessageCondition
    ready_at: int = _NEVER
    """When its audience had been built."""


class Snapshots:
    """Each filter of a life is another one, so a filter stands for the time when it was said; or for several, where
    somebody said the old one again because nobody had told about the new one."""

    def __init__(self, notes: Iterable[Note]) -> None:
        self._messages: defaultdict[tuple[int, int], list[_Message]] = defaultdict(list)
        self._by_id: dict[int, _Message] = {}
        self._said: defaultdict[AudienceFilter, list[_Said]] = defaultdict(list)
        self._latest: dict[int, _Said | None] = {}
        take: dict[str, Callable[[int, Note], None]] = {
            "made": self._made,
            "final": self._final,
            "gone": self._gone,
            "purged": self._gone,
            "filter": self._filter,
            "ready": self._ready,
        }
        for place, note in enumerate(notes):
            take[note.kind](place, note)

    def __len__(self) -> int:
        return len(self._said)

    def may_have(self, filter: AudienceFilter, client_id: int) -> bool:
        """Whether the filter may mean the client, as far as it goes by messages."""
        if filter.messages is None:
            return True
        return any(any(ways) for said in self._said[filter] for ways in self._ways(said, client_id))

    def must_have(self, filter: AudienceFilter, client_id: int, was: Sequence[ClientInput]) -> bool:
        """Whether the filter means the client for certain, who ever ``was`` so. Of a message that is gone the store
        knows nothing: whoever has a message of this mailing by then, and always matched otherwise, keeps that. With
        their mailing messages go only when the audience has been built."""
        if filter.messages is None:
            return True
        stayed = all(any(filter.among([Candidate.of(client_id, one)])) for one in was)
        times = self._said[filter]
        return bool(times) and all(self._means(said, client_id, stayed=stayed) for said in times)

    def _means(self, said: _Said, client_id: int, *, stayed: bool) -> bool:
        messages = self._messages[said.condition.mailing_id, client_id]
        kept = [
            one.gone_at == _NEVER or (stayed and (one.is_purged or one.gone_at > said.ready_at)) for one in messages
        ]
        return any(keeps and all(ways) for keeps, ways in zip(kept, self._ways(said, client_id), strict=True))

    def _ways(self, said: _Said, client_id: int) -> list[tuple[bool, bool]]:
        """Of each message that the client ever had of the other mailing, whether it was as the filter says: by the
        order of commits, and by the times in the rows."""
        return [
            (
                one.made_at < said.place < one.gone_at and one.was(said.condition, is_final=one.final_at < said.place),
                one.create_us <= said.at_us
                and said.place < one.gone_at
                and one.was(said.condition, is_final=one.finished_us <= said.at_us),
            )
            for one in self._messages[said.condition.mailing_id, client_id]
        ]

    def _made(self, place: int, note: Note) -> None:
        if note.client_id is not None:
            message = self._by_id[note.message_id] = _Message(place, note.at_us)
            self._messages[note.mailing_id, note.client_id].append(message)

    def _final(self, place: int, note: Note) -> None:
        message = self._by_id[note.message_id]
        message.status, message.reason = note.status, note.reason
        message.final_at, message.finished_us = place, note.at_us

    def _gone(self, place: int, note: Note) -> None:
        message = self._by_id[note.message_id]
        message.gone_at, message.is_purged = place, note.kind == "purged"

    def _filter(self, place: int, note: Note) -> None:
        filter = filter_of(note.text)
        said = None if filter.messages is None else _Said(place, note.at_us, filter.messages)
        self._latest[note.mailing_id] = said
        if said is not None:
            self._said[filter].append(said)

    def _ready(self, place: int, note: Note) -> None:
        said = self._latest.get(note.mailing_id)
        if said is not None:
            said.ready_at = min(said.ready_at, place)


def draw_filter(
    random: Random, number: int, sources: list[int], tags: tuple[str, ...], client_ids: list[int]
) -> AudienceFilter:
    """A filter for those who have such a message of one of the sources. ``number``: another one each time, so that no
    two filters are the same; all clients have the code 916."""
    statuses, reasons = random.choice(_CONDITIONS)
    some = tuple(random.sample(client_ids, len(client_ids) // 2)) if random.random() < 0.2 else ()
    messages = MessageCondition(random.choice(sources), statuses, reasons)
    return AudienceFilter(tags=tags, phone_codes=("916", f"{number:04}"), client_ids=some, messages=messages)
