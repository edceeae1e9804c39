"""What handlers find in the application and in the request."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from common.line_limit import LineLimit
from gateway.http.admission import Admission
from gateway.http.engine_client import EngineClient
from gateway.http.limits import CallerRates, ImportPlaces
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.tables.workbook import Workbooks

SETTINGS: Final = web.AppKey("SETTINGS", Settings)
ENGINE: Final = web.AppKey("ENGINE", EngineClient)
ADMISSION: Final = web.AppKey("ADMISSION", Admission)
SIGN_INS: Final = web.AppKey("SIGN_INS", CallerRates)
"""Of each address, at REST and at the panel together."""
IMPORTS: Final = web.AppKey("IMPORTS", ImportPlaces)
WORKBOOKS: Final = web.AppKey("WORKBOOKS", Workbooks)
METRICS: Final = web.AppKey("METRICS", Metrics)
STRANGERS: Final = web.AppKey("STRANGERS", LineLimit)
"""Lines of the access log about requests of those who are not known."""
STOPPING: Final = web.AppKey("STOPPING", asyncio.Event)
"""Set when the gateway stops: a stream that has no end of its own ends then."""
