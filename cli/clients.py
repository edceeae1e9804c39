"""`mailing clients …`"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.exporting import export_clients
from cli.failures import UsageFailure
from cli.flags import Given, flags, names
from cli.importing import How, import_file
from cli.pages import DEFAULT_LIMIT, All, Limit, Yes, collect, confirm
from cli.plain import INT64_MAX
from cli.session import CALL_SECONDS, Session, run
from cli.values import encoding_named, format_named
from common.attribute_cells import cell_text, is_attribute_name
from common.contract.codec import paths_in
from common.contract.values import struct_json
from common.error_codes import Unfit
from gateway.tables.columns import Plan, plan_of
from gateway.tables.csv_rows import COLUMNS
from gateway.tables.import_stream import ImportOptions
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import (
    CreateClientRequest,
    DeleteClientRequest,
    EraseClientRequest,
    ExportClientsRequest,
    GetClientRequest,
    ListClientsRequest,
    ListClientsResponse,
    UpdateClientRequest,
)

app = typer.Typer(help="People who can receive texts.", no_args_is_help=True)

ClientId = Annotated[int, typer.Argument(metavar="ID", help="The client's id.", min=1, max=INT64_MAX)]


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="An Excel workbook, CSV with a header row, or NDJSON; - reads stdin."),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HEADER=FIELD",
            help="What a column is: a field such as phone_number, attributes.NAME or ignore. May be there many times."
            " Names such as Телефон or Mobile are known without it.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--validate-only", help="Only say what it would do, and who matches open mailings.")
    ] = False,
    skip: Annotated[
        bool,
        typer.Option("--skip-open-mailings", help="Nobody is texted by a mailing that is open now because of this."),
    ] = False,
    by_number: Annotated[
        bool,
        typer.Option(
            "--time-zone-by-number",
            help="A row without a time zone gets that of its number's code, if that tells one: not of mobile numbers of"
            " Russia.",
        ),
    ] = False,
    time_zone: Annotated[
        str,
        typer.Option(
            metavar="ZONE",
            help="The time zone of each row that names none, like Asia/Omsk or МСК+3; with --time-zone-by-number of"
            " those whose number tells none.",
        ),
    ] = "",
    default_zone: Annotated[
        str,
        typer.Option(
            "--default-time-zone",
            metavar="ZONE",
            help="As --time-zone; without a column of time zones for new clients only: those that exist keep theirs.",
        ),
    ] = "",
    sheet: Annotated[str, typer.Option(help="The sheet of a workbook; left out: the first that has rows.")] = "",
    rejected: Annotated[
        Path | None,
        typer.Option(help="Write all rejected rows there, with all their cells and the reason: correct and import it."),
    ] = None,
    errors_file: Annotated[
        Path | None, typer.Option(help="Write what is wrong with each rejected line there, as CSV: line,field,message.")
    ] = None,
    format: Annotated[str, typer.Option(help="csv, ndjson, xlsx, or auto: told by the file's beginning.")] = "auto",
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Like koi8-r or windows-1252; told from the bytes when they are UTF-8, UTF-16 or Windows-1251."
        ),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(help="Columns that are attributes: names with commas, or all. attributes.NAME is one anyway."),
    ] = None,
    numbers: Annotated[str, typer.Option(help="auto, or text: also a plain number is a text.")] = "auto",
) -> None:
    """Add or change clients from a file, by phone number. Bad rows are skipped and reported (exit code 1)."""
    how = How(
        "sheet" if format == "xlsx" else format_named(format),
        encoding_named(encoding),
        _plan(columns or [], attributes, numbers),
        errors_file,
        rejected,
        ImportOptions(check, skip, by_number, time_zone, default_zone),
        sheet=sheet,
    )
    run(context, lambda session: import_file(session, file, how))


@app.command("export")
@flags(ExportClientsRequest.DESCRIPTOR)
def export(
    context: typer.Context,
    given: Given,
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Where to; - is stdout.")] = "-",
    format: Annotated[str, typer.Option(help="csv or ndjson; auto: by the file's name, else csv.")] = "auto",
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV for programs: no apostrophe before what a table program would run.")
    ] = False,
    chosen: Annotated[
        str | None,
        typer.Option("--attributes", help="Those that a CSV has, with commas; left out: all that there are."),
    ] = None,
) -> None:
    """Write clients as CSV or NDJSON, as `clients import` takes them."""
    request = ExportClientsRequest(page_size=1000, **given)
    names = _names(chosen)
    run(
        context,
        lambda session: export_clients(session, file, request, format_named(format), is_raw=raw, attributes=names),
    )


@app.command("list")
@flags(ListClientsRequest.DESCRIPTOR)
def list_(context: typer.Context, given: Given, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """List clients; filters that are given must all hold."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListClientsResponse:
            request = ListClientsRequest(page_size=size, page_token=token, **given)
            return await session.clients.ListClients(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.clients), None if all_ else limit)
        body = show.table(
            ("id", show.NUMBER),
            "phone number",
            "code",
            ("tag", show.TEXT),
            ("time zone", show.TEXT),
            ("added", show.TIME),
        )
        for c in items:
            row = (str(c.id), c.phone_number, c.phone_code, show.cut(c.tag, 64) or show.NONE, c.time_zone)
            body.add_row(*row, show.brief(c, "create_time"))
        show.many(session, "clients", items, total, token, body)

    run(context, act)


@app.command("get")
def get(context: typer.Context, client_id: ClientId) -> None:
    """Show one client."""

    async def act(session: Session) -> None:
        request = GetClientRequest(client_id=client_id)
        _show(session, await session.clients.GetClient(request, timeout=CALL_SECONDS, metadata=session.metadata))

    run(context, act)


@app.command("add")
@flags(Client.DESCRIPTOR, without=["phone_number"])
def add(
    context: typer.Context,
    phone_number: Annotated[
        str, typer.Argument(metavar="PHONE_NUMBER", help='Like 79161234567 or "+7 (916) 1234567".')
    ],
    given: Given,
) -> None:
    """Add a client."""

    async def act(session: Session) -> None:
        client = Client(phone_number=phone_number, **given)
        request = CreateClientRequest(client=client, request_id=str(uuid.uuid4()))
        _show(session, await session.clients.CreateClient(request, timeout=CALL_SECONDS, metadata=session.metadata))

    run(context, act)


@app.command("edit")
@flags(Client.DESCRIPTOR)
def edit(context: typer.Context, client_id: ClientId, given: Given) -> None:
    """Change a client; what is not given stays."""
    if not given:
        raise UsageFailure(f"nothing to change: give {names(Client.DESCRIPTOR)}")

    async def act(session: Session) -> None:
        request = UpdateClientRequest(client=Client(id=client_id, **given))
        said = {**given, **({"attributes": struct_json(given["attributes"])} if "attributes" in given else {})}
        request.update_mask.paths.extend(paths_in(Client.DESCRIPTOR, said))
        _show(session, await session.clients.UpdateClient(request, timeout=CALL_SECONDS, metadata=session.metadata))

    run(context, act)


@app.command("delete")
def delete(context: typer.Context, client_id: ClientId, yes: Yes = False) -> None:
    """Delete a client and its pending messages; the history of sent ones stays without the number."""
    confirm(f"Delete client {client_id}?", yes)

    async def act(session: Session) -> None:
        request = DeleteClientRequest(client_id=client_id)
        await session.clients.DeleteClient(request, timeout=CALL_SECONDS, metadata=session.metadata)
        session.out.print("{}" if session.json else f"Client {client_id} is deleted.", markup=False)

    run(context, act)


@app.command("erase")
def erase(
    context: typer.Context,
    client_id: ClientId,
    suppress: Annotated[
        bool, typer.Option("--suppress", help="And never again: its number goes on the stop list.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Erase a client on demand (needs the role admin), and tell what was removed and what stays."""
    confirm(f"Erase client {client_id}{' and put its number on the stop list' if suppress else ''}?", yes)

    async def act(session: Session) -> None:
        request = EraseClientRequest(client_id=client_id, suppress=suppress, request_id=str(uuid.uuid4()))
        erased = await session.clients.EraseClient(request, timeout=CALL_SECONDS, metadata=session.metadata)
        rows = [
            ("messages removed", show.number(erased.messages_removed)),
            ("messages kept, without the number", show.number(erased.messages_kept)),
            ("messages being sent just then", show.number(erased.messages_in_hand)),
            ("on the stop list", "yes" if erased.suppressed else "no"),
        ]
        show.one(session, erased, rows)

    run(context, act)


def _show(session: Session, client: Client) -> None:
    attributes = struct_json(client.attributes)
    rows = [
        ("client", str(client.id)),
        *((name.replace("_", " "), show.cut(getattr(client, name), 64) or show.NONE) for name in COLUMNS),
        *((name, show.cut(cell_text(value), 64) or show.NONE) for name, value in attributes.items()),
        ("added", show.when(client, "create_time")),
        ("changed", show.when(client, "update_time")),
    ]
    show.one(session, client, rows)


def _plan(entries: list[str], attributes: str | None, numbers: str) -> Plan:
    if numbers not in ("auto", "text"):
        raise UsageFailure(f"--numbers: {numbers!r} is not one of auto, text")
    names = None if attributes == "all" else frozenset(_names(attributes) or ())
    try:
        return plan_of(entries)._replace(attributes=names, numbers_as_text=numbers == "text")
    except Unfit as error:
        raise UsageFailure(f"--map: {error}") from None


def _names(text: str | None) -> list[str] | None:
    """Names of attributes with commas between them; None stays."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if bad := [name for name in names if not is_attribute_name(name)]:
        raise UsageFailure(f"--attributes: {bad[0]!r} is no name of an attribute, such as city or last_visit")
    return list(dict.fromkeys(names))
