"""The rsx command: run and test here, the others in rsx/commands.

Exit codes: 0 done, 1 it could not be done (one line says why), 2 misuse or a bad configuration,
70 a failed check stopped the exchange. Commands load what they need only when they run.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rsx import __version__
from rsx.errors import ConfigError, RsxError

if TYPE_CHECKING:
    from rsx.config import Config
    from rsx.exchange import Exchange

# Command name -> module whose COMMANDS has it; imported on first use.
LAZY = {
    "token": "rsx.commands.remote",
    "deposit": "rsx.commands.remote",
    "withdraw": "rsx.commands.remote",
    "symbol": "rsx.commands.remote",
    "account": "rsx.commands.remote",
    "cancel-all": "rsx.commands.remote",
    "mode": "rsx.commands.remote",
    "watch": "rsx.commands.remote",
    "wal": "rsx.commands.wal",
    "replay": "rsx.commands.replay",
    "export": "rsx.commands.export",
    "follow": "rsx.commands.follow",
    "standby": "rsx.commands.standby",
    "promote": "rsx.commands.standby",
    "snapshot": "rsx.commands.snapshot",
    "verify": "rsx.commands.snapshot",
    "restore": "rsx.commands.snapshot",
    "sim": "rsx.commands.sim",
    "perf": "rsx.commands.perf",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *LAZY})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in LAZY:
            import importlib

            commands: list[click.Command] = importlib.import_module(LAZY[name]).COMMANDS
            return next(c for c in commands if c.name == name)
        return super().get_command(ctx, name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rsx")
def cli() -> None:
    """RSX: a perpetual-futures exchange in one process."""


@cli.command()
@click.option("--config", "config_path", metavar="F", help="configuration file")
@click.option("--data", metavar="DIR", help="data folder; made if missing")
@click.option("--host", metavar="H", help="address to listen on")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="TCP port; 0 = any")
@click.option("--demo/--no-demo", default=None, help="built-in market maker and takers")
@click.option("--json", "as_json", is_flag=True, help="the banner as one JSON object")
def run(
    config_path: str | None, data: str | None, host: str | None, port: int | None,
    demo: bool | None, as_json: bool,
) -> int:  # fmt: skip
    """Start the exchange and serve until stopped (Ctrl-C or SIGTERM)."""
    from rsx.config import load

    config = load(config_path)
    given: dict[str, dict[str, object]] = {
        "data": {"dir": data},
        "server": {"host": host, "port": port},
        "demo": {"enabled": demo},
    }
    for section, keys in given.items():
        chosen = {key: value for key, value in keys.items() if value is not None}
        if chosen:
            config = config.replace(**{section: chosen})
    return serve(config, as_json)


def serve(config: Config, as_json: bool) -> int:
    """Run an exchange until a signal or a failure; returns the exit code."""
    from rsx.commands.progress import LogProgress
    from rsx.exchange import EXIT_FAILED_CHECK, Exchange

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    exchange = Exchange(config, LogProgress())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: exchange.request_stop())
    exchange.start()
    _print_banner(exchange, as_json)
    exchange.wait()
    failure = exchange.failure
    if failure is None:
        logging.info("stopping")
    exchange.stop()
    if failure is None:
        return 0
    print(f"rsx: {exchange.failed_thread} stopped the exchange: {failure}", file=sys.stderr)
    return EXIT_FAILED_CHECK


def _print_banner(exchange: Exchange, as_json: bool) -> None:
    from rsx.exchange import data_summary

    config, dxs = exchange.config, exchange.tiles.dxs
    names = [symbol.name for symbol in config.symbols]
    threads = [
        (plan.name, [t.name for t in plan.tiles], sorted(plan.cpus) if plan.cpus else None)
        for plan in exchange.plans
    ]
    if as_json:
        import orjson

        rows = [{"thread": name, "tiles": tiles, "cpus": cpus} for name, tiles, cpus in threads]
        line = orjson.dumps({
            "url": exchange.url, "symbols": names, "durability": config.wal.durability,
            "threads": rows, "data": str(config.data.dir), "demo": config.demo.enabled,
            "epoch": exchange.recovered.start.epoch,
            "rules_held_back": exchange.recovered.held_back,
            "remarks": list(exchange.recovered.remarks),
            "snapshot": exchange.recovered.first_seq - 1 if exchange.recovered.snapshot else None,
            "dxs": f"{dxs.address[0]}:{dxs.address[1]}" if dxs is not None else None,
        })  # fmt: skip
        print(line.decode(), flush=True)
        return
    where = exchange.url.split("//")[1]
    cores = "  ".join(
        f"{name}:{','.join(map(str, cpus)) if cpus else 'any'}" for name, _, cpus in threads
    )
    market = f"demo market, mark {config.mark_source}" if config.demo.enabled else (
        f"no demo, mark {config.mark_source}")  # fmt: skip
    print(
        f"RSX {__version__}  {exchange.url}  ws://{where}/ws  ws://{where}/ws/public\n"
        f"  symbols     {' '.join(names)}  ({market})\n"
        f"  durability  {config.wal.durability}, flush {config.wal.flush_ms} ms\n"
        f"  cores       {cores}\n"
        f"  data        {data_summary(exchange)}",
        *([f"  dxs         {dxs.address[0]}:{dxs.address[1]}"] if dxs is not None else []),
        *(f"  remark      {line}" for line in exchange.recovered.remarks),
        sep="\n",
        flush=True,
    )


@cli.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def test(args: tuple[str, ...]) -> int:
    """Run the tests; arguments go to pytest."""
    from rsx.bootstrap import run_tests

    return run_tests(list(args))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        result = cli.main(
            args=list(argv) if argv is not None else None, prog_name="rsx", standalone_mode=False
        )
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        print(f"rsx: {error}", file=sys.stderr)
        return 2
    except RsxError as error:
        print(f"rsx: {error}", file=sys.stderr)
        return 1
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
