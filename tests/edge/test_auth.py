import os
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from rsx.edge import auth
from rsx.errors import ConfigError, Reason, RequestError

SECRET = b"a test secret of sixty-four bytes, as long as HS512 asks for ...."
NOW_S = 1_764_000_000
GOOD = {"sub": "7", "iat": NOW_S, "exp": NOW_S + 60, "aud": "rsx", "iss": "rsx"}


def made(secret: bytes = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {k: v for k, v in (GOOD | changes).items() if v is not None}
    return jwt.encode(claims, secret, algorithm=algorithm)


def refusal(token: str, now_s: int = NOW_S) -> RequestError:
    with pytest.raises(RequestError) as caught:
        auth.verify(SECRET, token, now_s)
    return caught.value


def test_a_minted_token_verifies() -> None:
    token = auth.mint(SECRET, 7, 60, "admin", NOW_S)

    assert auth.verify(SECRET, token, NOW_S) == auth.Claims(7, NOW_S + 60, "admin")


def test_a_token_lives_to_its_expiry_plus_the_leeway() -> None:
    assert auth.verify(SECRET, made(), NOW_S + 64).user == 7

    assert refusal(made(), NOW_S + 65).code == Reason.TOKEN_EXPIRED


@pytest.mark.parametrize(
    "token",
    [
        made(b"another secret of thirty-two bytes"),
        made(algorithm="HS512"),
        jwt.encode(GOOD, None, algorithm="none"),
        made(aud="other"), made(iss="other"), made(aud=None), made(iss=None),
        made(exp=None), made(iat=None), made(sub=None),
        made(sub="0"), made(sub="-1"), made(sub="007"), made(sub="4294967296"), made(sub="x"),
        made(sub="٣"), made(sub=""), made(sub="7" * 40),
        made(iat=NOW_S + 6), made(nbf=NOW_S + 6), made(exp=1e300), made(exp=float(NOW_S + 60)),
        made(role=1), made(iat=-1), made(exp=2**80),
        "x", "a.b.c", made()[:-2], made() + "x", "é.è.à", "." * 50, "\0", "x" * 5000,
    ],
)  # fmt: skip
def test_a_token_that_is_not_whole_is_refused_without_being_echoed(token: str) -> None:
    error = refusal(token)

    assert error.code == Reason.TOKEN_INVALID
    assert error.value is None
    assert len(token) < 4 or token not in error.message


def test_no_token_is_named_as_such() -> None:
    assert refusal("").code == Reason.TOKEN_MISSING


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, Reason.TOKEN_MISSING),
        ("", Reason.TOKEN_MISSING),
        ("Bearer", Reason.TOKEN_MISSING),
        ("Basic abc", Reason.TOKEN_INVALID),
        ("Bearer abc", Reason.TOKEN_INVALID),
    ],
)
def test_a_bad_authorization_header_is_refused(header: str | None, code: Reason) -> None:
    with pytest.raises(RequestError) as caught:
        auth.Verifier(SECRET).bearer(header, NOW_S)

    assert caught.value.code == code


def test_a_remembered_token_still_expires() -> None:
    verifier = auth.Verifier(SECRET)
    assert verifier.bearer(f"bearer {made()}", NOW_S).user == 7
    assert verifier.bearer(f"Bearer {made()}", NOW_S + 64).user == 7

    with pytest.raises(RequestError) as caught:
        verifier.bearer(f"Bearer {made()}", NOW_S + 65)

    assert caught.value.code == Reason.TOKEN_EXPIRED


def test_the_memory_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "CACHE_MAX", 4)
    verifier = auth.Verifier(SECRET)

    for user in range(1, 20):
        verifier(auth.mint(SECRET, user, 60, now_s=NOW_S), NOW_S)

    assert len(verifier.known) <= 4


def test_minting_for_an_impossible_user_is_refused() -> None:
    for user in (0, -1, 1 << 32):
        with pytest.raises(ConfigError):
            auth.mint(SECRET, user, 60)


# --- secret ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(auth.SECRET_ENV, raising=False)


def test_the_first_start_makes_a_private_secret_and_later_ones_read_it(tmp_path: Path) -> None:
    secret = auth.load_secret(tmp_path)

    assert len(secret) >= 32
    assert auth.load_secret(tmp_path) == secret
    assert stat.S_IMODE(os.stat(tmp_path / "secret").st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secret"]


def test_the_secret_of_one_data_folder_is_not_that_of_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert auth.load_secret(tmp_path / "a") != auth.load_secret(tmp_path / "b")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    auth.load_secret(tmp_path)
    os.chmod(tmp_path / "secret", mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        auth.load_secret(tmp_path)


def test_a_short_secret_is_refused_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="5 bytes"):
        auth.load_secret(tmp_path)

    monkeypatch.setenv(auth.SECRET_ENV, "x" * 31)
    with pytest.raises(ConfigError, match=auth.SECRET_ENV):
        auth.load_secret(tmp_path)


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(auth.SECRET_ENV, "x" * 32)

    assert auth.load_secret(tmp_path) == b"x" * 32
    assert os.listdir(tmp_path) == []


def test_a_missing_data_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="secret file"):
        auth.load_secret(tmp_path / "none")
