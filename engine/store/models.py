"""The tables. The migrations make them, with constraints and indexes that Tortoise can't express;
a test compares the two. Times are microseconds since the epoch, UTC.
"""

from __future__ import annotations

from tortoise import fields

from engine.domain.message import Status
from engine.store.table import Table


class Client(Table):
    """A person who can receive a text."""

    id = fields.BigIntField(primary_key=True)
    phone_number = fields.BigIntField(unique=True)
    phone_code = fields.CharField(16)
    tag = fields.CharField(64)
    time_zone = fields.CharField(64)
    create_us = fields.BigIntField()
    update_us = fields.BigIntField()
    language = fields.CharField(35, default="")
    attributes = fields.TextField(default="{}")
    """A JSON object in one way of writing only: names in order, no spaces, whole numbers without a point."""

    class Meta:
        table = "client"


class ClientCount(Table):
    """By how much a number of clients changes; the number is the sum of its rows. See ``client_counts.py``."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(32)
    """A column of ``client``, or ``all``."""
    value = fields.CharField(64)
    number = fields.BigIntField()

    class Meta:
        table = "client_count"


class Mailing(Table):
    """A text for the clients that match a filter."""

    id = fields.BigIntField(primary_key=True)
    text = fields.TextField()
    text_version = fields.IntField(default=1)
    """The version of the text as it is now; see ``MailingText``."""
    start_us = fields.BigIntField()
    end_us = fields.BigIntField()
    local_from = fields.SmallIntField(null=True)
    """Minutes after local midnight."""
    local_to = fields.SmallIntField(null=True)
    rate_limit = fields.FloatField(null=True)
    on_uncertain = fields.CharField(16)
    paused = fields.BooleanField(default=False)
    cancelled_us = fields.BigIntField(null=True)
    deleted_us = fields.BigIntField(null=True)
    audience_ready = fields.BooleanField(default=False)
    audience_generation = fields.IntField(default=0)
    """Grows when the audience must be built again; 0: the first time."""
    audience_cursor = fields.BigIntField(default=0)
    """Clients up to this id are in line with the filter."""
    create_us = fields.BigIntField()
    update_us = fields.BigIntField()
    name = fields.CharField(100, default="")
    audience_filter = fields.TextField(default="{}")
    """``AudienceFilter`` as JSON, without what is empty."""
    audience_fixed = fields.BooleanField(default=False)
    """Clients that come to match after the start do not get it."""
    decided_us = fields.BigIntField(default=0)
    """When an edit decided the audience at once, for the start was over by then; 0: none did."""
    audience_us = fields.BigIntField(default=0)
    """When the filter was said: at the registration, or with the last edit of the filter."""
    audience_after_id = fields.BigIntField(default=0)
    """The last message that there was when the filter was said: an earlier filter has made those up to it."""
    audience_kept = fields.BooleanField(default=False)
    """It is built again for other local hours only: nobody comes, and nobody goes."""
    archived_us = fields.BigIntField(null=True)
    """Lists leave it out since then, unless they are asked for what is archived; nothing else follows."""
    provider = fields.CharField(64, null=True)
    """The name of the only provider that may send it; ``None``: the engine chooses."""
    sender = fields.CharField(64, null=True)
    """From whom the text seems to come; ``None``: as the provider has it."""
    budget = fields.BigIntField(null=True)
    """What its messages may cost, in millionths of the unit of money; ``None``: there is no limit."""
    pause_reason = fields.SmallIntField(null=True)
    """Why it has paused itself. 1: the budget is used up; ``None``: it has not."""
    milestones = fields.SmallIntField(default=0)
    """``domain.events.Milestone``: what others were told of it."""
    finished_count = fields.BigIntField(null=True)
    """How many final messages it had when others were told that nothing is left to send."""
    details_removed_us = fields.BigIntField(null=True)
    """Since then its messages are removed for their age; ``None``: they are all there."""
    details_leaving = fields.BooleanField(default=False)
    """Some of them are still to be removed, and not to be seen."""

    class Meta:
        table = "mailing"


class MailingText(Table):
    """A text that a mailing has, or had before an edit."""

    id = fields.BigIntField(primary_key=True)
    mailing: fields.ForeignKeyRelation[Mailing] = fields.ForeignKeyField("store.Mailing", on_delete=fields.CASCADE)
    version = fields.IntField()
    text = fields.TextField()
    create_us = fields.BigIntField()

    class Meta:
        table = "mailing_text"
        unique_together = (("mailing", "version"),)


class MailingCounters(Table):
    """How many messages are where, changed in the same transaction as the rows."""

    mailing: fields.OneToOneRelation[Mailing] = fields.OneToOneField(
        "store.Mailing", primary_key=True, on_delete=fields.CASCADE
    )
    pending = fields.BigIntField(default=0)
    sent = fields.BigIntField(default=0)
    expired = fields.BigIntField(default=0)
    rejected = fields.BigIntField(default=0)
    cancelled = fields.BigIntField(default=0)
    uncertain = fields.BigIntField(default=0)
    attempts = fields.BigIntField(default=0)
    retried = fields.BigIntField(default=0)
    suppressed = fields.BigIntField(default=0)
    incomplete = fields.BigIntField(default=0)
    delivered = fields.BigIntField(default=0)
    undelivered = fields.BigIntField(default=0)
    cost = fields.BigIntField(default=0)
    """In millionths of the unit of money."""
    revision = fields.BigIntField(default=0)
    """Grows with each transaction after which a breakdown of the mailing may be another one."""

    class Meta:
        table = "mailing_counters"


class MailingBreakdown(Table):
    """The messages of a mailing by what their clients are like and by provider, as they were when they were read."""

    mailing: fields.OneToOneRelation[Mailing] = fields.OneToOneField(
        "store.Mailing", primary_key=True, on_delete=fields.CASCADE
    )
    read_us = fields.BigIntField()
    """When the reading began."""
    revision = fields.BigIntField(null=True)
    """That of the counters when the reading began: while they have it, nothing has changed. ``None``: not known."""
    built_to = fields.BigIntField(null=True)
    """While the audience is built for the first time: clients up to this id are counted. ``None``: all messages."""
    busy_until_us = fields.BigIntField(default=0)
    """An engine reads it anew; others leave it alone until then."""
    data = fields.TextField(null=True)
    """A ``Breakdown`` as JSON; ``None``: it is being read for the first time."""

    class Meta:
        table = "mailing_breakdown"


class MailingStat(Table):
    """Histograms: calls by HTTP status and by latency, outcomes by time, sent messages by version of the text."""

    id = fields.BigIntField(primary_key=True)
    mailing: fields.ForeignKeyRelation[Mailing] = fields.ForeignKeyField("store.Mailing", on_delete=fields.CASCADE)
    kind = fields.CharField(32)
    key = fields.BigIntField()
    count = fields.BigIntField()

    class Meta:
        table = "mailing_stat"
        unique_together = (("mailing", "kind", "key"),)


class PastStat(Table):
    """What deleted mailings did over their last day, by time: to delete one does not undo what was sent."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(32)
    key = fields.BigIntField()
    count = fields.BigIntField()

    class Meta:
        table = "past_stat"
        unique_together = (("kind", "key"),)


class Provider(Table):
    """A third party that sends, by the name that settings give it; the row stays when they name it no longer."""

    id = fields.SmallIntField(primary_key=True)
    name = fields.CharField(64, unique=True)
    down_us = fields.BigIntField(null=True)
    """Since when others know that it takes no calls; ``None``: it does, as far as they know."""

    class Meta:
        table = "provider"


class Message(Table):
    """One mailing x one client; the lifecycle is in ``domain/message.py``. PostgreSQL has no foreign keys for the two:
    docs/decisions/references.md."""

    id = fields.BigIntField(primary_key=True)
    mailing: fields.ForeignKeyRelation[Mailing] = fields.ForeignKeyField("store.Mailing", on_delete=fields.RESTRICT)
    client: fields.ForeignKeyNullableRelation[Client] = fields.ForeignKeyField(
        "store.Client", null=True, on_delete=fields.SET_NULL
    )
    status = fields.SmallIntField(default=Status.PENDING.value)
    reason = fields.SmallIntField(null=True)
    attempt = fields.IntField(default=0)
    """Calls, the one under way included."""
    due_us = fields.BigIntField(default=0)
    """Pending: when to try; taken: the lease's deadline."""
    owner = fields.BigIntField(null=True)
    stale = fields.BooleanField(default=False)
    """Taken, and its client matches no longer: removed instead of tried again."""
    unsure = fields.BooleanField(default=False)
    """An earlier attempt may have reached the provider."""
    create_us = fields.BigIntField()
    started_us = fields.BigIntField(null=True)
    finished_us = fields.BigIntField(null=True)
    http_status = fields.IntField(null=True)
    detail = fields.TextField(default="")
    text_version = fields.IntField(null=True)
    """The version of the text that the last call was made with."""
    client_was = fields.TextField(null=True)
    """The group in which it counts, if its client has got into another one since it ended; see ``groups.py``."""
    rendered = fields.TextField(null=True)
    """What the placeholders of the text stood for in the last call; ``None``: it has none, or there was no call."""
    provider_id = fields.SmallIntField(null=True)
    """Who has it, or had it last. Of one that waits: whose turn it is, and for ever when it is unsure; ``None``: it is
    for whoever comes first. ``None`` of one that was called: ``fbrq``."""
    provider_message_id = fields.TextField(null=True)
    """What the provider calls it."""
    delivery = fields.SmallIntField(null=True)
    """``domain.receipt.Delivery``, by the latest receipt; ``None``: there is none."""
    delivery_us = fields.BigIntField(null=True)
    """The time that this receipt names."""
    heard_us = fields.BigIntField(null=True)
    """When it came."""
    delivery_code = fields.TextField(null=True)
    delivery_detail = fields.TextField(null=True)
    cost = fields.BigIntField(default=0)
    """In millionths of the unit of money."""

    class Meta:
        table = "message"
        unique_together = (("client", "mailing"),)


class Attempt(Table):
    """A call that did not end its message; the one that did is in the message itself."""

    id = fields.BigIntField(primary_key=True)
    message: fields.ForeignKeyRelation[Message] = fields.ForeignKeyField("store.Message", on_delete=fields.CASCADE)
    number = fields.IntField()
    lost = fields.BooleanField()
    """Its outcome is unknown: no complete answer came, or the engine stopped."""
    started_us = fields.BigIntField(null=True)
    finished_us = fields.BigIntField()
    http_status = fields.IntField(null=True)
    detail = fields.TextField()
    provider_id = fields.SmallIntField(null=True)
    """Who was called; ``None``: ``fbrq``."""

    class Meta:
        table = "attempt"
        unique_together = (("message", "number"),)


class Told(Table):
    """A number that got a mailing's text, or might have, and has no client any more; see ``told.py``."""

    id = fields.BigIntField(primary_key=True)
    mailing: fields.ForeignKeyRelation[Mailing] = fields.ForeignKeyField("store.Mailing", on_delete=fields.CASCADE)
    phone_hash = fields.BigIntField()
    message_id = fields.BigIntField()
    """Which message has told it; that may be gone."""
    stage = fields.SmallIntField()
    waiting_client_id = fields.BigIntField(null=True)
    """The client that has the number now. It gets its message when the number was not told after all."""
    waiting_us = fields.BigIntField(null=True)

    class Meta:
        table = "told"
        unique_together = (("mailing", "phone_hash", "message_id"),)


class Suppression(Table):
    """A phone number that gets no text."""

    id = fields.BigIntField(primary_key=True)
    """Grows: lists are in the order in which numbers were put on it."""
    phone_number = fields.BigIntField(unique=True)
    reason = fields.SmallIntField()
    """``domain.suppression.SuppressionReason``."""
    note = fields.TextField()
    source = fields.CharField(64)
    create_us = fields.BigIntField()

    class Meta:
        table = "suppression"


class AuditEvent(Table):
    """Who changed what, when."""

    id = fields.BigIntField(primary_key=True)
    time_us = fields.BigIntField()
    actor = fields.TextField()
    peer = fields.TextField()
    action = fields.CharField(64)
    object_type = fields.CharField(32)
    object_id = fields.BigIntField(null=True)
    detail = fields.TextField()
    """A JSON object."""
    actor_kind = fields.SmallIntField(default=0)
    """``domain.access.ActorKind``."""
    actor_id = fields.BigIntField(null=True)
    """Of the account or the token."""

    class Meta:
        table = "audit_event"


class Request(Table):
    """The answer to a create, kept for a repeated call."""

    request_id = fields.CharField(128, primary_key=True)
    method = fields.TextField()
    fingerprint = fields.TextField()
    response = fields.TextField()
    """The row that was made, as JSON."""
    create_us = fields.BigIntField()

    class Meta:
        table = "request"
