"""Requests about margin and money: settings, transfers, withdrawals, rules of a market.

A part of the inner interface (entry.py): what can never be right is refused here, the rest is
risk's to judge. Thread: the gateway's loop. Source: specs/wire.md W-54, W-81; specs/risk.md
section 7; specs/symbols.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rsx.config import change_rules
from rsx.edge.orders import Account
from rsx.edge.picks import packer
from rsx.edge.requests import AMOUNT_MAX, RequestEntry
from rsx.errors import Reason, RequestError
from rsx.records import (
    ACCOUNT_QUERY,
    MARGIN_CONFIG_REQUEST,
    MARGIN_TRANSFER_REQUEST,
    WITHDRAW_REQUEST,
)
from rsx.rules import RULE_RECORDS, RuleError, SymbolConfig, to_records

LEVERAGE_MAX = 1000
LEVERAGE, MARGIN_MODE, POSITION_MODE = 1, 2, 4

# Fields in the order of the records, seq first.
_pack_withdraw = packer(WITHDRAW_REQUEST)
_pack_margin = packer(MARGIN_CONFIG_REQUEST)
_pack_transfer = packer(MARGIN_TRANSFER_REQUEST)
_pack_query = packer(ACCOUNT_QUERY)


class AccountEntry(RequestEntry):
    """See the module."""

    def withdraw(
        self, account: Account, amount: int, answered: Callable[[Any], None],
        forced: bool = False,
    ) -> None:  # fmt: skip
        """Hand a withdrawal to risk; answered gets (seq, amount) once it is durable.

        Args  forced: without the user's limits
        """
        if not 0 < amount <= AMOUNT_MAX:
            raise RequestError(Reason.AMOUNT_INVALID, "amount", amount)
        now_ns = self.clock.now_ns()
        if not forced:
            self.admit(account, now_ns)
        request = self._request(account, answered, now_ns)
        request.field, request.value = "amount", amount
        self._hand(request, _pack_withdraw(0, now_ns, request.id, amount, account.user_id))
        self.withdrawals_total += 1
        self.handed += 1

    def set_margin(
        self, account: Account, symbol_id: int, leverage: int | None, margin_mode: int | None,
        position_mode: int | None, answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Change margin settings, None = as it is; answered gets MarginSettings.

        Args    symbol_id: a market, for leverage and margin mode; 0 for the position mode
        Raises  RequestError; then nothing was done
        """
        given = (("leverage", leverage, LEVERAGE_MAX), ("margin_mode", margin_mode, 1),
                 ("position_mode", position_mode, 1))  # fmt: skip
        fields = 0
        named = ""
        for bit, (name, value, most) in enumerate(given):
            if value is None:
                continue
            if not 0 <= value <= most:
                raise RequestError(Reason.INVALID_VALUE, name, value, detail=f"0 to {most}")
            if (name == "position_mode") != (symbol_id == 0):
                detail = "the position mode is the account's, with symbol 0; the rest a market's"
                raise RequestError(Reason.INVALID_VALUE, name, value, detail=detail)
            fields |= 1 << bit
            named = named or name
        if not fields:
            detail = "a leverage, a margin mode or a position mode is due"
            raise RequestError(Reason.INVALID_VALUE, "leverage", None, detail=detail)
        if symbol_id and symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        now_ns = self.clock.now_ns()
        self.admit(account, now_ns)
        request = self._request(account, answered, now_ns)
        request.field = named
        request.value = next(value for name, value, _ in given if name == named)
        self._hand(request, _pack_margin(
            0, now_ns, request.id, account.user_id, symbol_id, leverage or 0, margin_mode or 0,
            position_mode or 0, fields,
        ))  # fmt: skip
        self.settings_total += 1
        self.handed += 1

    def move_margin(
        self, account: Account, symbol_id: int, leg: int, amount: int,
        answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Move margin to an isolated position, or from it; answered gets MarginMoved.

        Args  leg: 0 long or the only one, 1 short; amount: signed, not 0
        """
        if symbol_id not in self.symbols:
            raise RequestError(Reason.UNKNOWN_SYMBOL, "sym", symbol_id)
        if leg not in (0, 1):
            raise RequestError(Reason.INVALID_VALUE, "leg", leg, detail="0 long, 1 short")
        if not amount or abs(amount) > AMOUNT_MAX:
            raise RequestError(Reason.AMOUNT_INVALID, "amount", amount, detail="not 0")
        now_ns = self.clock.now_ns()
        self.admit(account, now_ns)
        request = self._request(account, answered, now_ns)
        request.field, request.value = "amount", amount
        self._hand(request, _pack_transfer(
            0, now_ns, request.id, amount, account.user_id, symbol_id, leg
        ))  # fmt: skip
        self.transfers_total += 1
        self.handed += 1

    def change_rules(
        self, admin: int, symbol_id: int, changes: dict[str, Any], answered: Callable[[Any], None]
    ) -> None:
        """Change the rules of a market; answered gets RulesSet when they hold (SY-3).

        Args    changes: keys and values as in config.toml
        Raises  RequestError CONFIG_INVALID, CONFIG_PENDING, ...; then nothing was done
        """
        present: SymbolConfig = self.symbols[symbol_id]
        if symbol_id in self.changing:
            detail = f"version {self.changing[symbol_id][0]} of {present.name}"
            raise RequestError(Reason.CONFIG_PENDING, detail=detail)
        if not changes:
            raise RequestError(Reason.CONFIG_INVALID, detail="no rule is named")
        try:
            rules = change_rules(present, changes)
        except RuleError as error:
            raise RequestError(
                Reason.CONFIG_INVALID, error.key, error.value, detail=error.why
            ) from None
        now_ns = self.clock.now_ns()
        request = self._request(self.tracker.account(admin), answered, now_ns)
        if not self._push_rules(b"".join(to_records(rules, now_ns))):
            self.overloads_total += 1
            raise RequestError(Reason.OVERLOADED)
        self.requests[request.id] = request
        request.account.pending += 1
        self.changing[symbol_id] = (rules.version, request.id)
        self.settings_total += 1
        self.handed += 1

    def _push_rules(self, group: bytes) -> bool:
        """The four records to shard 0, all or none."""
        ring = self.gateway_risk
        if ring.free < len(RULE_RECORDS):
            return False
        step = len(group) // len(RULE_RECORDS)
        for at in range(0, len(group), step):
            ring.push(group[at : at + step])
        return True

    def look_at(self, account: Account, answered: Callable[[Any], None]) -> None:
        """An account query that no client's limits count: a push, or an insurance fund's.

        Raises  RequestError; then nothing was done
        """
        now_ns = self.clock.now_ns()
        request = self._request(account, answered, now_ns)
        self._hand(request, _pack_query(0, now_ns, request.id, account.user_id))
        self.pushes_total += 1
