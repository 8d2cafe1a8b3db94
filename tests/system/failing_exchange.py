"""The rsx command with a way to make it fail while it runs: SIGUSR1 does what FAIL_HOW says.

Run by test_failures.py as a program of its own. It changes nothing but this: after the start, the
signal puts a record where none belongs, or breaks the disk.
"""

from __future__ import annotations

import errno
import os
import signal
import sys

import rsx.cli
import rsx.exchange
from rsx.core.disk import FaultDisk

GARBAGE = bytes(128)


class Failing(rsx.exchange.Exchange):
    def start(self) -> None:
        self.disk = FaultDisk()
        super().start()
        ways = {
            "risk": lambda: self.rings["gateway_risk"].push(GARBAGE),
            "matching": lambda: self.rings["risk_matching[1]"].push(GARBAGE),
            "gateway": lambda: self.rings["wal_gateway"].push(GARBAGE),
            "disk": self.break_disk,
            "full": self.fill_disk,
        }
        fail = ways[os.environ["FAIL_HOW"]]
        signal.signal(signal.SIGUSR1, lambda *_: fail())

    def break_disk(self) -> None:
        """EIO at every sync from now on."""
        self.disk.fail("sync", times=1 << 62)

    def fill_disk(self) -> None:
        """ENOSPC at every write from now on."""
        self.disk.fail("write", error=errno.ENOSPC, times=1 << 62)


if __name__ == "__main__":
    rsx.exchange.Exchange = Failing  # type: ignore[misc]
    sys.exit(rsx.cli.main())
