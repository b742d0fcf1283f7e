"""Who is calling, and with whose MiniMax key: tokens of a file, or an issuer's signed tokens.

The file is a JSON object. A key of it is the SHA-256 of a token, in hexadecimal, or `sub:` and the
subject of an issuer's tokens; its value names the account, and may refer to the variable that holds
the account's own MiniMax key. The file holds no token and no key.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from minimax.errors import SettingsError
from minimax.team.public_keys import PublicKeys

__all__ = ["Accounts", "JwtTokens", "ListedTokens", "Member", "current_member"]

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""What the names of objects may contain."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    account: str
    key_env: str | None = None
    daily_limit_usd: float | None = Field(default=None, ge=0)


@dataclass(frozen=True, kw_only=True)
class Member:
    """An account as it calls.

    Attributes:
        name: Whose purchases these are.
        key: Its own MiniMax key; None: the shared one.
        daily_limit_usd: Its own limit; None: that of every account.
    """

    name: str
    key: SecretStr | None = None
    daily_limit_usd: float | None = None


class Accounts:
    """The accounts of a deployment.

    Args:
        file: The list; None where an issuer's subjects all use the shared key.
        shared_key: The key of accounts that have none of their own; None: there is none.
        environ: Where the keys are that the file refers to.
    """

    def __init__(
        self,
        file: Path | None,
        *,
        shared_key: SecretStr | None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._shared_key = shared_key
        self._entries = {} if file is None else _read_file(file)
        for entry in self._entries.values():
            self._check(entry)
        self._by_name = {entry.account: entry for entry in self._entries.values()}
        self._refuse_keys_in_common()

    def _refuse_keys_in_common(self) -> None:
        """Accounts are kept apart by their keys, or by this server where they have none.

        Raises:
            SettingsError: Two accounts name one key, so each could use and delete what is the
                other's.
        """
        owners: dict[str, str] = {}
        if self._shared_key is not None:
            owners[self._shared_key.get_secret_value()] = "MINIMAX_API_KEY"
        for name, entry in self._by_name.items():
            if entry.key_env is None:
                continue
            owner = owners.setdefault(self._environ[entry.key_env].strip(), name)
            if owner != name:
                raise SettingsError(
                    f"MINIMAX_TEAM_TOKENS: the key in {entry.key_env} of the account {name} is "
                    f"that of {owner} too, so nothing would keep them apart. Give each account a "
                    "key of its own, or leave key_env out: accounts that use MINIMAX_API_KEY are "
                    "kept apart by this server."
                )

    def _check(self, entry: _Entry) -> None:
        if not _NAME.fullmatch(entry.account):
            raise SettingsError(
                "MINIMAX_TEAM_TOKENS: an account's name may have 64 letters, digits and . _ @ - "
                "in it, and begins with a letter or a digit."
            )
        if entry.key_env is None and self._shared_key is None:
            raise SettingsError(
                f"The account {entry.account} names no key_env in the file of MINIMAX_TEAM_TOKENS, "
                "and there is no shared key: set MINIMAX_API_KEY, or give the account a key."
            )
        if entry.key_env is not None and not self._environ.get(entry.key_env, "").strip():
            raise SettingsError(
                f"The account {entry.account} buys with the key in {entry.key_env}, and this "
                "variable is not set."
            )

    @property
    def secrets(self) -> list[str]:
        """The keys that the file refers to."""
        names = {entry.key_env for entry in self._entries.values() if entry.key_env}
        return sorted(self._environ[name].strip() for name in names)

    def find(self, listed_as: str) -> str | None:
        """The account that a token's digest or a subject stands for."""
        entry = self._entries.get(listed_as)
        return None if entry is None else entry.account

    def member(self, name: str) -> Member:
        """An account by its name.

        Raises:
            SettingsError: It has no key of its own, and there is no shared one.
        """
        entry = self._by_name.get(name)
        if entry is None and self._shared_key is None:
            raise SettingsError(
                "This account has no MiniMax key, and this server has no shared one. Ask whoever "
                "runs it. Nothing was sent."
            )
        if entry is None:
            return Member(name=name)
        key = self._environ[entry.key_env].strip() if entry.key_env else None
        return Member(
            name=name,
            key=SecretStr(key) if key else None,
            daily_limit_usd=entry.daily_limit_usd,
        )


def _read_file(file: Path) -> dict[str, _Entry]:
    try:
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = {name: _Entry.model_validate(value) for name, value in raw.items()}
    except (OSError, ValueError, AttributeError, ValidationError):
        raise SettingsError(
            "The file of MINIMAX_TEAM_TOKENS cannot be read. It is a JSON object like "
            '{"<sha256 of a token>": {"account": "alice", "key_env": "ALICE_KEY", '
            '"daily_limit_usd": 5}}; docs/TEAM.md shows one.'
        ) from None
    if not all(_DIGEST.fullmatch(name) or name.startswith("sub:") for name in found):
        raise SettingsError(
            "MINIMAX_TEAM_TOKENS: every entry is named by the SHA-256 of a token, in lower case "
            "hexadecimal, or by sub: and a subject. Make one with: "
            "printf %s TOKEN | sha256sum"
        )
    return found


class ListedTokens:
    """Verifies the tokens of the file; see `mcp.server.auth.provider.TokenVerifier`."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller, if this token is in the list."""
        account = self._accounts.find(hashlib.sha256(token.encode()).hexdigest())
        if account is None:
            return None
        return AccessToken(
            token="",
            client_id=account,
            subject=account,
            scopes=[],
            claims={"account": account},
        )


class JwtTokens:
    """Verifies an issuer's signed tokens: signature, issuer, audience, expiry, subject."""

    def __init__(self, accounts: Accounts, *, issuer: str, audience: str, jwks_url: str) -> None:
        self._accounts = accounts
        self._issuer, self._audience = issuer, audience
        self._keys = PublicKeys(jwks_url)

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller, if all of it holds."""
        claims = await self._read_claims(token)
        if claims is None:
            return None
        subject = str(claims["sub"])
        account = self._accounts.find(f"sub:{subject}") or _name_of(subject)
        return AccessToken(
            token="",
            client_id=str(claims.get("azp") or claims.get("client_id") or subject),
            subject=subject,
            scopes=str(claims.get("scope", "")).split(),
            expires_at=int(claims["exp"]),
            resource=self._audience,
            claims={"account": account, "iss": claims["iss"]},
        )

    async def _read_claims(self, token: str) -> dict[str, Any] | None:
        try:
            key = await self._keys.find(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError:
            return None
        return claims if _is_name(claims["sub"]) else None


def _is_name(subject: str) -> bool:
    """Whether a subject names anybody, in characters that can be written down."""
    return bool(subject.strip()) and not any("\ud800" <= each <= "\udfff" for each in subject)


def _name_of(subject: str) -> str:
    """The account of a subject that the file does not name; never one that it names.

    A digest, since subjects may hold anything, and since one may look like the name of another.
    """
    return f"sub-{hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def current_member(accounts: Accounts) -> Member:
    """The account of the request that is being answered.

    Raises:
        SettingsError: It carries no identity, or the account has no key.
    """
    token = get_access_token()
    if token is None or not token.claims:
        raise SettingsError("This request carries no identity, so nothing can be done for it.")
    return accounts.member(str(token.claims["account"]))
