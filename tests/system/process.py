"""Real exchange processes for tests: start, banner, signals, and an end that is certain."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from rsx.edge import auth

ROOT = Path(__file__).resolve().parents[2]
ADMIN_USER = 4_000_000_000
START_S = 60.0
STOP_S = 15.0


async def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Let the loop run until something holds; TimeoutError naming it when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds} s")
        await asyncio.sleep(0.001)


PROGRAM = ("-m", "rsx.cli")


def run_args(data: Path, *more: str) -> list[str]:
    """Arguments of an exchange on a folder, without the demo, on any free port."""
    return ["run", "--data", str(data), "--port", "0", "--json", "--no-demo", *more]


def rsx(*args: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, *PROGRAM, *args],
        cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def write_config(path: Path, **changed: str) -> Path:
    """The default configuration with some `key = value` lines changed; each key must be there."""
    lines = (ROOT / "config.toml").read_text().splitlines()
    for key, value in changed.items():
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{key} = "))
        lines[at] = f"{key} = {value}"
    path.write_text("\n".join(lines) + "\n")
    return path


class ExchangeProcess:
    """One running exchange. Use with `with`: whatever happens, the process ends with the block.

    Args        more: options of `run`; program: what to run instead of the rsx command
    Attributes  url; banner; pid; start_s: from process start to the banner
    """

    def __init__(self, data: Path, *more: str, program: tuple[str, ...] = PROGRAM):
        self.data = data
        self.stderr_path = data.with_name(f"{data.name}.stderr")
        began = time.monotonic()
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *program, *run_args(data, *more)],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        try:
            self.banner = self._read_banner(began + START_S)
        except BaseException:
            self.end()
            raise
        self.start_s = time.monotonic() - began
        self.url: str = self.banner["url"]
        self.pid = self.process.pid

    def _read_banner(self, deadline: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no banner in {START_S} s; stderr: {self.stderr}")
                chunk = os.read(self.process.stdout.fileno(), 65536)
                if not chunk:
                    code = self.process.wait(STOP_S)
                    raise RuntimeError(f"ended with {code} before its banner: {self.stderr}")
                line += chunk
        banner: dict[str, Any] = orjson.loads(line)
        return banner

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def token(self, user: int, role: str | None = None) -> str:
        return auth.mint(auth.load_secret(self.data), user, 3600, role)

    def admin_token(self) -> str:
        return self.token(ADMIN_USER, "admin")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def health(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.get("/health")[1])
        return body

    def metrics(self) -> dict[str, float]:
        """Samples of /metrics by name and labels as they are written."""
        lines = self.get("/metrics")[1].decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(STOP_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> ExchangeProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
