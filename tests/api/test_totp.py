"""Two-step sign-in over gRPC: what a caller is told, and what who must set it up may call."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from grpc import StatusCode
from pyotp import HOTP

from engine.api.roles import path_of
from engine.domain.totp import STEP_US
from mailing.v1 import access_service_pb2 as pb
from scripts.token_channel import metadata
from tests.api.conftest import Api, refusal
from tests.api.test_access import PASSWORD, add_account, sign_in
from tests.api.test_roles import METHODS, REQUIREMENTS, answer
from tests.contract.test_contract import BEFORE_TOTP_SETUP


async def set_up(api: Api, bearer: Any) -> tuple[str, list[str]]:
    """The secret of the app, and the recovery codes."""
    begun = await api.plain_access.BeginTotp(pb.BeginTotpRequest(current_password=PASSWORD), metadata=bearer)
    assert parse_qs(urlsplit(begun.uri).query)["secret"] == [begun.secret]
    assert begun.qr_code.startswith("<svg ")
    asked = pb.ConfirmTotpRequest(one_time_code=code_of(api, begun.secret))
    confirmed = await api.plain_access.ConfirmTotp(asked, metadata=bearer)
    return begun.secret, list(confirmed.recovery_codes)


def code_of(api: Api, secret: str) -> str:
    return HOTP(secret).at(api.clock.us // STEP_US)


async def test_a_sign_in_says_what_is_missing_by_a_code_of_its_own(api: Api) -> None:
    account = await add_account(api)
    bearer = metadata((await sign_in(api)).secret)
    secret, codes = await set_up(api, bearer)
    totp = await api.plain_access.GetTotp(pb.GetTotpRequest(), metadata=bearer)
    assert (totp.enable_time.ToMicroseconds(), totp.required, totp.recovery_code_count) == (api.clock.us, False, 10)
    for code, reason in (("", "ONE_TIME_CODE_REQUIRED"), ("123456", "WRONG_ONE_TIME_CODE")):
        asked = pb.SignInRequest(name="anna", password=PASSWORD, one_time_code=code)
        refused = await refusal(api.access.SignIn(asked))
        assert (refused.code, refused.reason) == (StatusCode.UNAUTHENTICATED, reason)
    refused = await refusal(api.plain_access.DisableTotp(pb.DisableTotpRequest(one_time_code="1"), metadata=bearer))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"one_time_code"})
    api.clock.pass_seconds(30)
    entered = pb.SignInRequest(name="anna", password=PASSWORD, one_time_code=code_of(api, secret))
    bearer = metadata((await api.access.SignIn(entered)).secret)
    renewed = pb.RenewRecoveryCodesRequest(one_time_code=codes[0])
    fresh = (await api.plain_access.RenewRecoveryCodes(renewed, metadata=bearer)).recovery_codes
    listed = (await api.access.ListAccounts(pb.ListAccountsRequest())).accounts
    assert listed[-1].HasField("totp_enable_time")
    await api.plain_access.DisableTotp(pb.DisableTotpRequest(one_time_code=fresh[0]), metadata=bearer)
    await set_up(api, bearer)
    reset = await api.access.ResetTotp(pb.ResetTotpRequest(account_id=account.id))
    assert not reset.HasField("totp_enable_time")
    assert (await refusal(api.plain_access.GetTotp(pb.GetTotpRequest(), metadata=bearer))).code is (
        StatusCode.UNAUTHENTICATED
    )
    assert (await sign_in(api)).secret


async def test_who_must_set_it_up_may_call_nothing_else(api: Api) -> None:
    interceptor: Any = api.server._interceptor
    interceptor._authority.second_step._required = "admins"  # as MAILING_REQUIRE_TOTP says it
    await add_account(api)
    signed_in = await sign_in(api)
    bearer = metadata(signed_in.secret)
    assert signed_in.identity.totp_setup_required
    for method in METHODS:
        if REQUIREMENTS[path_of(method)] is None or method.name == "SignOut":
            continue
        code, text = await answer(api.port, method, bearer)
        is_refused = code is StatusCode.PERMISSION_DENIED and text.endswith("set it up first")
        assert is_refused == (method.name not in BEFORE_TOTP_SETUP), method.name
    await set_up(api, bearer)
    assert (await api.plain_access.ListAccounts(pb.ListAccountsRequest(), metadata=bearer)).total_size == 1
