"""Tokens: HS256 JWT made and checked with one secret. Source: specs/wire.md section 4.

The secret comes from RSX_JWT_SECRET or from the file `secret` in the data folder, made at the
first start. No error message ever holds a token or the secret.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from rsx.errors import ConfigError, Reason, RequestError
from rsx.records import FUND_USER_BASE

AUDIENCE = "rsx"
ISSUER = "rsx"
LEEWAY_S = 5
SECRET_BYTES_MIN = 32
SECRET_ENV = "RSX_JWT_SECRET"
SECRET_FILE = "secret"
TOKEN_CHARS_MAX = 2048
CACHE_MAX = 4096
REQUIRED = ["sub", "exp", "iat", "aud", "iss"]

_USER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_SECONDS_MAX = 1 << 40


class Claims(NamedTuple):
    """Who a token speaks for. `expires_s` is its `exp`, seconds since 1970."""

    user: int
    expires_s: int
    role: str | None

    @property
    def expires_ns(self) -> int:
        """When a session of this token ends: leeway included."""
        return (self.expires_s + LEEWAY_S) * 1_000_000_000


def load_secret(data_dir: str | os.PathLike[str]) -> bytes:
    """The secret of this exchange; made and kept when there is none yet.

    Raises  ConfigError when it is too short, unreadable, or readable by others
    """
    given = os.environ.get(SECRET_ENV)
    if given is not None:
        secret = given.encode()
        if len(secret) < SECRET_BYTES_MIN:
            raise ConfigError(
                f"{SECRET_ENV} has {len(secret)} bytes; at least {SECRET_BYTES_MIN} are needed"
            )
        return secret
    path = Path(data_dir) / SECRET_FILE
    try:
        _make_secret(path)
        return _read_secret(path)
    except OSError as error:
        raise ConfigError(f"secret file {path}: {error.strerror or error}") from None


def _make_secret(path: Path) -> None:
    """Write a new secret unless the file is there; whole or not at all."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_hex(SECRET_BYTES_MIN).encode())
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: of two starts at once, the second must not replace the first's.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def _read_secret(path: Path) -> bytes:
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise ConfigError(
                f"secret file {path} can be read by others (mode {mode:04o}); run: chmod 600 {path}"
            )
        secret = file.read().strip()
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigError(
            f"secret file {path} has {len(secret)} bytes; at least {SECRET_BYTES_MIN} are needed"
        )
    return secret


def mint(
    secret: bytes, user: int, ttl_s: int, role: str | None = None, now_s: int | None = None
) -> str:
    """A token for one user.

    Args  user: 1 .. 2^32-1; ttl_s: seconds of life from now; role: "admin" or None
    """
    if not 1 <= user < 1 << 32:
        raise ConfigError(f"user {user} is not from 1 to {(1 << 32) - 1}")
    now_s = int(time.time()) if now_s is None else now_s
    claims: dict[str, str | int] = {
        "sub": str(user), "iat": now_s, "exp": now_s + ttl_s, "aud": AUDIENCE, "iss": ISSUER,
    }  # fmt: skip
    if role is not None:
        claims["role"] = role
    return jwt.encode(claims, secret, algorithm="HS256")


def verify(secret: bytes, token: str, now_s: int | None = None) -> Claims:
    """Check a token whole.

    Args    now_s: seconds since 1970; default: the wall clock
    Raises  RequestError TOKEN_MISSING, TOKEN_INVALID or TOKEN_EXPIRED, field "token"
    """
    if not token:
        raise RequestError(Reason.TOKEN_MISSING, "token")
    if len(token) > TOKEN_CHARS_MAX:
        raise _invalid(f"longer than {TOKEN_CHARS_MAX} characters")
    now_s = int(time.time()) if now_s is None else now_s
    # Times are checked below against the injected clock.
    options: Any = dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf"), False)
    options["require"] = REQUIRED
    try:
        claims = jwt.decode(
            token, secret, algorithms=["HS256"], audience=AUDIENCE, issuer=ISSUER,
            options=options,
        )  # fmt: skip
    except jwt.PyJWTError as error:
        raise _invalid(_reason(error)) from None
    except (ValueError, TypeError, RecursionError):
        raise _invalid("it cannot be decoded") from None
    user = claims["sub"]
    if not isinstance(user, str) or not _USER.fullmatch(user) or int(user) >= 1 << 32:
        raise _invalid("sub is not a user id from 1 to 2^32-1 as text")
    if int(user) >= FUND_USER_BASE:
        detail = "an account of the exchange itself"
        raise RequestError(Reason.FORBIDDEN, "sub", int(user), detail=detail)
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name, 0)
        if type(value) is not int or not 0 <= value < _SECONDS_MAX:
            raise _invalid(f"{name} is not a time in whole seconds")
    role = claims.get("role")
    if role is not None and not isinstance(role, str):
        raise _invalid("role is not text")
    if claims["exp"] + LEEWAY_S <= now_s:
        raise RequestError(Reason.TOKEN_EXPIRED, "token")
    if max(claims["iat"], claims.get("nbf", 0)) - LEEWAY_S > now_s:
        raise _invalid("it is not valid yet")
    return Claims(int(user), claims["exp"], role)


def _invalid(detail: str) -> RequestError:
    return RequestError(Reason.TOKEN_INVALID, "token", detail=detail)


def _reason(error: jwt.PyJWTError) -> str:
    """A detail from a closed list: the library's own text may quote the token."""
    match error:
        case jwt.MissingRequiredClaimError():
            return f"the claim {error.claim} is missing"
        case jwt.InvalidSignatureError():
            return "the signature does not match"
        case jwt.InvalidAudienceError():
            return f"aud is not {AUDIENCE}"
        case jwt.InvalidIssuerError():
            return f"iss is not {ISSUER}"
        case jwt.InvalidAlgorithmError():
            return "the algorithm is not HS256"
        case _:
            return "it cannot be decoded"


class Verifier:
    """`verify` with a memory of good tokens: REST sends the same one with every request."""

    def __init__(self, secret: bytes):
        self.secret = secret
        self.known: dict[str, Claims] = {}

    def __call__(self, token: str, now_s: int) -> Claims:
        claims = self.known.get(token)
        if claims is not None and now_s < claims.expires_s + LEEWAY_S:
            return claims
        claims = verify(self.secret, token, now_s)
        if len(self.known) >= CACHE_MAX:
            self.known.clear()
        self.known[token] = claims
        return claims

    def bearer(self, header: str | None, now_s: int) -> Claims:
        """Claims of an Authorization header."""
        if not header:
            raise RequestError(Reason.TOKEN_MISSING, "authorization")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise RequestError(
                Reason.TOKEN_INVALID, "authorization", detail="the scheme is not Bearer"
            )
        return self(token.strip(), now_s)
