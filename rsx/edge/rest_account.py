"""The REST routes of one account: balances, positions, margin, money, histories, settings.

Source: specs/wire.md section 5, W-50, W-55, W-84, W-88.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from rsx.edge import codec
from rsx.edge.answers import MarginSettings, Settings
from rsx.edge.forms import (
    LEG_NAMES,
    MARGIN_MODE_NAMES,
    MARGIN_MODES,
    POSITION_MODE_NAMES,
    POSITION_MODES,
    STP_NAMES,
    STPS,
    account_body,
    choice,
    fill_body,
    funding_body,
    integer,
    liquidation_body,
    position_body,
    position_side,
    reply,
)
from rsx.edge.orders import Account
from rsx.errors import Reason, RequestError

if TYPE_CHECKING:
    from rsx.edge.rest import Rest

SETTINGS_KEYS = frozenset({"stp"})
DEAD_MAN_KEYS = frozenset({"timeout_ms", "symbol"})
LEVERAGE_KEYS = frozenset({"symbol", "leverage"})
MARGIN_MODE_KEYS = frozenset({"symbol", "margin_mode"})
POSITION_MODE_KEYS = frozenset({"position_mode"})
MARGIN_KEYS = frozenset({"symbol", "amount", "position_side"})
WITHDRAWAL_KEYS = frozenset({"amount"})


class AccountRoutes:
    """Thread: the gateway's loop."""

    def __init__(self, rest: Rest):
        self.rest = rest
        self.edge = rest.edge
        self.entry = rest.entry
        self.notices = rest.edge.events.notices

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/account", self.get_account),
            web.get("/v1/account/settings", self.get_settings),
            web.post("/v1/account/settings", self.post_settings),
            web.post("/v1/account/leverage", self.post_leverage),
            web.post("/v1/account/margin_mode", self.post_margin_mode),
            web.post("/v1/account/position_mode", self.post_position_mode),
            web.post("/v1/account/margin", self.post_margin),
            web.post("/v1/account/withdrawals", self.post_withdrawal),
            web.get("/v1/account/funding", self.get_funding),
            web.get("/v1/account/liquidations", self.get_liquidations),
            web.get("/v1/positions", self.get_positions),
            web.get("/v1/fills", self.get_fills),
            web.post("/v1/deadman", self.post_dead_man),
        ]

    # --- margin and money -------------------------------------------------------------------

    async def post_leverage(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), LEVERAGE_KEYS)
        symbol = self.rest.symbol(body.get("symbol"))
        leverage = body.get("leverage")
        if type(leverage) is not int:
            detail = "a whole number is due, 0 = the brackets' own"
            raise RequestError(Reason.INVALID_VALUE, "leverage", leverage, detail=detail)
        return await self._set(account, body, symbol.id, leverage, None, None)

    async def post_margin_mode(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), MARGIN_MODE_KEYS)
        symbol = self.rest.symbol(body.get("symbol"))
        mode = choice(body, "margin_mode", MARGIN_MODES)
        return await self._set(account, body, symbol.id, None, mode, None)

    async def post_position_mode(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), POSITION_MODE_KEYS)
        mode = choice(body, "position_mode", POSITION_MODES)
        return await self._set(account, body, 0, None, None, mode)

    async def _set(
        self, account: Account, body: dict[str, Any], symbol_id: int, leverage: int | None,
        margin_mode: int | None, position_mode: int | None,
    ) -> web.Response:  # fmt: skip
        made: MarginSettings = await self.rest.answer(
            lambda done: self.entry.set_margin(
                account, symbol_id, leverage, margin_mode, position_mode, done
            ), body,
        )  # fmt: skip
        symbol = self.entry.symbols.get(made.symbol_id)
        return reply({
            "symbol": None if symbol is None else symbol.name, "leverage": made.leverage,
            "margin_mode": MARGIN_MODE_NAMES[made.margin_mode],
            "position_mode": POSITION_MODE_NAMES[made.position_mode], "seq": made.seq,
        })  # fmt: skip

    async def post_margin(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), MARGIN_KEYS)
        symbol = self.rest.symbol(body.get("symbol"))
        amount = self._amount(body)
        leg = position_side(body)
        moved = await self.rest.answer(
            lambda done: self.entry.move_margin(account, symbol.id, leg or 0, amount, done), body
        )
        return reply({
            "symbol": symbol.name, "amount": self.rest.money(moved.amount),
            "position_side": None if leg is None else LEG_NAMES[leg], "seq": moved.seq,
        })  # fmt: skip

    async def post_withdrawal(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), WITHDRAWAL_KEYS)
        wanted = self._amount(body)
        seq, amount = await self.rest.answer(
            lambda done: self.entry.withdraw(account, wanted, done), body
        )
        user = account.user_id
        return reply({"user": user, "amount": self.rest.money(amount), "seq": seq})

    def _amount(self, body: dict[str, Any]) -> int:
        return codec.parse_decimal(
            body.get("amount"), self.rest.money_decimals, "amount", Reason.INVALID_VALUE
        )

    # --- histories --------------------------------------------------------------------------

    async def get_funding(self, request: web.Request) -> web.Response:
        rows = self.notices.fundings(*self._page(request))
        symbols = self.entry.symbols
        return reply({"funding": [funding_body(row, symbols[row[0]]) for row in rows]})

    async def get_liquidations(self, request: web.Request) -> web.Response:
        rows = self.notices.liquidations(*self._page(request))
        decimals = self.rest.money_decimals
        symbols = self.entry.symbols
        return reply({"events": [
            liquidation_body(key, row, symbols.get(row[0]), decimals) for key, row in rows
        ]})  # fmt: skip

    def _page(self, request: web.Request) -> tuple[Account, int, int, int]:
        """Account, symbol (0 = all), limit and cursor of a history."""
        account = self.rest.account(request)
        name = request.query.get("symbol")
        symbol_id = 0 if name is None else self.rest.symbol(name).id
        limit = integer(request, "limit", 50, 1, 500)
        return account, symbol_id, limit, integer(request, "before", 0, 0, (1 << 63) - 1)

    # --- what it has ------------------------------------------------------------------------

    async def get_account(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        state = await self.rest.answer(lambda done: self.entry.query_account(account, done))
        return reply(account_body(account.user_id, state.account, self.rest.money_decimals))

    async def get_settings(self, request: web.Request) -> web.Response:
        user = self.rest.account(request).user_id
        return reply(settings_body(user, self.entry.settings.get(user, Settings())))

    async def post_settings(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), SETTINGS_KEYS)
        stp = choice(body, "stp", STPS)
        settings = await self.rest.answer(
            lambda done: self.entry.configure(account, None, stp, done)
        )
        return reply(settings_body(account.user_id, settings))

    async def get_positions(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        state = await self.rest.answer(lambda done: self.entry.query_account(account, done))
        symbols = self.entry.symbols
        return reply({"positions": [position_body(r, symbols[r[0]]) for r in state.positions]})

    async def get_fills(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        name = request.query.get("symbol")
        symbol_id = 0 if name is None else self.rest.symbol(name).id
        limit = integer(request, "limit", 50, 1, 500)
        before = integer(request, "before", 0, 0, (1 << 63) - 1)
        fills = self.entry.fills(account, symbol_id, limit, before)
        return reply({"fills": [fill_body(fill, self.entry.symbols[fill[1]]) for fill in fills]})

    async def post_dead_man(self, request: web.Request) -> web.Response:
        account = self.rest.account(request)
        body = codec.decode_object(await request.read(), DEAD_MAN_KEYS)
        timeout_ms, name = body.get("timeout_ms"), body.get("symbol")
        if type(timeout_ms) is not int:
            detail = "milliseconds are due, 0 = off"
            raise RequestError(Reason.INVALID_VALUE, "timeout_ms", timeout_ms, detail=detail)
        symbol_id = 0 if name is None else self.rest.symbol(name).id
        deadline_ns = self.edge.guards.arm(account.user_id, symbol_id, timeout_ms)
        return reply({"symbol": name, "timeout_ms": timeout_ms, "deadline_ns": deadline_ns})


def settings_body(user: int, settings: Settings) -> dict[str, Any]:
    return {"user": user, "stp": STP_NAMES[settings.stp], "owner_group": settings.owner_group}
