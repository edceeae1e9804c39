"""Mailings and their statistics."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from common.error_codes import ErrorCode
from gateway.schemas.fields import (
    STORABLE,
    Input,
    Lengths,
    Listed,
    ListOf,
    Moment,
    Nested,
    Output,
    Page,
    Text,
    moment,
    query_id,
    rate,
    real,
    text,
    whole,
    word,
)
from gateway.translate.mailings import AUDIENCE_STATES, ENCODINGS, ON_UNCERTAIN, STATES

_ENTRIES: Final = Lengths(max=1000, error=ErrorCode.TOO_MANY_ENTRIES)
_HOUR: Final = ("^([01][0-9]|2[0-3]):[0-5][0-9]$", ErrorCode.NOT_TIME_OF_DAY.format())
_RATE: Final = "Messages a second at most; null: no limit of its own."
_HOURS: Final = {"description": "Hours of the day, in the client's time zone, in which it may be sent; null: any."}
_DONE: Final = "When the last message is final, as the forecast has it; null: unknown, or done."
_FILTER: Final = {"description": "Who gets it. An empty list does not restrict; both empty: everyone."}


def _filter_fields() -> dict[str, Any]:
    tag = text("A tag.", "new", most=64, pattern=STORABLE)
    code = text("An operator code.", "916", pattern=("^[0-9]{1,16}$", ErrorCode.NOT_DIGITS.format(max=16)))
    return {
        "tags": ListOf(tag, validate=_ENTRIES, metadata={"description": "A client's tag must be one of these."}),
        "phone_codes": ListOf(code, validate=_ENTRIES, metadata={"description": "Its code must be one of these."}),
    }


class AudienceFilterSchema(Input):
    """Who gets a mailing."""

    tags = _filter_fields()["tags"]
    phone_codes = _filter_fields()["phone_codes"]


def _from(**options: Any) -> Text:
    return text("The first minute in the range.", "09:00", pattern=_HOUR, data_key="from", attribute="from", **options)


def _to(**options: Any) -> Text:
    return text("The first minute after the range; it may be past midnight.", "21:00", pattern=_HOUR, **options)


class LocalHoursSchema(Input):
    """A range of hours of the day."""

    from_ = _from(required=True)
    to = _to(required=True)


class LocalHoursPatchSchema(Input):
    """Changes of a range of hours: what is left out stays."""

    from_ = _from()
    to = _to()


_TEXT_WORDS: Final = "What is sent: at most 10 SMS segments, or as many as `MAILING_SEGMENTS_MAX` allows."


def _text(**options: Any) -> Text:
    return text(_TEXT_WORDS, "Big sale: -50% today only!", least=1, most=4096, pattern=STORABLE, **options)


def _start(**options: Any) -> Moment:
    return moment("Nothing is sent before.", "2026-01-31T09:00:00+03:00", **options)


def _end(**options: Any) -> Moment:
    return moment("Nothing is sent then or after; later than the start.", "2099-01-31T21:00:00+03:00", **options)


def _uncertain(**options: Any) -> Text:
    description = "What becomes of a message if nobody can know whether it went out: sent again, or not. Never changed."
    return word(description, ON_UNCERTAIN, "resend", **options)


class MessageCountsSchema(Output):
    """Messages by status: total = pending + sent + not_sent."""

    pending = whole("Not final yet.", 0, required=True)
    sent = whole("Accepted by the provider.", 98, required=True)
    not_sent = whole("Will not be sent any more.", 2, required=True)
    total = whole("The sum.", 100, required=True)


class MailingSchema(Output):
    """A mailing."""

    id = whole("Never used again, not even after a deletion.", 1, required=True)
    text = _text(required=True)
    filter = Nested(AudienceFilterSchema, required=True, metadata=_FILTER)
    start_time = moment("Nothing is sent before.", required=True)
    end_time = moment("Nothing is sent then or after.", "2099-01-31T18:00:00.000000Z", required=True)
    local_hours = Nested(LocalHoursSchema, required=True, allow_none=True, metadata=_HOURS)
    rate_limit = rate(_RATE, zero=False, required=True)
    on_uncertain = _uncertain(required=True)
    state = word("What it is doing.", STATES, "active", required=True)
    audience_state = word("Whether every matching client has its message.", AUDIENCE_STATES, "ready", required=True)
    segments = whole("SMS segments of the text.", 1, most=2**31 - 1, required=True)
    message_counts = Nested(MessageCountsSchema, required=True)
    create_time = moment("When it was registered.", required=True)
    update_time = moment("When it was last changed.", required=True)


class MailingListSchema(Listed):
    """A page of mailings."""

    mailings = fields.List(Nested(MailingSchema), required=True)


class MailingCreateSchema(Input):
    """A new mailing."""

    text = _text(required=True)
    filter = Nested(AudienceFilterSchema, metadata=_FILTER)
    start_time = _start(required=True)
    end_time = _end(required=True)
    local_hours = Nested(LocalHoursSchema, allow_none=True, metadata=_HOURS)
    rate_limit = rate(_RATE, zero=False)
    on_uncertain = _uncertain()


class MailingReplaceSchema(MailingCreateSchema):
    """A mailing as it is to be: what is left out gets its default. A mailing as it was read may be sent back."""

    id = whole("Ignored.")
    state = word("Ignored.", STATES)
    audience_state = word("Ignored.", AUDIENCE_STATES)
    segments = whole("Ignored.", most=2**31 - 1)
    message_counts = Nested(MessageCountsSchema, metadata={"description": "Ignored."})
    create_time = moment("Ignored.")
    update_time = moment("Ignored.")


class MailingPatchSchema(Input):
    """Changes of a mailing: what is left out stays, in objects as well (RFC 7396)."""

    text = _text()
    filter = Nested(AudienceFilterSchema, metadata=_FILTER)
    start_time = _start()
    end_time = _end()
    local_hours = Nested(LocalHoursPatchSchema, allow_none=True, metadata=_HOURS)
    rate_limit = rate(_RATE, zero=False)
    on_uncertain = _uncertain()


class MailingListQuerySchema(Page):
    """Which page of which mailings."""

    state = word("Only mailings in this state.", STATES)


class ForecastSchema(Output):
    """When a mailing will be through, if nothing changes."""

    completion_time = moment(
        "When its last message goes out; null: not before its end, or no speed is known.",
        required=True,
        allow_none=True,
    )
    missed = whole(
        "How many messages its end will find unsent; where no speed is known, those that no speed could save.",
        0,
        required=True,
    )
    rate_per_second = real("The mean speed while there is something to send; 0: none is known.", 50.0, required=True)
    next_open_time = moment(
        "When the first pending message can go out: at the start, or when local hours open; null: now, or never.",
        required=True,
        allow_none=True,
    )


class MailingPreviewSchema(Output):
    """What a mailing would be."""

    audience = whole("How many clients match now and would get it.", 100, required=True)
    segments = whole("SMS segments of the text.", 1, most=2**31 - 1, required=True)
    forecast = Nested(ForecastSchema, required=True)
    encoding = word("How the text goes into an SMS.", ENCODINGS, "gsm7", required=True)
    units = whole("Its length in that encoding.", 26, most=2**31 - 1, required=True)


class ReasonCountsSchema(Output):
    """Messages that are not sent, by reason."""

    expired = whole("The end came before.", 0, required=True)
    rejected = whole("The provider refused them (400).", 2, required=True)
    cancelled = whole("The mailing was cancelled.", 0, required=True)
    uncertain = whole("Not accepted, but they may have reached the provider.", 0, required=True)


class AttemptStatsSchema(Output):
    """Calls to the provider."""

    total = whole("All calls.", 103, required=True)
    retried = whole("Calls that were not the first for their message.", 3, required=True)
    by_http_status = fields.Dict(
        keys=fields.String(),
        values=whole("Calls."),
        required=True,
        metadata={
            "description": "Calls by the HTTP status of the answer; 0: there was none.",
            "example": {"0": 1, "200": 98, "400": 2, "503": 2},
        },
    )


class LatencySchema(Output):
    """Quantiles of the time the provider took to answer, in seconds; null: no call has been answered."""

    p50 = real("Half of the calls were at most as long.", 0.021, required=True, allow_none=True)
    p95 = real("95 % of the calls were at most as long.", 0.034, required=True, allow_none=True)
    p99 = real("99 % of the calls were at most as long.", 0.05, required=True, allow_none=True)


class TimelinePointSchema(Output):
    """What happened in ten seconds."""

    time = moment("When they begin.", required=True)
    sent = whole("Messages sent.", 98, required=True)
    not_sent = whole("Messages that became not_sent.", 2, required=True)
    deferred = whole("Calls that failed and will be tried again.", 3, required=True)


def _breakdown(description: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=Nested(MessageCountsSchema),
        required=True,
        metadata={"description": f'{description}; "(deleted)": clients that were deleted.'},
    )


class TextVersionSchema(Output):
    """A text of a mailing."""

    version = whole("1 for the first; each edit of the text makes another.", 1, most=2**31 - 1, required=True)
    create_time = moment("Since when it is the text.", required=True)
    text = _text(required=True)
    sent = whole("Messages that were sent with it.", 98, required=True)


class MailingPreviewQuerySchema(Input):
    """Of which mailing the body is an edit."""

    mailing_id = query_id("The mailing that is edited: whoever has a final message of it is not counted.")


class MailingStatsSchema(Output):
    """Detailed statistics of one mailing."""

    mailing_id = whole("The mailing.", 1, required=True)
    message_counts = Nested(MessageCountsSchema, required=True)
    reasons = Nested(ReasonCountsSchema, required=True)
    progress = real("Share of the messages that are final, 0 to 1.", 1.0, required=True)
    rate_per_second = real("Messages that became final, a second, lately.", 3.3, required=True)
    estimated_completion_time = moment(_DONE, required=True, allow_none=True)
    forecast = Nested(ForecastSchema, required=True)
    attempts = Nested(AttemptStatsSchema, required=True)
    latency_seconds = Nested(LatencySchema, required=True)
    by_phone_code = _breakdown("Messages by the client's operator code")
    by_tag = _breakdown("Messages by the client's tag")
    by_time_zone = _breakdown("Messages by the client's time zone")
    timeline = fields.List(Nested(TimelinePointSchema), required=True)
    text_versions = fields.List(
        Nested(TextVersionSchema), required=True, metadata={"description": "Each text it has had, the first one first."}
    )


class MailingProgressSchema(Output):
    """Where a mailing is: the data of a `progress` event."""

    mailing_id = whole("The mailing.", 1, required=True)
    time = moment("When this was read.", required=True)
    state = word("What it is doing.", STATES, "active", required=True)
    audience_state = word("While it is building, the total grows.", AUDIENCE_STATES, "ready", required=True)
    message_counts = Nested(MessageCountsSchema, required=True)
    progress = real("Share of the messages that are final, 0 to 1.", 0.5, required=True)
    rate_per_second = real("Messages that became final, a second, lately.", 50.0, required=True)
    estimated_completion_time = moment(_DONE, required=True, allow_none=True)
    forecast = Nested(ForecastSchema, required=True)
