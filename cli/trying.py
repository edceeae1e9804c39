"""A text that is sent to be tried, before others get it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from cli import show
from cli.failures import Failure
from cli.plain import INT64_MAX, plain
from cli.session import CALL_SECONDS, Session, run
from cli.texts import Encoding, text_of
from mailing.v1.test_text_pb2 import TEST_STATUS_SENT, TestMailingRequest, TestMailingResponse, TestResult


def try_text(
    context: typer.Context,
    text: Annotated[str, typer.Option("--text", help="What is sent, as with `create`; - reads stdin.")],
    to: Annotated[list[str], typer.Option("--to", help="A phone number; may be repeated, up to 5.")],
    client: Annotated[
        int | None, typer.Option("--client", help="As this client gets it.", min=1, max=INT64_MAX)
    ] = None,
    encoding: Encoding = None,
) -> None:
    """Send a text now, to see it: outside any window, counted in no mailing."""
    wanted = text_of("--text", text, encoding)

    async def act(session: Session) -> None:
        _show(session, await _send(session, wanted, to, client))

    run(context, act)


def try_provider(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The provider, as `engine status` names it.")],
    to: Annotated[list[str], typer.Option("--to", help="A phone number; may be repeated, up to 5.")],
    text: Annotated[str, typer.Option("--text", help="What is sent; - reads stdin.")] = "A test text",
    encoding: Encoding = None,
) -> None:
    """Send a text through one provider now, to see whether it works: its outcome, and what it said."""
    wanted = text_of("--text", text, encoding)

    async def act(session: Session) -> None:
        _show(session, await _send(session, wanted, to, provider=name))

    run(context, act)


async def _send(
    session: Session, text: str, numbers: Sequence[str], client_id: int | None = None, provider: str | None = None
) -> TestMailingResponse:
    """Send it now, and wait for the provider's answers."""
    request = TestMailingRequest(
        text=text, phone_numbers=numbers, client_id=client_id, provider=provider, request_id=str(uuid.uuid4())
    )
    return await session.mailings.TestMailing(request, timeout=CALL_SECONDS, metadata=session.metadata)


def _show(session: Session, answer: TestMailingResponse) -> None:
    """Print what became of it. Raises Failure when somebody did not get it."""
    if session.json:
        session.dump(plain(answer))
    else:
        session.out.print(show.sheet([(each.phone_number, _outcome(each)) for each in answer.results]))
    if left := [each for each in answer.results if each.status != TEST_STATUS_SENT]:
        raise Failure(f"the text has not gone out to {len(left)} of {len(answer.results)} numbers")


async def try_first(session: Session, text: str, numbers: Sequence[str], client_id: int | None) -> None:
    """Send it before the mailing is registered. Raises Failure when the provider has not accepted all of them."""
    answer = await _send(session, text, numbers, client_id)
    failed = [each for each in answer.results if each.status != TEST_STATUS_SENT]
    if failed:
        words = [f"{each.phone_number}: {_outcome(each).plain}" for each in failed]
        raise Failure(*words, "so the mailing is not registered")
    if not session.json:
        session.out.print(show.sheet([(each.phone_number, _outcome(each)) for each in answer.results]))


def _outcome(result: TestResult) -> Text:
    word = show.word(result, "status")
    if result.status == TEST_STATUS_SENT:
        each = "1 segment" if result.segments == 1 else f"{result.segments} segments"
        return Text.assemble(word, f", {each}")
    return Text.assemble(word, f": {result.detail}")
