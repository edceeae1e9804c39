"""A sign-in with OpenID Connect, with a provider that answers well, badly, twice, late, and as somebody else."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from engine.access.oidc.client import Answer, Oidc
from engine.access.oidc.id_token import SKEW_SECONDS
from engine.domain.access import Impossible, Role, Unauthenticated
from tests.access.crooked_provider import BACK, CLIENT_ID, NOW, SECRET, Crooked, crooked, new_key
from tests.api.fakes import FakeClock

Change = Callable[[Crooked, Answer], Answer | None]


@pytest.fixture
async def provider() -> AsyncIterator[Crooked]:
    async with crooked() as made:
        yield made


@pytest.fixture
async def oidc(provider: Crooked) -> AsyncIterator[Oidc]:
    made = Oidc(provider.settings, FakeClock())
    yield made
    await made.close()


async def come_back(oidc: Oidc, provider: Crooked, code: str = "code") -> Answer:
    return provider.signs_in(await oidc.begin(BACK, again=False), code)


async def test_who_is_sent_there_comes_back_as_a_person_with_a_role(oidc: Oidc, provider: Crooked) -> None:
    begun = await oidc.begin(BACK, again=True)
    asked = parse_qs(urlsplit(begun.authorization_url).query)
    assert asked["tenant"] == ["1"]
    assert (asked["response_type"], asked["code_challenge_method"], asked["prompt"]) == (["code"], ["S256"], ["login"])
    assert (asked["state"], asked["nonce"]) == ([begun.state], [begun.nonce])
    assert len({begun.state, begun.nonce, begun.code_verifier}) == 3
    vouched = await oidc.finish(provider.signs_in(begun))
    person = vouched.person
    assert (person.issuer, person.subject, person.name, person.role) == (provider.url, "7", "anna", Role.ADMIN)
    assert vouched.replayable_until_us > (NOW + 300 + SKEW_SECONDS) * 1_000_000
    assert provider.asked == ["/.well-known/openid-configuration", "/token", "/keys"]


def said(**claims: Any) -> Change:
    """The token says this."""

    def change(provider: Crooked, _answer: Answer) -> None:
        provider.claims |= claims

    return change


def brought(**parts: str) -> Change:
    """Somebody brings this back, or had kept something else."""
    return lambda _provider, answer: answer._replace(**parts)


def signed_with(algorithm: str, secret: str) -> Change:
    """Somebody who does not have the provider's key has made the token."""

    def change(provider: Crooked, answer: Answer) -> None:
        claims = {
            "iss": provider.url,
            "aud": CLIENT_ID,
            "iat": NOW,
            "exp": NOW + 300,
            "nonce": answer.nonce,
            "sub": "7",
        }
        if algorithm == "none":
            parts = [
                base64.urlsafe_b64encode(orjson.dumps(each)).decode().rstrip("=") for each in ({"alg": "none"}, claims)
            ]
            provider.token = f"{'.'.join(parts)}."
        else:
            provider.token = jwt.encode({"alg": algorithm}, claims, OctKey.import_key(secret))

    return change


def other_key(kid: str) -> Change:
    """The token is signed with a key that is not among those that are published."""

    def change(provider: Crooked, _answer: Answer) -> None:
        provider.published, provider.key = [provider.key], new_key(kid)

    return change


def token(text: str) -> Change:
    """This in place of a token."""

    def change(provider: Crooked, _answer: Answer) -> None:
        provider.token = text

    return change


REFUSED: dict[str, Change] = {
    "another issuer": said(iss="https://accounts.example"),
    "the issuer but for a slash": lambda provider, _: provider.claims.update(iss=f"{provider.url}/"),
    "another audience": said(aud="somebody-else"),
    "an audience of others": said(aud=["somebody-else", "others"]),
    "for several, asked for by nobody": said(aud=[CLIENT_ID, "others"]),
    "for several, asked for by another": said(aud=[CLIENT_ID, "others"], azp="others"),
    "for us, asked for by another": said(azp="others"),
    "no audience": said(aud=None),
    "another nonce": said(nonce="of another sign-in"),
    "no nonce": said(nonce=None),
    "a list of nonces": lambda provider, answer: provider.claims.update(nonce=[answer.nonce]),
    "ended": said(exp=NOW - SKEW_SECONDS),
    "without an end": said(exp=None),
    "an end that is no number": said(exp="never"),
    "from the future": said(iat=NOW + SKEW_SECONDS + 1),
    "not good yet": said(nbf=NOW + SKEW_SECONDS + 1),
    "without a time": said(iat=None),
    "about nobody": said(sub=None),
    "about an empty name": said(sub=""),
    "about a number": said(sub=7),
    "about too long a name": said(sub="x" * 256),
    "signed with another key": other_key("second"),
    "signed with another key of the same name": other_key("first"),
    "not signed": signed_with("none", ""),
    "signed with our secret": signed_with("HS256", SECRET * 2),
    "no token at all": token("nonsense"),
    "parts that are nothing": token("a.b.c"),
    "an unknown code": brought(code="of-nobody"),
    "another verifier": brought(code_verifier="x" * 43),
    "another address": brought(redirect_uri="http://127.0.0.1:9999/admin/oidc/callback"),
    "another nonce was kept": brought(nonce="of another sign-in"),
    "another issuer has sent them": brought(issuer="https://accounts.example"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_as_it_should_be_is_refused(oidc: Oidc, provider: Crooked, change: Change) -> None:
    answer = await come_back(oidc, provider)
    with pytest.raises(Unauthenticated) as caught:
        await oidc.finish(change(provider, answer) or answer)
    assert caught.value.fault.code == "OIDC_REFUSED"


TAKEN: dict[str, Change] = {
    "its clock is behind": said(exp=NOW - SKEW_SECONDS + 1),
    "its clock is ahead": said(iat=NOW + SKEW_SECONDS, nbf=NOW + SKEW_SECONDS),
    "for several, asked for by us": said(aud=[CLIENT_ID, "others"], azp=CLIENT_ID),
    "it says who it is": lambda provider, answer: answer._replace(issuer=provider.url),
}


@pytest.mark.parametrize("change", TAKEN.values(), ids=TAKEN.keys())
async def test_what_the_standard_allows_is_taken(oidc: Oidc, provider: Crooked, change: Change) -> None:
    answer = await come_back(oidc, provider)
    assert (await oidc.finish(change(provider, answer) or answer)).person.role is Role.ADMIN


async def test_a_code_is_good_once(oidc: Oidc, provider: Crooked) -> None:
    answer = await come_back(oidc, provider)
    await oidc.finish(answer)
    with pytest.raises(Unauthenticated):
        await oidc.finish(answer)


async def test_new_keys_are_fetched_when_a_token_is_signed_with_one(oidc: Oidc, provider: Crooked) -> None:
    await oidc.finish(await come_back(oidc, provider))
    for kid in ("second", "first"):  # a new name, and another key under an old one
        provider.key = new_key(kid)
        await oidc.finish(await come_back(oidc, provider))
    await oidc.finish(await come_back(oidc, provider))
    assert provider.asked.count("/keys") == 3


async def test_an_issuer_that_says_who_it_is_must_say_so(oidc: Oidc, provider: Crooked) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    with pytest.raises(Unauthenticated):
        await oidc.finish(await come_back(oidc, provider))
    answer = await come_back(oidc, provider)
    await oidc.finish(answer._replace(issuer=provider.url))


async def test_roles_may_be_in_the_userinfo_only(oidc: Oidc, provider: Crooked) -> None:
    provider.claims["roles"], provider.info["roles"] = None, ["staff"]
    assert (await oidc.finish(await come_back(oidc, provider))).person.role is Role.VIEWER
    provider.info = {"sub": "8", "roles": ["it"]}
    with pytest.raises(Impossible):
        await oidc.finish(await come_back(oidc, provider))
    provider.metadata["userinfo_endpoint"] = None
    fresh = Oidc(provider.settings, FakeClock())
    try:
        assert (await fresh.finish(await come_back(fresh, provider))).person.role is None
    finally:
        await fresh.close()


async def test_a_client_may_be_public_or_say_its_secret_in_the_form(provider: Crooked) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    usual = provider.settings
    public = replace(usual, client=usual.client._replace(client_secret=None))
    for settings, is_taken in ((usual, True), (public, False)):  # this one wants a secret
        oidc = Oidc(settings, FakeClock())
        try:
            finished = oidc.finish(await come_back(oidc, provider))
            if is_taken:
                assert (await finished).person.name == "anna"
            else:
                with pytest.raises(Unauthenticated):
                    await finished
        finally:
            await oidc.close()


AWAY: dict[str, dict[str, Any]] = {
    "it says it is another": {"issuer": "https://accounts.example"},
    "an address is missing": {"token_endpoint": None},
    "an address is in the clear": {"jwks_uri": "http://accounts.example/keys"},
    "an address is a file": {"authorization_endpoint": "file:///etc/passwd"},
    "keys that are none": {"jwks_uri": "/.well-known/openid-configuration"},
    "a redirect": {"jwks_uri": "/missing"},
}


@pytest.mark.parametrize("metadata", AWAY.values(), ids=AWAY.keys())
async def test_a_provider_that_makes_no_sense_is_away(provider: Crooked, metadata: dict[str, Any]) -> None:
    at = {name: f"{provider.url}{said}" if str(said).startswith("/") else said for name, said in metadata.items()}
    provider.metadata |= at
    oidc = Oidc(provider.settings, FakeClock())
    try:
        with pytest.raises(Impossible) as caught:
            await oidc.finish(await come_back(oidc, provider))
        assert caught.value.fault.code == "OIDC_AWAY"
    finally:
        await oidc.close()


async def test_a_provider_that_can_t_be_reached_is_away(provider: Crooked) -> None:
    gone = replace(provider.settings, client=provider.settings.client._replace(issuer="http://127.0.0.1:1"))
    oidc = Oidc(gone, FakeClock())
    try:
        with pytest.raises(Impossible):
            await oidc.begin(BACK, again=False)
    finally:
        await oidc.close()
