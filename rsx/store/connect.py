"""Opening a database in a thread of its own, so that nothing stays open when that is cut short.

Source: specs/archive.md AR-1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiosqlite


async def connect(path: Path, wait_s: float) -> Any:
    """A connection without transactions of its own accord. Raises sqlite3.Error.

    Args  wait_s: how long a locked database is waited for
    """
    db = aiosqlite.connect(path, timeout=wait_s, isolation_level=None)
    try:
        await db
    except BaseException:
        # It stops by itself, but tells its loop so: that must still be there then.
        db._thread.join(wait_s)
        raise
    return db
