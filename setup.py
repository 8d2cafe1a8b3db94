"""Build the compiled parts of RSX: one extension for each .pyx under rsx/.

Owns the Cython directives, the compiler flags and the rule that warnings fail
the build. What is out of date is decided in rsx/bootstrap.py, because every
start asks the same question.

Source  specs/setup.md, sections 4 and 5
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, ROOT)
from rsx import bootstrap  # noqa: E402  (an isolated build does not have the root on its path)

# No cdivision and no freethreading_compatible: specs/setup.md, S14.
DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "show_performance_hints": True,
    "warn.maybe_uninitialized": True,
    "warn.multiple_declarators": True,
    "warn.unreachable": True,
    "warn.unused": True,
}
CYTHON_COMPLAINT = re.compile(r"^(warning|performance hint): ", re.MULTILINE)
C_COMPLAINT = re.compile(r"\bwarning: ")

# -g0: Python's own flags may ask for debug symbols, which slows the build down.
PROFILES = {
    "release": ["-O3", "-g0"],
    "debug": ["-O1", "-g", "-fno-omit-frame-pointer", "-DRSX_DEBUG=1", "-UNDEBUG"],
}
# Calls inside an extension need neither a PLT nor a chance to be replaced at load time.
ELF_ONLY = [] if sys.platform == "darwin" else ["-fno-plt", "-fno-semantic-interposition"]
WARNINGS = [
    "-Wall",
    "-Wextra",
    # What Cython's own C raises: slots and helpers it declares and may not use.
    "-Wno-unused-function",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]
STRICT_GCC = (12,)


class BuildFailed(Exception):
    """Carries the compiler's output."""


def call(command):
    """Run a compiler in the root; return its output, or raise BuildFailed with it."""
    # LC_ALL: a translated compiler would not say "warning".
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise BuildFailed(f"$ {shlex.join(command)}\n{done.stdout}")
    return done.stdout


class Toolchain:
    """The C compiler, its flags, and whether its warnings fail the build."""

    def __init__(self, profile):
        self.cc = bootstrap.c_compiler()
        configured = shlex.split(sysconfig.get_config_var("CC") or "cc")
        link = shlex.split(sysconfig.get_config_var("LDSHARED"))
        if link[: len(configured)] == configured:
            link = link[len(configured) :]
        else:
            link = link[1:]
        self.link = [*self.cc, *link, *shlex.split(os.environ.get("LDFLAGS", ""))]
        self.flags = [
            *shlex.split(sysconfig.get_config_var("CFLAGS") or ""),
            *shlex.split(sysconfig.get_config_var("CCSHARED") or ""),
            *PROFILES[profile],
            *ELF_ONLY,
            *WARNINGS,
            *shlex.split(os.environ.get("CFLAGS", "")),
        ]
        paths = sysconfig.get_paths()
        self.python_headers = sorted({paths["include"], paths["platinclude"]})
        chosen = os.environ.get("RSX_WARNINGS") or ("error" if self.is_checked() else "show")
        if chosen not in ("error", "show"):
            raise SystemExit(f"RSX_WARNINGS={chosen} is unknown: use error or show")
        self.strict = chosen == "error"

    def is_checked(self):
        """Say whether this is a compiler whose every warning is known to be ours."""
        macros = call([*self.cc, "-dM", "-E", "-x", "c", os.devnull])
        gcc = re.search(r"#define __GNUC__ (\d+)", macros)
        return bool(gcc) and "__clang__" not in macros and int(gcc[1]) in STRICT_GCC


def translate(module, c_file):
    """Turn a .pyx into C; a warning or a performance hint is an error."""
    command = [sys.executable, "-m", "cython", "--depfile", "--module-name", module.name]
    for name, value in DIRECTIVES.items():
        command += ["-X", f"{name}={value}"]
    output = call([*command, "-I", ".", "-o", c_file, module.source])
    if CYTHON_COMPLAINT.search(output):
        raise BuildFailed(f"{output}{module.source}: warnings and performance hints are errors")


def compile_c(tools, module, c_file, made):
    """Compile and link one generated file; return what the compiler said."""
    # A header belongs to the .pyx that names it: the generated file lies elsewhere.
    folders = dict.fromkeys([os.path.dirname(module.source), os.path.join("rsx", "core"), "."])
    includes = [f"-I{folder}" for folder in [*folders, *tools.python_headers]]
    compiled = c_file[:-1] + "o"
    command = [*tools.cc, *tools.flags, *includes, "-MMD", "-MF", compiled + ".d"]
    output = call([*command, "-c", c_file, "-o", compiled])
    if C_COMPLAINT.search(output) and tools.strict:
        raise BuildFailed(
            f"{output}{module.source}: C warnings are errors (RSX_WARNINGS=show only shows them)"
        )
    call([*tools.link, compiled, "-o", made])
    return output


def inputs_of(c_file):
    """Return our own files that Cython and the C compiler read for a module (S19)."""
    found = set()
    for listing in (c_file + ".dep", c_file[:-1] + "o.d"):
        with open(listing, encoding="utf-8") as file:
            _, _, names = file.read().replace("\\\n", " ").partition(": ")
        for name in re.split(r"(?<!\\)\s+", names.strip()):
            found.add(os.path.normpath(name.replace("\\ ", " ")))
    # Cython's and Python's files change only with the build key.
    ours = (name for name in found if not os.path.isabs(name) and not name.startswith(".."))
    skipped = ("build" + os.sep, ".venv" + os.sep)
    return sorted(name for name in ours if not name.startswith(skipped))


def build_module(tools, module, key):
    """Build one module to its place under build/; return the compiler's remarks."""
    started = time.time_ns()
    os.makedirs(os.path.dirname(module.stem), exist_ok=True)
    # Relative names keep the path of the clone out of what is built.
    c_file = os.path.relpath(module.stem + ".c", ROOT)
    made = module.built + ".new"
    translate(module, c_file)
    remarks = compile_c(tools, module, c_file, made)
    bootstrap.replace_file(module.inputs, "\n".join([key, *inputs_of(c_file)]) + "\n")
    os.utime(made, ns=(started, started))
    os.replace(made, module.built)
    return remarks


def build_stale(place, modules, jobs):
    """Build what is out of date, `jobs` at a time; stop at the first failure."""
    key = bootstrap.build_key(place)
    stale = [module for module in modules if bootstrap.is_stale(place, module, key)]
    if not stale:
        return
    # The largest first, so that the last ones to run are short.
    stale.sort(key=lambda module: -os.path.getsize(place.path(module.source)))
    tools = Toolchain(place.profile)
    lock, begun, failed = threading.Lock(), 0, []

    def job(module):
        nonlocal begun
        with lock:
            if failed:
                return
            begun += 1
            print(f"building {begun}/{len(stale)} {module.name}", flush=True)
        try:
            remarks = build_module(tools, module, key)
        except BuildFailed as error:
            remarks = str(error)
            failed.append(module.name)
        if remarks:
            with lock:
                print(remarks.rstrip(), flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(job, stale))
    if failed:
        raise SystemExit(f"could not build {', '.join(failed)}")


def put(source, target):
    """Copy a module by rename: a running exchange keeps the file it has loaded."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target + ".new")
    os.replace(target + ".new", target)


def cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class BuildExt(build_ext):
    """Builds in build/<profile>, then copies to where the command wants the modules."""

    def run(self):
        place = bootstrap.Place(ROOT)
        os.makedirs(place.path("build"), exist_ok=True)
        lock = place.path("build", "setup.lock")
        with bootstrap.Lock(lock, lambda text: print(text, flush=True)):
            self.build_and_place(place)

    def build_and_place(self, place):
        modules, orphans = bootstrap.scan(place)
        build_stale(place, modules, int(self.parallel or 0) or cores())
        for module in modules:
            if self.inplace:
                if not bootstrap.is_placed(module):
                    put(module.built, module.target)
            else:
                put(module.built, os.path.abspath(self.get_ext_fullpath(module.name)))
        if self.inplace:
            for path in orphans:
                os.unlink(path)


class BuildPy(build_py):
    """Ships config.toml, whose one source is in the root, as the package's default."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = os.path.join(self.build_lib, "rsx", "_default_config.toml")
            self.mkpath(os.path.dirname(target))
            self.copy_file(os.path.join(ROOT, "config.toml"), target)


setup(
    ext_modules=[
        Extension(module.name, [module.source])
        for module in bootstrap.scan(bootstrap.Place(ROOT))[0]
    ],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
)
