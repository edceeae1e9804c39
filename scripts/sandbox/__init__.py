"""The sandbox: a local stand-in for the provider of docs/behaviour.md, section 3, with faults on demand.

``python scripts/sandbox_provider.py --help`` runs it; tests use ``Sandbox`` in their own process.
"""

from __future__ import annotations

from scripts.sandbox.faults import Faults
from scripts.sandbox.ledger import Call, Message
from scripts.sandbox.server import Sandbox
from scripts.sandbox.service import NoService, Service
from scripts.sandbox.switches import BadSwitches

__all__ = ["BadSwitches", "Call", "Faults", "Message", "NoService", "Sandbox", "Service"]
