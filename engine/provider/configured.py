"""Which providers an engine calls, by its settings."""

from __future__ import annotations

from collections.abc import Mapping

from engine.provider.entries import FbrqEntry
from engine.provider.file import ConfiguredProvider, read_providers
from engine.provider.spec import FBRQ, ProviderSpec
from engine.settings import Settings


def configured_providers(settings: Settings, environ: Mapping[str, str]) -> tuple[ConfiguredProvider, ...]:
    """Those of the providers' file, in its order; without one the provider of docs/behaviour.md, section 3.

    Raises:
        BadSettings: with a line for each thing that is wrong with the file.
    """
    if settings.providers is not None:
        return read_providers(settings.providers, environ, allow_plaintext=settings.allow_plaintext)
    spec = ProviderSpec(
        name=FBRQ,
        rate=settings.provider_rate,
        workers=settings.workers,
        time_out_seconds=settings.provider_timeout_seconds,
    )
    token = settings.fbrq_token.get_secret_value() if settings.fbrq_token else ""
    entry = FbrqEntry(name=FBRQ, kind=FBRQ, url=settings.provider_url, secrets={"token": "FBRQ_TOKEN"})
    return (ConfiguredProvider(spec, entry, {"token": token}),)
