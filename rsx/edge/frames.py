"""What each frame of a private socket does: JSON fields to the inner interface and back.

One `Frames` per connection. A handler raises RequestError for what is refused at once; the
session answers it with E. Answers that come later go to the session too, which drops them once it
is closed. Source: specs/wire.md section 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rsx.edge import codec, history
from rsx.edge.answers import Settings
from rsx.edge.orders import Order
from rsx.edge.sessions import CLOSE_NORMAL, CLOSE_TOKEN
from rsx.errors import Reason, RequestError

if TYPE_CHECKING:
    from rsx.edge.ws import PrivateSession


class Item:
    """An item of a batch, standing in for its session: its refusals have the index."""

    __slots__ = ("index", "session")

    def __init__(self, session: PrivateSession, index: int):
        self.session = session
        self.index = index

    def refuse(self, error: RequestError) -> None:
        self.session.refuse(error, self.index)

    def on_duplicate(self, original: Order, request_oid: int) -> None:
        self.session.on_duplicate(original, request_oid)


class Frames:
    """Handlers by key. Thread: the gateway's loop."""

    def __init__(self, session: PrivateSession):
        self.session = session
        self.edge = session.edge
        self.entry = session.entry
        self.asking: set[asyncio.Task[None]] = set()
        self.handlers: dict[str, Callable[[codec.Fields], None]] = {
            "N": self.on_order, "C": self.on_cancel, "H": self.on_heartbeat,
            "TN": self.on_trigger, "R": self.on_amend, "CA": self.on_cancel_all,
            "BN": self.on_orders_batch, "BC": self.on_cancels_batch, "BR": self.on_amends_batch,
            "CD": self.on_disconnect_switch, "DM": self.on_dead_man, "AS": self.on_settings,
            "Q": self.on_queue, "O": self.on_orders, "P": self.on_positions,
            "A": self.on_account, "FL": self.on_fills, "M": self.on_symbols,
            "MC": self.on_margin, "MT": self.on_transfer, "WD": self.on_withdrawal,
            "AW": self.on_watch, "FH": self.on_fundings, "LH": self.on_liquidations,
            "HQ": self.on_history, "AUTH": self.on_auth, "BYE": self.on_bye,
        }  # fmt: skip

    # --- orders -----------------------------------------------------------------------------

    def on_order(self, fields: codec.Fields, origin: Any = None) -> None:
        symbol_id, side, px, qty, cid, tif, flags, kind, stp, expire_s = codec.decode_order(fields)
        session = self.session
        try:
            self.entry.place(
                session.account, symbol_id, side, px, qty, cid, tif, flags, origin or session,
                None, kind, stp, expire_s, session.guard,
            )  # fmt: skip
        except RequestError as error:
            error.ref = cid or None
            raise

    def on_trigger(self, fields: codec.Fields) -> None:
        f = codec.decode_trigger(fields)
        session = self.session
        try:
            self.entry.place_trigger(
                session.account, f.symbol_id, f.kind, f.side, f.qty, f.trigger_px, f.px, f.cid,
                f.tif, f.flags, session, None, f.trail_px, f.trail_ppm, f.stp, f.expire_s,
                session.guard,
            )  # fmt: skip
        except RequestError as error:
            error.ref = f.cid or None
            raise

    def on_cancel(self, fields: codec.Fields, origin: Any = None) -> None:
        oid, cid, symbol_id = codec.decode_cancel(fields)
        ref = oid or cid
        try:
            self.entry.cancel(self.session.account, oid, cid, symbol_id, self._refusal(ref, origin))
        except RequestError as error:
            error.ref = ref
            raise

    def on_amend(self, fields: codec.Fields, origin: Any = None) -> None:
        oid, cid, symbol_id, px, qty = codec.decode_amend(fields)
        ref = oid or cid
        try:
            self.entry.amend(
                self.session.account, oid, cid, symbol_id, px, qty, self._refusal(ref, origin)
            )
        except RequestError as error:
            error.ref = ref
            raise

    def _refusal(self, ref: str | int | None, origin: Any) -> Callable[[Any], None]:
        """Tells of a refusal; what succeeds is told by the order's update."""
        who = origin or self.session

        def answered(result: Any) -> None:
            if isinstance(result, RequestError):
                result.ref = ref
                who.refuse(result)

        return answered

    # --- batches ----------------------------------------------------------------------------

    def on_orders_batch(self, fields: codec.Fields) -> None:
        self._batch("BN", fields, self.on_order)

    def on_cancels_batch(self, fields: codec.Fields) -> None:
        self._batch("BC", fields, self.on_cancel)

    def on_amends_batch(self, fields: codec.Fields) -> None:
        self._batch("BR", fields, self.on_amend)

    def _batch(self, key: str, fields: codec.Fields, one: Callable[..., None]) -> None:
        """Each item as if it had come alone (W-71)."""
        self.session.turn_left -= len(fields) - 1
        for index, item in enumerate(codec.decode_batch(key, fields, self.edge.batch_max)):
            origin = Item(self.session, index)
            try:
                one(codec.decode_item(key, item), origin)
            except RequestError as error:
                origin.refuse(error)

    # --- all at once ------------------------------------------------------------------------

    def on_cancel_all(self, fields: codec.Fields) -> None:
        symbol_id, side, scope = codec.decode_integers("CA", fields, 0, sym=0, side=2, scope=3)
        self.entry.cancel_all(
            self.session.account, symbol_id, side, scope, Reason.CANCEL_ALL,
            self._reply(lambda cancelled: codec.encode("CA", [symbol_id, cancelled])),
        )  # fmt: skip

    def on_disconnect_switch(self, fields: codec.Fields) -> None:
        on = codec.decode_switch("CD", fields)
        self.session.guard = self.session.guarded if on else None
        self.session.send(codec.encode("CD", [int(on)]))

    def on_dead_man(self, fields: codec.Fields) -> None:
        timeout_ms, symbol_id = codec.decode_integers("DM", fields, 1, timeout_ms=0, sym=0)
        user = self.session.account.user_id
        deadline_ns = self.edge.guards.arm(user, symbol_id, timeout_ms)
        self.session.send(codec.encode("DM", [symbol_id, timeout_ms, deadline_ns, 0]))

    def on_settings(self, fields: codec.Fields) -> None:
        """Set: answered by the AS that every connection of the user gets."""
        stp = codec.decode_settings(fields)
        account = self.session.account
        if stp is None:
            settings = self.entry.settings.get(account.user_id, Settings())
            self.session.send(codec.encode("AS", [settings.stp, settings.owner_group]))
        else:
            self.entry.configure(account, None, stp, self._refusal(None, None))

    # --- margin and money -------------------------------------------------------------------

    def on_margin(self, fields: codec.Fields) -> None:
        """Answered by the MC that every connection of the user gets; MT and WD likewise."""
        symbol_id, leverage, margin_mode, position_mode = codec.decode_margin(fields)
        self.entry.set_margin(
            self.session.account, symbol_id, leverage, margin_mode, position_mode,
            self._refusal(None, None),
        )  # fmt: skip

    def on_transfer(self, fields: codec.Fields) -> None:
        symbol_id, amount, leg = codec.decode_integers("MT", fields, 2, sym=0, amount=0, leg=0)
        self.entry.move_margin(
            self.session.account, symbol_id, leg, amount, self._refusal(None, None)
        )

    def on_withdrawal(self, fields: codec.Fields) -> None:
        (amount,) = codec.decode_integers("WD", fields, 1, amount=0)
        self.entry.withdraw(self.session.account, amount, self._refusal(None, None))

    def on_watch(self, fields: codec.Fields) -> None:
        on = codec.decode_switch("AW", fields)
        session, pushes = self.session, self.edge.pushes
        session.send(codec.encode("AW", [int(on)]))
        change = pushes.watch if on else pushes.unwatch
        change(session.account.user_id, session)

    def on_fundings(self, fields: codec.Fields) -> None:
        notices = self.edge.events.notices
        rows = notices.fundings(self.session.account, *codec.decode_fills(fields))
        self.session.send(codec.encode("FH", rows))

    def on_liquidations(self, fields: codec.Fields) -> None:
        notices = self.edge.events.notices
        rows = notices.liquidations(self.session.account, *codec.decode_fills(fields))
        self.session.send(codec.encode("LH", rows))

    # --- asking -----------------------------------------------------------------------------

    def on_queue(self, fields: codec.Fields) -> None:
        oid, cid, symbol_id = codec.decode_cancel(fields, "Q")
        order = self.entry.resting(self.session.account, oid, cid, symbol_id)
        task = self.session.loop.create_task(self._queue(order, oid or cid))
        self.asking.add(task)
        task.add_done_callback(self.asking.discard)

    async def _queue(self, order: Order, ref: str | int) -> None:
        session = self.session
        try:
            place = await self.edge.queue_place(order)
            session.send(codec.encode("Q", [order.oid, order.symbol_id, *place]))
        except RequestError as error:
            error.ref = ref
            session.refuse(error)
        session.sessions.flush()

    def on_history(self, fields: codec.Fields) -> None:
        ref = fields[2] if len(fields) > 2 else None
        if ref is not None and type(ref) not in (int, str):
            raise RequestError(Reason.INVALID_VALUE, "ref", ref, detail="a number or text is due")
        try:
            query = history.query_of_frame(fields, self.edge, self.session.account.user_id)
        except RequestError as error:
            error.ref = ref
            raise
        task = self.session.loop.create_task(self._history(query, ref))
        self.asking.add(task)
        task.add_done_callback(self.asking.discard)

    async def _history(self, query: Any, ref: int | str | None) -> None:
        session = self.session
        try:
            found = await history.answer(self.edge, session.account, query)
            session.send(history.encode_answer(query.what, ref, found))
        except RequestError as error:
            error.ref = ref
            session.refuse(error)
        session.sessions.flush()

    def on_orders(self, _fields: codec.Fields) -> None:
        orders = self.entry.open_orders(self.session.account)
        self.session.send(codec.encode("O", [codec.order_row(order) for order in orders]))

    def on_fills(self, fields: codec.Fields) -> None:
        fills = self.entry.fills(self.session.account, *codec.decode_fills(fields))
        self.session.send(codec.encode("FL", [codec.fill_row(fill) for fill in fills]))

    def on_symbols(self, _fields: codec.Fields) -> None:
        self.session.send(self.edge.symbols_frame)

    def on_account(self, _fields: codec.Fields) -> None:
        self._query(lambda state: codec.encode("A", state.account))

    def on_positions(self, _fields: codec.Fields) -> None:
        self._query(lambda state: codec.encode("P", state.positions))

    def _query(self, encode: Callable[[Any], bytes]) -> None:
        self.entry.query_account(self.session.account, self._reply(encode))

    def _reply(self, encode: Callable[[Any], bytes]) -> Callable[[Any], None]:
        def answered(result: Any) -> None:
            if isinstance(result, RequestError):
                self.session.refuse(result)
            else:
                self.session.send(encode(result))

        return answered

    # --- the session itself -----------------------------------------------------------------

    def on_auth(self, fields: codec.Fields) -> None:
        session = self.session
        if session.account is not None:
            raise RequestError(Reason.UNEXPECTED_FRAME, "frame", "AUTH")
        try:
            claims = self.edge.verifier(codec.decode_auth(fields), self.edge.now_s())
        except RequestError as error:
            session.refuse(error)
            session.close(CLOSE_TOKEN, error.code.name)
            return
        session.authenticate(claims.user, claims.expires_ns)

    def on_heartbeat(self, fields: codec.Fields) -> None:
        codec.decode_heartbeat(fields)
        self.session.send(codec.encode("H", [self.edge.clock.now_ns() // 1_000_000]))

    def on_bye(self, _fields: codec.Fields) -> None:
        """An orderly end: nothing is cancelled by it (W-72)."""
        self.session.guarded.clear()
        self.session.close(CLOSE_NORMAL, "BYE")
