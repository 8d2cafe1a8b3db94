"""The examples of README.md and specs/client.md, taken out of the text and run.

They are written for the default market around 50 000; whoever runs them provides one with somebody
else's orders on both sides.
"""

from __future__ import annotations

import ast
import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsx.client import Client

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_URL = "http://127.0.0.1:8080"


def blocks(page: str) -> list[str]:
    """Every block of Python of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def calls(section: str = "## Orders", end: str = "## Account and margin") -> Iterator[str]:
    """Every call of a table in README.md, that of orders unless another is named."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index(section) : text.index(end)]
    for cell in re.findall(r"^\| [^|]+ \| (`.*`) \|$", table, re.MULTILINE):
        yield from re.findall(r"`([^`]+)`", cell)


async def run_block(code: str, url: str, **names: Any) -> dict[str, Any]:
    """Run a block, with `await` at its top level, against another address; returns its names."""
    changed = code.replace(DEFAULT_URL, url)
    scope = {"Client": Client, **names}
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    work = eval(compile(changed, "example", "exec", flags), scope)
    if asyncio.iscoroutine(work):
        await work
    return scope


async def run_calls(client: Client) -> dict[str, Any]:
    """Make every call of the table on one connection; `order` is a resting order of its own."""
    results: dict[str, Any] = {}
    for call in calls():
        scope: dict[str, Any] = {"client": client, "time": time}
        if "order" in call.split("(", 1)[1]:
            scope["order"] = await client.place("BTC-PERP", "buy", "49000", "0.01")
        results[call] = await eval(f"client.{call}", scope)
    return results
