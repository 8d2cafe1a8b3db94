"""The trigger book as a plain list, to hold the compiled one to (specs/matching.md TR-5)."""

from __future__ import annotations

from dataclasses import dataclass

BUY, SELL = 0, 1
STOP, STOP_LIMIT, PROFIT, PROFIT_LIMIT, TRAILING = range(2, 7)
FIRED_MAX = 1024


@dataclass
class Trigger:
    oid: int
    user: int
    kind: int
    side: int
    trigger_px: int
    trail_px: int
    trail_ppm: int
    last: bool
    expire_s: int
    extreme: int = 0
    state: str = "waiting"

    @property
    def rising(self) -> bool:
        return (self.side == SELL) if self.kind >= PROFIT else (self.side == BUY)

    @property
    def level(self) -> int:
        distance = self.trail_px or -(-self.extreme * self.trail_ppm // 1_000_000)
        return self.extreme + distance if self.side == BUY else self.extreme - distance

    def reached(self, px: int, level: int, rising: bool) -> bool:
        return px >= level if rising else px <= level


class TriggerList:
    """Same verbs as rsx.book.triggers.TriggerBook; everything by looking at every trigger."""

    def __init__(self, triggers_max: int):
        self.places = triggers_max
        self.rows: dict[int, Trigger] = {}
        self.line: list[tuple[int, int, int]] = []  # (oid, level, price)

    def place(self, oid, user, kind, side, trigger_px, *, trail_px=0, trail_ppm=0, last=False,
              expire_s=0, px=1):  # fmt: skip
        if oid in self.rows or self.counts()["live"] >= self.places:
            return False
        row = Trigger(oid, user, kind, side, trigger_px, trail_px, trail_ppm, last, expire_s)
        if trigger_px == 0:
            row.extreme = px
        self.rows[oid] = row
        return True

    def end(self, oid):
        if self.rows[oid].state == "fired":
            self.rows[oid].state = "ended"
            return
        self.drop(oid)

    def drop(self, oid):
        del self.rows[oid]
        self.line = [item for item in self.line if item[0] != oid]

    def price(self, px, *, last=False):
        waiting = [r for r in self.rows.values() if r.state == "waiting" and r.last == last]
        due, trailing = [], []
        for row in waiting:
            if row.kind == TRAILING and not row.extreme:
                if row.reached(px, row.trigger_px, row.rising):
                    row.extreme = px
            elif row.kind == TRAILING:
                row.extreme = (min if row.side == BUY else max)(row.extreme, px)
            elif row.reached(px, row.trigger_px, row.rising):
                due.append(row)
            if row.kind == TRAILING and row.extreme:
                if row.reached(px, row.level, row.side == BUY):
                    trailing.append(row)
        due.sort(key=lambda r: (not r.rising, r.trigger_px if r.rising else -r.trigger_px, r.oid))
        trailing.sort(key=lambda r: r.oid)
        for row in [*due, *trailing]:
            row.state = "due"
            level = row.level if row.kind == TRAILING else row.trigger_px
            self.line.append((row.oid, level, px))

    def fire(self):
        if not self.line or self.counts()["fired"] >= FIRED_MAX:
            return None
        self.rows[self.line[0][0]].state = "fired"
        return self.line.pop(0)

    def settle(self, oid):
        self.line = [item for item in self.line if item[0] != oid]
        self.rows[oid].state = "fired"

    def expires_next(self):
        rows = self.rows.values()
        return min(
            ((r.expire_s, r.oid) for r in rows if r.expire_s and r.state in ("waiting", "due")),
            default=None,
        )

    def extremes(self):
        return {
            row.oid: row.extreme
            for row in self.rows.values()
            if row.extreme and row.state in ("waiting", "due")
        }

    def of_user(self, user):
        rows = [r.oid for r in self.rows.values() if r.user == user and r.state != "ended"]
        return rows[::-1]

    def counts(self):
        states = [row.state for row in self.rows.values()]
        return {
            "live": len(states) - states.count("ended"),
            "due": len(self.line),
            "fired": states.count("fired") + states.count("ended"),
        }
