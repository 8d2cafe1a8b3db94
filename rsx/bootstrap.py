"""Make RSX's environment on the first start, then hand over to rsx.cli.

Owns the environment folder (`.venv`), its stamp, its log and its locks, and
the rule that says which compiled modules are out of date. setup.py uses that
rule too, so that the start and the build can't disagree.

Runs before anything is installed: standard library only. Runs before every
command as well, so modules that only the set-up needs are imported where they
are used.

Source  specs/setup.md
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUFFIX = EXTENSION_SUFFIXES[0]
PROFILES = ("release", "debug")

MARKER = "rsx-made"
STAMP = "rsx-stamp"
RUNTIME = "constraints.txt"
DEV = "constraints-dev.txt"

NO_NETWORK = (
    "Failed to establish a new connection",
    "Max retries exceeded",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "SSLError",
    "Temporary failure in name resolution",
)


class SetupError(Exception):
    """What went wrong and what to do about it, in one line."""


class Place:
    """Where one clone keeps its environment and its builds."""

    def __init__(self, root=ROOT, venv=None, profile=None):
        self.root = root
        chosen = venv or os.environ.get("RSX_VENV") or os.path.join(root, ".venv")
        self.venv = os.path.abspath(os.path.expanduser(chosen))
        self.python = os.path.join(self.venv, "bin", "python")
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        self.site = os.path.join(self.venv, "lib", version, "site-packages")
        self.pth = os.path.join(self.site, "rsx-clone.pth")
        self.stamp = os.path.join(self.venv, STAMP)
        self.log = os.path.join(self.venv, "setup.log")
        self.profile = profile or os.environ.get("RSX_BUILD") or "release"
        if self.profile not in PROFILES:
            raise SetupError(f"RSX_BUILD={self.profile} is unknown: use release or debug")
        self.build = os.path.join(root, "build", self.profile + SUFFIX.rpartition(".")[0])

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def shown(self, path):
        """Return `path` as a person in the current folder would type it."""
        relative = os.path.relpath(path)
        return path if relative.startswith("..") else relative


# ---- What is out of date ------------------------------------------------


class Module:
    """One .pyx: its name, its source, where it is built and where it belongs."""

    def __init__(self, place, source):
        stem = source[: -len(".pyx")]
        self.name = stem.replace(os.sep, ".")
        self.source = source
        self.own_pxd = stem + ".pxd"
        self.stem = os.path.join(place.build, stem)
        self.built = self.stem + SUFFIX
        self.inputs = self.stem + ".d"
        self.target = place.path(stem + SUFFIX)


def scan(place):
    """Return the modules under rsx/ and the compiled files that have no source."""
    sources, compiled, folders = [], [], ["rsx"]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(place.path(folder)))
        except FileNotFoundError:
            continue
        for entry in entries:
            name = os.path.join(folder, entry.name)
            if entry.name.endswith(".pyx"):
                sources.append(name)
            elif entry.name.endswith(SUFFIX):
                compiled.append(name)
            elif entry.is_dir() and not entry.name.startswith((".", "__")):
                folders.append(name)
    modules = [Module(place, source) for source in sorted(sources)]
    known = {module.target for module in modules}
    orphans = [path for path in map(place.path, compiled) if path not in known]
    return modules, orphans


def python_key():
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"{version} {SUFFIX} {sys.base_prefix}"


def digest(*chunks):
    import hashlib

    return hashlib.sha256(b"\0".join(chunks)).hexdigest()[:16]


def read(path):
    """Return the bytes of a file, or b"" where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""


def build_key(place):
    """Return what a built module depends on apart from its own inputs."""
    lines = read(place.path(RUNTIME)).splitlines()
    cython = b"".join(line for line in lines if line.lower().startswith(b"cython=="))
    return digest(read(place.path("setup.py")), cython, python_key().encode())


def is_stale(place, module, key):
    """Say whether a module must be compiled again (S19)."""
    try:
        built = os.stat(module.built).st_mtime_ns
        with open(module.inputs, encoding="utf-8") as file:
            lines = file.read().splitlines()
        if not lines or lines[0] != key:
            return True
        if any(os.stat(place.path(name)).st_mtime_ns > built for name in lines[1:]):
            return True
    except FileNotFoundError:
        return True
    try:
        return os.stat(place.path(module.own_pxd)).st_mtime_ns > built
    except FileNotFoundError:
        return False


def is_placed(module):
    """Say whether the source tree holds this build of the module."""
    try:
        built, target = os.stat(module.built), os.stat(module.target)
    except FileNotFoundError:
        return False
    return (built.st_mtime_ns, built.st_size) == (target.st_mtime_ns, target.st_size)


def pth_line(place):
    """Return what puts the clone on the path of the environment's Python (S12).

    A bare path would be decoded with the locale's encoding, and a clone below
    /home/zoë would break every start under LC_ALL=C. This line is ASCII.
    """
    return f"import sys; sys.path.append({place.root!a})\n"


def pending(place, dev=False):
    """Return the steps that a start must take before it can hand over."""
    stamp = dict(
        line.split(" ", 1) for line in read(place.stamp).decode().splitlines() if " " in line
    )
    steps = []
    if stamp.get("python") != python_key() or not os.access(place.python, os.X_OK):
        steps.append("python")
        stamp = {}
    if stamp.get("packages") != digest(read(place.path(RUNTIME))):
        steps.append("packages")
    if dev and stamp.get("dev") != digest(read(place.path(DEV))):
        steps.append("dev")
    if read(place.pth) != pth_line(place).encode():
        steps.append("path")
    modules, orphans = scan(place)
    key = build_key(place) if modules else ""
    if any(is_stale(place, module, key) for module in modules):
        steps.append("compile")
    elif orphans or not all(map(is_placed, modules)):
        steps.append("place")
    return steps


def write_stamp(place, **lines):
    """Set or, with None, remove lines of the stamp; a rename makes it whole."""
    stamp = dict(
        line.split(" ", 1) for line in read(place.stamp).decode().splitlines() if " " in line
    )
    stamp.update(lines)
    text = "".join(f"{name} {value}\n" for name, value in stamp.items() if value is not None)
    replace_file(place.stamp, text)


def replace_file(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


# ---- Telling the user ---------------------------------------------------


class Progress:
    """Short lines on stderr; on a terminal a step overwrites the one before."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.clear = "\r\x1b[2K" if self.stream.isatty() else ""

    def __call__(self, step):
        self.write(f"{self.clear}rsx: {step}" + ("" if self.clear else "\n"))

    def line(self, text):
        self.write(f"{self.clear}rsx: {text}\n")

    def write(self, text):
        self.stream.write(text)
        self.stream.flush()


class Lock:
    """A file lock; the kernel drops it when its last holder is gone (S11)."""

    def __init__(self, path, say):
        self.path, self.say, self.fd = path, say, -1

    def __enter__(self):
        import fcntl

        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say("waiting for another set-up of this clone to finish")
                fcntl.flock(fd, fcntl.LOCK_EX)
            # Somebody may have removed the folder while this start waited.
            try:
                if os.fstat(fd).st_ino == os.stat(self.path).st_ino:
                    self.fd = fd
                    return fd
            except FileNotFoundError:
                pass
            os.close(fd)

    def __exit__(self, *_exc):
        os.close(self.fd)


def run_logged(place, command, on_line, lock=None, env=None):
    """Run a step with its output in the log; return its exit status.

    The child holds the lock too, so that the orphan of a killed start keeps
    the next start waiting.
    """
    import subprocess

    with open(place.log, "a", encoding="utf-8", errors="replace") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        with subprocess.Popen(
            command,
            cwd=place.root,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=() if lock is None else (lock,),
        ) as child:
            try:
                for line in child.stdout or ():
                    log.write(line)
                    on_line(line.rstrip())
            except BaseException:
                child.terminate()
                raise
        return child.returncode


# ---- The steps ----------------------------------------------------------


def c_compiler():
    """Return the command that compiles C: $CC, Python's own compiler, or one found on PATH."""
    import shlex
    import shutil
    import sysconfig

    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    configured = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if shutil.which(configured[0]):
        return configured
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name, *configured[1:]]
    return configured


def check_compiler(place):
    """Compile and link two lines of C, or say what is missing."""
    import subprocess
    import sysconfig
    import tempfile

    include = sysconfig.get_paths()["include"]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not os.path.exists(os.path.join(include, "Python.h")):
        raise SetupError(
            f"Python's C headers are missing (no Python.h in {include}): install them "
            f"(Debian, Ubuntu: apt install python{version}-dev; Fedora: dnf install "
            "python3-devel) and start again"
        )
    compiler = c_compiler()
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probe.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <Python.h>\nint rsx_probe(void) { return 0; }\n")
        # Undefined symbols of Python stay undefined in an extension; the probe uses none.
        command = [*compiler, "-fPIC", "-shared", "-I", include, source]
        try:
            ran = subprocess.run(
                [*command, "-o", os.path.join(folder, "probe.so")],
                capture_output=True,
                text=True,
                errors="replace",
            )
            works, output = ran.returncode == 0, ran.stdout + ran.stderr
            works = works and os.path.exists(os.path.join(folder, "probe.so"))
        except OSError as error:
            works, output = False, f"{error}\n"
    if works:
        return
    with open(place.log, "a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n{output}")
    tried = " ".join(compiler)
    remedy = (
        "unset CC or set it to a C compiler"
        if os.environ.get("CC")
        else "install one (Debian, Ubuntu: apt install gcc libc6-dev; Fedora: dnf install "
        "gcc; macOS: xcode-select --install)"
    )
    raise SetupError(
        f"no working C compiler (tried: {tried}): {remedy} and start again; "
        f"details: {place.shown(place.log)}"
    )


def check_venv_modules():
    from importlib.util import find_spec

    if find_spec("venv") is None or find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"this Python ({sys.executable}) has no venv module: install it (Debian, Ubuntu: "
            f"apt install python{version}-venv) and start again"
        )


def claim(place):
    """Make the environment's folder, or refuse one that RSX did not make (S10)."""
    os.makedirs(place.venv, exist_ok=True)
    marker = os.path.join(place.venv, MARKER)
    # In this order, and with the marker as the first file ever: another start may be
    # doing the same, and nobody holds a lock before there is a folder to put it in.
    if os.listdir(place.venv) and not os.path.exists(marker):
        raise SetupError(
            f"{place.shown(place.venv)} holds something that RSX did not make: move it away, or "
            "set RSX_VENV to a new folder, and start again"
        )
    with open(marker, "w", encoding="utf-8") as file:
        file.write("Made by rsx.py, which may empty this folder and fill it again.\n")


def make_venv(place, lock, say):
    """Empty the folder and make a new environment in it."""
    import shutil

    write_stamp(place, python=None, packages=None, dev=None)
    for entry in os.scandir(place.venv):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry.path)
        elif entry.name not in (MARKER, STAMP, "setup.lock", "setup.log"):
            os.unlink(entry.path)
    say(f"making {place.shown(place.venv)}")
    # The interpreter under the one that runs: that one may be what was just emptied.
    python = getattr(sys, "_base_executable", None) or sys.executable
    if run_logged(place, [python, "-I", "-m", "venv", place.venv], lambda line: None, lock):
        raise SetupError(
            f"could not make {place.shown(place.venv)} with {python}; "
            f"details: {place.shown(place.log)}"
        )
    write_stamp(place, python=python_key())


def install(place, names, lock, say):
    """Install constraints files exactly as they stand."""
    import re

    lines = {name: read(place.path(name)).decode().splitlines() for name in names}
    pins = [line for name in names for line in lines[name] if "==" in line]
    # pip says "Collecting", "Processing" or "Requirement already satisfied", each with this.
    origin = re.compile(r"\(from -r (\S+) \(line (\d+)\)\)")
    seen, errors, network = 0, [], False

    def on_line(line):
        nonlocal seen, network
        if found := origin.search(line):
            seen += 1
            pin = lines[found[1]][int(found[2]) - 1]
            say(f"installing {seen}/{len(pins)} {pin.replace('==', ' ')}")
        elif line.startswith("Installing collected packages"):
            say(f"installing: unpacking {len(pins)} packages")
        elif line.startswith("ERROR: "):
            errors.append(line[len("ERROR: ") :])
        network = network or any(sign in line for sign in NO_NETWORK)

    command = [place.python, "-I", "-m", "pip", "install", "--no-deps", "--no-input"]
    command += ["--progress-bar", "off"]
    for name in names:
        command += ["-r", name]
    # --user and its like, set for all of a person's pips, make no sense in here.
    env = {
        "PIP_USER": "0",
        "PIP_QUIET": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_RETRIES": os.environ.get("PIP_RETRIES", "2"),
    }
    if not run_logged(place, command, on_line, lock, env):
        return
    what = (
        "no way to the package server: check network and proxy"
        if network
        else f"pip failed ({errors[-1] if errors else 'see the log'}): mend that"
    )
    raise SetupError(f"{what} and start again; details: {place.shown(place.log)}")


def build(place, say):
    """Have setup.py, under its own lock, compile what is stale and put it in place."""
    output = []

    def on_line(line):
        if line.startswith(("building ", "waiting ")):
            say(line)
        elif line:
            output.append(line)

    command = [place.python, "-I", "setup.py", "-q", "build_ext", "--inplace"]
    if run_logged(place, command, on_line, env={"RSX_BUILD": place.profile}):
        say.write(say.clear + "\n".join(output[-80:]) + "\n")
        raise SetupError(f"the build failed, as shown above; details: {place.shown(place.log)}")


def set_up(place, dev, say):
    """Take every pending step, one set-up at a time."""
    import time

    started = time.monotonic()
    check_venv_modules()
    claim(place)
    with Lock(os.path.join(place.venv, "setup.lock"), say) as lock:
        steps = pending(place, dev)
        open(place.log, "w").close()
        if "compile" in steps:
            check_compiler(place)
        if "python" in steps:
            say.line("first start: setting up (about a minute; later starts skip this)")
            make_venv(place, lock, say)
        wanted = {"packages": RUNTIME, "dev": DEV}
        names = {step: name for step, name in wanted.items() if step in steps}
        if names:
            write_stamp(place, **dict.fromkeys(names))
            digests = {step: digest(read(place.path(name))) for step, name in names.items()}
            install(place, list(names.values()), lock, say)
            write_stamp(place, **digests)
        replace_file(place.pth, pth_line(place))
    if "compile" in steps or "place" in steps:
        build(place, say)
    say.line(f"ready after {time.monotonic() - started:.0f} s")


# ---- Entry points -------------------------------------------------------


def prepare(dev=False, place=None):
    """Make sure that the environment is whole; return the path of its Python.

    Costs a few milliseconds when there is nothing to do.
    Raises SetupError with the one line that the user should see.
    """
    if os.name != "posix":
        raise SetupError("RSX runs on Linux and macOS: on Windows, use it inside WSL")
    place = place or Place()
    try:
        if pending(place, dev):
            set_up(place, dev, Progress())
    except OSError as error:
        where = error.filename or place.venv
        raise SetupError(
            f"cannot set up: {error.strerror or error}: {where}: make room or make the folder "
            "writable, or set RSX_VENV to a folder that is"
        ) from error
    if os.path.isdir(os.path.join(place.site, "rsx")):
        raise SetupError(
            "a copy of rsx is installed in the environment and would hide this clone: "
            f"run {place.shown(place.python)} -m pip uninstall -y rsx and start again"
        )
    return place.python


def replace_process(python, *arguments):
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, [python, *arguments])


def guarded(action):
    """Run `action`; turn what can go wrong in a set-up into a line and an exit code."""
    try:
        return action()
    except SetupError as error:
        Progress().line(error)
        return 2
    except KeyboardInterrupt:
        Progress().line("set-up interrupted; the next start takes it up again")
        return 130


def main(argv):
    """Set up where needed, then become `rsx.cli`. Returns only when that fails."""

    def action():
        python = prepare(dev=argv[:1] == ["test"])
        # -P: a file named rsx in the working directory must not hide this clone.
        replace_process(python, "-P", "-m", "rsx.cli", *argv)

    return guarded(action)


def run_tests(args):
    """Become pytest on this clone's tests; `args` are pytest's own.

    Returns an exit code only when the tests can't be started.
    """

    def action():
        if not os.path.exists(os.path.join(ROOT, "setup.py")):
            raise SetupError("the tests are in the repository: run them from a clone of it")
        python = prepare(dev=True)
        os.chdir(ROOT)
        replace_process(python, "-m", "pytest", *args)

    return guarded(action)


if __name__ == "__main__":
    sys.exit(guarded(lambda: prepare(dev="--dev" in sys.argv[1:]) and 0))
