"""Commands that talk to a running exchange: token, money, account, cancel-all, mode, rules, watch.

Source: specs/demo.md section 2.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from rsx.errors import ConfigError
from rsx.records import FUND_USER_BASE

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_TTL_S = 86_400
TTL_MAX_S = 10 * 365 * 86_400
ADMIN_TTL_S = 60
# The admin role needs a user in the token; this one trades nothing.
ADMIN_USER = 4_294_000_000
USER = click.IntRange(1, (1 << 32) - 1)
# From there on accounts are the exchange's own, and no token acts for them.
TRADER = click.IntRange(1, FUND_USER_BASE - 1)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Failure(click.ClickException):
    """The command could not do it: one line on stderr, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"rsx: {self.format_message()}", err=True, file=file)


def _checked_url(context: click.Context, option: click.Parameter, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} does not begin with http:// or https://")
    return value


def url_option() -> Decorator:
    return click.option(
        "--url",
        default=DEFAULT_URL,
        envvar="RSX_URL",
        show_default=True,
        show_envvar=True,
        callback=_checked_url,
        help="Address of the exchange.",
    )


def data_option() -> Decorator:
    return click.option(
        "--data",
        default="data",
        show_default=True,
        type=click.Path(path_type=Path),
        help="Data folder of the exchange, for its secret; RSX_JWT_SECRET wins over it.",
    )


def json_option() -> Decorator:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.option("--user", type=TRADER, required=True, help="Account number, from 1.")
@click.option(
    "--ttl",
    type=click.IntRange(1, TTL_MAX_S),
    default=DEFAULT_TTL_S,
    show_default=True,
    help="Seconds until the token expires.",
)
@click.option("--admin", is_flag=True, help="Allow what operators do: deposits, modes, accounts.")
@data_option()
@json_option()
def token(user: int, ttl: int, admin: bool, data: Path, as_json: bool) -> None:
    """Print a token that lets a client act as a user."""
    role = "admin" if admin else None
    expires_s = int(time.time()) + ttl
    text = _mint(data, user, ttl, role)
    if as_json:
        _print_json({"user": user, "role": role, "expires_s": expires_s, "token": text})
    else:
        click.echo(text)


@click.command()
@click.option("--user", type=USER, required=True, help="Account number, from 1.")
@click.option("--amount", required=True, help="Collateral to pay in, such as 1000 or 0.5.")
@url_option()
@data_option()
@json_option()
def deposit(user: int, amount: str, url: str, data: Path, as_json: bool) -> None:
    """Pay collateral into an account."""
    from rsx.client import Admin, InvalidAmount, plain
    from rsx.client.models import Deposit

    async def pay(admin: Admin) -> Deposit:
        return await admin.deposit(user, amount)

    try:
        done = _as_admin(pay, url, data)
    except InvalidAmount as error:
        raise click.BadParameter(str(error), param_hint="--amount") from None
    if as_json:
        _print_json(plain(done))
    else:
        click.echo(f"deposited {done.amount:f} to user {done.user} (log number {done.seq})")


@click.command()
@click.option("--user", type=USER, required=True, help="Account number; funds of markets too.")
@click.option("--amount", required=True, help="Collateral to take out, such as 1000 or 0.5.")
@url_option()
@data_option()
@json_option()
def withdraw(user: int, amount: str, url: str, data: Path, as_json: bool) -> None:
    """Take collateral out of an account, as far as its margin lets it go."""
    from rsx.client import Admin, InvalidAmount, plain
    from rsx.client.models import Deposit

    async def take(admin: Admin) -> Deposit:
        return await admin.withdraw(user, amount)

    try:
        done = _as_admin(take, url, data)
    except InvalidAmount as error:
        raise click.BadParameter(str(error), param_hint="--amount") from None
    if as_json:
        _print_json(plain(done))
    else:
        click.echo(f"withdrew {done.amount:f} from user {done.user} (log number {done.seq})")


@click.command()
@click.argument("name")
@click.argument("changes", nargs=-1, metavar="[KEY=VALUE]...")
@url_option()
@data_option()
@json_option()
def symbol(name: str, changes: tuple[str, ...], url: str, data: Path, as_json: bool) -> None:
    """Show the rules of a market, or change some while it trades.

    Keys and values are those of config.toml: taker_fee_ppm=500 max_qty=20
    'brackets=[["100000", 100000, 50000]]'. Orders that rest are left as they are.
    """
    from rsx.client import Admin, Client, RulesSet, plain

    rules = dict(map(_rule, changes))
    if not rules:

        async def ask() -> Any:
            async with Client(url) as client:
                return plain(client.symbol(name.upper()))

        found = _run(ask)
        if as_json:
            _print_json(found)
            return
        for key, value in (found | found.pop("rules")).items():
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            click.echo(f"  {key.replace('_', ' '):<28}{text:>24}")
        return

    async def change(admin: Admin) -> RulesSet:
        return await admin.change_rules(name.upper(), **rules)

    done = _as_admin(change, url, data)
    if as_json:
        _print_json(plain(done))
    else:
        click.echo(f"{done.symbol} has version {done.version} (log number {done.seq})")


def _rule(text: str) -> tuple[str, Any]:
    """key=value as config.toml would have it: numbers, decimal text, rows as JSON."""
    from rsx.rules import DECIMAL_KEYS, NUMBER_KEYS

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="changes")
    if key in DECIMAL_KEYS:
        return key, value
    try:
        if key in NUMBER_KEYS:
            return key, int(value)
        if key in ("tick_table", "brackets"):
            return key, orjson.loads(value)
    except ValueError:
        raise click.BadParameter(
            f"{key} = {value!r} cannot be read", param_hint="changes"
        ) from None
    return key, value


MODES = {"open": "open", "post-only": "post_only", "cancel-only": "cancel_only", "halt": "halt"}


@click.command()
@click.argument("symbol")
@click.argument("mode", type=click.Choice(list(MODES)))
@url_option()
@data_option()
@json_option()
def mode(symbol: str, mode: str, url: str, data: Path, as_json: bool) -> None:
    """Set a market's trading mode.

    \b
    open         all orders
    post-only    new orders must be post-only
    cancel-only  no new orders or amendments
    halt         the same, and funding and liquidation pause
    Cancels pass in every mode; stops fire only while it is open.
    """
    from rsx.client import Admin, ModeSet, plain

    async def change(admin: Admin) -> ModeSet:
        return await admin.mode(symbol.upper(), MODES[mode])

    done = _as_admin(change, url, data)
    if as_json:
        _print_json(plain(done))
    else:
        now, before = (text.replace("_", "-") for text in (done.mode, done.previous))
        click.echo(f"{done.symbol} is {now}, was {before} (log number {done.seq})")


@click.command("cancel-all")
@click.option("--user", type=USER, required=True, help="Account number, from 1.")
@click.option("--symbol", help="Only in this market.")
@url_option()
@data_option()
@json_option()
def cancel_all(user: int, symbol: str | None, url: str, data: Path, as_json: bool) -> None:
    """Cancel all orders and triggers of a user (reason ADMIN_CANCEL)."""
    from rsx.client import Admin

    name = symbol.upper() if symbol else None

    async def cancel(admin: Admin) -> int:
        return await admin.cancel_all(user, name)

    count = _as_admin(cancel, url, data)
    if as_json:
        _print_json({"user": user, "symbol": name, "cancelled": count})
    else:
        where = f" in {name}" if name else ""
        click.echo(f"cancelled {count} orders and triggers of user {user}{where}")


@click.command()
@click.option("--user", type=USER, required=True, help="Account number, from 1.")
@click.option(
    "--owner-group",
    type=click.IntRange(0, (1 << 32) - 1),
    metavar="G",
    help="Set which accounts are one owner's for self-trade prevention; 0 = none.",
)
@click.option(
    "--stp",
    type=click.Choice(["none", "newest", "oldest", "both"]),
    help="Set what its orders do at an own resting order, unless they say otherwise.",
)
@url_option()
@data_option()
@json_option()
def account(
    user: int, owner_group: int | None, stp: str | None, url: str, data: Path, as_json: bool
) -> None:
    """Show an account: balances, positions, open orders, settings. Or change its settings."""
    from rsx.client import AccountSettings, Admin

    if owner_group is None and stp is None:
        _show_account(user, url, data, as_json)
        return

    async def change(admin: Admin) -> AccountSettings:
        return await admin.set_account(user, owner_group=owner_group, stp=stp)

    done = _as_admin(change, url, data)
    if as_json:
        _print_json({"user": user, "owner_group": done.owner_group, "stp": done.stp})
    else:
        click.echo(f"user {user}: owner group {done.owner_group or 'none'}, stp {done.stp}")


def _show_account(user: int, url: str, data: Path, as_json: bool) -> None:
    from rsx.client import Client, plain

    token = _mint(data, user, ADMIN_TTL_S, None)

    async def ask() -> dict[str, Any]:
        async with Client(url, token) as client:
            return {
                "user": user,
                "account": plain(await client.account()),
                "settings": plain(await client.settings()),
                "positions": plain(await client.positions()),
                "orders": plain(await client.orders()),
            }

    found = _run(ask, _whose(data, url))
    if as_json:
        _print_json(found)
        return
    settings = found["settings"]
    click.echo(
        f"user {user}: owner group {settings['owner_group'] or 'none'}, stp {settings['stp']}"
    )
    for name, value in found["account"].items():
        click.echo(f"  {name.replace('_', ' '):<20}{value or '-':>24}")
    for each in found["positions"]:
        side = f" {each['position_side']}" if each["position_side"] else ""
        leverage = f"{each['leverage']}x" if each["leverage"] else "as the brackets"
        click.echo(
            f"  position  {each['net_qty']} {each['symbol']}{side} at {each['entry_price']}, mark "
            f"{each['mark_price']}, unrealised {each['unrealised']}\n"
            f"            {each['margin_mode']}, leverage {leverage}, margin "
            f"{each['initial_margin']} ({each['maintenance_margin']} to keep), liquidation at "
            f"{each['liquidation_price'] or '-'}"
        )
    for each in found["orders"]:
        at = each["price"] if each["kind"] in ("limit", "market") else (
            f"{each['kind'].replace('_', '-')} {each['trigger_price'] or ''}".strip())  # fmt: skip
        click.echo(
            f"  {each['status']:<9} {each['side']} {each['remaining']} {each['symbol']} {at} "
            f"[{each['oid']} {each['cid']}]"
        )


@click.command()
@click.argument("symbol", required=False)
@url_option()
@json_option()
def watch(symbol: str | None, url: str, as_json: bool) -> None:
    """Show a market's live book and trades; the first market if no SYMBOL is given.

    q or Ctrl-C leaves. Without a terminal it prints a line per trade and per change of the best
    prices.
    """
    from rsx.client.watch import watch as show

    _run(lambda: show(url, symbol.upper() if symbol else None, as_json))


COMMANDS: list[click.Command] = [
    token, deposit, withdraw, account, cancel_all, mode, symbol, watch,
]  # fmt: skip


def _as_admin(work: Callable[[Any], Any], url: str, data: Path) -> Any:
    """Run something with an `Admin` whose token is minted for the moment."""
    from rsx.client import Admin

    admin_token = _mint(data, ADMIN_USER, ADMIN_TTL_S, "admin")

    async def run() -> Any:
        async with Admin(url, admin_token) as admin:
            return await work(admin)

    return _run(run, _whose(data, url))


def _whose(data: Path, url: str) -> str:
    return f"; is {data} the data folder of the exchange at {url}?"


def _run(work: Callable[[], Any], hint: str = "") -> Any:
    """Run to the end; what went wrong at the exchange becomes a Failure of one line."""
    from rsx.client import AuthenticationFailed, ClientError, InvalidAmount, NotConnected

    try:
        return asyncio.run(work())
    except InvalidAmount:
        raise
    except AuthenticationFailed as error:
        raise Failure(f"{error}{hint}") from None
    except NotConnected as error:
        raise Failure(f"{error}; is the exchange running?") from None
    except ClientError as error:
        raise Failure(str(error)) from None


def _mint(data: Path, user: int, ttl_s: int, role: str | None) -> str:
    from rsx.edge import auth

    if "RSX_JWT_SECRET" not in os.environ and not (data / "secret").exists():
        raise Failure(
            f"no secret: RSX_JWT_SECRET is not set and {data / 'secret'} does not exist; "
            "start the exchange once, or name its data folder with --data"
        )
    try:
        return auth.mint(auth.load_secret(data), user, ttl_s, role)
    except ConfigError as error:
        raise Failure(str(error)) from None


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value).decode())
