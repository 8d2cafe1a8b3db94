"""TLS between server and consumer: specs/dxs.md DX-11, DX-19 (DXS-20 to DXS-22)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from net.serving import endpoint, grow, serving
from net.test_dxs_client import QUICK, follow_to

from rsx.config import Dxs
from rsx.errors import ConfigError, StartError
from rsx.net import wire
from rsx.net.dxs import DxsTile
from rsx.net.dxs_client import Blocked, DxsClient, DxsError, NotAllowed

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> None:
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
        "keyUsage=critical,keyCertSign", cwd=folder,
    )  # fmt: skip


def make_leaf(folder: Path, name: str, authority: str, san: str) -> None:
    """DXS-21: a leaf of its own, with the address used as its alternative name."""
    openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", cwd=folder,
    )  # fmt: skip
    (folder / f"{name}.ext").write_text(f"subjectAltName={san}\n")
    openssl(
        "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
        f"{authority}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
        "-extfile", f"{name}.ext", cwd=folder,
    )  # fmt: skip


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("certs")
    for name in ("ca", "foreign"):
        make_authority(folder, name)
    make_leaf(folder, "server", "ca", "IP:127.0.0.1,DNS:primary.test")
    make_leaf(folder, "client", "ca", "DNS:standby.test")
    make_leaf(folder, "stranger", "foreign", "DNS:standby.test")
    return folder


def server_files(certs: Path, *, mutual: bool = False) -> dict[str, Any]:
    files = {"cert": str(certs / "server.pem"), "key": str(certs / "server.key")}
    return files | ({"ca": str(certs / "ca.pem")} if mutual else {})


def client_of(certs: Path, where: str, ca: str = "ca", own: str = "", **more: Any) -> DxsClient:
    files = [str(certs / f"{own}.{part}") if own else "" for part in ("pem", "key")]
    tls = wire.client_tls(str(certs / f"{ca}.pem"), *files)
    return DxsClient(where, tls=tls, **{**QUICK, "errors_max": 3, **more})


def test_records_come_over_tls(world, certs):
    grow(world, 5000)

    async def scenario() -> None:
        async with serving(world, **server_files(certs)) as tile:
            for more in ({}, {"server_name": "primary.test"}):
                async with client_of(certs, endpoint(tile), **more) as client:
                    data = await follow_to(client, int(world.wal.durable))
                    assert data == world.log()[: len(data)]
                    assert len(data) // 128 == world.wal.durable

    asyncio.run(scenario())


def test_a_server_of_another_authority_or_name_is_not_believed(world, certs):
    async def scenario() -> None:
        async with serving(world, **server_files(certs)) as tile:
            client = client_of(certs, endpoint(tile), ca="foreign")
            with pytest.raises(NotAllowed, match="the server's certificate"):
                await follow_to(client, 1)
            client = client_of(certs, endpoint(tile), server_name="other.test")
            with pytest.raises(NotAllowed, match="the server's certificate"):
                await follow_to(client, 1)

    asyncio.run(scenario())


def test_mutual_tls_asks_for_a_certificate_of_the_authority(world, certs):
    """DXS-22."""

    async def scenario() -> None:
        async with serving(world, **server_files(certs, mutual=True)) as tile:
            for own in ("", "stranger"):
                client = client_of(certs, endpoint(tile), own=own)
                with pytest.raises((NotAllowed, Blocked)):
                    await follow_to(client, 1)
            async with client_of(certs, endpoint(tile), own="client") as client:
                assert await follow_to(client, 1)

    asyncio.run(scenario())


def test_a_plain_consumer_at_a_tls_port_and_the_other_way_round(world, certs):
    async def scenario() -> None:
        async with serving(world, **server_files(certs)) as tile:
            with pytest.raises(Blocked):
                await follow_to(DxsClient(endpoint(tile), **{**QUICK, "errors_max": 2}), 1)
        async with serving(world) as tile:
            with pytest.raises(DxsError):
                await follow_to(client_of(certs, endpoint(tile), errors_max=2), 1)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"cert": "none.pem"}, "TLS certificate .*none.pem: No such file"),
     ({"key": "none.key"}, "TLS key .*none.key: No such file"),
     ({"ca": "none.pem"}, "TLS authority .*none.pem: No such file"),
     ({"cert": "server.key"}, "TLS certificate .*server.key: "),
     ({"key": "client.key"}, "TLS certificate .*server.pem: ")],
)  # fmt: skip
def test_a_file_that_is_missing_or_does_not_fit_stops_the_start(world, certs, changes, text):
    """DXS-20."""
    files = server_files(certs, mutual=True)
    files |= {key: str(certs / name) for key, name in changes.items()}

    async def scenario() -> None:
        tile = DxsTile(Dxs(**files), world.folder, lambda: 0, 1)
        with pytest.raises(StartError, match=text):
            await tile.on_start()

    asyncio.run(scenario())


def test_other_addresses_are_served_with_tls_and_a_proof(world, certs):
    """DX-11."""

    async def scenario() -> None:
        for files, token in (
            (server_files(certs), b"a token of 16 bytes"), (server_files(certs, mutual=True), None),
        ):  # fmt: skip
            tile = DxsTile(Dxs(host="0.0.0.0", **files), world.folder, lambda: 0, 1, token)
            await tile.on_start()
            await tile.on_close()
        tile = DxsTile(Dxs(host="0.0.0.0", **server_files(certs)), world.folder, lambda: 0, 1)
        with pytest.raises(StartError, match="needs a token or client certificates"):
            await tile.on_start()

    asyncio.run(scenario())


def test_half_a_pair_is_refused_by_the_configuration(world):
    for changes, text in (
        ({"cert": "a"}, "both or none"), ({"key": "a"}, "both or none"), ({"ca": "a"}, "needs"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=text):
            world.config.replace(dxs=changes)


# --- tokens -----------------------------------------------------------------------------------


def test_a_token_comes_from_the_environment_or_a_file_of_its_owner(tmp_path, monkeypatch):
    """DX-18."""
    monkeypatch.delenv(wire.TOKEN_ENV, raising=False)
    assert wire.load_token(tmp_path) is None
    path = tmp_path / "dxs_token"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o644)
    with pytest.raises(StartError, match="may be read by others"):
        wire.load_token(tmp_path)
    path.chmod(0o600)
    assert wire.load_token(tmp_path) == b"0123456789abcdef"
    path.write_text("short")
    with pytest.raises(StartError, match="has 5 bytes; at least 16"):
        wire.load_token(tmp_path)
    monkeypatch.setenv(wire.TOKEN_ENV, "from the environment")
    assert wire.load_token(tmp_path) == b"from the environment"
