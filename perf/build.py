"""Builds what only the benches need: the compiled drivers, and the C++ floor.

Both go to build/perf and are rebuilt when a source they read is newer.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "perf"


def _is_stale(made: Path, sources: list[Path]) -> bool:
    return not made.exists() or any(s.stat().st_mtime > made.stat().st_mtime for s in sources)


def kernels() -> ModuleType:
    """The compiled drivers, built if need be. Raises RuntimeError with the compiler's output."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    made = PLACE / f"kernels{suffix}"
    source = ROOT / "perf" / "kernels.pyx"
    declarations = [*ROOT.glob("rsx/**/*.pxd"), *ROOT.glob("rsx/**/*.h")]
    if _is_stale(made, [source, *declarations]):
        PLACE.mkdir(parents=True, exist_ok=True)
        c_file = made.with_name("kernels.c")
        _call([sys.executable, "-m", "cython", "-3", "-I", ".", "-o", str(c_file), str(source)])
        cc = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
        paths = sysconfig.get_paths()
        _call([
            cc, "-O3", "-fPIC", "-fwrapv", "-shared", "-w", f"-I{ROOT}", f"-I{paths['include']}",
            *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []),
            str(c_file), "-o", str(made),
        ])  # fmt: skip
    spec = importlib.util.spec_from_file_location("kernels", made)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{made} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cpp_floor() -> Path | None:
    """The C++ map-of-lists book as a program, or None without a C++ compiler."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        return None
    made, source = PLACE / "map_book", ROOT / "perf" / "map_book.cpp"
    if _is_stale(made, [source]):
        PLACE.mkdir(parents=True, exist_ok=True)
        _call([compiler, "-O3", "-std=c++17", str(source), "-o", str(made)])
    return made


def _call(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"$ {shlex.join(command)}\n{done.stdout}{done.stderr}")
