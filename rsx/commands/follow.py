"""`rsx follow HOST:PORT`: the log of a running exchange, printed or stored.

Source: specs/dxs.md section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvloop

from rsx.commands.remote import Decorator, Failure, json_option
from rsx.commands.wal import TYPES, Markets, _filter, _json_line, _quiet_pipe, _text_line
from rsx.net import wire
from rsx.net.dxs_client import Batch, DxsClient
from rsx.net.store import LogStore, copy_log
from rsx.records import BY_NAME, RECORD_SIZE, decode
from rsx.wal.segments import open_data_folder


@dataclass(frozen=True, slots=True)
class Access:
    """How a consumer shows who it is, and knows the server."""

    token: bytes | None
    tls: ssl.SSLContext | None
    server_name: str | None


def access_options() -> Decorator:
    """--token-file, --ca, --cert, --key, --server-name, as one argument `access`."""
    options = [
        click.option("--token-file", metavar="F", help="Shared secret; RSX_DXS_TOKEN wins."),
        click.option("--ca", metavar="F", help="TLS: the authority that signed the server."),
        click.option("--cert", metavar="F", help="TLS: our certificate, where it is asked for."),
        click.option("--key", metavar="F", help="TLS: its key."),
        click.option("--server-name", metavar="S", help="TLS: name in the server's certificate."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(
            *, token_file: str | None, ca: str | None, cert: str | None, key: str | None,
            server_name: str | None, **rest: Any,
        ) -> Any:  # fmt: skip
            if bool(cert) != bool(key):
                raise click.UsageError("--cert and --key: both or none")
            if (cert or server_name) and not ca:
                raise click.UsageError("--ca is needed for TLS")
            token = wire.token_of_environment()
            if token is None and token_file:
                token = wire.read_token(token_file)
            tls = wire.client_tls(ca, cert or "", key or "") if ca else None
            return command(access=Access(token, tls, server_name), **rest)

        made: Callable[..., Any] = wrapped
        for option in reversed(options):
            made = option(made)
        return made

    return decorate


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def stop_on_signals(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


@click.command()
@click.argument("endpoints", metavar="HOST:PORT[,HOST:PORT...]")
@click.option(
    "--from", "first", type=click.IntRange(min=0), metavar="N",
    help="First record number; 0 = the oldest there is. Default: 1, or where the tip is.",
)  # fmt: skip
@click.option("--tip", "tip_file", metavar="FILE", help="Go on where FILE says; kept up to date.")
@click.option("--until-live", is_flag=True, help="End when everything there is has come.")
@click.option(
    "--type", "--types", "types", type=click.Choice(TYPES, case_sensitive=False), multiple=True,
    metavar="T", help="Print only this type; may be given several times.",
)  # fmt: skip
@click.option("--user", type=click.IntRange(min=1), help="Print only what concerns this account.")
@click.option("--symbol", help="Print only this market, by name or id.")
@click.option("--store", metavar="DIR", help="Keep a copy of the log in DIR instead of printing.")
@click.option("--name", default="", metavar="NAME", help="The server keeps the log for NAME.")
@access_options()
@json_option()
def follow(
    endpoints: str, first: int | None, tip_file: str | None, until_live: bool,
    types: tuple[str, ...], user: int | None, symbol: str | None, store: str | None, name: str,
    access: Access, as_json: bool,
) -> int:  # fmt: skip
    """Follow the log of a running exchange over TCP: print it, or keep a copy.

    Prices and quantities are decimals once the record that says their scale has come by (as it
    does from record 1 on), else raw integers.
    """
    if store is not None and (first not in (None, 0) or tip_file):
        raise click.UsageError("--store goes on where DIR ends, or begins at 0: no --from, --tip")
    if first is not None and tip_file and Path(tip_file).exists():
        raise click.UsageError(f"--from and --tip: {tip_file} says where to go on")
    more: dict[str, Any] = {
        "name": name, "token": access.token, "tls": access.tls, "server_name": access.server_name,
        "errors_max": 3 if until_live else 20,
    }  # fmt: skip
    if store is not None:
        return run_loop(_store(endpoints, Path(store), until_live, more))
    more |= {"start": 1 if first is None else first, "tip_file": tip_file}
    printer = _printer(types, user, symbol, as_json)
    with _quiet_pipe():
        return run_loop(_print(endpoints, printer, until_live, more))


def _printer(
    types: tuple[str, ...], user: int | None, symbol: str | None, as_json: bool
) -> Callable[[bytes], None]:
    """Prints the records that are asked for."""
    numbers = {BY_NAME[name.upper()].type for name in types}
    markets = Markets()
    show = _json_line if as_json else _text_line
    matches = _filter(markets, user, symbol)

    def show_all(data: bytes) -> None:
        kinds = data[2::RECORD_SIZE]
        markets.note(data, kinds)
        for at, kind in enumerate(kinds):
            if not numbers or kind in numbers:
                view = decode(data, at * RECORD_SIZE, crc=False)
                if matches(view):
                    sys.stdout.write(show(view, markets) + "\n")
        sys.stdout.flush()

    return show_all


async def _print(
    endpoints: str, printer: Callable[[bytes], None], until_live: bool, more: dict[str, Any]
) -> int:
    async with DxsClient(endpoints, **more) as client:
        stop_on_signals(lambda: asyncio.ensure_future(client.stop()))
        async with contextlib.aclosing(client.batches()) as batches:
            async for batch in batches:
                printer(batch.data)
                await client.done(batch)
                if until_live and batch.live_seq is not None:
                    break
    return 0


async def _store(endpoints: str, folder: Path, until_live: bool, more: dict[str, Any]) -> int:
    _, lock = open_data_folder(folder)
    try:
        store = LogStore(folder)
        if store.cut_bytes:
            click.echo(
                f"rsx: a torn tail of {store.cut_bytes} bytes behind record {store.last.seq} is "
                "cut: it comes again", err=True,
            )  # fmt: skip
        try:
            await _keep(endpoints, store, until_live, more)
        except OSError as error:
            raise Failure(f"{folder}: {error.strerror or error}") from None
        finally:
            store.close()
    finally:
        os.close(lock)
    click.echo(f"stored to record {store.last.seq}", err=True)
    return 0


async def _keep(endpoints: str, store: LogStore, until_live: bool, more: dict[str, Any]) -> None:
    async with DxsClient(endpoints, start=0, tip=store.tip(), **more) as client:
        stop_on_signals(lambda: asyncio.ensure_future(client.stop()))

        async def end_when_live(batch: Batch) -> None:
            if until_live and batch.live_seq is not None:
                await client.stop()

        await copy_log(client, store, end_when_live)


COMMANDS: list[click.Command] = [follow]
