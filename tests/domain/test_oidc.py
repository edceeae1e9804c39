"""What the words of an OpenID Connect provider make of a person."""

from __future__ import annotations

from typing import Any

import pytest

from engine.domain.access import Role, account_name_problem
from engine.domain.oidc import name_of, numbered_name, person_of, role_of

ROLES = {"staff": Role.VIEWER, "marketing": Role.OPERATOR, "it": Role.ADMIN}


@pytest.mark.parametrize(
    ("claims", "path", "role"),
    [
        ({"roles": ["staff"]}, "roles", Role.VIEWER),
        ({"roles": ["staff", "it", "marketing"]}, "roles", Role.ADMIN),
        ({"roles": "marketing"}, "roles", Role.OPERATOR),
        ({"roles": ["IT", "it ", ""]}, "roles", None),
        ({"roles": [["it"], 3, None, {"it": True}]}, "roles", None),
        ({"roles": {"it": True}}, "roles", None),
        ({"roles": []}, "roles", None),
        ({"roles": None}, "roles", None),
        ({}, "roles", None),
        ({"realm_access": {"roles": ["it"]}}, "realm_access.roles", Role.ADMIN),
        ({"realm_access": {"roles": ["it"]}}, "realm_access.roles.it", None),
        ({"realm_access": ["roles"]}, "realm_access.roles", None),
        ({"https://mailing.example/roles": ["it"]}, "https://mailing.example/roles", Role.ADMIN),
    ],
)
def test_a_role_comes_of_the_claim_that_was_named_and_of_nothing_else(
    claims: dict[str, Any], path: str, role: Role | None
) -> None:
    assert role_of(claims, path, ROLES) is role


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "anna", "email": "a@b.example", "sub": "7"}, "anna"),
        ({"preferred_username": "Анна", "email": "a@b.example", "sub": "7"}, "a@b.example"),
        ({"preferred_username": ["anna"], "name": "Anna <b>Maria</b>", "sub": "7"}, "AnnabMariab"),
        ({"sub": "auth0|7"}, "auth07"),
        ({"sub": "☃"}, "person"),
        ({"sub": "x" * 255}, "x" * 64),
    ],
)
def test_a_name_is_one_that_an_account_may_have(claims: dict[str, Any], name: str) -> None:
    assert name_of(claims) == name
    assert account_name_problem(name) is None


def test_who_comes_later_has_a_number() -> None:
    assert [numbered_name("anna", number) for number in (1, 2, 10)] == ["anna", "anna-2", "anna-10"]
    assert numbered_name("x" * 64, 2) == "x" * 62 + "-2"


def test_a_person_is_the_issuer_s_subject() -> None:
    person = person_of({"sub": "7", "name": "anna", "roles": ["it"]}, "https://id.example", "roles", ROLES)
    assert (person.issuer, person.subject, person.name, person.role) == ("https://id.example", "7", "anna", Role.ADMIN)
