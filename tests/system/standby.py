"""Real standby and follower processes for tests, and exchanges that serve their log."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import orjson
from system.postgres import free_port
from system.process import PROGRAM, ROOT, START_S, STOP_S, ExchangeProcess, write_config


def dxs_config(path: Path, port: int, lease: str = "", **changed: str) -> Path:
    """The default configuration with `[dxs] port` and a lease."""
    write_config(path, **changed)
    text = path.read_text()
    text, count = re.subn(r"(?ms)(^\[dxs\]$.*?^port = )\d+$", rf"\g<1>{port}", text, count=1)
    assert count == 1
    path.write_text(text.replace('lease = ""', f'lease = "{lease}"'))
    return path


class StandbyProcess:
    """A running `rsx standby`. Use with `with`; after a promotion `url` is the exchange's."""

    def __init__(self, data: Path, primary: str, config: Path, *more: str):
        self.data = data
        self.stderr_path = data.with_name(f"{data.name}.stderr")
        port = free_port()
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *PROGRAM, "standby", "--from", primary, "--data", str(data),
                 "--config", str(config), "--port", str(port), "--no-demo", "--json", *more],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        try:
            self.banner = self.read_line()
        except BaseException:
            self.end()
            raise
        self.url: str = self.banner["url"]

    def read_line(self, seconds: float = START_S) -> dict[str, Any]:
        """The next line that it prints."""
        assert self.process.stdout is not None
        deadline, line = time.monotonic() + seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no line in {seconds} s: {self.stderr}")
                byte = os.read(self.process.stdout.fileno(), 1)
                if not byte:
                    code = self.process.wait(STOP_S)
                    raise RuntimeError(f"ended with {code}: {self.stderr}")
                line += byte
        found: dict[str, Any] = orjson.loads(line)
        return found

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
        found: dict[str, Any] = orjson.loads(body)
        return found

    def until(self, what: str, seconds: float = 20.0, **wanted: Any) -> dict[str, Any]:
        """Wait for some values in /health."""
        deadline = time.monotonic() + seconds
        while True:
            health = self.health()
            if all(health.get(key) == value for key, value in wanted.items()):
                return health
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: {health}; {self.stderr}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> StandbyProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()


def give_secret(primary: ExchangeProcess, data: Path) -> None:
    """DX-53: tokens of the primary are good at the standby."""
    data.mkdir(exist_ok=True)
    shutil.copy2(primary.data / "secret", data / "secret")
