"""`watch`: one market's book and trades in the terminal.

Three ways to show the same stream: a picture that is redrawn at most ten times a second, a line
per trade and per change of the best prices, or JSON lines. The picture is drawn from the local
book, never from single messages, so a busy feed costs nothing here.
Source: specs/demo.md DM-22 .. DM-24.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live
from rich.text import Text

from rsx.client.client import Client
from rsx.client.decimals import minus
from rsx.client.market import MarketStream
from rsx.client.models import (
    Bbo,
    Gap,
    MarketEvent,
    ModeChanged,
    OrdersUpdate,
    Symbol,
    Trade,
    plain,
)

FRAME_S = 0.1
DEPTH = 50
TRADES_SHOWN = 100
BAR_WIDTH = 8
LADDER_WIDTH = 52
TAPE_WIDTH = 44
EIGHTHS = " ▏▎▍▌▋▊▉█"
DASH = "—"
BUY, SELL, DIM = "green", "red", "bright_black"


@dataclass
class Picture:
    """What is known of the market, and how it looks."""

    symbol: Symbol
    stream: MarketStream
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_SHOWN))
    ts_ns: int = 0
    updates: int = 0
    note: str = ""

    def take(self, event: MarketEvent) -> None:
        """Keep what an update says."""
        self.updates += 1
        if isinstance(event, Trade):
            self.trades.appendleft(event)
        elif isinstance(event, Gap):
            lost = "" if event.complete else ", some trades are missing"
            self.note = f"{event.channel}: {event.reason}, caught up{lost}"
        if not isinstance(event, Gap | OrdersUpdate):
            self.ts_ns = max(self.ts_ns, event.ts_ns)

    def price(self, value: Decimal) -> str:
        """A price with the decimals that the tick needs."""
        return f"{value:.{_decimals(self.symbol.tick)}f}"

    def qty(self, value: Decimal) -> str:
        """A quantity with the decimals that the lot needs."""
        return f"{value:.{_decimals(self.symbol.lot)}f}"

    def render(self, width: int, height: int) -> Text:
        """The whole screen, `height` lines of at most `width` columns."""
        text = Text(no_wrap=True, overflow="crop", end="")
        self._header(text)
        rows = max(1, (height - 7) // 2)
        tape = self._tape(rows * 2 + 1)
        wide = width >= LADDER_WIDTH + TAPE_WIDTH
        for line in self._ladder(rows):
            text.append_text(line)
            if wide:
                text.pad_right(max(0, LADDER_WIDTH - line.cell_len))
                text.append_text(next(tape))
            text.append("\n")
        text.append("\n")
        text.append("q quit", style="bold")
        text.append(f"   {self.note}" if self.note else "", style=DIM)
        return text

    def _header(self, text: Text) -> None:
        book, last = self.stream.book(self.symbol.name), next(iter(self.trades), None)
        rows = book.rows(0)[:1] + book.rows(1)[:1]
        spread = DASH
        if book.mid:
            gap = minus(self.symbol.price(rows[1][0]), self.symbol.price(rows[0][0]))
            spread = f"{self.price(gap)} ({gap / book.mid * 10_000:.2f} bp)"
        text.append(f" {self.symbol.name}", style="bold magenta")
        mode = self.stream.mode(self.symbol.name)
        if mode != "open":
            text.append(f"  {mode.replace('_', '-').upper()}", style="bold yellow")
        text.append("   last ")
        if last is None:
            text.append(DASH)
        else:
            text.append(f"{self.price(last.price)} {_arrow(last)}", style=_colour(last))
        text.append(f"   mid {book.mid:f}" if book.mid else f"   mid {DASH}")
        text.append(f"   spread {spread}\n ")
        down = self.stream.down
        if down is not None:
            reason, since = down
            text.append(
                f"NO CONNECTION for {time.monotonic() - since:.0f} s, trying again: {reason}",
                style="bold yellow",
            )
        elif not self.ts_ns:
            text.append("waiting for the first update", style="yellow")
        else:
            text.append(f"{_clock(self.ts_ns)}   log number {book.seq}", style=DIM)
        text.append("\n\n")

    def _ladder(self, rows: int) -> Iterator[Text]:
        book = self.stream.book(self.symbol.name)
        bids, asks = book.rows(0)[:rows], book.rows(1)[:rows]
        most = max((qty for _, qty, _ in bids + asks), default=1)
        dim = self.stream.down is not None
        yield Text(f" {'':4}{'orders':>7}{'quantity':>13}{'price':>13}", style=DIM)
        for number in range(rows, 0, -1):
            yield self._level("ask", asks, number - 1, most, DIM if dim else SELL)
        yield Text(f" {'':4}" + "─" * 43, style=DIM)
        for number in range(rows):
            yield self._level("bid", bids, number, most, DIM if dim else BUY)

    def _level(
        self, name: str, levels: list[tuple[int, int, int]], number: int, most: int, style: str
    ) -> Text:
        if number >= len(levels):
            return Text(f" {name if not number else '':4}{'':>7}{'':>13}{DASH:>13}", style=DIM)
        px, qty, count = levels[number]
        text = Text(f" {name if not number else '':4}{count:>7}", style=DIM)
        text.append(f"{self.qty(self.symbol.qty(qty)):>13}")
        text.append(f"{self.price(self.symbol.price(px)):>13}", style=style)
        text.append(f"  {_bar(qty, most, BAR_WIDTH)}", style=style)
        return text

    def _tape(self, rows: int) -> Iterator[Text]:
        yield Text(f"{'time':<13}{'taker':<7}{'price':>11}{'quantity':>12}", style=DIM)
        for trade in list(self.trades)[:rows]:
            text = Text(f"{_clock(trade.ts_ns):<13}", style=DIM)
            text.append(f"{_arrow(trade)} {trade.taker_side:<5}", style=_colour(trade))
            text.append(f"{self.price(trade.price):>11}", style=_colour(trade))
            text.append(f"{self.qty(trade.qty):>12}", style="")
            yield text
        while True:
            yield Text("")


def _decimals(step: Decimal) -> int:
    """Decimals that multiples of a step need; nothing is cut off by showing no more."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _bar(qty: int, most: int, width: int) -> str:
    """A bar of at most `width` cells, in eighths of a cell; never empty for what exists."""
    eighths = max(1, qty * width * 8 // max(most, 1))
    full, rest = divmod(eighths, 8)
    return "█" * full + (EIGHTHS[rest] if rest else "")


def _arrow(trade: Trade) -> str:
    return "▲" if trade.taker_side == "buy" else "▼"


def _colour(trade: Trade) -> str:
    return BUY if trade.taker_side == "buy" else SELL


def _clock(ts_ns: int) -> str:
    seconds, rest = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds):%H:%M:%S}.{rest // 1_000_000:03d}"


def line(event: MarketEvent) -> str | None:
    """An event as one line of text; None for those that lines don't show."""
    if isinstance(event, Trade):
        return (
            f"{_clock(event.ts_ns)} {event.symbol} trade {event.taker_side:<4} "
            f"{event.qty:f} @ {event.price:f}"
        )
    if isinstance(event, Bbo):
        bid = f"{event.bid.qty:f} @ {event.bid.price:f}" if event.bid else DASH
        ask = f"{event.ask.qty:f} @ {event.ask.price:f}" if event.ask else DASH
        return f"{_clock(event.ts_ns)} {event.symbol} bid {bid}  ask {ask}"
    if isinstance(event, ModeChanged):
        when = _clock(event.ts_ns) if event.ts_ns else "--"
        return f"{when} {event.symbol} mode {event.mode.replace('_', '-')}"
    if isinstance(event, Gap):
        lost = "" if event.complete else "; some trades are missing"
        return f"-- {event.symbol} {event.channel}: {event.reason}{lost}"
    return None


@contextlib.contextmanager
def _keys(loop: asyncio.AbstractEventLoop, on_key: Callable[[str], None]) -> Iterator[None]:
    """Single keys from the terminal while inside; the terminal is as before afterwards."""
    try:
        import termios
        import tty

        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
    except (ImportError, OSError, ValueError):
        yield  # no terminal to read from
        return
    try:
        tty.setcbreak(fd)
        loop.add_reader(fd, lambda: on_key(sys.stdin.read(1)))
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def watch(
    url: str, symbol: str | None = None, as_json: bool = False, console: Console | None = None
) -> None:
    """Show a market until the user leaves.

    Args    symbol: a market's name; None = the first
    Raises  NotConnected if nobody answers at the start; RequestRefused for an unknown symbol
    """
    console = console or Console()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
    async with Client(url) as client:
        market = await _market(client, symbol)
        live = console.is_terminal and not as_json
        show = _picture(client, market, console, stop) if live else _lines(client, market, as_json)
        work = asyncio.ensure_future(show)
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            work.cancel()
            await asyncio.wait([work])
        if not work.cancelled() and (error := work.exception()):
            raise error


async def _market(client: Client, name: str | None) -> Symbol:
    by_name = {symbol.name: symbol for symbol in await client.symbols()}
    if name is None:
        return next(iter(by_name.values()))
    # Refuses an unknown name, with the names that are known.
    client.market(name, "bbo")
    return by_name[name]


async def _lines(client: Client, market: Symbol, as_json: bool) -> None:
    channels = ("trades", "bbo", "book") if as_json else ("trades", "bbo")

    def show(event: MarketEvent) -> None:
        text = orjson.dumps(plain(event)).decode() if as_json else line(event)
        if text is not None:
            print(text, flush=True)

    if market.mode != "open":
        show(ModeChanged(symbol=market.name, mode=market.mode, ts_ns=0, seq=0))
    async for event in client.market(market.name, *channels):
        show(event)


async def _picture(client: Client, market: Symbol, console: Console, stop: asyncio.Event) -> None:
    stream = client.market(market.name, "trades", "book", depth=DEPTH)
    picture = Picture(market, stream)
    picture.trades.extend(await client.trades(market.name, TRADES_SHOWN))

    def on_key(key: str) -> None:
        if key in ("q", "Q", "\x03", "\x04"):
            stop.set()

    with (
        _keys(asyncio.get_running_loop(), on_key),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        drawing = asyncio.ensure_future(_draw(picture, live))
        try:
            async for event in stream:
                if not (isinstance(event, Trade) and _known(picture, event)):
                    picture.take(event)
        finally:
            drawing.cancel()
            await asyncio.wait([drawing])


def _known(picture: Picture, trade: Trade) -> bool:
    """Whether the list of recent trades had it already."""
    return bool(picture.trades) and trade.seq <= picture.trades[0].seq


async def _draw(picture: Picture, live: Live) -> None:
    drawn: Any = None
    while True:
        # A lost connection shows its age, so it is drawn each second without any news.
        down = picture.stream.down
        state = (picture.updates, live.console.size, down and int(time.monotonic() - down[1]))
        if state != drawn:
            drawn = state
            live.update(picture.render(*live.console.size), refresh=True)
        await asyncio.sleep(FRAME_S)
