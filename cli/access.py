"""`mailing token …`, `mailing account …` and `mailing whoami`: who may do what."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.text import Text

from cli import show, tables
from cli.failures import UsageFailure
from cli.pages import DEFAULT_LIMIT, All, Limit, Yes, collect, confirm
from cli.plain import INT64_MAX, plain
from cli.session import CALL_SECONDS, Session, run
from cli.texts import first_line
from cli.two_step import totp
from cli.values import enum_number, moment, timestamp
from mailing.v1.access_pb2 import Account, ApiToken, Role
from mailing.v1.access_service_pb2 import (
    CreateAccountRequest,
    CreateTokenRequest,
    ListAccountsRequest,
    ListAccountsResponse,
    ListTokensRequest,
    ListTokensResponse,
    ResetTotpRequest,
    RevokeAccountRequest,
    RevokeTokenRequest,
    WhoAmIRequest,
)

tokens = typer.Typer(help="API tokens: keys for programs and for this command.", no_args_is_help=True)
accounts = typer.Typer(help="Accounts: people who sign in with a password.", no_args_is_help=True)
accounts.add_typer(totp, name="totp")

RoleOption = Annotated[
    str, typer.Option("--role", "-r", help="viewer (reads), operator (clients, mailings) or admin (everything).")
]
TokenRoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        "-r",
        help="viewer (reads), operator (clients, mailings), admin (everything), provider (hands in receipts, replies).",
    ),
]
_PASSWORD_BYTES = 12  # 16 characters


@tokens.command("create")
def create_token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for: 1 to 64 characters.")],
    role: TokenRoleOption,
    expire: Annotated[
        str | None, typer.Option("--expire", help="When it ends by itself: +30d, or a time with its offset.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print its secret alone, for a file.")] = False,
) -> None:
    """Make an API token; its secret is shown once, and never again."""
    request = CreateTokenRequest(name=name, role=_role(role))
    if expire is not None:
        request.expire_time.CopyFrom(timestamp(moment("--expire", expire, datetime.now(UTC))))

    async def act(session: Session) -> None:
        made = await session.access.CreateToken(request, timeout=CALL_SECONDS, metadata=session.metadata)
        if quiet:
            session.out.file.write(f"{made.secret}\n")
            return
        rows = [*_token_rows(made.token), ("secret", made.secret)]
        show_once(session, plain(made), rows, "The secret is shown only here.")

    run(context, act)


@tokens.command("list")
def list_tokens(context: typer.Context, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """List API tokens, the revoked ones too; no secrets."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListTokensResponse:
            request = ListTokensRequest(page_size=size, page_token=token)
            return await session.access.ListTokens(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.tokens), None if all_ else limit)
        times = [(name, show.TIME) for name in ("last used", "ends or ended")]
        words: list[tables.Column] = [("name", show.TEXT), "role", "begins with", ("made by", show.TEXT)]
        body = show.table(("id", show.NUMBER), *words, *times)
        for t in items:
            hint = show.cut(t.hint, 20) or show.NONE
            end = _revoked(t) or show.brief(t, "expire_time")
            made_by, used = show.cut(t.created_by, 40), show.brief(t, "last_used_time")
            body.add_row(str(t.id), show.cut(t.name, 40), show.word(t, "role"), hint, made_by, used, end)
        show.many(session, "tokens", items, total, token, body)

    run(context, act)


@tokens.command("revoke")
def revoke_token(
    context: typer.Context,
    token_id: Annotated[int, typer.Argument(metavar="ID", help="The token's id.", min=1, max=INT64_MAX)],
    yes: Yes = False,
) -> None:
    """End an API token, at once and for ever."""
    confirm(f"Revoke token {token_id}?", yes)

    async def act(session: Session) -> None:
        request = RevokeTokenRequest(token_id=token_id)
        revoked = await session.access.RevokeToken(request, timeout=CALL_SECONDS, metadata=session.metadata)
        show.one(session, revoked, _token_rows(revoked))

    run(context, act)


@accounts.command("create")
def create_account(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help='1 to 64 letters, digits and ". _ @ -".')],
    role: RoleOption,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password (one line) instead of making one.")
    ] = False,
) -> None:
    """Make an account; its password is made too, and shown once."""
    request = CreateAccountRequest(name=name, role=_role(role))
    request.password = _read_password() if password_stdin else secrets.token_urlsafe(_PASSWORD_BYTES)

    async def act(session: Session) -> None:
        account = await session.access.CreateAccount(request, timeout=CALL_SECONDS, metadata=session.metadata)
        if password_stdin:
            show.one(session, account, _account_rows(account))
            return
        rows = [*_account_rows(account), ("password", request.password)]
        value = {"account": plain(account), "password": request.password}
        show_once(session, value, rows, "The password is shown only here.")

    run(context, act)


@accounts.command("list")
def list_accounts(context: typer.Context, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """List accounts, the revoked ones too."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListAccountsResponse:
            request = ListAccountsRequest(page_size=size, page_token=token)
            return await session.access.ListAccounts(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.accounts), None if all_ else limit)
        times = [(name, show.TIME) for name in ("made", "last sign-in", "two-step since", "revoked")]
        body = show.table(("id", show.NUMBER), ("name", show.TEXT), "role", *times)
        for a in items:
            shown = (show.brief(a, name) for name in ("create_time", "last_sign_in_time", "totp_enable_time"))
            dates = (*shown, _revoked(a) or show.NONE)
            body.add_row(str(a.id), show.cut(a.name, 64), show.word(a, "role"), *dates)
        show.many(session, "accounts", items, total, token, body)

    run(context, act)


@accounts.command("revoke")
def revoke_account(
    context: typer.Context,
    account_id: Annotated[int, typer.Argument(metavar="ID", help="The account's id.", min=1, max=INT64_MAX)],
    with_tokens: Annotated[
        bool, typer.Option("--with-tokens", help="Revoke the API tokens that it has made, too; also afterwards.")
    ] = False,
    yes: Yes = False,
) -> None:
    """End an account and its sessions, at once and for ever."""
    confirm(f"Revoke account {account_id}{' and the tokens that it has made' if with_tokens else ''}?", yes)

    async def act(session: Session) -> None:
        request = RevokeAccountRequest(account_id=account_id, revoke_made_tokens=with_tokens)
        revoked = await session.access.RevokeAccount(request, timeout=CALL_SECONDS, metadata=session.metadata)
        show.one(session, revoked, _account_rows(revoked))
        if revoked.live_token_count and not session.json:
            left = f"{revoked.live_token_count} API tokens that it has made are still good: see --with-tokens"
            session.err.print(Text(left, "yellow"))

    run(context, act)


@accounts.command("reset-totp")
def reset_totp(
    context: typer.Context,
    account_id: Annotated[int, typer.Argument(metavar="ID", help="The account's id.", min=1, max=INT64_MAX)],
    yes: Yes = False,
) -> None:
    """Turn off the two-step sign-in of somebody who has lost the app, and end the account's sessions."""
    confirm(f"Reset the two-step sign-in of account {account_id}?", yes)

    async def act(session: Session) -> None:
        request = ResetTotpRequest(account_id=account_id)
        reset = await session.access.ResetTotp(request, timeout=CALL_SECONDS, metadata=session.metadata)
        show.one(session, reset, _account_rows(reset))

    run(context, act)


def whoami(context: typer.Context) -> None:
    """Show whose token this is and what it may do."""

    async def act(session: Session) -> None:
        me = await session.access.WhoAmI(WhoAmIRequest(), timeout=CALL_SECONDS, metadata=session.metadata)
        kind = f"API token {me.token_id}" if me.HasField("token_id") else f"session of account {me.account_id}"
        ends = show.when(me, "expire_time")
        show.one(session, me, [("name", me.name), ("role", show.word(me, "role")), ("with", kind), ("ends", ends)])

    run(context, act)


def _role(text: str) -> Role.ValueType:
    return Role.ValueType(enum_number("--role", text, "ROLE_", Role.keys()))


def _read_password() -> str:
    line = first_line("--password-stdin")
    if not line:
        raise UsageFailure("--password-stdin: no password came")
    return line


def _token_rows(t: ApiToken) -> list[tuple[str, str | Text]]:
    return [
        ("token", str(t.id)),
        ("name", t.name),
        ("role", show.word(t, "role")),
        ("made by", t.created_by),
        ("made", show.when(t, "create_time")),
        ("last used", show.when(t, "last_used_time")),
        ("ends", show.when(t, "expire_time")),
        ("revoked", show.when(t, "revoke_time")),
    ]


def _account_rows(a: Account) -> list[tuple[str, str | Text]]:
    return [
        ("account", str(a.id)),
        ("name", a.name),
        ("role", show.word(a, "role")),
        ("made", show.when(a, "create_time")),
        ("last sign-in", show.when(a, "last_sign_in_time")),
        ("two-step since", show.when(a, "totp_enable_time")),
        ("tokens made", str(a.live_token_count)),
        ("revoked", show.when(a, "revoke_time")),
    ]


def _revoked(message: Message) -> Text | None:
    """When it was revoked, for a list; None when it was not."""
    return Text(show.brief(message, "revoke_time"), "red") if message.HasField("revoke_time") else None


def show_once(session: Session, value: object, rows: list[tuple[str, str | Text]], note: str) -> None:
    """Print something new with its secret, the last row; the note goes to stderr, away from what scripts read.

    The secret can't be asked for again: it is on a line of its own, in one piece, also when the sheet can't be drawn.
    """
    if session.json:
        session.dump(value)
        return
    *others, (name, secret) = rows
    try:
        session.out.print(show.sheet(others))
    except Exception as error:
        session.err.print(f"the rest can't be shown: {error!r}")
    finally:
        session.out.file.write(f"{name:<{max(len(label) for label, _ in rows)}}  {secret}\n")
        session.out.file.flush()
    session.err.print(Text(note, "dim"))
