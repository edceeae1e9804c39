"""The settings of a sign-in with OpenID Connect: what fits together, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from common.command_line import BadSettings
from engine.domain.access import Role
from engine.settings import load

GOOD: dict[str, Any] = {
    "fbrq_token": "a-token-of-the-tests",
    "oidc_issuer": "https://id.example",
    "oidc_client_id": "mailing",
    "oidc_roles": "it=admin",
}


def test_values_of_a_claim_may_have_the_sign_that_parts_them_from_roles() -> None:
    found = load({**GOOD, "oidc_roles": "team=it = Admin ,staff=viewer"}, {}, None)
    assert found.oidc_roles == (("team=it", Role.ADMIN), ("staff", Role.VIEWER))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"oidc_issuer": None}, "OIDC_ISSUER"),
        ({"oidc_issuer": "http://id.example"}, "oidc-issuer"),
        ({"oidc_issuer": "https://id.example?x=1"}, "oidc-issuer"),
        ({"oidc_issuer": "id.example"}, "oidc-issuer"),
        ({"oidc_client_id": None}, "OIDC_CLIENT_ID"),
        ({"oidc_roles": None}, "OIDC_ROLES"),
        ({"oidc_roles": "it=king"}, "oidc-roles"),
        ({"oidc_roles": "it=provider"}, "oidc-roles"),
        ({"oidc_roles": "=admin"}, "oidc-roles"),
        ({"oidc_roles": "admin"}, "oidc-roles"),
        ({"oidc_scopes": "profile"}, "oidc-scopes"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], field: str) -> None:
    flags = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(BadSettings) as caught:
        load(flags, {}, None)
    assert field in str(caught.value)


def test_http_is_for_this_machine_or_for_those_who_say_so() -> None:
    assert load({**GOOD, "oidc_issuer": "http://127.0.0.1:9000"}, {}, None).oidc_issuer == "http://127.0.0.1:9000"
    assert load({**GOOD, "oidc_issuer": "http://id.example", "allow_plaintext": True}, {}, None).allow_plaintext
