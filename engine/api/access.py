"""AccessService: sessions, accounts and API tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from common.error_codes import ErrorCode, Fault
from engine.access.authority import Authority
from engine.access.oidc.kinds import Answer
from engine.api.background import Background
from engine.api.by_name import timestamp
from engine.api.caller import caller, identity_of_call, network_of_call, peer_of
from engine.api.context import Context
from engine.api.convert import both, micros
from engine.api.convert_audit import actor_kind_number
from engine.api.paging import page_of, token_after
from engine.api.qr import qr_code
from engine.api.repeats import request_key
from engine.domain.access import (
    PASSWORD_LENGTH_MAX,
    Identity,
    Impossible,
    Role,
    Unauthenticated,
    account_name_problem,
    check_fields,
    password_problem,
    role_of,
    token_name_problem,
)
from engine.domain.time_text import MAX_US
from engine.ports import Clock
from engine.store.access_rows import AccountRow, TokenRow
from engine.store.rows import Created
from engine.store.store import Store
from mailing.v1 import access_pb2, access_service_pb2, access_service_pb2_grpc

_NO_ROLE = ErrorCode.NOT_A_CHOICE.format(choices=", ".join(role.word for role in Role))
_REDIRECT_LENGTH_MAX = 2_000
_NO_RANK = ErrorCode.ROLE_OF_TOKENS.format()


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """See ``proto/mailing/v1/access_service.proto``."""

    def __init__(self, store: Store, authority: Authority, clock: Clock, background: Background) -> None:
        self._store, self._authority, self._clock, self._background = store, authority, clock, background

    # -- sessions ----------------------------------------------------------------------------------

    async def SignIn(
        self, request: access_service_pb2.SignInRequest, context: Context
    ) -> access_service_pb2.SignInResponse:
        """Open a session."""
        if account_name_problem(request.name) or len(request.password) > PASSWORD_LENGTH_MAX:
            # Nobody's: it is not worth a hash, and its failure tells nothing that the contract does not.
            raise Unauthenticated(ErrorCode.WRONG_NAME_OR_PASSWORD.format())
        signed_in = await self._authority.sign_in(
            request.name,
            request.password,
            request.one_time_code,
            peer=peer_of(context),
            host=network_of_call(context),
        )
        return access_service_pb2.SignInResponse(secret=signed_in.secret, identity=identity_message(signed_in.identity))

    async def DescribeSignIn(
        self, request: access_service_pb2.DescribeSignInRequest, context: Context
    ) -> access_service_pb2.DescribeSignInResponse:
        """Say how people may sign in."""
        oidc = self._authority.oidc
        return access_service_pb2.DescribeSignInResponse(oidc_name="" if oidc is None else oidc.name)

    async def BeginOidcSignIn(
        self, request: access_service_pb2.BeginOidcSignInRequest, context: Context
    ) -> access_service_pb2.BeginOidcSignInResponse:
        """Say where the person signs in."""
        oidc = self._authority.oidc
        if oidc is None:
            raise Impossible(ErrorCode.OIDC_OFF.format())
        check_fields(redirect_uri=_redirect_problem(request.redirect_uri))
        begun = await oidc.begin(request.redirect_uri, again=request.again)
        return access_service_pb2.BeginOidcSignInResponse(**begun._asdict())

    async def FinishOidcSignIn(
        self, request: access_service_pb2.FinishOidcSignInRequest, context: Context
    ) -> access_service_pb2.SignInResponse:
        """Open a session for whoever has come back."""
        needed = {name: getattr(request, name) for name in ("code", "redirect_uri", "nonce", "code_verifier")}
        check_fields(**{name: None if value else ErrorCode.REQUIRED.format() for name, value in needed.items()})
        answer = Answer(issuer=request.issuer, **needed)
        signed_in = await self._background.whole(
            self._authority.sign_in_with_oidc(answer, peer=peer_of(context), host=network_of_call(context))
        )
        return access_service_pb2.SignInResponse(secret=signed_in.secret, identity=identity_message(signed_in.identity))

    async def SignOut(self, request: access_service_pb2.SignOutRequest, context: Context) -> Empty:
        """End the caller's session."""
        await self._background.whole(self._authority.sign_out(identity_of_call(), caller(context)))
        return Empty()

    async def WhoAmI(self, request: access_service_pb2.WhoAmIRequest, context: Context) -> access_pb2.Identity:
        """Say who is calling."""
        return identity_message(identity_of_call())

    async def ChangePassword(self, request: access_service_pb2.ChangePasswordRequest, context: Context) -> Empty:
        """Change the password of the caller's account."""
        check_fields(new_password=password_problem(request.new_password))
        change = self._authority.change_password(
            identity_of_call(),
            request.current_password,
            request.new_password,
            by=caller(context),
        )
        await self._background.whole(change)
        return Empty()

    # -- two-step sign-in --------------------------------------------------------------------------

    async def GetTotp(self, request: access_service_pb2.GetTotpRequest, context: Context) -> access_pb2.Totp:
        """Say whether the caller's account has it."""
        identity, steps = identity_of_call(), self._authority.second_step
        row = await steps.state(identity)
        return access_pb2.Totp(
            enable_time=timestamp(row.enable_us),
            required=steps.must_have_it(identity),
            recovery_code_count=row.recovery_codes,
        )

    async def BeginTotp(
        self, request: access_service_pb2.BeginTotpRequest, context: Context
    ) -> access_service_pb2.BeginTotpResponse:
        """Make a secret for an authenticator app."""
        begun = await self._background.whole(
            self._authority.second_step.begin(
                identity_of_call(),
                request.current_password,
                request.one_time_code,
                by=caller(context),
            )
        )
        return access_service_pb2.BeginTotpResponse(secret=begun.secret, uri=begun.uri, qr_code=qr_code(begun.uri))

    async def ConfirmTotp(
        self, request: access_service_pb2.ConfirmTotpRequest, context: Context
    ) -> access_service_pb2.RecoveryCodes:
        """Turn it on."""
        change = self._authority.second_step.confirm(identity_of_call(), request.one_time_code, by=caller(context))
        return access_service_pb2.RecoveryCodes(recovery_codes=await self._background.whole(change))

    async def DisableTotp(self, request: access_service_pb2.DisableTotpRequest, context: Context) -> Empty:
        """Turn it off."""
        change = self._authority.second_step.disable(identity_of_call(), request.one_time_code, by=caller(context))
        await self._background.whole(change)
        return Empty()

    async def RenewRecoveryCodes(
        self, request: access_service_pb2.RenewRecoveryCodesRequest, context: Context
    ) -> access_service_pb2.RecoveryCodes:
        """Make new recovery codes."""
        change = self._authority.second_step.renew_recovery_codes(
            identity_of_call(), request.one_time_code, by=caller(context)
        )
        return access_service_pb2.RecoveryCodes(recovery_codes=await self._background.whole(change))

    async def ResetTotp(self, request: access_service_pb2.ResetTotpRequest, context: Context) -> access_pb2.Account:
        """Turn it off for somebody else."""
        change = self._authority.second_step.reset(request.account_id, by=caller(context), identity=identity_of_call())
        return account_message(await self._background.whole(change))

    # -- accounts ----------------------------------------------------------------------------------

    async def CreateAccount(
        self, request: access_service_pb2.CreateAccountRequest, context: Context
    ) -> access_pb2.Account:
        """Add an account."""
        by = caller(context)
        anonymous = access_service_pb2.CreateAccountRequest(name=request.name, role=request.role)
        problems = {"name": account_name_problem(request.name), "password": password_problem(request.password)}
        # The key's digest is a quick hash, which must not be one of a password.
        role, key = both(
            lambda: _valid_role(request.role, _NO_RANK, **problems),
            lambda: request_key("CreateAccount", anonymous, request.request_id, by),
        )

        async def change() -> Created[AccountRow]:
            with self._background.running.hold(key):
                return await self._authority.create_account(request.name, role, request.password, by=by, request=key)

        return account_message((await self._background.whole(change())).row)

    async def ListAccounts(
        self, request: access_service_pb2.ListAccountsRequest, context: Context
    ) -> access_service_pb2.ListAccountsResponse:
        """Read a page of accounts."""
        found = await self._store.list_accounts(page_of(request), self._clock.now_us())
        return access_service_pb2.ListAccountsResponse(
            accounts=[account_message(row) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def RevokeAccount(
        self, request: access_service_pb2.RevokeAccountRequest, context: Context
    ) -> access_pb2.Account:
        """Revoke an account and end its sessions, and revoke the tokens that it has made if asked."""
        change = self._authority.revoke_account(
            request.account_id, with_tokens=request.revoke_made_tokens, by=caller(context)
        )
        return account_message(await self._background.whole(change))

    # -- API tokens --------------------------------------------------------------------------------

    async def CreateToken(
        self, request: access_service_pb2.CreateTokenRequest, context: Context
    ) -> access_service_pb2.CreateTokenResponse:
        """Add an API token."""
        by = caller(context)
        expire_us = micros(request.expire_time) if request.HasField("expire_time") else None
        problems = {"name": token_name_problem(request.name), "expire_time": self._expire_problem(request.expire_time)}
        role, key = both(
            lambda: _valid_role(request.role, **problems if expire_us is not None else {"name": problems["name"]}),
            lambda: request_key("CreateToken", request, request.request_id, by),
        )

        async def change() -> tuple[TokenRow, str]:
            with self._background.running.hold(key):
                return await self._authority.create_token(request.name, role, expire_us=expire_us, by=by, request=key)

        row, secret = await self._background.whole(change())
        return access_service_pb2.CreateTokenResponse(token=token_message(row), secret=secret)

    async def ListTokens(
        self, request: access_service_pb2.ListTokensRequest, context: Context
    ) -> access_service_pb2.ListTokensResponse:
        """Read a page of API tokens."""
        found = await self._store.list_tokens(page_of(request))
        return access_service_pb2.ListTokensResponse(
            tokens=[token_message(row) for row in found.items],
            next_page_token=token_after(request, found.next_after),
            total_size=found.total,
        )

    async def RevokeToken(
        self, request: access_service_pb2.RevokeTokenRequest, context: Context
    ) -> access_pb2.ApiToken:
        """Revoke an API token."""
        change = self._authority.revoke_token(request.token_id, by=caller(context))
        return token_message(await self._background.whole(change))

    def _expire_problem(self, time: Timestamp) -> Fault | None:
        us = micros(time)
        if us > MAX_US:
            return ErrorCode.YEAR_OUT_OF_RANGE.format()
        return None if us > self._clock.now_us() else ErrorCode.NOT_IN_FUTURE.format()


def _redirect_problem(uri: str) -> Fault | None:
    """Why nobody can be sent back there; whether it is ours the provider knows."""
    is_good = len(uri) <= _REDIRECT_LENGTH_MAX and urlsplit(uri).scheme in ("http", "https")
    return None if is_good else ErrorCode.OIDC_BAD_REDIRECT.format()


def _valid_role(number: int, no_rank: Fault | None = None, **problems: Fault | None) -> Role:
    """The role with this number; ``no_rank``: why one without a rank is no good. Raises InvalidInput for it and all
    other fields that have problems."""
    role = role_of(number)
    problem = _NO_ROLE if role is None else None if role.is_rank else no_rank
    check_fields(role=problem, **problems)
    assert role is not None
    return role


def _role_number(role: Role) -> access_pb2.Role.ValueType:
    return access_pb2.Role.Value(f"ROLE_{role.name}")


def identity_message(identity: Identity) -> access_pb2.Identity:
    """A caller as the API shows it."""
    return access_pb2.Identity(
        name=identity.name,
        role=_role_number(identity.role),
        account_id=identity.account_id,
        token_id=identity.token_id,
        expire_time=timestamp(identity.expire_us),
        issuer=identity.issuer,
        totp_setup_required=identity.totp_setup_required,
    )


def account_message(row: AccountRow) -> access_pb2.Account:
    """An account as the API shows it."""
    return access_pb2.Account(
        id=row.id,
        name=row.name,
        role=_role_number(row.role),
        create_time=timestamp(row.create_us),
        revoke_time=timestamp(row.revoke_us),
        last_sign_in_time=timestamp(row.last_sign_in_us),
        live_token_count=row.live_tokens,
        issuer=row.issuer,
        totp_enable_time=timestamp(row.totp_us),
    )


def token_message(row: TokenRow) -> access_pb2.ApiToken:
    """An API token as the API shows it."""
    return access_pb2.ApiToken(
        id=row.id,
        name=row.name,
        role=_role_number(row.role),
        hint=row.hint,
        created_by=row.created_by,
        create_time=timestamp(row.create_us),
        expire_time=timestamp(row.expire_us),
        revoke_time=timestamp(row.revoke_us),
        last_used_time=timestamp(row.last_used_us),
        creator_kind=actor_kind_number(row.creator_kind),
        creator_id=row.creator_id,
    )
