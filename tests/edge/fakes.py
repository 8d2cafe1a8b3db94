"""A gateway over real rings with an engine of our own behind them, all on one loop.

`Engine` answers like the exchange does, as far as a gateway can tell: orders rest, cancels cancel,
queries and deposits are answered. It steps when the gateway polls for answers, so a request is
usually answered within the callback that brought it. With `auto` off it only collects requests,
and the test emits records by hand; `World.step` then lets the gateway see them.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import uvloop

from rsx import records
from rsx.config import Config, load
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.edge import auth
from rsx.edge.app import make_gateway
from rsx.errors import Reason
from rsx.records import BY_NAME, OrderFlag, View

SECRET = b"an edge test secret of 32 bytes!"
START_NS = 1_764_000_000_000_000_000
DEADLINE_S = 10.0
BTC, ETH, SOL = 1, 2, 3


class PolledRing(Ring):
    """A ring whose consumer's polling steps the producer."""

    on_wait: Callable[[], None] | None = None

    def wait(self, timeout_ns: int) -> int:
        if self.on_wait is not None:
            self.on_wait()
        return super().wait(0)


class Engine:
    """The other end of the gateway's rings."""

    def __init__(self, depth: int = 1024):
        self.gateway_risk = Ring("gateway_risk", depth)
        self.risk_gateway = PolledRing("risk_gateway", 4096)
        self.wal_gateway = PolledRing("wal_gateway", 4096)
        self.risk_gateway.on_wait = self.wal_gateway.on_wait = self.step
        self.auto = True
        self.seq = 0
        self.requests: list[View] = []
        self.orders: dict[int, View] = {}
        self.account: dict[str, int] = {}
        self.positions: list[dict[str, int]] = []
        self.left: dict[int, int] = {}  # open quantity of amended orders
        self.modes: dict[int, int] = {}
        self.settings: dict[int, tuple[int, int]] = {}
        self.risk: dict[int, dict[str, int]] = {}  # of POSITION_RISK, by symbol
        self.margin: dict[tuple[int, int], list[int]] = {}  # leverage, margin mode, position mode

    def step(self) -> int:
        """Take requests; answer them when auto is on."""
        data = self.gateway_risk.pop(1024)
        views = list(records.iterate(data, crc=False))
        self.requests += views
        if self.auto:
            for view in views:
                getattr(self, f"on_{view.record.name.lower()}")(view)
        return len(views)

    def received(self, count: int) -> bool:
        """Whether so many requests have come by now."""
        self.step()
        return len(self.requests) >= count

    def last(self, name: str) -> View:
        """The newest request of one type."""
        self.step()
        return next(v for v in reversed(self.requests) if v.record.name == name)

    def emit(self, name: str, /, **values: Any) -> int:
        """Release a record of the log; returns its number."""
        self.seq += 1
        values.setdefault("ts_ns", START_NS + self.seq)
        assert self.wal_gateway.push(BY_NAME[name].pack(seq=self.seq, **values))
        return self.seq

    def answer(self, name: str, **values: Any) -> None:
        assert self.risk_gateway.push(BY_NAME[name].pack(ts_ns=START_NS, **values))

    # --- what the engine does by itself -----------------------------------------------------

    def on_order_request(self, view: View) -> None:
        self.accept(view, rests=True)

    def on_cancel_request(self, view: View) -> None:
        order = self.orders.get(view.oid)
        if order is None or order.user_id != view.user_id:
            self.emit(
                "CANCEL_REJECTED", oid=view.oid, request_id=view.request_id,
                user_id=view.user_id, symbol_id=view.symbol_id, reason=Reason.ORDER_NOT_OPEN,
            )  # fmt: skip
        else:
            end = self.cancelled if order.kind < 2 else self.trigger_cancelled
            end(order, self.left.get(order.oid, order.qty), 0, view.reason, view.request_id)

    def on_account_query(self, view: View) -> None:
        key = {"request_id": view.request_id, "user_id": view.user_id}
        for position in self.positions:
            self.answer("POSITION_STATE", **key, **position)
            risk = {"symbol_id": position["symbol_id"], **self.risk.get(position["symbol_id"], {})}
            self.answer("POSITION_RISK", **key, **risk)
        self.answer("ACCOUNT_STATE", **key, positions=len(self.positions), **self.account)

    def on_deposit_request(self, view: View) -> None:
        self.emit("DEPOSIT", request_id=view.request_id, amount=view.amount, user_id=view.user_id)

    def on_trigger_request(self, view: View) -> None:
        self.placed(view)

    def on_amend_request(self, view: View) -> None:
        """Smaller at the same price keeps its place; anything else rests anew, whole."""
        order = self.orders.get(view.oid)
        if order is None or order.user_id != view.user_id:
            self.amend_rejected(view, Reason.ORDER_NOT_OPEN)
        else:
            kept = view.px == order.px and view.qty <= order.qty
            self.amended(view, view.qty, OrderFlag.KEPT if kept else OrderFlag.RESTS)

    def on_cancel_all_request(self, view: View) -> None:
        own = [
            order for order in reversed(list(self.orders.values()))
            if (order.user_id, order.symbol_id) == (view.user_id, view.symbol_id)
            and view.sides >> order.side & 1 and view.scope & (1 if order.kind < 2 else 2)
        ]  # fmt: skip
        for order in own:
            end = self.cancelled if order.kind < 2 else self.trigger_cancelled
            end(order, self.left.get(order.oid, order.qty), 0, view.reason)
        self.emit(
            "CANCEL_ALL_DONE", request_id=view.request_id, user_id=view.user_id,
            symbol_id=view.symbol_id, cancelled=len(own), reason=view.reason,
        )  # fmt: skip

    def on_mode_request(self, view: View) -> None:
        previous = self.modes.get(view.symbol_id, 0)
        self.modes[view.symbol_id] = view.mode
        self.emit(
            "TRADING_MODE", request_id=view.request_id, user_id=view.user_id,
            symbol_id=view.symbol_id, mode=view.mode, previous=previous,
        )  # fmt: skip

    def on_account_config_request(self, view: View) -> None:
        owner, stp = self.settings.get(view.user_id, (0, 0))
        owner = view.owner_group if view.fields & 1 else owner
        stp = view.stp if view.fields & 2 else stp
        self.settings[view.user_id] = (owner, stp)
        self.emit(
            "ACCOUNT_CONFIG", request_id=view.request_id, user_id=view.user_id,
            owner_group=owner, stp=stp,
        )  # fmt: skip

    def on_withdraw_request(self, view: View) -> None:
        available = self.account.get("withdrawable", 0)
        if view.amount > available:
            self.refused(view, Reason.WITHDRAWAL_TOO_LARGE, view.amount, available)
        else:
            self.emit(
                "WITHDRAWAL", request_id=view.request_id, amount=view.amount, user_id=view.user_id
            )

    def on_margin_config_request(self, view: View) -> None:
        kept = self.margin.setdefault((view.user_id, view.symbol_id), [0, 0, 0])
        asked = (view.leverage, view.margin_mode, view.position_mode)
        for bit, value in enumerate(asked):
            if view.fields >> bit & 1:
                kept[bit] = value
        self.emit(
            "MARGIN_CONFIG", request_id=view.request_id, user_id=view.user_id,
            symbol_id=view.symbol_id, leverage=kept[0], margin_mode=kept[1], position_mode=kept[2],
        )  # fmt: skip

    def on_margin_transfer_request(self, view: View) -> None:
        self.emit(
            "MARGIN_TRANSFERRED", request_id=view.request_id, user_id=view.user_id,
            symbol_id=view.symbol_id, amount=view.amount, leg=view.leg,
        )  # fmt: skip

    def on_symbol_config(self, view: View) -> None:
        self.rules = [view]

    def on_symbol_limits(self, view: View) -> None:
        self.rules.append(view)

    on_symbol_risk = on_symbol_limits

    def on_symbol_brackets(self, view: View) -> None:
        for each in (*self.rules, view):
            self.pass_on(each)

    # --- records ----------------------------------------------------------------------------

    def pass_on(self, view: View) -> int:
        """Release a record as it came."""
        fields = zip((f.name for f in view.record.fields), view.row[7:], strict=True)
        values = {name: value for name, value in fields if name not in ("seq", "ts_ns")}
        return self.emit(view.record.name, header_flags=view.header_flags, **values)

    def refused(self, view: View, reason: Reason, required: int, available: int) -> None:
        """REQUEST_REJECTED of a request that is no order."""
        self.answer(
            "REQUEST_REJECTED", request_id=view.request_id, user_id=view.user_id, reason=reason,
            required=required, available=available,
        )  # fmt: skip

    def accept(self, view: View, rests: bool) -> int:
        self.orders[view.oid] = view
        flags = view.flags | (OrderFlag.RESTS if rests else 0)
        return self.emit(
            "ORDER_ACCEPTED", oid=view.oid, px=view.px, qty=view.qty, user_id=view.user_id,
            symbol_id=view.symbol_id, side=view.side, tif=view.tif, flags=flags,
            cid_len=view.cid_len, cid=view.cid, kind=view.kind, expire_s=view.expire_s,
            stp=0 if view.stp == 4 else view.stp,
        )  # fmt: skip

    def placed(self, view: View) -> int:
        """TRIGGER_PLACED."""
        self.orders[view.oid] = view
        return self.emit(
            "TRIGGER_PLACED", oid=view.oid, px=view.px, qty=view.qty, user_id=view.user_id,
            symbol_id=view.symbol_id, side=view.side, tif=view.tif, flags=view.flags,
            cid_len=view.cid_len, cid=view.cid, kind=view.kind, expire_s=view.expire_s,
            stp=0 if view.stp == 4 else view.stp, trigger_px=view.trigger_px,
            trail_px=view.trail_px, trail_ppm=view.trail_ppm,
        )  # fmt: skip

    def fired(self, view: View, px: int) -> int:
        return self.emit(
            "TRIGGER_FIRED", oid=view.oid, px=view.px, qty=view.qty, trigger_px=view.trigger_px,
            fired_px=px, user_id=view.user_id, symbol_id=view.symbol_id, kind=view.kind,
            side=view.side, tif=view.tif, flags=view.flags,
        )  # fmt: skip

    def trigger_cancelled(
        self, view: View, left: int, _filled: int, reason: Reason, request_id: int = 0
    ) -> int:
        self.orders.pop(view.oid, None)
        return self.emit(
            "TRIGGER_CANCELLED", oid=view.oid, qty=left, request_id=request_id,
            user_id=view.user_id, symbol_id=view.symbol_id, reason=reason, kind=view.kind,
            side=view.side, flags=view.flags,
        )  # fmt: skip

    def trigger_rejected(self, view: View, reason: Reason) -> int:
        return self.emit(
            "TRIGGER_REJECTED", oid=view.oid, px=view.px, qty=view.qty, user_id=view.user_id,
            trigger_px=view.trigger_px, symbol_id=view.symbol_id, kind=view.kind,
            side=view.side, tif=view.tif, flags=view.flags, cid_len=view.cid_len, cid=view.cid,
            reason=reason,
        )  # fmt: skip

    def amended(self, view: View, remaining: int, flags: int) -> int:
        """ORDER_AMENDED, as an AMEND_REQUEST asks; flags: KEPT, RESTS, or 0 = in hand."""
        self.left[view.oid] = remaining
        return self.emit(
            "ORDER_AMENDED", oid=view.oid, px=view.px, qty=view.qty, remaining=remaining,
            request_id=view.request_id, user_id=view.user_id, symbol_id=view.symbol_id,
            side=view.side, flags=flags,
        )  # fmt: skip

    def amend_rejected(self, view: View, reason: Reason) -> int:
        return self.emit(
            "AMEND_REJECTED", oid=view.oid, px=view.px, qty=view.qty,
            request_id=view.request_id, user_id=view.user_id, symbol_id=view.symbol_id,
            reason=reason, side=view.side,
        )  # fmt: skip

    def reduced(self, view: View, cut: int, remaining: int) -> int:
        return self.emit(
            "ORDER_REDUCED", oid=view.oid, px=view.px, cancelled_qty=cut, remaining=remaining,
            user_id=view.user_id, symbol_id=view.symbol_id, side=view.side,
            reason=Reason.REDUCE_ONLY_EXCESS,
        )  # fmt: skip

    def fill(
        self, taker: View, maker: View, qty: int, taker_left: int, maker_left: int, **fees: int
    ) -> int:
        return self.emit(
            "FILL", taker_oid=taker.oid, maker_oid=maker.oid, px=maker.px, qty=qty,
            taker_remaining=taker_left, maker_remaining=maker_left,
            taker_user_id=taker.user_id, maker_user_id=maker.user_id,
            symbol_id=maker.symbol_id, taker_side=taker.side, **fees,
        )  # fmt: skip

    def rested(self, view: View, remaining: int) -> int:
        return self.emit(
            "ORDER_RESTED", oid=view.oid, px=view.px, remaining=remaining,
            user_id=view.user_id, symbol_id=view.symbol_id, side=view.side,
        )  # fmt: skip

    def cancelled(
        self, view: View, left: int, filled: int, reason: Reason, request_id: int = 0
    ) -> int:
        self.orders.pop(view.oid, None)
        return self.emit(
            "ORDER_CANCELLED", oid=view.oid, px=view.px, cancelled_qty=left, filled_qty=filled,
            request_id=request_id, user_id=view.user_id, symbol_id=view.symbol_id,
            reason=reason, side=view.side,
        )  # fmt: skip

    def rejected(self, view: View, reason: Reason) -> int:
        return self.emit(
            "ORDER_REJECTED", oid=view.oid, px=view.px, qty=view.qty, user_id=view.user_id,
            symbol_id=view.symbol_id, side=view.side, tif=view.tif, flags=view.flags,
            cid_len=view.cid_len, cid=view.cid, reason=reason,
        )  # fmt: skip

    def duplicate(self, view: View, original: View, status: int, **state: int) -> int:
        """ORDER_DUPLICATE; state: filled, remaining, reason of the original."""
        return self.emit(
            "ORDER_DUPLICATE", oid=view.oid, qty=view.qty, user_id=view.user_id,
            symbol_id=view.symbol_id, side=view.side, flags=view.flags, original_oid=original.oid,
            original_px=original.px, original_qty=original.qty, original_side=original.side,
            original_tif=original.tif, original_flags=original.flags, original_status=status,
            original_kind=original.kind,
            **{f"original_{name}": value for name, value in state.items()},
        )  # fmt: skip


class Socket:
    """A private WebSocket client. Heartbeats are set aside unless asked for."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse):
        self.ws = ws

    async def send(self, *frames: Any) -> None:
        for frame in frames:
            text = frame if isinstance(frame, str) else orjson.dumps(frame).decode()
            await self.ws.send_str(text)

    async def take(self, beats: bool = False) -> tuple[str, list[Any]]:
        """The next frame as key and fields."""
        while True:
            message = await self.ws.receive(timeout=DEADLINE_S)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            ((key, fields),) = orjson.loads(message.data).items()
            if beats or key != "H":
                return key, fields

    async def ask(self, frame: Any) -> tuple[str, list[Any]]:
        await self.send(frame)
        return await self.take()

    async def refused(self, frame: Any) -> list[Any]:
        """Send a frame that must be refused; the fields of E."""
        key, fields = await self.ask(frame)
        assert key == "E", (key, fields)
        return fields

    async def closed(self) -> tuple[int | None, str]:
        """Read to the end; the close code and its reason."""
        while True:
            message = await self.ws.receive(timeout=DEADLINE_S)
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return self.ws.close_code, ""

    async def is_alive(self) -> bool:
        """Whether the session still answers."""
        key, _ = await self.ask({"M": []})
        return key == "M"


class World:
    """A gateway, its engine, and clients. `async with World() as world`."""

    def __init__(self, depth: int = 1024, clock: Clock | None = None, **sections: Any):
        sections.setdefault("server", {})["port"] = 0
        self.config: Config = load().replace(**sections)
        self.clock = clock or Clock.manual(START_NS)
        self.engine = Engine(depth)
        self.gateway = make_gateway(
            self.config, self.config.symbols, SECRET, self.clock, [self.engine.gateway_risk],
            [self.engine.risk_gateway], self.engine.wal_gateway,
        )  # fmt: skip
        self.sockets: list[Socket] = []
        self.http: Any = None

    async def __aenter__(self) -> World:
        self.gateway.loop = asyncio.get_running_loop()
        await self.gateway.on_start()
        assert self.gateway.address is not None
        host, port = self.gateway.address
        self.base = f"http://{host}:{port}"
        self.http = aiohttp.ClientSession(self.base)
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self.sockets:
            await socket.ws.close()
        await self.http.close()
        await self.gateway.on_close()
        assert self.gateway.failure is None

    def step(self) -> int:
        """One duty cycle of the gateway."""
        return self.gateway.do_work()

    def token(self, user: int = 1, ttl_s: int = 3600, role: str | None = None) -> str:
        return auth.mint(SECRET, user, ttl_s, role, now_s=self.clock.now_ns() // 10**9)

    def headers(self, user: int = 1, role: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user, role=role)}"}

    async def open(self, user: int | None = 1, ttl_s: int = 3600, **named: Any) -> Socket:
        """Connect; with a user, the welcome is taken too."""
        headers = {} if user is None else {"Authorization": f"Bearer {self.token(user, ttl_s)}"}
        named.setdefault("headers", headers)
        socket = Socket(await self.http.ws_connect("/ws", **named))
        self.sockets.append(socket)
        if user is not None:
            key, _ = await socket.take()
            assert key == "W"
        return socket

    async def rest(
        self, method: str, path: str, user: int | None = 1, role: str | None = None, **named: Any
    ) -> tuple[int, Any]:
        """One REST call: status and body."""
        if user is not None:
            named.setdefault("headers", self.headers(user, role))
        async with self.http.request(method, path, **named) as response:
            return response.status, orjson.loads(await response.read())

    async def until(self, holds: Callable[[], Any]) -> Any:
        return await until(holds)


async def until(holds: Callable[[], Any]) -> Any:
    """Let the loop run until a condition holds; its value."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := holds()):
        assert time.monotonic() < deadline, "the condition does not come true"
        await asyncio.sleep(0.001)
    return value


def on_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test on a fresh uvloop loop."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        async def main() -> None:
            await asyncio.wait_for(test(*args, **named), 55)

        uvloop.run(main())

    return run
