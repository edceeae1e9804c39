"""The store: everything that reads or writes the database, one verb a transaction."""

from __future__ import annotations

from typing import BinaryIO, Self

from engine.store.accounts import AccountVerbs
from engine.store.api_tokens import TokenVerbs
from engine.store.attribute_facets import AttributeFacetVerbs
from engine.store.audience import AudienceVerbs
from engine.store.audit import AuditVerbs
from engine.store.breakdowns import BreakdownVerbs
from engine.store.checking import CheckVerbs
from engine.store.claims import ClaimVerbs
from engine.store.client_batches import ClientBatchVerbs
from engine.store.client_checks import ClientCheckVerbs
from engine.store.client_list import ClientListVerbs
from engine.store.clients import ClientVerbs
from engine.store.copies import CopyVerbs
from engine.store.database import Database
from engine.store.endings import EndingVerbs
from engine.store.engines import EngineVerbs
from engine.store.erasing import ErasingVerbs
from engine.store.events import EventVerbs
from engine.store.fenced import FencedVerbs
from engine.store.forgetting import ForgettingVerbs
from engine.store.keeping import KeepingVerbs
from engine.store.mailing_rows import PLAN
from engine.store.mailing_stats import MailingStatsVerbs
from engine.store.mailings import MailingVerbs
from engine.store.matching import MatchingVerbs
from engine.store.messages import MessageVerbs
from engine.store.migrate import migrate
from engine.store.oidc import OidcVerbs
from engine.store.opening import open_database
from engine.store.overview import OverviewVerbs
from engine.store.owners import OwnerVerbs
from engine.store.provider_names import ProviderVerbs
from engine.store.receipts import ReceiptVerbs
from engine.store.reporting import ReportVerbs
from engine.store.requests import RequestVerbs
from engine.store.row_of import ReadAgain
from engine.store.samples import SampleVerbs
from engine.store.suppressions import SuppressionVerbs
from engine.store.totp import TotpVerbs
from engine.store.transitions import TransitionVerbs
from engine.store.trials import TrialVerbs
from engine.store.webhooks import WebhookVerbs


class Store(
    EngineVerbs,
    CopyVerbs,
    MailingVerbs,
    AudienceVerbs,
    MatchingVerbs,
    ClaimVerbs,
    TransitionVerbs,
    TrialVerbs,
    EndingVerbs,
    OwnerVerbs,
    ProviderVerbs,
    ReceiptVerbs,
    FencedVerbs,
    MessageVerbs,
    MailingStatsVerbs,
    BreakdownVerbs,
    OverviewVerbs,
    ClientVerbs,
    ClientListVerbs,
    AttributeFacetVerbs,
    ClientBatchVerbs,
    ClientCheckVerbs,
    SampleVerbs,
    SuppressionVerbs,
    ErasingVerbs,
    AuditVerbs,
    AccountVerbs,
    OidcVerbs,
    TotpVerbs,
    TokenVerbs,
    RequestVerbs,
    EventVerbs,
    WebhookVerbs,
    ForgettingVerbs,
    KeepingVerbs,
    ReportVerbs,
    CheckVerbs,
):
    """Satisfies ``ports.Store``, and has what the API asks for beside it."""

    def __init__(self, database: Database) -> None:
        """Use an open database, whose schema must be of this version (``migrate``)."""
        self._db = database
        self._plans = ReadAgain(PLAN)

    @classmethod
    async def open(cls, url: str, *, inline: bool = False) -> Self:
        """Open a database and bring its schema up to date.

        Args:
            url: ``sqlite://path`` (relative; ``sqlite:///path`` absolute), ``sqlite://:memory:`` or ``postgres://…``.
            inline: SQLite without threads, for the simulation.

        Raises:
            DatabaseUnavailable, DatabaseInUse, DatabaseTooNew: each with one clear line.
        """
        database = await open_database(url, inline=inline)
        try:
            await migrate(database)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    @property
    def shared(self) -> bool:
        """True when other engines may work on the same database; see ``ports.Store``."""
        return not self._db.dialect.is_sqlite

    async def open_copy(self, now_us: int) -> BinaryIO:
        """Copy the database as it is now, while others use it, to a file without a name; see ``copies``.

        Raises:
            DatabaseUnavailable: it can't be made.
            Impossible: the database is on a server.
        """
        return await self._db.open_copy(now_us)

    async def close(self) -> None:
        """Let running transactions end, then close the database."""
        await self._db.close()
