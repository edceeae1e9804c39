"""`mailing backup`: the engine's database as a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn

from cli.failures import Failure
from cli.session import Session, run
from cli.show import number
from common import private
from mailing.v1.engine_service_pb2 import BackUpRequest


def backup(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to make; one that is there stays as it is.")],
) -> None:
    """Copy the engine's database while it sends. The copy holds secrets and phone numbers: keep it so."""

    async def act(session: Session) -> None:
        try:
            with private.new_file(Path(file)) as part:
                size = await _receive(session, part)
        except OSError as error:
            raise Failure(f"can't write {file}: {error.strerror}") from None
        session.err.print(
            f"{number(size)} bytes written to {file}. An engine on it sends nothing until: mailing engine resume",
            markup=False,
            soft_wrap=True,
        )

    run(context, act)


async def _receive(session: Session, part: Path) -> int:
    """Write what the engine streams; return how many bytes."""
    columns, size = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn()), 0
    with Progress(*columns, console=session.err, transient=True, disable=not session.err.is_terminal) as progress:
        task = progress.add_task("copying", total=None)
        async for answer in session.engine.BackUp(BackUpRequest(), metadata=session.metadata):
            await asyncio.to_thread(_append, part, answer.data)
            size += len(answer.data)
            progress.update(task, completed=size)
    return size


def _append(part: Path, data: bytes) -> None:
    with part.open("ab") as out:
        out.write(data)
