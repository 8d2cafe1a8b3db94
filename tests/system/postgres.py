"""A throw-away Postgres for tests: a cluster in a temporary folder, ended with the block."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

START_S = 30


def program(name: str) -> str | None:
    """Where a Postgres program is, or None."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(places[-1]) if places else shutil.which(name)


def why_not() -> str:
    """Why no Postgres can be had here; "" = it can."""
    missing = [name for name in ("initdb", "pg_ctl") if program(name) is None]
    return f"no {missing[0]} here" if missing else ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    """Use with `with`. url: of its one database; as another user where we are root."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rsx-postgres-"))
        self.port = free_port()
        self.url = f"postgres://rsx:sesame@127.0.0.1:{self.port}/postgres"
        self.user: pwd.struct_passwd | None = None
        if os.getuid() == 0:
            names = ("postgres", "nobody")
            self.user = next(u for u in pwd.getpwall() if u.pw_name in names)
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def call(self, name: str, *arguments: str) -> None:
        path = program(name)
        assert path is not None
        more = {"user": self.user.pw_uid, "group": self.user.pw_gid} if self.user else {}
        done = subprocess.run(
            [path, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, **more,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout}")

    def start(self) -> None:
        options = f"-p {self.port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off"
        self.call("pg_ctl", "-D", "db", "-o", options, "-l", "log", "-w", "-t", str(START_S),
                  "start")  # fmt: skip

    def stop(self) -> None:
        """At once, as a crash."""
        self.call("pg_ctl", "-D", "db", "-m", "immediate", "stop")

    def __enter__(self) -> Postgres:
        secret = self.folder / "password"
        secret.write_text("sesame")
        if self.user:
            os.chown(secret, self.user.pw_uid, self.user.pw_gid)
        try:
            self.call("initdb", "-D", "db", "-U", "rsx", "-A", "scram-sha-256", "--pwfile",
                      str(secret), "-N")  # fmt: skip
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if (self.folder / "db" / "postmaster.pid").exists():
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
