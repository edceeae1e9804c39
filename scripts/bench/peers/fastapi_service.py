"""One client by FastAPI, raw SQL on the event loop: no ORM, no second process, no token.

``BENCH_DATABASE`` is the SQLite file.
"""
# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import os
import sqlite3

from fastapi import FastAPI, HTTPException

_SQL = "SELECT id, phone_number, phone_code, tag, time_zone, create_us, update_us FROM client WHERE id = ?"
_connection = sqlite3.connect(f"file:{os.environ['BENCH_DATABASE']}?mode=ro", uri=True, check_same_thread=False)
_connection.row_factory = sqlite3.Row


async def client(client_id: int) -> dict[str, object]:
    """GET of one client."""
    row = _connection.execute(_SQL, (client_id,)).fetchone()
    if row is None:
        raise HTTPException(404)
    return {**row}


application = FastAPI()
application.add_api_route("/api/v1/clients/{client_id}", client)
