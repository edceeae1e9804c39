"""JSON of REST <-> messages of the contract: pure, mapped by hand.

``<x>_json`` makes what REST shows out of a message; ``<x>_proto`` makes a request out of a body or a query that the
schema (``gateway.schemas``) has let through.
"""

from common.contract.values import time_json, time_proto
from gateway.translate.access import (
    account_json,
    account_list_json,
    change_password_proto,
    create_account_proto,
    create_token_proto,
    identity_json,
    list_accounts_proto,
    list_tokens_proto,
    new_token_json,
    session_json,
    sign_in_proto,
    token_json,
    token_list_json,
)
from gateway.translate.clients import (
    client_json,
    client_list_json,
    client_proto,
    create_client_proto,
    export_clients_proto,
    list_clients_proto,
    update_client_proto,
)
from gateway.translate.engine import (
    audit_event_json,
    audit_event_list_json,
    engine_json,
    list_audit_events_proto,
    update_engine_proto,
)
from gateway.translate.mailings import (
    counts_json,
    create_mailing_proto,
    forecast_json,
    list_mailings_proto,
    mailing_json,
    mailing_list_json,
    mailing_proto,
    preview_json,
    preview_mailing_proto,
    progress_json,
    stats_json,
    update_mailing_proto,
)
from gateway.translate.messages import (
    attempt_json,
    list_messages_proto,
    message_detail_json,
    message_json,
    message_list_json,
)

__all__ = [
    "account_json", "account_list_json", "attempt_json", "audit_event_json", "audit_event_list_json",
    "change_password_proto", "client_json", "client_list_json", "client_proto", "counts_json", "create_account_proto",
    "create_client_proto", "create_mailing_proto", "create_token_proto", "engine_json", "export_clients_proto",
    "forecast_json", "identity_json",
    "list_accounts_proto", "list_audit_events_proto", "list_clients_proto", "list_mailings_proto",
    "list_messages_proto", "list_tokens_proto", "mailing_json", "mailing_list_json", "mailing_proto",
    "message_detail_json", "message_json", "message_list_json", "new_token_json", "preview_json",
    "preview_mailing_proto", "progress_json", "session_json", "sign_in_proto", "stats_json", "time_json", "time_proto",
    "token_json", "token_list_json", "update_client_proto", "update_engine_proto", "update_mailing_proto",
]  # fmt: skip
