"""`mailing account totp …`: two-step sign-in of the account whose password is asked for.

An API token has no second step, so that these sign in with the account for as long as they run. All that is secret is
asked for at the terminal: on the command line others would see it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import Annotated, Any

import grpc.aio
import segno
import typer
from rich.text import Text

from cli.credentials import find_target, refuse_plaintext
from cli.failures import UsageFailure, reason_of
from cli.session import CALL_SECONDS, Metadata, Options, Session, run
from mailing.v1.access_service_pb2 import (
    BeginTotpRequest,
    ConfirmTotpRequest,
    DisableTotpRequest,
    GetTotpRequest,
    RecoveryCodes,
    RenewRecoveryCodesRequest,
    SignInRequest,
    SignOutRequest,
)

totp = typer.Typer(help="Two-step sign-in with an authenticator app.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The account's name; its password is asked for.")]
_ASK_FOR_CODE = "ONE_TIME_CODE_REQUIRED"
_WORDS = "Code from the app, or a recovery code"


@totp.command("enable")
def enable(context: typer.Context, name: Name) -> None:
    """Turn it on, or move it to another app: shows a QR code, and recovery codes, once."""
    password = _password(context)

    async def act(session: Session) -> None:
        async with _signed_in(session, name, password) as own:
            call: dict[str, Any] = {"timeout": CALL_SECONDS, "metadata": own}
            asked = BeginTotpRequest(current_password=password)
            if (await session.access.GetTotp(GetTotpRequest(), **call)).HasField("enable_time"):
                asked.one_time_code = _ask(f"{_WORDS}; another one than before")
            begun = await session.access.BeginTotp(asked, **call)
            picture = StringIO()
            segno.make(begun.uri, error="m", micro=False).terminal(out=picture, compact=True)
            session.out.file.write(picture.getvalue())
            session.out.print("Scan this with an authenticator app, or type this key into it:")
            session.out.file.write(f"  {begun.secret}\n")
            code = _ask("Code that the app shows")
            codes = await session.access.ConfirmTotp(ConfirmTotpRequest(one_time_code=code), **call)
            _show(session, codes)

    run(context, act)


@totp.command("recovery-codes")
def recovery_codes(context: typer.Context, name: Name) -> None:
    """Make new recovery codes: the old ones are no good any more."""
    password = _password(context)

    async def act(session: Session) -> None:
        async with _signed_in(session, name, password) as own:
            asked = RenewRecoveryCodesRequest(one_time_code=_ask(f"{_WORDS}; another one than before"))
            _show(session, await session.access.RenewRecoveryCodes(asked, timeout=CALL_SECONDS, metadata=own))

    run(context, act)


@totp.command("disable")
def disable(context: typer.Context, name: Name) -> None:
    """Turn it off: the password is enough again."""
    password = _password(context)

    async def act(session: Session) -> None:
        async with _signed_in(session, name, password) as own:
            asked = DisableTotpRequest(one_time_code=_ask(f"{_WORDS}; another one than before"))
            await session.access.DisableTotp(asked, timeout=CALL_SECONDS, metadata=own)
            session.out.print(Text(f"A password is enough for the account {name} again."))

    run(context, act)


def _show(session: Session, codes: RecoveryCodes) -> None:
    session.out.print("Recovery codes, each good once, for when the app is lost:")
    session.out.file.write("".join(f"  {each}\n" for each in codes.recovery_codes))
    session.err.print(Text("They are shown only here.", "dim"))


@asynccontextmanager
async def _signed_in(session: Session, name: str, password: str) -> AsyncIterator[Metadata]:
    """A session of the account, which ends with the block; the second step is asked for where there is one."""
    request = SignInRequest(name=name, password=password)
    try:
        secret = await _secret(session, request)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) != _ASK_FOR_CODE:
            raise
        request.one_time_code = _ask(_WORDS)
        secret = await _secret(session, request)
    own = (("authorization", f"Bearer {secret}"),)
    try:
        yield own
    finally:
        await session.access.SignOut(SignOutRequest(), timeout=CALL_SECONDS, metadata=own)


async def _secret(session: Session, request: SignInRequest) -> str:
    return str((await session.access.SignIn(request, timeout=CALL_SECONDS)).secret)


def _password(context: typer.Context) -> str:
    """Ask for it, where it would not travel beyond this machine in the clear."""
    given: Options = context.find_root().obj
    if given.tls.ca is None:
        refuse_plaintext(find_target(given.target), given.allow_plaintext)
    return _ask("Password", hide=True)


def _ask(words: str, *, hide: bool = False) -> str:
    """Raises UsageFailure when nobody is there to answer."""
    if not sys.stdin.isatty():
        raise UsageFailure("this asks for a password and for codes: run it in a terminal")
    return str(typer.prompt(words, hide_input=hide))
