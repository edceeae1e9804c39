"""The tables of who may do what, as Tortoise and aerich know them; see ``models.py``."""

from __future__ import annotations

from tortoise import fields

from engine.store.table import Table


class Account(Table):
    """A person who signs in."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(64)
    """Unique among those not revoked, whatever the case."""
    role = fields.SmallIntField()
    password_hash = fields.TextField()
    create_us = fields.BigIntField()
    revoke_us = fields.BigIntField(null=True)
    last_sign_in_us = fields.BigIntField(null=True)
    issuer = fields.TextField(default="")
    """Who says who the person is (OpenID Connect); empty: nobody, the account has a password."""
    subject = fields.TextField(default="")
    """Who the person is, as the issuer says it; the two are unique together where there is an issuer."""
    totp_secret = fields.TextField(default="")
    """What it shares with an authenticator app, in Base32; empty: a password is enough."""
    totp_pending = fields.TextField(default="")
    """The secret that takes the place of the other one once a code of it was shown."""
    totp_step = fields.BigIntField(default=0)
    """Of the code that was taken last: see ``domain.totp``."""
    totp_us = fields.BigIntField(null=True)
    """Since when there is a secret."""

    class Meta:
        table = "account"


class Session(Table):
    """A person who has signed in."""

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("store.Account", on_delete=fields.CASCADE)
    secret_hash = fields.CharField(64, unique=True)
    create_us = fields.BigIntField()
    expire_us = fields.BigIntField()

    class Meta:
        table = "session"


class RecoveryCode(Table):
    """What an account may show once in place of an app's code."""

    code_hash = fields.CharField(64, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("store.Account", on_delete=fields.CASCADE)

    class Meta:
        table = "recovery_code"


class KnownNetwork(Table):
    """Where an account has signed in from."""

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("store.Account", on_delete=fields.CASCADE)
    network = fields.CharField(64)
    last_us = fields.BigIntField()

    class Meta:
        table = "known_network"
        unique_together = (("account", "network"),)


class ApiToken(Table):
    """A key for a program."""

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(64)
    role = fields.SmallIntField()
    secret_hash = fields.CharField(64, unique=True)
    hint = fields.CharField(16)
    created_by = fields.TextField()
    create_us = fields.BigIntField()
    expire_us = fields.BigIntField(null=True)
    revoke_us = fields.BigIntField(null=True)
    last_used_us = fields.BigIntField(null=True)
    creator_kind = fields.SmallIntField(default=0)
    """As ``created_by``, the name: ``domain.access.ActorKind``."""
    creator_id = fields.BigIntField(null=True)

    class Meta:
        table = "api_token"


class OidcNonce(Table):
    """A sign-in with OpenID Connect that has been answered, so that it is not answered again."""

    nonce_hash = fields.CharField(64, primary_key=True)
    expire_us = fields.BigIntField()
    """When its token has ended, and nobody takes it any more."""

    class Meta:
        table = "oidc_nonce"
