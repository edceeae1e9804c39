"""Messages, the engine, the audit list, access, and errors."""

from __future__ import annotations

from marshmallow import fields

from common.error_codes import ErrorCode
from gateway.schemas.fields import (
    Input,
    Listed,
    Nested,
    Output,
    Page,
    Text,
    error_arguments,
    error_code,
    flag,
    moment,
    query_flag,
    query_id,
    rate,
    real,
    text,
    whole,
    word,
)
from gateway.translate.access import ROLES
from gateway.translate.engine import ACTOR_KINDS, BREAKER_STATES, SENDING_STATES
from gateway.translate.messages import OUTCOMES, REASONS, STATUSES

_INT32_MAX = 2**31 - 1
_ACCOUNT_NAME = ("^[A-Za-z0-9._@-]{1,64}$", ErrorCode.BAD_ACCOUNT_NAME.format(max=64))
# Not all characters that can't be printed can be said in an expression that all readers of the document know: the
# engine refuses the others, with the same words.
_TOKEN_NAME = (
    r"^[^\u0000-\u0020\u007f-\u00a0]([^\u0000-\u001f\u007f-\u00a0]*[^\u0000-\u0020\u007f-\u00a0])?$",
    ErrorCode.BAD_TOKEN_NAME.format(max=64),
)


class FieldProblemSchema(Output):
    """One bad field."""

    pointer = text("Where it is (RFC 6901): `/filter/tags/3`; a parameter of the query likewise.", required=True)
    message = text("What is wrong with it.", required=True)
    code = error_code()
    arguments = error_arguments()


class ProblemSchema(Output):
    """An error (RFC 9457)."""

    type = text("The kind of error; `about:blank`: the status says it all.", "about:blank", required=True)
    title = text("The status in words.", required=True)
    status = whole("The HTTP status.", 422, least=400, most=599, required=True)
    detail = text("What went wrong.", required=True)
    instance = text("The path that was asked for.", required=True)
    code = error_code()
    arguments = error_arguments()
    errors = fields.List(Nested(FieldProblemSchema), metadata={"description": "All fields that are bad."})


class MessageErrorSchema(Output):
    """What went wrong with a call."""

    http_status = whole("The status of the answer; null: there was none.", 503, required=True, allow_none=True)
    detail = text("The reason in words.", "503 Service Unavailable", required=True)


class MessageSchema(Output):
    """One mailing for one client."""

    id = whole("The provider sees it.", 1, required=True)
    mailing_id = whole("The mailing.", 1, required=True)
    client_id = whole("The client; null: it has been deleted.", 1, required=True, allow_none=True)
    phone_number = text("Its number; null: it has been deleted.", "79161234567", required=True, allow_none=True)
    status = word("Where it is.", STATUSES, "sent", required=True)
    reason = word("Why it is not sent; null otherwise.", REASONS, required=True, allow_none=True)
    attempts = whole("Calls made for it.", 1, most=_INT32_MAX, required=True)
    create_time = moment("When it was made.", required=True)
    sent_time = moment("When the provider accepted it; null: it has not.", required=True, allow_none=True)
    final_time = moment("When it became sent or not_sent; null: it is pending.", required=True, allow_none=True)
    next_attempt_time = moment("Not before then it is tried; null: any time.", required=True, allow_none=True)
    text_version = whole(
        "Which of the mailing's texts its last call was made with; null: there was none, or it is the first under way.",
        1,
        most=_INT32_MAX,
        required=True,
        allow_none=True,
    )
    last_error = Nested(MessageErrorSchema, required=True, allow_none=True)


class AttemptSchema(Output):
    """One call to the provider."""

    number = whole("1 for the first.", 1, most=_INT32_MAX, required=True)
    start_time = moment("When it began; null: not known.", required=True, allow_none=True)
    end_time = moment("When it was over.", required=True, allow_none=True)
    http_status = whole("The status of the answer; null: there was none.", 200, required=True, allow_none=True)
    detail = text("The reason in words; empty for a success.", "", required=True)
    outcome = word("How it ended.", OUTCOMES, "sent", required=True)


class MessageDetailSchema(MessageSchema):
    """One message with its text and its attempts."""

    text = text("As it went out; pending or never called: the mailing's text.", "Big sale!", required=True)
    attempt_history = fields.List(
        Nested(AttemptSchema), required=True, metadata={"description": "Its calls, the oldest first."}
    )


class MessageListSchema(Listed):
    """A page of messages."""

    messages = fields.List(Nested(MessageSchema), required=True)


class MailingMessagesQuerySchema(Page):
    """Which page of which messages of a mailing."""

    status = word("Only messages with this status.", STATUSES)
    reason = word("Only messages not sent for this reason.", REASONS)


class MessageListQuerySchema(MailingMessagesQuerySchema):
    """Which page of which messages."""

    mailing_id = query_id("Only messages of this mailing.")
    client_id = query_id("Only messages for this client.")


class BreakerSchema(Output):
    """The circuit breaker between engine and provider."""

    state = word("Whether calls are let through.", BREAKER_STATES, "closed", required=True)
    next_probe_time = moment("When the next probe is made; null: none is due.", required=True, allow_none=True)
    consecutive_failures = whole("Failures since the last success.", 0, most=_INT32_MAX, required=True)
    detail = text("The last failure in words; empty: none.", "", required=True)


class EngineInstanceSchema(Output):
    """One engine as the others see it."""

    id = whole("Given at its start.", 1, required=True)
    name = text("host:pid.", "host:4711", required=True)
    start_time = moment("When it started.", required=True)
    heartbeat_time = moment("Its last sign of life.", required=True)
    workers = whole("Its workers then.", 64, most=_INT32_MAX, required=True)
    in_flight = whole("Its calls under way then.", 0, most=_INT32_MAX, required=True)


class ActorSchema(Output):
    """One part of the engine."""

    name = text("Its name.", "ticker", required=True)
    healthy = flag("Whether it runs.")
    restarts = whole("How often it was started again.", 0, most=_INT32_MAX, required=True)
    detail = text("Its last failure in words; empty: none.", "", required=True)


class EngineSchema(Output):
    """How the engine is doing."""

    workers = whole("Messages that it can have in the air.", 64, most=_INT32_MAX, required=True)
    queue_size = whole("Room in its queue.", 1000, most=_INT32_MAX, required=True)
    queue_depth = whole("Messages in its queue.", 0, most=_INT32_MAX, required=True)
    in_flight = whole("Calls under way.", 0, most=_INT32_MAX, required=True)
    rate_limit = rate("Calls a second, of all engines; null: no limit.", zero=True, required=True)
    rate_per_second = real("Messages sent, a second, lately.", 0.0, required=True)
    sending = word("Whether sending is held for all mailings.", SENDING_STATES, "running", required=True)
    breaker = Nested(BreakerSchema, required=True)
    engines = fields.List(Nested(EngineInstanceSchema), required=True)
    actors = fields.List(Nested(ActorSchema), required=True)
    engine_id = whole("The engine that answers.", 1, required=True)


class EnginePatchSchema(Input):
    """Changes of the engine; at least one key. What is left out stays."""

    class Meta(Input.Meta):
        min_properties = 1  # for the document: the engine says so itself

    workers = whole("Workers of each engine.", 64, least=1, most=10_000)
    rate_limit = rate("Calls a second to the provider; 0 or null: no limit.", zero=True)
    sending = word("Hold sending for all mailings, or let it go on.", SENDING_STATES, "running")


class AuditEventSchema(Output):
    """One change that somebody made."""

    id = whole("Grows with every event.", 1, required=True)
    time = moment("When.", required=True)
    actor = text("Who, by name; names alone prove nothing.", "admin", required=True)
    actor_kind = word(
        "What kind of caller; null: not noted then.", ACTOR_KINDS, "account", allow_none=True, required=True
    )
    actor_id = whole("Which account or token; null: neither.", 1, required=True, allow_none=True)
    action = text("What was done.", "mailing.pause", required=True)
    object_type = text("To what kind of thing.", "mailing", required=True)
    object_id = whole("To which one; null: there is only one.", 1, required=True, allow_none=True)
    detail = fields.Dict(required=True, metadata={"description": "What the change was.", "example": {}})
    peer = text("From where.", "198.51.100.7 via ipv4:127.0.0.1:5123", required=True)


class AuditEventListSchema(Listed):
    """A page of the audit list."""

    audit_events = fields.List(Nested(AuditEventSchema), required=True)


class AuditQuerySchema(Page):
    """Which page of which audit events."""

    actor = text("Only what accounts and tokens of this name did.")
    actor_kind = word("Only what this kind of caller did.", ACTOR_KINDS)
    actor_id = query_id("Only what the account or token with this id did; needs `actor_kind`.")
    object_type = text("Only what was done to this kind of thing.")
    object_id = query_id("Only what was done to the one with this id.")


def _role(description: str = "What its bearer may do.") -> Text:
    return word(description, ROLES, "viewer", required=True)


class IdentitySchema(Output):
    """Who is calling."""

    name = text("The account's or the token's name.", "admin", required=True)
    role = _role()
    account_id = whole("The account; null: an API token is used.", 1, required=True, allow_none=True)
    token_id = whole("The API token; null: somebody signed in.", required=True, allow_none=True)
    expire_time = moment("When the session or token ends; null: it does not.", required=True, allow_none=True)


class SignInSchema(Input):
    """A name and a password."""

    name = text("The account's name.", "admin", required=True)
    password = text("Its password.", "correct horse battery staple", required=True)


class SessionSchema(Output):
    """A session."""

    secret = text("For the Authorization header; shown only here.", "mls_…", required=True)
    identity = Nested(IdentitySchema, required=True)


class PasswordSchema(Input):
    """Another password."""

    current_password = text("As it is.", "correct horse battery staple", required=True)
    new_password = text("As it is to be.", "battery staple correct horse", least=8, most=256, required=True)


class AccountSchema(Output):
    """A person who signs in."""

    id = whole("Never used again.", 1, required=True)
    name = text("The name to sign in with.", "maria", required=True)
    role = _role()
    create_time = moment("When it was made.", required=True)
    revoke_time = moment("When it was revoked; null: it can be used.", required=True, allow_none=True)
    last_sign_in_time = moment("When it was last signed in with; null: never.", required=True, allow_none=True)
    live_token_count = whole("API tokens that it has made and that can still be used.", 0, required=True)


class AccountRevokeQuerySchema(Input):
    """What else is revoked."""

    revoke_made_tokens = query_flag("Revoke the API tokens that the account has made, too, also after the account.")


class AccountListSchema(Listed):
    """A page of accounts."""

    accounts = fields.List(Nested(AccountSchema), required=True)


class AccountCreateSchema(Input):
    """A new account."""

    name = text('Letters, digits and ". _ @ -".', "maria", pattern=_ACCOUNT_NAME, required=True)
    role = _role()
    password = text("To sign in with.", "correct horse battery staple", least=8, most=256, required=True)


class TokenSchema(Output):
    """An API token."""

    id = whole("Never used again.", 1, required=True)
    name = text("What it is for.", "reports", required=True)
    role = _role()
    hint = text("The first characters of the secret.", "mlt_Zk3q", required=True)
    created_by = text("Who made it, by name.", "admin", required=True)
    creator_kind = word("What kind of caller that was; null: not noted.", ACTOR_KINDS, allow_none=True, required=True)
    creator_id = whole("Which account or token; null: neither.", 1, required=True, allow_none=True)
    create_time = moment("When it was made.", required=True)
    expire_time = moment("When it ends by itself; null: it does not.", required=True, allow_none=True)
    revoke_time = moment("When it was revoked; null: it was not.", required=True, allow_none=True)
    last_used_time = moment("When it was last used; null: never.", required=True, allow_none=True)


class TokenListSchema(Listed):
    """A page of API tokens."""

    tokens = fields.List(Nested(TokenSchema), required=True)


class TokenCreateSchema(Input):
    """A new API token."""

    name = text("What it is for.", "reports", most=64, pattern=_TOKEN_NAME, required=True)
    role = _role()
    expire_time = moment("When it ends by itself; null: it does not.", "2099-01-01T00:00:00Z", allow_none=True)


class NewTokenSchema(Output):
    """A new API token with its secret."""

    token = Nested(TokenSchema, required=True)
    secret = text("For the Authorization header; shown only here.", "mlt_…", required=True)
