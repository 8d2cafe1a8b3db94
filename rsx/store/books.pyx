"""What every account has and holds, as far as the log was read: for running balances and profits.

An implementation of its own beside rsx/risk, which tests hold against it; of positions it knows
only what moves collateral. Source: specs/archive.md AR-24; specs/risk.md A-3, A-4, IM-1 to IM-4.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from rsx.core.check cimport fail
from rsx.records_c cimport RSX_BUY, RSX_MARGIN_ISOLATED, RSX_SELL, rsx_margin_config_t
from rsx.units cimport RSX_PPM, rsx_add, rsx_ceil_div, rsx_multiply, rsx_requirement, rsx_share

cdef int64_t QUOTE_BASE = 10 ** 12    # quote volumes outgrow 64 bits


cdef class Account:
    """One user's collateral, money units."""

    def __init__(self, user_id, collateral=0):
        self.user_id = user_id
        self.collateral = collateral


cdef class Position:
    """One leg of a user in a market; cost >= 0, net signed."""

    def __init__(self, user_id, symbol_id, leg, net=0, cost=0, wallet=0, margin_mode=0,
                 leverage_ppm=0, in_liquidation=0):
        self.user_id = user_id
        self.symbol_id = symbol_id
        self.leg = leg
        self.net = net
        self.cost = cost
        self.wallet = wallet
        self.margin_mode = margin_mode
        self.leverage_ppm = leverage_ppm
        self.in_liquidation = in_liquidation

    def row(self):
        return (self.user_id, self.symbol_id, self.leg, self.net, self.cost, self.wallet,
                self.margin_mode, self.leverage_ppm, self.in_liquidation)


cdef class Market:
    """Rules that move money, the order in hand, and the candle of a second that grows."""

    def __init__(self, symbol_id, name, price_decimals, qty_decimals, initial_ppm, asked_ppm=-1,
                 hand_kind=0):
        self.symbol_id = symbol_id
        self.name = name
        self.price_decimals = price_decimals
        self.qty_decimals = qty_decimals
        self.initial_ppm = initial_ppm
        self.asked_ppm = asked_ppm
        self.hand_kind = hand_kind
        self.second = -1

    def row(self):
        return (self.symbol_id, self.name, self.price_decimals, self.qty_decimals,
                self.initial_ppm, self.asked_ppm, self.hand_kind)

    def take_candle(self):
        """The candle that was growing, as a row of `candles` behind the interval; then none."""
        row = (self.second, self.open, self.high, self.low, self.close, self.volume,
               self.quote_high, self.quote_low, self.trades, self.buy_volume,
               self.buy_quote_high, self.buy_quote_low)
        self.second = -1
        return row

    cdef void trade(self, int64_t px, int64_t qty, int64_t value, bint is_buy):
        """Put a trade into the candle; second and, when it is new, zeros are the caller's."""
        if self.trades == 0:
            self.open = self.high = self.low = px
        self.high = max(self.high, px)
        self.low = min(self.low, px)
        self.close = px
        self.trades += 1
        self.volume += qty
        self.quote_low += value % QUOTE_BASE
        self.quote_high += value // QUOTE_BASE + self.quote_low // QUOTE_BASE
        self.quote_low %= QUOTE_BASE
        if is_buy:
            self.buy_volume += qty
            self.buy_quote_low += value % QUOTE_BASE
            self.buy_quote_high += value // QUOTE_BASE + self.buy_quote_low // QUOTE_BASE
            self.buy_quote_low %= QUOTE_BASE


cdef class Books:
    """All accounts, positions and markets. Raises InvariantError where the log contradicts."""

    def __init__(self):
        self.accounts = {}
        self.positions = {}
        self.markets = {}
        self.changed_accounts = []
        self.changed_positions = []

    def load(self, accounts, positions, markets):
        """Take rows of the three tables, columns in their order there."""
        for row in accounts:
            self.accounts[row[0]] = Account(*row)
        for row in positions:
            self.positions[row[0] << 17 | row[1] << 1 | row[2]] = Position(*row)
        for row in markets:
            self.markets[row[0]] = Market(*row)

    def take_changes(self):
        """(rows of accounts, rows of positions, rows of markets) since the last call."""
        cdef Account account
        cdef Position position
        accounts, positions = [], []
        for account in self.changed_accounts:
            account.is_changed = False
            accounts.append((account.user_id, account.collateral))
        for position in self.changed_positions:
            position.is_changed = False
            positions.append(position.row())
        self.changed_accounts.clear()
        self.changed_positions.clear()
        return accounts, positions, [market.row() for market in self.markets.values()]

    cdef Account account(self, uint32_t user_id):
        """The account, made when it is new; it counts as changed."""
        cdef Account account = self.accounts.get(user_id)
        if account is None:
            account = self.accounts[user_id] = Account(user_id)
        if not account.is_changed:
            account.is_changed = True
            self.changed_accounts.append(account)
        return account

    cdef Position find(self, uint32_t user_id, uint32_t symbol_id, int leg):
        return self.positions.get(<int64_t>user_id << 17 | <int64_t>symbol_id << 1 | leg)

    cdef Position open(self, uint32_t user_id, uint32_t symbol_id, int leg):
        """The position, made when it is new with the other leg's settings (IM-1)."""
        cdef Position position = self.find(user_id, symbol_id, leg)
        cdef Position other
        if position is None:
            position = Position(user_id, symbol_id, leg)
            other = self.find(user_id, symbol_id, 1 - leg)
            if other is not None:
                position.margin_mode = other.margin_mode
                position.leverage_ppm = other.leverage_ppm
            self.positions[<int64_t>user_id << 17 | <int64_t>symbol_id << 1 | leg] = position
        self.touch(position)
        return position

    cdef int touch(self, Position position) except -1:
        if not position.is_changed:
            position.is_changed = True
            self.changed_positions.append(position)
        return 0

    cdef int64_t add(self, Account account, int64_t amount) except? -1:
        """Change the collateral; returns it."""
        if rsx_add(account.collateral, amount, &account.collateral):
            fail(1203, account.user_id, amount)
        return account.collateral

    cdef int64_t _wallet(self, Position position, int64_t size, int64_t closed, int64_t opened,
                         int64_t gain, bint is_transfer) except? -1:
        """IM-2, IM-3: what comes from the wallet to collateral, negative: goes there."""
        cdef Market market = self.markets[position.symbol_id]
        cdef int64_t back = 0, taken
        position.wallet += gain
        if closed and closed == size:
            if position.wallet > 0 or not (is_transfer and position.in_liquidation):
                back = position.wallet
        elif closed and position.wallet > 0 and not position.in_liquidation:
            back = rsx_share(position.wallet, closed, size)
        taken = rsx_requirement(opened, max(market.initial_ppm, position.leverage_ppm))
        position.wallet += taken - back
        return back - taken

    cdef int64_t trade(self, Account account, Position position, uint8_t side, int64_t qty,
                       int64_t px, int64_t fee, bint is_transfer) except? -1:
        """A-3, A-4: one side of a trade; returns the change of collateral, profit is noted."""
        cdef int64_t net = position.net, size = -net if net < 0 else net
        cdef bint is_against = net < 0 if side == RSX_BUY else net > 0
        cdef int64_t closing = min(qty, size) if is_against else 0
        cdef int64_t closed_cost = 0, profit = 0, value = 0, change
        if closing:
            closed_cost = rsx_share(position.cost, closing, size)
            if rsx_multiply(px, closing, &value):
                fail(1202, px, closing)
            profit = value - closed_cost if side == RSX_SELL else closed_cost - value
            position.cost -= closed_cost
            value = 0
        if qty > closing:
            if rsx_multiply(px, qty - closing, &value):
                fail(1202, px, qty)
            position.cost += value
        position.net += qty if side == RSX_BUY else -qty
        position.profit = profit
        if position.margin_mode == RSX_MARGIN_ISOLATED:
            change = self._wallet(position, size, closing, value, profit - fee, is_transfer)
        else:
            change = profit - fee
        self.add(account, change)
        return change

    cdef int configure(self, const rsx_margin_config_t* event) except -1:
        """IM-1, P-4: leverage and margin mode of a market."""
        cdef Position position
        cdef int leg
        if event.symbol_id == 0:
            return 0
        if self.find(event.user_id, event.symbol_id, 1) is None:
            self.open(event.user_id, event.symbol_id, 0)
        for leg in range(2):
            position = self.find(event.user_id, event.symbol_id, leg)
            if position is None:
                continue
            self.touch(position)
            position.leverage_ppm = 0
            if event.leverage:
                position.leverage_ppm = <uint32_t>rsx_ceil_div(RSX_PPM, event.leverage)
            position.margin_mode = event.margin_mode
        return 0
