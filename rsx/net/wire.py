"""What both ends of DXS agree on: challenge, proof, control records, tokens, TLS.

    server                      consumer
      32 random bytes  ------->
                       <-------   REPLAY_REQUEST (128), proof (32)
      REPLAY_BEGUN     ------->
      records, CAUGHT_UP, records, LOG_TIP ...
                       <-------   CONSUMER_TIP ...

Source: specs/dxs.md DX-1 to DX-7, DX-18, DX-19.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import ssl
import stat
from pathlib import Path
from typing import NamedTuple

from rsx.core.crc import sealed
from rsx.errors import StartError
from rsx.records import RECORD_SIZE, REPLAY_REQUEST, Record, RecordError, View, decode

CHALLENGE_SIZE = 32
PROOF_SIZE = 32
NO_PROOF = bytes(PROOF_SIZE)
HANDSHAKE_SIZE = RECORD_SIZE + PROOF_SIZE
NAME_MAX = 32
# What a request is for: its header's stream (DX-8).
LOG, SNAPSHOT = 0, 1
TOKEN_ENV = "RSX_DXS_TOKEN"
TOKEN_FILE = "dxs_token"
TOKEN_BYTES_MIN = 16


class Last(NamedTuple):
    """The last record that a consumer has; all 0 = none (DX-2)."""

    seq: int = 0
    epoch: int = 0
    ts_ns: int = 0

    @classmethod
    def of(cls, data: bytes | memoryview) -> Last:
        """The last one of whole records; `data` is not empty."""
        at = len(data) - RECORD_SIZE
        return cls(
            int.from_bytes(data[at + 16 : at + 24], "little"),
            int.from_bytes(data[at + 12 : at + 16], "little"),
            int.from_bytes(data[at + 24 : at + 32], "little"),
        )


NOTHING = Last()


def control(record: Record, *, seq: int = 0, epoch: int = 0, **values: object) -> bytes:
    """A sealed record of the wire."""
    return sealed(record.pack(**values), seq, epoch)


def replay_request(
    from_seq: int, exchange_id: int, name: str, last: Last, stream: int = LOG
) -> bytes:
    return control(
        REPLAY_REQUEST, seq=last.seq, epoch=last.epoch, ts_ns=last.ts_ns, from_seq=from_seq,
        exchange_id=exchange_id, name=name.encode(), stream=stream,
    )  # fmt: skip


def read_request(data: bytes) -> View:
    """Decode a REPLAY_REQUEST and check what DX-2 and DX-12 ask. Raises RecordError."""
    view = decode(data)
    if view.record is not REPLAY_REQUEST:
        raise RecordError(f"{view.record.name} where REPLAY_REQUEST is due")
    if view.stream not in (LOG, SNAPSHOT) or view.row[1]:
        raise RecordError("REPLAY_REQUEST: stream is 0 or 1, header flags are 0")
    if view.stream == SNAPSHOT and (view.from_seq or view.seq):
        raise RecordError("REPLAY_REQUEST: a snapshot is asked for without numbers")
    if view.seq and view.seq != view.from_seq - 1:
        raise RecordError(f"REPLAY_REQUEST: seq = {view.seq} before from_seq = {view.from_seq}")
    name_of(view)
    return view


def name_of(view: View) -> str:
    """The consumer's name. Raises RecordError."""
    raw = view.name.rstrip(b"\0")
    try:
        name: str = raw.decode()
    except UnicodeDecodeError:
        raise RecordError(f"REPLAY_REQUEST.name = {raw!r} is not UTF-8") from None
    if not name.isprintable():
        raise RecordError(f"REPLAY_REQUEST.name = {name!r} is not printable")
    return name


def proof(token: bytes | None, challenge: bytes, request: bytes) -> bytes:
    """What shows that a consumer knows the token; zeros without one."""
    if token is None:
        return NO_PROOF
    return hmac.new(token, challenge + request, hashlib.sha256).digest()


# --- secrets and certificates -----------------------------------------------------------------


def read_token(path: str | Path) -> bytes:
    """The token in a file that only its owner may read. Raises StartError."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(4096).strip()
    except OSError as error:
        raise StartError(f"token file {path}: {error.strerror or error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StartError(f"token file {path} may be read by others (chmod 600 it)")
    return _long_enough(token, f"token file {path}")


def load_token(data_dir: str | Path) -> bytes | None:
    """The token of an exchange: RSX_DXS_TOKEN, else the file in its data folder, else None."""
    given = token_of_environment()
    path = Path(data_dir) / TOKEN_FILE
    return given if given is not None else read_token(path) if path.exists() else None


def token_of_environment() -> bytes | None:
    given = os.environ.get(TOKEN_ENV)
    return None if given is None else _long_enough(given.encode(), TOKEN_ENV)


def _long_enough(token: bytes, what: str) -> bytes:
    if len(token) < TOKEN_BYTES_MIN:
        raise StartError(f"{what} has {len(token)} bytes; at least {TOKEN_BYTES_MIN} are needed")
    return token


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _load(what: str, path: str, load: object) -> None:
    """Run a loader of the ssl module; its errors do not name the file."""
    try:
        if path and not Path(path).is_file():
            raise FileNotFoundError(2, os.strerror(2))
        load()  # type: ignore[operator]
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from None


def server_tls(cert: str, key: str, ca: str) -> ssl.SSLContext | None:
    """TLS of a server (DX-19); None without a certificate. Raises StartError naming the file."""
    if not cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _load("TLS key", key, lambda: None)
    _load("TLS certificate", cert, lambda: context.load_cert_chain(cert, key))
    if ca:
        _load("TLS authority", ca, lambda: context.load_verify_locations(ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_tls(ca: str, cert: str = "", key: str = "") -> ssl.SSLContext:
    """TLS of a consumer that trusts this authority alone. Raises StartError naming the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _load("TLS authority", ca, lambda: context.load_verify_locations(ca))
    if cert:
        _load("TLS key", key, lambda: None)
        _load("TLS certificate", cert, lambda: context.load_cert_chain(cert, key))
    return context
