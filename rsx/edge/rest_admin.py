"""The operator's REST routes: money, rules and modes of markets, accounts, with an admin's token.

Source: specs/wire.md section 5, W-40; specs/matching.md MO-1, ST-1.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rsx.edge import codec
from rsx.edge.forms import MODE_NAMES, MODES, STP_NAMES, STPS, choice, reply
from rsx.edge.requests import BOTH_SIDES, EVERYTHING
from rsx.errors import Reason, RequestError
from rsx.records import FUND_USER_BASE

if TYPE_CHECKING:
    from rsx.edge.rest import Rest

DEPOSIT_KEYS = frozenset({"user", "amount"})
MODE_KEYS = frozenset({"symbol", "mode"})
ACCOUNT_KEYS = frozenset({"user", "owner_group", "stp"})
CANCEL_KEYS = frozenset({"user", "symbol"})
U32_MAX = (1 << 32) - 1


class AdminRoutes:
    """Thread: the gateway's loop."""

    def __init__(self, rest: Rest):
        self.rest = rest
        self.edge = rest.edge
        self.entry = rest.entry

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/admin/deposits", self.post_deposit),
            web.post("/v1/admin/withdrawals", self.post_withdrawal),
            web.patch("/v1/admin/symbols/{name}", self.patch_symbol),
            web.post("/v1/admin/mode", self.post_mode),
            web.post("/v1/admin/accounts", self.post_account),
            web.post("/v1/admin/cancel", self.post_cancel),
            web.post("/v1/admin/snapshot", self.post_snapshot),
        ]

    def _admin(self, request: web.Request) -> int:
        """The user of an admin's token."""
        header = request.headers.get("Authorization")
        claims = self.edge.verifier.bearer(header, self.edge.now_s())
        if claims.role != "admin":
            raise RequestError(Reason.FORBIDDEN, "role", claims.role)
        return claims.user

    def _payee(self, body: dict[str, Any]) -> int:
        """A user, or the insurance fund of a market that there is (A-9)."""
        user = _number(body, "user", 1)
        if user >= FUND_USER_BASE and user - FUND_USER_BASE not in self.entry.symbols:
            raise RequestError(Reason.FORBIDDEN, "user", user, detail="no market has this fund")
        return user

    async def post_deposit(self, request: web.Request) -> web.Response:
        self._admin(request)
        body = codec.decode_object(await request.read(), DEPOSIT_KEYS)
        user = self._payee(body)
        amount = codec.parse_decimal(
            body.get("amount"), self.rest.money_decimals, "amount", Reason.INVALID_VALUE
        )
        seq, amount = await self.rest.answer(
            lambda done: self.entry.deposit(user, amount, done), body
        )
        return reply({"user": user, "amount": self.rest.money(amount), "seq": seq})

    async def post_withdrawal(self, request: web.Request) -> web.Response:
        self._admin(request)
        body = codec.decode_object(await request.read(), DEPOSIT_KEYS)
        account = self.entry.tracker.account(self._payee(body))
        wanted = codec.parse_decimal(
            body.get("amount"), self.rest.money_decimals, "amount", Reason.INVALID_VALUE
        )
        seq, amount = await self.rest.answer(
            lambda done: self.entry.withdraw(account, wanted, done, forced=True), body
        )
        return reply({"user": account.user_id, "amount": self.rest.money(amount), "seq": seq})

    async def patch_symbol(self, request: web.Request) -> web.Response:
        """Change rules of a market; answered when they hold (W-54)."""
        admin = self._admin(request)
        symbol = self.rest.symbol(request.match_info["name"])
        changes = codec.decode_any(await request.read())
        made = await self.rest.answer(
            lambda done: self.entry.change_rules(admin, symbol.id, changes, done)
        )
        return reply({"symbol": symbol.name, "version": made.version, "seq": made.seq})

    async def post_mode(self, request: web.Request) -> web.Response:
        admin = self._admin(request)
        body = codec.decode_object(await request.read(), MODE_KEYS)
        symbol = self.rest.symbol(body.get("symbol"))
        mode = choice(body, "mode", MODES)
        done_mode = await self.rest.answer(
            lambda done: self.entry.set_mode(admin, symbol.id, mode, done), body
        )
        return reply({
            "symbol": symbol.name, "mode": MODE_NAMES[done_mode.mode],
            "previous": MODE_NAMES[done_mode.previous], "seq": done_mode.seq,
        })  # fmt: skip

    async def post_account(self, request: web.Request) -> web.Response:
        self._admin(request)
        body = codec.decode_object(await request.read(), ACCOUNT_KEYS)
        user = _client(body)
        owner = None if body.get("owner_group") is None else _number(body, "owner_group", 0)
        stp = None if body.get("stp") is None else choice(body, "stp", STPS)
        if owner is None and stp is None:
            detail = "owner_group or stp is due"
            raise RequestError(Reason.INVALID_VALUE, "owner_group", None, detail=detail)
        account = self.entry.tracker.account(user)
        settings = await self.rest.answer(
            lambda done: self.entry.configure(account, owner, stp, done, forced=True), body
        )
        return reply({
            "user": user, "owner_group": settings.owner_group, "stp": STP_NAMES[settings.stp],
            "seq": settings.seq,
        })  # fmt: skip

    async def post_cancel(self, request: web.Request) -> web.Response:
        self._admin(request)
        body = codec.decode_object(await request.read(), CANCEL_KEYS)
        user = _client(body)
        name = body.get("symbol")
        symbol_id = 0 if name is None else self.rest.symbol(name).id
        account = self.entry.tracker.account(user)
        cancelled = await self.rest.answer(
            lambda done: self.entry.cancel_all(
                account, symbol_id, BOTH_SIDES, EVERYTHING, Reason.ADMIN_CANCEL, done, forced=True
            ), body,
        )  # fmt: skip
        return reply({"user": user, "cancelled": cancelled})

    async def post_snapshot(self, request: web.Request) -> web.Response:
        """Write a snapshot now; answered when it is there (specs/replica.md RP-23)."""
        self._admin(request)
        replica = self.edge.replica
        if replica is None:
            detail = "replica.enabled = false: nothing writes snapshots while the exchange runs"
            raise RequestError(Reason.NOT_FOUND, "snapshot", None, detail=detail)
        loop, written = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(written.set)

        ticket = replica.request_snapshot(wake)
        if replica.answer(ticket) is None:
            await written.wait()
        seq, path, error = replica.answer(ticket)
        if error:
            raise RequestError(Reason.OVERLOADED, "snapshot", None, detail=error)
        return reply({"seq": seq, "file": str(path)})


def _client(body: dict[str, Any]) -> int:
    """A user who is not the exchange itself."""
    user = _number(body, "user", 1)
    if user >= FUND_USER_BASE:
        raise RequestError(Reason.FORBIDDEN, "user", user, detail="an account of the exchange")
    return user


def _number(body: dict[str, Any], name: str, least: int) -> int:
    value = body.get(name)
    if type(value) is int and least <= value <= U32_MAX:
        return value
    detail = f"a number from {least} to 2^32-1 is due"
    raise RequestError(Reason.INVALID_VALUE, name, value, detail=detail)
