"""`rsx standby` and `rsx promote`: a warm copy of an exchange, and making it the exchange.

Source: specs/dxs.md section 4.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
import orjson

import rsx
from rsx.commands.follow import Access, access_options, run_loop, stop_on_signals
from rsx.commands.remote import ADMIN_TTL_S, ADMIN_USER, Failure, json_option
from rsx.config import Config, load
from rsx.net.standby import Known, PromotionRefused, Standby, promote_folder

PROMOTE_S = 60.0
SERVES_S = 120.0

config_option = click.option("--config", "config_path", metavar="F", help="configuration file")


def _config(path: str | None, **given: dict[str, Any]) -> Config:
    config = load(path)
    for section, keys in given.items():
        chosen = {key: value for key, value in keys.items() if value is not None}
        if chosen:
            config = config.replace(**{section: chosen})
    return config


@click.command()
@click.option("--from", "endpoints", required=True, metavar="HOST:PORT[,..]", help="the primary")
@click.option("--data", metavar="DIR", help="data folder of this standby")
@config_option
@click.option("--host", metavar="H", help="address to listen on")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="TCP port; 0 = any")
@click.option("--demo/--no-demo", default=None, help="of the exchange that it may become")
@click.option("--name", default="standby", show_default=True, help="the primary keeps its log for")
@access_options()
@json_option()
def standby(
    endpoints: str, data: str | None, config_path: str | None, host: str | None, port: int | None,
    demo: bool | None, name: str, access: Access, as_json: bool,
) -> int:  # fmt: skip
    """Keep a warm copy of a running exchange, ready to be promoted.

    /health and /metrics are on the port that the exchange will have. SIGUSR1, `rsx promote DIR`
    or POST /promote make it the exchange.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    config = _config(config_path, data={"dir": data}, server={"host": host, "port": port})
    own = Standby(config, endpoints, {
        "name": name, "token": access.token, "tls": access.tls, "server_name": access.server_name,
    })  # fmt: skip
    try:
        own.open()
        run_loop(_run(own, as_json))
    finally:
        own.close()
    if own.promoted:
        _become_exchange(own, config_path, demo, as_json)
    return 0


async def _run(own: Standby, as_json: bool) -> int:
    stop_on_signals(own.stop)

    async def promote() -> None:
        try:
            await own.promote(False)
        except Exception as error:
            logging.error("not promoted: %s", error)

    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: tasks.append(loop.create_task(promote())))
    running = loop.create_task(own.run())
    serves = loop.create_task(own.serves.wait())
    await asyncio.wait((running, serves), return_when=asyncio.FIRST_COMPLETED)
    serves.cancel()
    if own.url:
        _print_banner(own, as_json)
    await running
    return 0


def _print_banner(own: Standby, as_json: bool) -> None:
    seq = own.store.last.seq
    if as_json:
        print(orjson.dumps({
            "role": "standby", "url": own.url, "primary": own.endpoints, "data": str(own.data),
            "seq": seq,
        }).decode(), flush=True)  # fmt: skip
        return
    print(
        f"RSX {rsx.__version__}  standby of {own.endpoints}  {own.url}/health\n"
        f"  data        {own.data.resolve()} ({seq:,} records)", flush=True,
    )  # fmt: skip


def _become_exchange(
    own: Standby, config_path: str | None, demo: bool | None, as_json: bool
) -> None:
    """Replace this process by the exchange: same id, same port (DX-61)."""
    host, _, port = own.url.removeprefix("http://").rpartition(":")
    arguments = ["run", "--data", str(own.data), "--host", host.strip("[]"), "--port", port]
    if config_path:
        arguments += ["--config", config_path]
    if demo is not None:
        arguments.append("--demo" if demo else "--no-demo")
    if as_json:
        arguments.append("--json")
    root = str(Path(rsx.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    sys.stdout.flush()
    os.execve(
        sys.executable, [sys.executable, "-m", "rsx.cli", *arguments],
        {**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip


# --- promote ----------------------------------------------------------------------------------


@click.command()
@click.argument("data", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Also when it is behind, or the primary is alive.")
@config_option
@json_option()
def promote(data: Path, force: bool, config_path: str | None, as_json: bool) -> None:
    """Make the standby on DIR the exchange.

    A running standby becomes it at once; a folder without one is made ready for `rsx run`.
    """
    known = Known.read(data)
    if known is None:
        raise Failure(f"{data} is no standby's folder")
    try:
        if _is_running(data):
            done = _promote_running(data, known, force)
        else:
            done = _promote_stopped(data, force, config_path)
    except PromotionRefused as error:
        raise Failure(f"not promoted: {error}") from None
    if as_json:
        click.echo(orjson.dumps(done).decode())
    elif done["url"]:
        click.echo(f"promoted at record {done['seq']}: {done['url']} serves as start "
                   f"{done['epoch']}")  # fmt: skip
    else:
        click.echo(f"promoted at record {done['seq']}: start it with rsx run --data {data}")


def _is_running(data: Path) -> bool:
    """Whether a process has the folder locked."""
    try:
        fd = os.open(data / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _promote_stopped(data: Path, force: bool, config_path: str | None) -> dict[str, Any]:
    known = asyncio.run(promote_folder(_config(config_path, data={"dir": str(data)}), force))
    return {"seq": known.seq, "url": "", "epoch": 0}


def _promote_running(data: Path, known: Known, force: bool) -> dict[str, Any]:
    from rsx.edge import auth

    token = auth.mint(auth.load_secret(data), ADMIN_USER, ADMIN_TTL_S, "admin")
    request = urllib.request.Request(
        f"{known.url}/promote{'?force=true' if force else ''}", method="POST",
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=PROMOTE_S) as response:
            seq = orjson.loads(response.read())["seq"]
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
        try:
            why = orjson.loads(text)["error"]
        except (ValueError, KeyError):
            why = f"{known.url} answers {error.code}"
        raise PromotionRefused(why) from None
    except OSError as error:
        raise PromotionRefused(f"{known.url}: {error}") from None
    return {"seq": seq, "url": known.url, "epoch": _epoch_of_exchange(known.url)}


def _epoch_of_exchange(url: str) -> int:
    """Wait until the exchange serves there. Raises Failure."""
    deadline = time.monotonic() + SERVES_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
                health = orjson.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                health = orjson.loads(error.read() or b"{}")
        except (OSError, ValueError):
            health = {}
        if health and health.get("role") != "standby":
            return int(health.get("epoch", 0))
        time.sleep(0.1)
    raise Failure(f"promoted, but {url} does not serve after {SERVES_S:.0f} s")


COMMANDS: list[click.Command] = [standby, promote]
