"""Whether an ID token is good: whose it is, for whom, for which sign-in, and from when to when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from engine.domain.oidc import SUBJECT_LENGTH_MAX

SKEW_SECONDS: Final = 60
"""How far the provider's clock may be from ours."""
# Those with a pair of keys: with HS256 whoever knows our secret could sign, with "none" everybody.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class BadToken(Exception):
    """The token is no good; the text is for the log, and holds nothing of the token."""


class UnknownKey(BadToken):
    """No key that we know has signed it: the provider may have others by now."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str


def claims_of(token: str, keys: KeySet, expected: Expected, now_seconds: int) -> Mapping[str, Any]:
    """Verify an ID token (OpenID Connect Core 1.0, section 3.1.3.7), and read what it says.

    Raises:
        UnknownKey: it may be good with newer keys.
        BadToken: it is not good.
    """
    try:
        claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
        _registry(expected, now_seconds).validate(claims)
    except (InvalidKeyIdError, BadSignatureError) as error:
        raise UnknownKey(error.error) from None
    except JoseError as error:
        raise BadToken(f"{error.error}: {error.description or ''}") from None
    except (ValueError, TypeError) as error:  # what joserfc does not foresee in a header or a key
        raise BadToken(f"unreadable: {type(error).__name__}") from None
    # joserfc takes a list that has the value for the value: that is right for "aud" only.
    if not all(isinstance(claims[name], str) for name in ("sub", "nonce")):
        raise BadToken("invalid_claim: sub or nonce is no text")
    if not 0 < len(claims["sub"]) <= SUBJECT_LENGTH_MAX:
        raise BadToken("invalid_claim: sub is too long")
    _check_party(claims, expected)
    return claims


def _registry(expected: Expected, now_seconds: int) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=now_seconds,
        leeway=SKEW_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        nonce={"essential": True, "value": expected.nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )


def _check_party(claims: Mapping[str, Any], expected: Expected) -> None:
    """A token for several must say that we are the one who has asked for it."""
    audience, party = claims["aud"], claims.get("azp")
    is_for_others = isinstance(audience, list) and len(audience) > 1
    if (party is None and is_for_others) or party not in (None, expected.client_id):
        raise BadToken("invalid_claim: azp is somebody else")
