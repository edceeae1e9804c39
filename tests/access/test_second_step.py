"""Two-step sign-in as callers meet it: what is asked when, what is slowed down, and who must have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from pyotp import HOTP

from engine.access.authority import Authority, SignedIn
from engine.access.guesses import Guesses
from engine.domain.access import (
    Identity,
    Impossible,
    NoOneTimeCode,
    Role,
    TooManyTries,
    Unauthenticated,
    WrongOneTimeCode,
)
from engine.domain.errors import InvalidInput
from engine.domain.oidc import Person
from engine.domain.sign_in import FREE_FAILURES, SignInThrottle
from engine.domain.totp import RECOVERY_CODES, STEP_US, RequireTotp
from engine.ports import StoreUnavailable
from engine.store import Store
from engine.store.rows import Actor, AuditQuery, Page
from tests.api.fakes import SECOND_US, FakeClock, cheap_passwords

BY = Actor("test")
PASSWORD = "correct horse"
HERE: dict[str, Any] = {"by": BY}
Start = Callable[[RequireTotp], Authority]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = await Store.open("sqlite://:memory:", inline=True)
    yield store
    await store.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def start(store: Store, clock: FakeClock) -> AsyncIterator[Start]:
    """Makes an engine's authority with this requirement."""
    made = []

    def authority(required: RequireTotp) -> Authority:
        seconds = lambda: clock.us / SECOND_US  # noqa: E731
        made.append(Authority(store, clock, passwords=cheap_passwords(), require_totp=required, monotonic=seconds))
        return made[-1]

    yield authority
    for each in made:
        await each.close()


@pytest.fixture
def authority(start: Start) -> Authority:
    return start("none")


async def enter(authority: Authority, code: str = "", *, password: str = PASSWORD, host: str = "home") -> SignedIn:
    return await authority.sign_in("anna", password, code, peer="ipv4:1", host=host)


class App:
    """An authenticator app, and what else its owner has."""

    def __init__(self, clock: FakeClock, secret: str) -> None:
        self._clock, self._secret, self.recovery_codes = clock, secret, [""]

    def next(self) -> str:
        """The code of a step that no code was shown of."""
        self._clock.us += STEP_US
        return self.now()

    def now(self) -> str:
        return HOTP(self._secret).at(self._clock.us // STEP_US)


async def set_up(authority: Authority, clock: FakeClock, identity: Identity, code: str = "") -> App:
    begun = await authority.second_step.begin(identity, PASSWORD, code, **HERE)
    app = App(clock, begun.secret)
    app.recovery_codes = await authority.second_step.confirm(identity, app.now(), **HERE)
    return app


async def a_person(authority: Authority, role: Role = Role.ADMIN) -> Identity:
    await authority.create_account("anna", role, PASSWORD, by=BY)
    return (await enter(authority)).identity


async def refused(call: Awaitable[object]) -> str:
    """Which code a refusal has, or the one of its only field."""
    with pytest.raises((InvalidInput, Impossible)) as raised:
        await call
    error = raised.value
    return error.errors[0].fault.code if isinstance(error, InvalidInput) else error.fault.code


async def test_a_code_is_asked_for_only_when_the_password_is_right(authority: Authority, clock: FakeClock) -> None:
    app = await set_up(authority, clock, await a_person(authority))
    with pytest.raises(NoOneTimeCode):
        await enter(authority)
    with pytest.raises(WrongOneTimeCode):
        await enter(authority, "424242")
    for code in ("", "424242", app.next()):
        with pytest.raises(Unauthenticated) as raised:
            await enter(authority, code, password="wrong", host="another")
        assert raised.value.fault.code == "WRONG_NAME_OR_PASSWORD"
    assert (await enter(authority, f" {app.now()[:3]} {app.now()[3:]} ")).identity.has_totp
    with pytest.raises(WrongOneTimeCode):
        await enter(authority, app.now())


async def test_recovery_codes_are_good_once_each(authority: Authority, clock: FakeClock) -> None:
    app = await set_up(authority, clock, await a_person(authority))
    assert len(set(app.recovery_codes)) == RECOVERY_CODES
    await enter(authority, app.recovery_codes[0])
    identity = (await enter(authority, app.recovery_codes[1].upper().replace("-", " "))).identity
    for used in app.recovery_codes[:2]:
        with pytest.raises(WrongOneTimeCode):
            await enter(authority, used)
    assert (await authority.second_step.state(identity)).recovery_codes == RECOVERY_CODES - 2
    renewed = await authority.second_step.renew_recovery_codes(identity, app.next(), **HERE)
    assert not {*renewed} & {*app.recovery_codes}
    with pytest.raises(WrongOneTimeCode):
        await enter(authority, app.recovery_codes[2])
    await enter(authority, renewed[2])


async def test_wrong_codes_are_slowed_down_and_nobody_elsewhere_holds_up_the_owner(
    authority: Authority, clock: FakeClock
) -> None:
    app = await set_up(authority, clock, await a_person(authority))
    for number in range(FREE_FAILURES):
        with pytest.raises(WrongOneTimeCode):
            await enter(authority, "424242", host=f"network {number}")
    for host in ("network 0", "network 99"):  # whoever knows the password has many addresses, and one count
        with pytest.raises(TooManyTries):
            await enter(authority, app.now(), host=host)
    await enter(authority, app.next())
    for _ in range(FREE_FAILURES):
        with pytest.raises(WrongOneTimeCode):
            await enter(authority, "424242")
    with pytest.raises(TooManyTries) as raised:
        await enter(authority, app.now())
    clock.pass_seconds(raised.value.wait_seconds)
    for _ in range(2 * FREE_FAILURES):
        with pytest.raises(NoOneTimeCode):
            await enter(authority)  # to be asked for the code is no failure …
    with pytest.raises(WrongOneTimeCode):
        await enter(authority, "424242")
    with pytest.raises(NoOneTimeCode):
        await enter(authority)
    with pytest.raises(TooManyTries):
        await enter(authority, app.now())  # … and takes none back


async def test_what_a_session_may_not_do_without_a_code(authority: Authority, clock: FakeClock) -> None:
    identity, step = await a_person(authority), authority.second_step
    assert await refused(step.disable(identity, "424242", **HERE)) == "TOTP_OFF"
    assert await refused(step.renew_recovery_codes(identity, "424242", **HERE)) == "TOTP_OFF"
    assert await refused(step.confirm(identity, "424242", **HERE)) == "TOTP_NOT_BEGUN"
    assert await refused(step.begin(identity, "wrong", "", **HERE)) == "WRONG_CURRENT_PASSWORD"
    app = await set_up(authority, clock, identity)
    assert await refused(step.begin(identity, PASSWORD, "", **HERE)) == "REQUIRED"
    assert await refused(step.begin(identity, PASSWORD, "nonsense", **HERE)) == "WRONG_ONE_TIME_CODE"
    assert await refused(step.disable(identity, " ", **HERE)) == "REQUIRED"
    other = await set_up(authority, clock, identity, app.recovery_codes[0])
    assert await refused(step.disable(identity, app.next(), **HERE)) == "WRONG_ONE_TIME_CODE"
    await step.disable(identity, other.now(), **HERE)
    assert not (await enter(authority)).identity.has_totp
    for _ in range(FREE_FAILURES):
        assert await refused(step.begin(identity, "wrong", "", **HERE)) == "WRONG_CURRENT_PASSWORD"
    with pytest.raises(TooManyTries):
        await step.begin(identity, PASSWORD, "", **HERE)


async def test_a_stolen_session_has_one_count_of_codes_and_the_owner_another(
    authority: Authority, clock: FakeClock
) -> None:
    identity, step = await a_person(authority), authority.second_step
    app = await set_up(authority, clock, identity)
    calls = (
        lambda who, code: step.begin(who, PASSWORD, code, **HERE),
        lambda who, code: step.confirm(who, code, **HERE),
        lambda who, code: step.disable(who, code, **HERE),
        lambda who, code: step.renew_recovery_codes(who, code, **HERE),
        lambda who, code: step.begin(who, PASSWORD, code, **HERE),
    )
    await step.begin(identity, PASSWORD, app.next(), **HERE)
    assert len(calls) == FREE_FAILURES
    for call in calls:
        assert await refused(call(identity, "424242")) == "WRONG_ONE_TIME_CODE"
    for call in calls:
        with pytest.raises(TooManyTries):
            await call(identity, app.recovery_codes[0])
    owner = (await enter(authority, app.next())).identity
    assert await step.renew_recovery_codes(owner, app.next(), **HERE)


@pytest.mark.parametrize(("error", "counts"), [(asyncio.CancelledError(), True), (StoreUnavailable("away"), False)])
def test_a_try_whose_caller_has_gone_counts(error: BaseException, counts: bool) -> None:
    guesses = Guesses(SignInThrottle(), lambda: 0.0)
    for _ in range(FREE_FAILURES):
        with pytest.raises(type(error)), guesses.of_code_in(1):
            raise error
    with pytest.raises(TooManyTries) if counts else nullcontext(), guesses.of_code_in(1):
        pass


async def test_a_flood_of_wrong_passwords_hides_no_wrong_code(
    authority: Authority, store: Store, clock: FakeClock
) -> None:
    await set_up(authority, clock, await a_person(authority))
    for name, password, code in (("nobody", "", ""), ("anna", PASSWORD, "424242"), ("nobody", "", "")):
        with pytest.raises((Unauthenticated, WrongOneTimeCode)):
            await authority.sign_in(name, password, code, peer="ipv4:1", host="home")
    await authority.close()
    found = await store.list_audit(AuditQuery(), Page(10))
    noted = [str(entry.detail["with"]) for entry in found.items if entry.action == "session.refuse"]
    assert sorted(noted) == ["password", "totp"]


async def test_wrong_codes_in_a_session_are_noted_as_the_accounts_own(
    authority: Authority, store: Store, clock: FakeClock
) -> None:
    identity = await a_person(authority)
    app = await set_up(authority, clock, identity)
    for _ in range(2):
        with pytest.raises(InvalidInput):
            await authority.second_step.disable(identity, "424242", **HERE)
    with pytest.raises(InvalidInput):
        await authority.second_step.disable(identity, "", **HERE)  # forgotten, not guessed
    await authority.second_step.disable(identity, app.next(), **HERE)
    await authority.close()
    found = await store.list_audit(AuditQuery(), Page(10))
    noted = [entry for entry in found.items if entry.action == "session.refuse"]
    assert [(each.actor, each.object_id, each.detail) for each in noted] == [
        (HERE["by"].name, identity.account_id, {"with": "totp", "name": "anna"})
    ]


async def test_nobody_resets_their_own(authority: Authority, clock: FakeClock) -> None:
    identity = await a_person(authority)
    await set_up(authority, clock, identity)
    own, other = identity.account_id or 0, replace(identity, account_id=77)
    assert await refused(authority.second_step.reset(own, by=BY, identity=identity)) == "OWN_TOTP"
    assert (await authority.second_step.reset(own, by=BY, identity=other)).totp_us is None


async def test_an_api_token_has_no_second_step(authority: Authority) -> None:
    identity = Identity("ci", Role.ADMIN, token_id=1)
    assert await refused(authority.second_step.state(identity)) == "NOT_A_SESSION"
    assert await refused(authority.second_step.begin(identity, PASSWORD, "", **HERE)) == "NOT_A_SESSION"


@pytest.mark.parametrize(
    ("required", "role", "must"),
    [
        ("none", Role.ADMIN, False),
        ("admins", Role.OPERATOR, False),
        ("admins", Role.ADMIN, True),
        ("all", Role.VIEWER, True),
    ],
)
async def test_who_must_have_it_sets_it_up_first(
    start: Start, clock: FakeClock, required: RequireTotp, role: Role, must: bool
) -> None:
    authority = start(required)
    await authority.create_account("anna", role, PASSWORD, by=BY)
    signed_in = await enter(authority)
    bearer = f"Bearer {signed_in.secret}"
    assert signed_in.identity.totp_setup_required is must
    assert (await authority.identify(bearer)).totp_setup_required is must
    app = await set_up(start(required), clock, signed_in.identity)  # another engine
    assert (await authority.identify(bearer)).has_totp is must, "who had to is not kept waiting"
    clock.pass_seconds(2)
    found = await authority.identify(bearer)
    assert (found.has_totp, found.totp_setup_required) == (True, False)
    call = authority.second_step.disable(found, app.next(), **HERE)
    if not must:
        await call
        return
    assert await refused(call) == "TOTP_REQUIRED"
    moved = await set_up(authority, clock, found, app.next())
    await authority.second_step.reset(found.account_id or 0, by=BY)
    with pytest.raises(Unauthenticated):
        await authority.identify(bearer)
    with pytest.raises(Unauthenticated):
        await enter(authority, moved.now(), password="wrong")
    assert (await enter(authority)).identity.totp_setup_required


async def test_whom_a_provider_vouches_for_and_programs_need_none(start: Start, store: Store) -> None:
    authority = start("all")
    _, secret = await authority.create_token("ci", Role.ADMIN, expire_us=None, by=BY)
    assert not (await authority.identify(f"Bearer {secret}")).totp_setup_required
    person, hashed = Person("https://id.example", "7", "anna", Role.ADMIN), "a" * 64
    times = {"replayable_until_us": 2**62, "expire_us": 2**62, "now_us": 1}
    found = await store.open_oidc_session(person, hashed, nonce_hash=hashed, peer="", **times)
    assert isinstance(found, Identity)
    assert not authority.second_step.judged(found).totp_setup_required
    assert await refused(authority.second_step.begin(found, PASSWORD, "", **HERE)) == "NO_PASSWORD"


async def test_no_secret_and_no_code_is_in_the_audit_list(authority: Authority, store: Store, clock: FakeClock) -> None:
    identity = await a_person(authority)
    app = await set_up(authority, clock, identity)
    shown = [app.next(), app.recovery_codes[0]]
    for code in shown:
        await enter(authority, code)
    with pytest.raises(WrongOneTimeCode):
        await enter(authority, "424242")
    await authority.close()  # the refusal is noted in the background
    events = (await store.list_audit(AuditQuery(), Page(100))).items
    assert [each.action for each in events] == [
        "session.refuse",
        "session.create",
        "account.recovery_code",
        "session.create",
        "account.totp_enable",
        "session.create",
        "account.create",
    ]
    assert events[0].detail == {"with": "totp", "name": "anna"}
    told = repr([each.detail for each in events]) + repr(await store.list_accounts(Page()))
    assert not any(each in told for each in (app._secret, "424242", *shown))
