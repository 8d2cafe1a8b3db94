# cython: boundscheck=False, wraparound=False
"""Records to rows: what a stretch of the log adds to every table of the archive.

    feed(records) ... -> take() -> Batch: rows to insert, changes of orders, candles, state

Orders are gathered by id, so that one that begins and ends in a batch is one insert. Accounts and
positions are in rsx/store/books.pyx. Holds the GIL: feed it in small parts (AR-9).
Source: specs/archive.md section 2.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.core.check cimport fail
from rsx.records import FUND_USER_BASE
from rsx.records_c cimport *
from rsx.store.books cimport Account, Books, Market, Position

cdef enum:
    # Kinds of changes of collateral; 3, trade, is derived from fills (AR-23).
    DEPOSIT = 1
    WITHDRAWAL = 2
    FUNDING = 4
    MARGIN = 5
    TRANSFER = 6
    SETTLED = 7
    LIQUIDATION_FEE = 8
    AS_IT_WAS = 255    # the status of an order that this batch has not seen otherwise
    # Ids that risk tiles make (LQ-7).
    MAKER_SHIFT = 10
    MAKER_RISK = 3

cdef int64_t FUND_BASE = FUND_USER_BASE
cdef uint64_t NS = 1_000_000_000
cdef uint8_t[256] IS_KEPT    # by type: has rows here
for _type in (
    RSX_ORDER_ACCEPTED, RSX_FILL, RSX_ORDER_RESTED, RSX_ORDER_CANCELLED, RSX_ORDER_REJECTED,
    RSX_ORDER_REDUCED, RSX_ORDER_AMENDED, RSX_ORDER_DUPLICATE, RSX_TRIGGER_PLACED,
    RSX_TRIGGER_FIRED, RSX_TRIGGER_CANCELLED, RSX_TRIGGER_REJECTED, RSX_DEPOSIT, RSX_WITHDRAWAL,
    RSX_MARGIN_CONFIG, RSX_MARGIN_TRANSFERRED, RSX_FUNDING_SETTLED, RSX_FUNDING_PAYMENT,
    RSX_FUNDING_DONE, RSX_LIQUIDATION_STEP, RSX_POSITION_TRANSFERRED, RSX_LIQUIDATION_SETTLED,
    RSX_SYMBOL_CONFIG, RSX_SYMBOL_BRACKETS, RSX_MARK_PRICE, RSX_LOG_STARTED,
):
    IS_KEPT[_type] = 1


cdef inline bint is_from_trigger(int kind):
    return RSX_STOP_MARKET <= kind <= RSX_TRAILING_STOP


cdef inline int leg_of(uint8_t side, uint8_t flags):
    """HG-2: which leg an order trades."""
    if not flags & RSX_HEDGE:
        return 0
    return <int>((side == RSX_BUY) == (flags & RSX_REDUCE_ONLY != 0))


cdef class OrderRow:
    """What a batch says of one order: all of it when is_new, else what changes."""

    cdef bint is_new
    cdef bint sets_px
    cdef bint sets_qty      # and what was cut begins anew
    cdef str cid
    cdef uint64_t oid
    cdef uint64_t seq
    cdef uint64_t original_oid
    cdef uint64_t placed_ns
    cdef uint64_t ts_ns
    cdef uint64_t last_seq
    cdef uint64_t ended_ns
    cdef uint32_t user_id
    cdef uint16_t symbol_id
    cdef uint16_t reason
    cdef uint32_t expire_s
    cdef uint32_t trail_ppm
    cdef uint8_t side
    cdef uint8_t kind
    cdef uint8_t tif
    cdef uint8_t flags
    cdef uint8_t stp
    cdef uint8_t status
    cdef int64_t px
    cdef int64_t qty
    cdef int64_t filled
    cdef int64_t cut
    cdef int64_t trigger_px
    cdef int64_t trail_px
    cdef int64_t fired_px
    cdef int64_t notional
    cdef int64_t fee
    cdef int64_t profit
    cdef int64_t amends

    cdef bint is_plain(self):
        """Whether it has none of the columns that most orders have not."""
        return not (self.cut or self.expire_s or self.trigger_px or self.trail_px
                    or self.trail_ppm or self.fired_px or self.original_oid or self.amends)

    def plain(self):
        """In the order of the table's columns, up to those that most orders have not."""
        return (
            self.oid, self.user_id, self.symbol_id, self.seq, self.cid or "", self.side,
            self.kind, self.tif, self.flags, self.stp, self.px, self.qty, self.filled,
            self.status, self.reason, self.notional, self.fee, self.profit, self.placed_ns,
            self.ts_ns, self.last_seq, self.ended_ns,
        )

    def inserted(self):
        """In the order of the table's columns."""
        return (*self.plain(), self.cut, self.expire_s, self.trigger_px, self.trail_px,
                self.trail_ppm, self.fired_px, self.original_oid, self.amends)

    def updated(self):
        """Parameters of UPDATE_ORDER (rsx/store/writer.py)."""
        return (
            self.px if self.sets_px else None, self.qty if self.sets_qty else None,
            0 if self.sets_qty else 1, self.cut, self.filled,
            None if self.status == AS_IT_WAS else self.status, self.reason,
            self.fired_px or None, self.notional, self.fee, self.profit, self.amends, self.ts_ns,
            self.last_seq, self.ended_ns, self.oid,
        )


class Batch:
    """Rows of one transaction, by table; first_oid: least id of a new order, 0 = none; position,
    position_crc, position_ns, epoch, exchange_id are those of its last record."""

    __slots__ = (
        "accounts", "balances", "candles", "clock", "epoch", "exchange_id", "fills", "first_oid",
        "funding", "liquidations", "markets", "new_orders", "order_changes", "plain_orders",
        "position", "position_crc", "position_ns", "positions", "rates", "rates_done", "records",
    )  # fmt: skip


cdef class Extractor:
    """Follows the log from `next_seq` on with the state in `books`.

    Raises InvariantError for a record that does not fit what was before it.
    """

    cdef readonly Books books
    cdef readonly uint64_t next_seq
    cdef readonly uint64_t exchange_id
    cdef readonly uint32_t money_decimals
    cdef uint32_t epoch
    cdef uint32_t crc
    cdef uint64_t last_ns
    cdef uint64_t records
    cdef dict orders
    cdef list fills
    cdef list balances
    cdef list funding
    cdef list rates
    cdef list rates_done
    cdef list liquidations
    cdef list candles
    cdef dict marks
    cdef dict clock
    # The second of the clock that is growing.
    cdef uint64_t second
    cdef uint64_t first_seq

    def __init__(self, books, next_seq, exchange_id=0, epoch=0):
        self.books = books
        self.next_seq = next_seq
        self.exchange_id = exchange_id
        self.epoch = epoch
        self._clear()

    def _clear(self):
        self.orders = {}
        self.fills = []
        self.balances = []
        self.funding = []
        self.rates = []
        self.rates_done = []
        self.liquidations = []
        self.candles = []
        self.marks = {}
        self.clock = {}
        self.second = 0
        self.records = 0

    @property
    def pending(self):
        """Records fed since the last take."""
        return self.records

    def take(self):
        """The rows since the last call, as a Batch."""
        cdef OrderRow order
        cdef Market market
        self._end_second()
        for market in self.books.markets.values():
            if market.second >= 0:
                self.candles.append((market.symbol_id, market.take_candle()))
        batch = Batch()
        batch.accounts, batch.positions, batch.markets = self.books.take_changes()
        plain, begun, changed, first_oid = [], [], [], 0
        for order in self.orders.values():
            if not order.is_new:
                changed.append(order)
                continue
            if first_oid == 0 or order.oid < first_oid:
                first_oid = order.oid
            (plain if order.is_plain() else begun).append(order)
        # Made one by one while they are written: all at once would hold the GIL for long.
        batch.plain_orders = map(OrderRow.plain, plain) if plain else None
        batch.new_orders = map(OrderRow.inserted, begun) if begun else None
        batch.order_changes = map(OrderRow.updated, changed) if changed else None
        batch.first_oid = first_oid
        batch.fills = self.fills
        batch.balances = self.balances
        batch.funding = self.funding
        batch.rates = self.rates
        batch.rates_done = self.rates_done
        batch.liquidations = self.liquidations
        batch.candles = (self.candles, self.marks)
        batch.clock = [(second, first, last) for second, (first, last) in self.clock.items()]
        batch.position, batch.position_crc = self.next_seq - 1, self.crc
        batch.position_ns, batch.epoch = self.last_ns, self.epoch
        batch.exchange_id, batch.records = self.exchange_id, self.records
        self._clear()
        return batch

    def feed(self, const uint8_t[:] data):
        """Take whole logged records, numbered from next_seq on."""
        cdef Py_ssize_t count = data.shape[0] // RSX_RECORD_SIZE, at
        cdef const rsx_record_t* record
        for at in range(count):
            record = <const rsx_record_t*>&data[at * RSX_RECORD_SIZE]
            if record.seq != self.next_seq:
                fail(5, record.seq, self.next_seq)
            self.next_seq += 1
            self.epoch = record.epoch
            self.crc = record.crc
            if record.type < 256 and IS_KEPT[record.type]:
                self._note_time(record)
                self._take_one(record)
        self.records += count

    # --- time ---------------------------------------------------------------------------------

    cdef int _note_time(self, const rsx_record_t* record) except -1:
        cdef uint64_t second = record.ts_ns // NS
        if second != self.second:
            self._end_second()
            self.second = second
            self.first_seq = record.seq
        self.last_ns = record.ts_ns
        return 0

    cdef int _end_second(self) except -1:
        if self.second:
            first, _ = self.clock.get(self.second, (self.first_seq, 0))
            self.clock[self.second] = (first, self.next_seq - 1)
            self.second = 0
        return 0

    # --- by type ------------------------------------------------------------------------------

    cdef int _take_one(self, const rsx_record_t* record) except -1:
        cdef uint16_t kind = record.type
        if kind == RSX_FILL:
            return self._fill(<const rsx_fill_t*>record)
        if kind == RSX_ORDER_ACCEPTED:
            return self._accepted(<const rsx_order_accepted_t*>record)
        if kind == RSX_ORDER_RESTED:
            return self._rested(<const rsx_order_rested_t*>record)
        if kind == RSX_ORDER_CANCELLED:
            return self._cancelled(<const rsx_order_cancelled_t*>record)
        if kind == RSX_MARK_PRICE:
            return self._mark(<const rsx_mark_price_t*>record)
        if kind == RSX_ORDER_REDUCED:
            return self._reduced(<const rsx_order_reduced_t*>record)
        if kind == RSX_ORDER_AMENDED:
            return self._amended(<const rsx_order_amended_t*>record)
        if kind == RSX_ORDER_REJECTED:
            return self._rejected(<const rsx_order_rejected_t*>record)
        if kind == RSX_ORDER_DUPLICATE:
            return self._duplicate(<const rsx_order_duplicate_t*>record)
        if RSX_TRIGGER_PLACED <= kind <= RSX_TRIGGER_CANCELLED or kind == RSX_TRIGGER_REJECTED:
            return self._trigger(record)
        if kind in (RSX_FUNDING_SETTLED, RSX_FUNDING_PAYMENT, RSX_FUNDING_DONE):
            return self._of_funding(record)
        if kind in (RSX_LIQUIDATION_STEP, RSX_POSITION_TRANSFERRED, RSX_LIQUIDATION_SETTLED):
            return self._of_liquidation(record)
        if kind in (RSX_SYMBOL_CONFIG, RSX_SYMBOL_BRACKETS, RSX_LOG_STARTED):
            return self._of_rules(record)
        return self._of_money(record)

    # --- orders -------------------------------------------------------------------------------

    cdef OrderRow _begin(self, uint64_t oid, uint32_t user_id, uint16_t symbol_id, uint64_t seq,
                         uint64_t ts_ns):
        cdef OrderRow order = OrderRow.__new__(OrderRow)
        order.is_new = True
        order.oid = oid
        order.user_id = user_id
        order.symbol_id = symbol_id
        order.seq = order.last_seq = seq
        order.placed_ns = order.ts_ns = ts_ns
        self.orders[oid] = order
        return order

    cdef OrderRow _change(self, uint64_t oid, uint64_t seq, uint64_t ts_ns, uint8_t status):
        """The row of an order that this batch, or an earlier one, has begun."""
        cdef OrderRow order = self.orders.get(oid)
        if order is None:
            order = OrderRow.__new__(OrderRow)
            order.oid = oid
            self.orders[oid] = order
        order.last_seq = seq
        order.ts_ns = ts_ns
        order.status = status
        return order

    cdef int _end(self, OrderRow order, uint16_t reason) except -1:
        order.reason = reason
        order.ended_ns = order.ts_ns
        return 0

    cdef int _accepted(self, const rsx_order_accepted_t* event) except -1:
        cdef OrderRow order
        cdef uint8_t status = RSX_STATUS_RESTING if event.flags & RSX_RESTS else RSX_STATUS_PENDING
        (<Market>self.books.markets[event.symbol_id]).hand_kind = event.kind
        self.books.open(event.user_id, event.symbol_id, leg_of(event.side, event.flags))
        if is_from_trigger(event.kind):
            order = self._change(event.oid, event.seq, event.ts_ns, status)
        else:
            order = self._begin(event.oid, event.user_id, event.symbol_id, event.seq, event.ts_ns)
            order.status = status
            order.side = event.side
            order.kind = event.kind
            order.tif = event.tif
            order.flags = event.flags & <uint8_t>~RSX_RESTS
            order.stp = event.stp
            order.expire_s = event.expire_s
            order.cid = event.cid[:event.cid_len].decode("utf-8", "replace")
        order.px = event.px
        order.qty = event.qty
        order.sets_px = order.sets_qty = True
        return 0

    cdef int _rested(self, const rsx_order_rested_t* event) except -1:
        cdef OrderRow order = self._change(event.oid, event.seq, event.ts_ns, RSX_STATUS_RESTING)
        order.px = event.px
        order.sets_px = True
        return 0

    cdef int _cancelled(self, const rsx_order_cancelled_t* event) except -1:
        cdef OrderRow order = self._change(event.oid, event.seq, event.ts_ns, RSX_STATUS_CANCELLED)
        return self._end(order, event.reason)

    cdef int _reduced(self, const rsx_order_reduced_t* event) except -1:
        cdef OrderRow order = self.orders.get(event.oid)
        cdef uint8_t status = order.status if order is not None else AS_IT_WAS
        order = self._change(event.oid, event.seq, event.ts_ns, status)
        order.cut += event.cancelled_qty
        return 0

    cdef int _amended(self, const rsx_order_amended_t* event) except -1:
        cdef bint rests = event.flags & (RSX_RESTS | RSX_KEPT) != 0
        cdef OrderRow order = self._change(
            event.oid, event.seq, event.ts_ns,
            RSX_STATUS_RESTING if rests else RSX_STATUS_PENDING)
        if not rests:
            (<Market>self.books.markets[event.symbol_id]).hand_kind = RSX_LIMIT
        order.px = event.px
        order.qty = event.qty
        order.cut = 0
        order.sets_px = order.sets_qty = True
        order.amends += 1
        return 0

    cdef int _rejected(self, const rsx_order_rejected_t* event) except -1:
        cdef OrderRow order
        if is_from_trigger(event.kind):
            order = self._change(event.oid, event.seq, event.ts_ns, RSX_STATUS_REJECTED)
            return self._end(order, event.reason)
        order = self._begin(event.oid, event.user_id, event.symbol_id, event.seq, event.ts_ns)
        order.status = RSX_STATUS_REJECTED
        order.side = event.side
        order.kind = event.kind
        order.tif = event.tif
        order.flags = event.flags
        order.stp = event.stp
        order.px = event.px
        order.qty = event.qty
        order.cid = event.cid[:event.cid_len].decode("utf-8", "replace")
        return self._end(order, event.reason)

    cdef int _duplicate(self, const rsx_order_duplicate_t* event) except -1:
        cdef OrderRow order = self._begin(
            event.oid, event.user_id, <uint16_t>event.symbol_id, event.seq, event.ts_ns)
        order.status = RSX_STATUS_REJECTED
        order.side = event.side
        order.flags = event.flags
        order.qty = event.qty
        order.original_oid = event.original_oid
        return self._end(order, RSX_R_DUPLICATE_CLIENT_ID)

    cdef int _trigger(self, const rsx_record_t* record) except -1:
        cdef const rsx_trigger_placed_t* placed
        cdef const rsx_trigger_fired_t* fired
        cdef const rsx_trigger_cancelled_t* cancelled
        cdef const rsx_trigger_rejected_t* rejected
        cdef OrderRow order
        if record.type == RSX_TRIGGER_FIRED:
            fired = <const rsx_trigger_fired_t*>record
            order = self._change(fired.oid, fired.seq, fired.ts_ns, RSX_STATUS_PENDING)
            order.fired_px = fired.fired_px
            return 0
        if record.type == RSX_TRIGGER_CANCELLED:
            cancelled = <const rsx_trigger_cancelled_t*>record
            order = self._change(
                cancelled.oid, cancelled.seq, cancelled.ts_ns, RSX_STATUS_CANCELLED)
            return self._end(order, cancelled.reason)
        if record.type == RSX_TRIGGER_REJECTED:
            rejected = <const rsx_trigger_rejected_t*>record
            order = self._begin(rejected.oid, rejected.user_id, rejected.symbol_id, rejected.seq,
                                rejected.ts_ns)
            order.status = RSX_STATUS_REJECTED
            order.side, order.kind, order.tif = rejected.side, rejected.kind, rejected.tif
            order.flags, order.stp = rejected.flags, rejected.stp
            order.px, order.qty, order.trigger_px = rejected.px, rejected.qty, rejected.trigger_px
            order.cid = rejected.cid[:rejected.cid_len].decode("utf-8", "replace")
            return self._end(order, rejected.reason)
        placed = <const rsx_trigger_placed_t*>record
        order = self._begin(placed.oid, placed.user_id, placed.symbol_id, placed.seq, placed.ts_ns)
        order.status = RSX_STATUS_WAITING
        order.side, order.kind, order.tif = placed.side, placed.kind, placed.tif
        order.flags, order.stp, order.expire_s = placed.flags, placed.stp, placed.expire_s
        order.px, order.qty, order.trigger_px = placed.px, placed.qty, placed.trigger_px
        order.trail_px, order.trail_ppm = placed.trail_px, placed.trail_ppm
        order.cid = placed.cid[:placed.cid_len].decode("utf-8", "replace")
        return 0

    # --- fills --------------------------------------------------------------------------------

    cdef int _of_fill(self, uint64_t oid, const rsx_fill_t* fill, int64_t remaining, int64_t fee,
                      int64_t profit) except -1:
        """What one side's order has of a fill; of a taker that has not ended, still in hand."""
        cdef bint is_taker = oid == fill.taker_oid
        cdef OrderRow order = self._change(
            oid, fill.seq, fill.ts_ns, RSX_STATUS_FILLED if remaining == 0 else
            RSX_STATUS_PENDING if is_taker else RSX_STATUS_RESTING)
        order.filled += fill.qty
        order.notional += fill.px * fill.qty
        order.fee += fee
        order.profit += profit
        return self._end(order, 0) if remaining == 0 else 0

    cdef int _fill(self, const rsx_fill_t* fill) except -1:
        cdef Books books = self.books
        cdef Market market = books.markets[fill.symbol_id]
        cdef uint8_t side = fill.taker_side
        cdef Account taker = books.account(fill.taker_user_id)
        cdef Account maker = books.account(fill.maker_user_id)
        cdef Account fund
        cdef Position position = books.open(
            fill.taker_user_id, fill.symbol_id, leg_of(side, fill.taker_flags))
        cdef int64_t taker_change, maker_change, taker_balance, taker_profit
        taker_change = books.trade(
            taker, position, side, fill.qty, fill.px, fill.taker_fee, False)
        taker_balance, taker_profit = taker.collateral, position.profit
        position = books.open(
            fill.maker_user_id, fill.symbol_id, leg_of(1 - side, fill.maker_flags))
        maker_change = books.trade(
            maker, position, 1 - side, fill.qty, fill.px, fill.maker_fee, False)
        self.fills.append((
            fill.seq, fill.ts_ns, fill.symbol_id, fill.px, fill.qty, side, fill.taker_user_id,
            fill.maker_user_id, fill.taker_oid, fill.maker_oid, fill.taker_fee, fill.maker_fee,
            taker_profit, position.profit, taker_change, maker_change, taker_balance,
            maker.collateral,
        ))
        self._of_fill(fill.taker_oid, fill, fill.taker_remaining, fill.taker_fee, taker_profit)
        self._of_fill(fill.maker_oid, fill, fill.maker_remaining, fill.maker_fee, position.profit)
        if market.hand_kind == RSX_LIQUIDATION or (
                market.hand_kind < 0 and fill.taker_oid >> MAKER_SHIFT & MAKER_RISK == MAKER_RISK):
            fund = books.account(<uint32_t>(FUND_BASE + fill.symbol_id))
            self._balance(fund, fill.seq, 2, fill.ts_ns, fill.symbol_id, LIQUIDATION_FEE,
                          fill.taker_fee)
        return self._candle(market, fill)

    cdef int _candle(self, Market market, const rsx_fill_t* fill) except -1:
        cdef int64_t second = <int64_t>(fill.ts_ns // NS)
        if second != market.second:
            if market.second >= 0:
                self.candles.append((market.symbol_id, market.take_candle()))
            market.second = second
            market.volume = market.trades = market.buy_volume = 0
            market.quote_high = market.quote_low = 0
            market.buy_quote_high = market.buy_quote_low = 0
        market.trade(fill.px, fill.qty, fill.px * fill.qty, fill.taker_side == RSX_BUY)
        return 0

    cdef int _mark(self, const rsx_mark_price_t* mark) except -1:
        cdef uint64_t minute = mark.ts_ns // (60 * NS) * 60
        cdef list row = self.marks.get((mark.symbol_id, minute))
        cdef int64_t px = mark.mark_px
        if row is None:
            self.marks[mark.symbol_id, minute] = [px, px, px, px, 1]
            return 0
        if px > row[1]:
            row[1] = px
        if px < row[2]:
            row[2] = px
        row[3] = px
        row[4] += 1
        return 0

    # --- money --------------------------------------------------------------------------------

    cdef int _balance(self, Account account, uint64_t seq, int part, uint64_t ts_ns,
                      uint32_t symbol_id, int kind, int64_t amount) except -1:
        """A change of collateral that is no fill's; nothing where nothing changes."""
        if amount == 0:
            return 0
        self.books.add(account, amount)
        self.balances.append((seq * 4 + part, ts_ns, account.user_id, symbol_id, kind, amount,
                              account.collateral))
        return 0

    cdef int _of_money(self, const rsx_record_t* record) except -1:
        cdef const rsx_deposit_t* deposit
        cdef const rsx_withdrawal_t* withdrawal
        cdef const rsx_margin_transferred_t* moved
        cdef Position position
        if record.type == RSX_DEPOSIT:
            deposit = <const rsx_deposit_t*>record
            return self._balance(self.books.account(deposit.user_id), deposit.seq, 0,
                                 deposit.ts_ns, 0, DEPOSIT, deposit.amount)
        if record.type == RSX_WITHDRAWAL:
            withdrawal = <const rsx_withdrawal_t*>record
            return self._balance(self.books.account(withdrawal.user_id), withdrawal.seq, 0,
                                 withdrawal.ts_ns, 0, WITHDRAWAL, -withdrawal.amount)
        if record.type == RSX_MARGIN_CONFIG:
            return self.books.configure(<const rsx_margin_config_t*>record)
        moved = <const rsx_margin_transferred_t*>record
        position = self.books.find(moved.user_id, moved.symbol_id, moved.leg)
        # P-3: where the position was closed meanwhile the money is, and stays, in the account.
        if position is None or position.margin_mode != RSX_MARGIN_ISOLATED or position.net == 0:
            return 0
        self.books.touch(position)
        position.wallet += moved.amount
        return self._balance(self.books.account(moved.user_id), moved.seq, 0, moved.ts_ns,
                             moved.symbol_id, MARGIN, -moved.amount)

    cdef int _of_funding(self, const rsx_record_t* record) except -1:
        cdef const rsx_funding_settled_t* settled
        cdef const rsx_funding_payment_t* paid
        cdef const rsx_funding_done_t* done
        cdef Position position
        if record.type == RSX_FUNDING_SETTLED:
            settled = <const rsx_funding_settled_t*>record
            self.rates.append((
                settled.seq, settled.ts_ns, settled.symbol_id, settled.interval_id,
                settled.rate_ppb, settled.mark_px, settled.index_px, settled.premium_ppb,
                settled.samples, settled.skipped, 0, 0, 0, 0))
            return 0
        if record.type == RSX_FUNDING_DONE:
            done = <const rsx_funding_done_t*>record
            self.rates_done.append((done.payments, done.paid, done.received, done.residue,
                                    done.symbol_id, done.interval_id))
            return 0
        paid = <const rsx_funding_payment_t*>record
        self.funding.append((
            paid.seq, paid.ts_ns, paid.user_id, paid.symbol_id, paid.leg, paid.interval_id,
            paid.amount, paid.net_qty, paid.mark_px, paid.rate_ppb))
        position = self.books.find(paid.user_id, paid.symbol_id, paid.leg)
        if (position is not None and position.margin_mode == RSX_MARGIN_ISOLATED
                and position.net != 0):
            self.books.touch(position)
            position.wallet -= paid.amount
            return 0
        return self._balance(self.books.account(paid.user_id), paid.seq, 0, paid.ts_ns,
                             paid.symbol_id, FUNDING, -paid.amount)

    # --- liquidation --------------------------------------------------------------------------

    cdef int _of_liquidation(self, const rsx_record_t* record) except -1:
        cdef const rsx_liquidation_settled_t* settled
        cdef Position position
        if record.type == RSX_LIQUIDATION_STEP:
            return self._step(<const rsx_liquidation_step_t*>record)
        if record.type == RSX_POSITION_TRANSFERRED:
            return self._transferred(<const rsx_position_transferred_t*>record)
        settled = <const rsx_liquidation_settled_t*>record
        self.liquidations.append((
            settled.seq * 2, settled.ts_ns, settled.user_id, settled.symbol_id, 2, settled.leg,
            settled.margin_mode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, settled.amount,
            settled.transfer_id))
        if settled.margin_mode == RSX_MARGIN_ISOLATED:
            position = self.books.open(settled.user_id, settled.symbol_id, settled.leg)
            position.wallet += settled.amount
        else:
            self._balance(self.books.account(settled.user_id), settled.seq, 0, settled.ts_ns,
                          settled.symbol_id, SETTLED, settled.amount)
        return self._balance(
            self.books.account(<uint32_t>(FUND_BASE + settled.symbol_id)), settled.seq, 1,
            settled.ts_ns, settled.symbol_id, SETTLED, -settled.amount)

    cdef int _step(self, const rsx_liquidation_step_t* step) except -1:
        cdef Position position
        self.liquidations.append((
            step.seq * 2, step.ts_ns, step.user_id, step.symbol_id, 0, step.leg, step.margin_mode,
            step.stage, step.round, step.side, step.oid, step.qty, step.px, step.mark_px,
            step.net_qty, step.equity, step.maintenance_margin, 0, 0, 0, 0, 0))
        if step.margin_mode == RSX_MARGIN_ISOLATED:
            position = self.books.open(step.user_id, step.symbol_id, step.leg)
            if step.stage == RSX_STAGE_STARTED:
                position.in_liquidation = 1
            elif step.stage == RSX_STAGE_RECOVERED or step.stage == RSX_STAGE_CLOSED:
                position.in_liquidation = 0
        return 0

    cdef int _transferred(self, const rsx_position_transferred_t* event) except -1:
        """Both sides move at the bankruptcy price, without a fee (AD-6)."""
        if event.qty == 0:
            return 0
        self._transfer_side(event, 0, event.user_id, event.counter_user_id, event.side,
                            event.user_flags)
        return self._transfer_side(event, 1, event.counter_user_id, event.user_id, 1 - event.side,
                                   event.counter_flags)

    cdef int _transfer_side(self, const rsx_position_transferred_t* event, int role,
                            uint32_t user_id, uint32_t other, uint8_t side,
                            uint8_t flags) except -1:
        cdef int leg = leg_of(side, flags)
        cdef Position position = self.books.open(user_id, event.symbol_id, leg)
        cdef Account account = self.books.account(user_id)
        cdef int64_t change = self.books.trade(
            account, position, side, event.qty, event.px, 0, True)
        if change:
            self.balances.append((event.seq * 4 + role, event.ts_ns, user_id, event.symbol_id,
                                  TRANSFER, change, account.collateral))
        self.liquidations.append((
            event.seq * 2 + role, event.ts_ns, user_id, event.symbol_id, 1, leg,
            position.margin_mode, 0, 0, side, 0, event.qty, event.px, event.mark_px,
            position.net, 0, 0, event.kind, other, position.profit, 0, event.transfer_id))
        return 0

    # --- rules --------------------------------------------------------------------------------

    cdef int _of_rules(self, const rsx_record_t* record) except -1:
        """SY-4: they hold when the set is whole; a start forgets one that was cut short."""
        cdef const rsx_symbol_config_t* config
        cdef Market market
        if record.type == RSX_LOG_STARTED:
            self.exchange_id = (<const rsx_log_started_t*>record).exchange_id
            self.money_decimals = (<const rsx_log_started_t*>record).money_decimals
            for market in self.books.markets.values():
                market.asked_ppm = -1
            return 0
        if record.type == RSX_SYMBOL_BRACKETS:
            market = self.books.markets[(<const rsx_symbol_brackets_t*>record).symbol_id]
            if market.asked_ppm >= 0:
                market.initial_ppm = <uint32_t>market.asked_ppm
                market.asked_ppm = -1
            return 0
        config = <const rsx_symbol_config_t*>record
        market = self.books.markets.get(config.symbol_id)
        if market is None:
            name = (<const char*>config.name)[:20].rstrip(b"\0").decode("ascii", "replace")
            market = self.books.markets[config.symbol_id] = Market(
                config.symbol_id, name, config.price_decimals, config.qty_decimals,
                config.initial_margin_ppm)
        market.asked_ppm = config.initial_margin_ppm
        return 0
