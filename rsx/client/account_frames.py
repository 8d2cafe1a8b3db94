"""Frames and REST bodies of accounts, margin, liquidation, marks and rules to models.

The counterpart of frames.py, with the same rule: nobody else knows the order of a frame's fields.
Source: specs/wire.md sections 2.2, 2.3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from rsx.client.decimals import from_units
from rsx.client.frames import Symbols
from rsx.client.models import (
    LEGS,
    MARGIN_MODES,
    MARK_STATES,
    MODES,
    POSITION_MODES,
    PPM_DECIMALS,
    SIDES,
    STAGES,
    Account,
    AccountUpdate,
    Event,
    Funding,
    FundingPayment,
    FundingRate,
    InsuranceFund,
    Liquidation,
    LiquidationEvent,
    LiquidationSettled,
    LiquidationStep,
    MarginCall,
    MarginMoved,
    MarginSettings,
    Mark,
    MarketMark,
    MoneyMoved,
    OpenInterest,
    Position,
    PositionTransferred,
    RulesChanged,
    Symbol,
)

PPB_DECIMALS = 9
LIQUIDATION_KINDS = ("order", "takeover", "adl")
# Rules of a row of M that are amounts of money.
MONEY_RULES = ("oi_low", "oi_high", "insurance_loss_max", "insurance_notional_max")
AMOUNTS = (
    "collateral", "equity", "unrealised", "initial_margin", "maintenance_margin", "frozen",
    "available", "realised", "fees", "withdrawable",
)  # fmt: skip


def rate(ppb: int) -> Decimal:
    return from_units(ppb, PPB_DECIMALS)


def _ppm(units: int) -> Decimal:
    return from_units(units, PPM_DECIMALS)


# --- accounts -------------------------------------------------------------------------------------


def account_of_frame(fields: list[Any], symbols: Symbols) -> Account:
    """`A`."""
    amounts = {
        name: from_units(units, symbols.money_decimals)
        for name, units in zip(AMOUNTS, fields, strict=False)
    }
    mode, stage = (*fields[len(AMOUNTS) :], 0, 0)[:2]
    return Account(
        **amounts, position_mode=POSITION_MODES[mode], liquidation=STAGES[stage] if stage else None
    )


def position_of_row(row: list[Any], symbols: Symbols) -> Position:
    """One row of `P`."""
    sym, net, entry_px, mark_px, unrealised, realised, initial, maintenance = row[:8]
    symbol = symbols.by_id[sym]
    more: dict[str, Any] = {}
    if len(row) > 8:
        leg, leverage, margin_mode, notional, wallet, liquidation, bankruptcy, frozen = row[8:16]
        open_buy, open_sell, owed, leverage_ppm, stage, number, lights = row[16:23]
        more = {
            "position_side": None if leg is None else LEGS[leg],
            "leverage": leverage,
            "margin_mode": MARGIN_MODES[margin_mode],
            "notional": symbol.money(notional),
            "wallet": symbol.money(wallet),
            "liquidation_price": symbol.price(liquidation) if liquidation else None,
            "bankruptcy_price": symbol.price(bankruptcy) if bankruptcy else None,
            "frozen": symbol.money(frozen),
            "open_buy_qty": symbol.qty(open_buy),
            "open_sell_qty": symbol.qty(open_sell),
            "funding_owed": symbol.money(owed),
            "leverage_fraction": _ppm(leverage_ppm),
            "liquidation": STAGES[stage] if stage else None,
            "round": number,
            "lights": lights,
        }
    return Position(
        symbol=symbol.name,
        net_qty=symbol.qty(net),
        entry_price=symbol.price(entry_px),
        mark_price=symbol.price(mark_px),
        unrealised=symbol.money(unrealised),
        realised=symbol.money(realised),
        initial_margin=symbol.money(initial),
        maintenance_margin=symbol.money(maintenance),
        **more,
    )


def _account_update(fields: list[Any], symbols: Symbols) -> AccountUpdate:
    account, positions, ts_ns = fields[:3]
    return AccountUpdate(
        account=account_of_frame(account, symbols),
        positions=[position_of_row(row, symbols) for row in positions],
        ts_ns=ts_ns,
    )


def _margin_settings(fields: list[Any], symbols: Symbols) -> MarginSettings:
    sym, leverage, margin_mode, position_mode, _, seq = fields[:6]
    return MarginSettings(
        symbol=symbols.by_id[sym].name if sym else None,
        leverage=leverage,
        margin_mode=MARGIN_MODES[margin_mode],
        position_mode=POSITION_MODES[position_mode],
        seq=seq,
    )


def _margin_moved(fields: list[Any], symbols: Symbols) -> MarginMoved:
    sym, leg, amount, _, seq = fields[:5]
    symbol = symbols.by_id[sym]
    return MarginMoved(symbol=symbol.name, leg=LEGS[leg], amount=symbol.money(amount), seq=seq)


def _deposit(fields: list[Any], symbols: Symbols) -> MoneyMoved:
    return MoneyMoved(amount=from_units(fields[0], symbols.money_decimals), seq=fields[2])


def _withdrawal(fields: list[Any], symbols: Symbols) -> MoneyMoved:
    return MoneyMoved(amount=from_units(-fields[0], symbols.money_decimals), seq=fields[2])


def _margin_call(fields: list[Any], symbols: Symbols) -> MarginCall:
    sym, leg, equity, maintenance, ts_ns = fields[:5]
    return MarginCall(
        symbol=symbols.by_id[sym].name if sym else None,
        leg=LEGS[leg],
        equity=from_units(equity, symbols.money_decimals),
        maintenance_margin=from_units(maintenance, symbols.money_decimals),
        ts_ns=ts_ns,
    )


def _step(fields: list[Any], symbols: Symbols) -> LiquidationStep:
    """The private `LQ`. A step of the whole account has no price and no quantity."""
    (
        sym, leg, stage, number, side, qty, px, mark_px, net, equity, maintenance, mode, oid,
        ts_ns, seq,
    ) = fields[:15]  # fmt: skip
    symbol = symbols.by_id[sym] if sym else None
    zero = Decimal(0)
    return LiquidationStep(
        symbol=symbol.name if symbol else None,
        leg=LEGS[leg],
        stage=STAGES[stage],
        round=number,
        side=SIDES[side],
        qty=symbol.qty(qty) if symbol else zero,
        price=symbol.price(px) if symbol else zero,
        mark_price=symbol.price(mark_px) if symbol else zero,
        net_qty=symbol.qty(net) if symbol else zero,
        equity=from_units(equity, symbols.money_decimals),
        maintenance_margin=from_units(maintenance, symbols.money_decimals),
        margin_mode=MARGIN_MODES[mode],
        oid=oid,
        ts_ns=ts_ns,
        seq=seq,
    )


def _transferred(fields: list[Any], symbols: Symbols) -> PositionTransferred:
    sym, leg, role, kind, side, qty, px, mark_px, ts_ns, seq = fields[:10]
    symbol = symbols.by_id[sym]
    return PositionTransferred(
        symbol=symbol.name,
        leg=LEGS[leg],
        role="counterparty" if role else "ended",
        kind="adl" if kind else "takeover",
        side=SIDES[side],
        qty=symbol.qty(qty),
        price=symbol.price(px),
        mark_price=symbol.price(mark_px),
        ts_ns=ts_ns,
        seq=seq,
    )


def _settled(fields: list[Any], symbols: Symbols) -> LiquidationSettled:
    sym, leg, amount, ts_ns, seq = fields[:5]
    symbol = symbols.by_id[sym]
    return LiquidationSettled(
        symbol=symbol.name, leg=LEGS[leg], amount=symbol.money(amount), ts_ns=ts_ns, seq=seq
    )


def payment_of_row(fields: list[Any], symbols: Symbols) -> FundingPayment:
    """`FP`, and one row of `FH`."""
    sym, leg, amount, net, mark_px, rate_ppb, interval, ts_ns, seq = fields[:9]
    symbol = symbols.by_id[sym]
    return FundingPayment(
        symbol=symbol.name,
        leg=LEGS[leg],
        amount=symbol.money(amount),
        net_qty=symbol.qty(net),
        mark_price=symbol.price(mark_px),
        rate=rate(rate_ppb),
        interval=interval,
        ts_ns=ts_ns,
        seq=seq,
    )


def _rules(fields: list[Any], symbols: Symbols) -> RulesChanged:
    """`SC`, of either socket."""
    row, ts_ns, seq = fields[:3]
    symbol = symbol_of_row(row, symbols.money_decimals)
    return RulesChanged(symbol=symbol, ts_ns=ts_ns, seq=seq)


LIQUIDATIONS: dict[str, Callable[[list[Any], Symbols], LiquidationEvent]] = {
    "LQ": _step, "PT": _transferred, "LF": _settled,
}  # fmt: skip
# Private frames that are events, by key.
EVENTS: dict[str, Callable[[list[Any], Symbols], Event]] = {
    "AC": _account_update, "MC": _margin_settings, "MT": _margin_moved, "DP": _deposit,
    "WD": _withdrawal, "CALL": _margin_call, "FP": payment_of_row, "SC": _rules, **LIQUIDATIONS,
}  # fmt: skip


def liquidation_of_row(row: list[Any], symbols: Symbols) -> LiquidationEvent:
    """One row of `LH`."""
    return LIQUIDATIONS[row[0]](row[1], symbols)


# --- markets --------------------------------------------------------------------------------------


def symbol_of_row(row: list[Any], money_decimals: int) -> Symbol:
    """One row of `M`, or of `SC`: amounts from units to decimals."""
    (
        number, name, tick, lot, price_decimals, qty_decimals, px_max, qty_max, notional_max,
        notional_min, mode, tick_table, price_band, market_band, version, maker_fee, taker_fee,
        initial, maintenance, brackets, further,
    ) = row[:21]  # fmt: skip

    def money(units: int) -> Decimal:
        return from_units(units, money_decimals)

    return Symbol(
        id=number,
        name=name,
        tick=from_units(tick, price_decimals),
        lot=from_units(lot, qty_decimals),
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        money_decimals=money_decimals,
        max_price=from_units(px_max, price_decimals),
        max_qty=from_units(qty_max, qty_decimals),
        max_notional=money(notional_max),
        min_notional=money(notional_min),
        mode=MODES[mode],
        tick_table=tuple(
            (from_units(first, price_decimals), from_units(step, price_decimals))
            for first, step in tick_table
        ),
        price_band=_ppm(price_band),
        market_band=_ppm(market_band),
        version=version,
        maker_fee=_ppm(maker_fee),
        taker_fee=_ppm(taker_fee),
        initial_margin=_ppm(initial),
        maintenance_margin=_ppm(maintenance),
        brackets=tuple((money(a), _ppm(b), _ppm(c)) for a, b, c in brackets),
        rules=further | {key: money(further[key]) for key in MONEY_RULES},
    )


def _mark(fields: list[Any], symbol: Symbol) -> Mark:
    _, mark_px, index_px, state, sources, source_ns, ts_ns, seq = fields[:8]
    return Mark(
        symbol=symbol.name,
        mark_price=symbol.price(mark_px),
        index_price=symbol.price(index_px) if index_px else None,
        state=MARK_STATES[state],
        sources=sources,
        source_ns=source_ns,
        ts_ns=ts_ns,
        seq=seq,
    )


def _funding(fields: list[Any], symbol: Symbol) -> Funding:
    _, rate_ppb, next_s, settled, interval, settled_ns, ts_ns, seq = fields[:8]
    return Funding(
        symbol=symbol.name,
        rate=rate(rate_ppb),
        next_s=next_s or None,
        settled_rate=rate(settled) if settled_ns else None,
        settled_interval=interval if settled_ns else None,
        settled_ns=settled_ns or None,
        ts_ns=ts_ns,
        seq=seq,
    )


def _interest(fields: list[Any], symbol: Symbol) -> OpenInterest:
    _, qty, ts_ns, seq = fields[:4]
    return OpenInterest(symbol=symbol.name, qty=symbol.qty(qty), ts_ns=ts_ns, seq=seq)


def public_liquidation(fields: list[Any], symbol: Symbol) -> Liquidation:
    """The public `LQ`."""
    _, kind, side, qty, px, mark_px, ts_ns, seq = fields[:8]
    return Liquidation(
        symbol=symbol.name,
        kind=LIQUIDATION_KINDS[kind],  # type: ignore[arg-type]
        side=SIDES[side],
        qty=symbol.qty(qty),
        price=symbol.price(px),
        mark_price=symbol.price(mark_px),
        ts_ns=ts_ns,
        seq=seq,
    )


# Public frames that tell the newest of something, by key.
STATES: dict[str, Callable[[list[Any], Symbol], Mark | Funding | OpenInterest]] = {
    "MP": _mark, "FR": _funding, "OI": _interest,
}  # fmt: skip


# --- REST -----------------------------------------------------------------------------------------


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _decimals(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A body with these of its values as decimals."""
    return {**row, **{name: decimal(row[name]) for name in names}}


def mark_of_rest(body: Mapping[str, Any]) -> MarketMark:
    """`GET /v1/mark`."""
    known = _decimals(body, "mark_price", "index_price", "open_interest", "funding_rate")
    return MarketMark(**{name: known[name] for name in MarketMark.__struct_fields__})


def rate_of_rest(row: Mapping[str, Any]) -> FundingRate:
    """A rate of `GET /v1/funding`."""
    return FundingRate(**_decimals(row, "rate", "premium", "mark_price", "index_price"))


def liquidation_of_rest(row: Mapping[str, Any]) -> Liquidation:
    """One of `GET /v1/liquidations`."""
    return Liquidation(**_decimals(row, "qty", "price", "mark_price"))


def fund_of_rest(row: Mapping[str, Any]) -> InsuranceFund:
    """One of `GET /v1/insurance`."""
    names = InsuranceFund.__struct_fields__
    return InsuranceFund(**_decimals(row, *(name for name in names if name != "symbol")))


def settings_of_rest(body: Mapping[str, Any]) -> MarginSettings:
    """Margin settings as the routes that set them answer."""
    return MarginSettings(**body)
