"""The set-up: its failures are one line each, its state survives being cut off.

No test here uses the network. What has to run as a program runs in a small
copy of this clone; the rest calls the functions on such a copy.

Source  specs/setup.md
"""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from rsx import bootstrap

ROOT = Path(bootstrap.ROOT)
COPIED = (
    *("rsx.py", "setup.py", "pyproject.toml", "LICENSE"),
    *("constraints.txt", "constraints-dev.txt"),
)

PYX = """
cdef extern from "answer.h" nogil:
    int ANSWER

def answer():
    return ANSWER
"""


def clone_into(root):
    """Make a clone in miniature: everything that sets up and builds, one .pyx, a CLI."""
    (root / "rsx" / "core").mkdir(parents=True)
    for name in COPIED:
        shutil.copy(ROOT / name, root)
    for name in ("__init__.py", "bootstrap.py"):
        shutil.copy(ROOT / "rsx" / name, root / "rsx")
    (root / "README.md").write_text("A clone in miniature.\n")
    (root / "config.toml").write_text("# the default\n")
    (root / "rsx" / "core" / "__init__.py").touch()
    (root / "rsx" / "core" / "answer.pyx").write_text(PYX)
    (root / "rsx" / "core" / "answer.h").write_text("#define ANSWER 42\n")
    return root


@pytest.fixture
def clone(tmp_path):
    return clone_into(tmp_path / "a clone")


@pytest.fixture
def place(clone):
    return bootstrap.Place(str(clone), profile="release", venv=str(clone / ".venv"))


def start(clone, *arguments, **env):
    """Run the clone's rsx.py; a variable set to None is taken out of the environment."""
    whole = {**os.environ, "RSX_VENV": "", "RSX_BUILD": "", **env}
    return subprocess.run(
        [sys.executable, "rsx.py", *arguments],
        cwd=clone,
        env={name: value for name, value in whole.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=30,
    )


def assert_one_line(result, *parts):
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("rsx: "), result.stderr
    for part in parts:
        assert part in lines[0]


def raises(*parts):
    return pytest.raises(bootstrap.SetupError, match=".*".join(map(re.escape, parts)))


def fake_environment(place, script="exit 0"):
    """Make an environment that `pending` takes for whole; its Python is a shell script."""
    bootstrap.claim(place)
    os.makedirs(place.site)
    os.makedirs(os.path.dirname(place.python))
    Path(place.python).write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(place.python, 0o755)
    bootstrap.write_stamp(
        place,
        python=bootstrap.python_key(),
        packages=bootstrap.digest(bootstrap.read(place.path(bootstrap.RUNTIME))),
        dev=bootstrap.digest(bootstrap.read(place.path(bootstrap.DEV))),
    )
    bootstrap.replace_file(place.pth, bootstrap.pth_line(place))


def fake_build(place):
    """Make files that pass for a finished build; returns the module."""
    (module,), _ = bootstrap.scan(place)
    names = [bootstrap.build_key(place), module.source, "rsx/core/answer.h"]
    os.makedirs(os.path.dirname(module.built))
    Path(module.inputs).write_text("\n".join(names) + "\n")
    Path(module.built).write_bytes(b"built")
    shutil.copy2(module.built, module.target)
    return module


def touch_later(path, than):
    later = os.stat(than).st_mtime_ns + 1
    Path(path).touch()
    os.utime(path, ns=(later, later))


# ---- The interpreter ----------------------------------------------------

FAKED = """
import runpy, sys
sys.version_info = ({version})
sys.implementation.name = "{flavour}"
sys.argv = ["rsx.py", "run"]
runpy.run_path("rsx.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("version", "flavour", "found"),
    [
        ("2, 7, 18, 'final', 0", "cpython", "cpython 2.7.18"),
        ("3, 10, 13, 'final', 0", "cpython", "cpython 3.10.13"),
        ("3, 11, 9, 'final', 0", "pypy", "pypy 3.11.9"),
    ],
)
def test_an_unfit_python_is_told_what_was_found_and_what_is_needed(version, flavour, found):
    code = FAKED.format(version=version, flavour=flavour)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )

    assert_one_line(result, found, "needs CPython 3.11 or newer", "start again")


def test_the_entry_file_parses_on_old_pythons():
    source = (ROOT / "rsx.py").read_text()

    ast.parse(source, feature_version=(3, 4))
    assert source.isascii()  # Python 2 refuses anything else without a coding line


def test_a_real_old_python_gets_one_line():
    names = ("python2.7", "python3.6", "python3.8", "python3.9", "python3.10")
    found = [path for name in names if (path := shutil.which(name))]
    works = [p for p in found if not subprocess.run([p, "-V"], capture_output=True).returncode]
    if not works:
        pytest.skip("no old Python on this machine")

    for program in works:
        result = subprocess.run(
            [program, "rsx.py", "run"], cwd=ROOT, capture_output=True, text=True, timeout=30
        )

        assert_one_line(result, "needs CPython 3.11 or newer")


# ---- Failures of the set-up ---------------------------------------------


def test_a_compiler_that_does_not_work_is_noticed_before_anything_is_installed(clone):
    result = start(clone, "run", CC="false")

    assert_one_line(result, "no working C compiler (tried: false)", "CC", ".venv/setup.log")
    assert "-fPIC" in (clone / ".venv" / "setup.log").read_text()
    assert not (clone / ".venv" / "bin").exists()


def test_without_any_compiler_the_line_says_how_to_get_one(clone):
    result = start(clone, "run", PATH="", CC=None)

    assert_one_line(result, "no working C compiler", "apt install", "xcode-select")


def test_missing_python_headers_are_named(place, monkeypatch):
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": "/nowhere"})

    with raises("/nowhere", "-dev"):
        bootstrap.check_compiler(place)


def test_a_python_without_venv_is_told_which_package_has_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with raises("no venv module", "-venv"):
        bootstrap.check_venv_modules()


def test_a_folder_that_cannot_be_written_is_named(clone):
    (clone / "file").touch()

    result = start(clone, "run", RSX_VENV=str(clone / "file" / "venv"))

    assert_one_line(result, "cannot set up", "file", "RSX_VENV")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_clone_is_named(clone):
    clone.chmod(0o555)

    try:
        result = start(clone, "run")
    finally:
        clone.chmod(0o755)

    assert_one_line(result, "cannot set up", ".venv", "RSX_VENV")


def test_a_folder_of_somebody_else_is_refused_and_left_alone(clone):
    (clone / ".venv").mkdir()
    (clone / ".venv" / "precious").write_text("mine")

    result = start(clone, "run")

    assert_one_line(result, ".venv holds something that RSX did not make")
    assert os.listdir(clone / ".venv") == ["precious"]


def test_an_unknown_profile_is_refused(clone):
    assert_one_line(start(clone, "run", RSX_BUILD="fast"), "RSX_BUILD=fast", "release or debug")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("WARNING: Retrying: Failed to establish a new connection", "check network and proxy"),
        ("ERROR: No matching distribution found for rich", "No matching distribution found"),
    ],
)
def test_a_failing_pip_becomes_one_line(place, said, line):
    fake_environment(place, f"echo '{said}'; exit 1")

    with raises(line, "setup.log"):
        bootstrap.install(place, [bootstrap.RUNTIME], None, bootstrap.Progress())
    assert said in Path(place.log).read_text()


def test_an_installed_copy_that_would_hide_the_clone_is_refused(place):
    fake_environment(place)
    fake_build(place)
    os.mkdir(os.path.join(place.site, "rsx"))

    with raises("would hide this clone", "pip uninstall"):
        bootstrap.prepare(place=place)


# ---- What a start believes ----------------------------------------------


def test_a_whole_environment_needs_nothing(place):
    fake_environment(place)
    fake_build(place)

    assert bootstrap.pending(place, dev=True) == []
    assert bootstrap.prepare(dev=True, place=place) == place.python


def test_a_later_start_loads_nothing_that_only_the_set_up_needs(place):
    code = (
        "import sys; from rsx import bootstrap as b; b.pending(b.Place());"
        "print(*{'subprocess', 'shutil', 'tempfile', 'sysconfig', 'setuptools'} & {*sys.modules})"
    )

    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({place.root!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (result.stdout, result.stderr) == ("\n", "")


def test_an_empty_folder_needs_everything(place):
    assert bootstrap.pending(place) == ["python", "packages", "path", "compile"]
    assert bootstrap.pending(place, dev=True) == ["python", "packages", "dev", "path", "compile"]


def test_changed_constraints_are_installed_and_nothing_else(place):
    fake_environment(place)
    fake_build(place)

    with open(place.path(bootstrap.DEV), "a") as file:
        file.write("# changed\n")
    assert bootstrap.pending(place) == []
    assert bootstrap.pending(place, dev=True) == ["dev"]

    with open(place.path(bootstrap.RUNTIME), "a") as file:
        file.write("# changed\n")
    assert bootstrap.pending(place) == ["packages"]


def test_another_python_means_a_new_environment(place):
    fake_environment(place)
    fake_build(place)

    bootstrap.write_stamp(place, python="3.11.0 elsewhere")

    assert bootstrap.pending(place) == ["python", "packages"]


def test_a_python_that_is_gone_means_a_new_environment(place):
    fake_environment(place)
    fake_build(place)

    os.unlink(place.python)

    assert bootstrap.pending(place) == ["python", "packages"]


def test_a_moved_clone_is_put_on_the_path_again(place, tmp_path):
    fake_environment(place)
    fake_build(place)
    moved = tmp_path / "moved"

    os.rename(place.root, moved)
    place = bootstrap.Place(str(moved), profile="release", venv=str(moved / ".venv"))
    assert bootstrap.pending(place) == ["path"]
    bootstrap.prepare(place=place)

    assert bootstrap.pending(place) == []


def test_the_path_line_is_ascii_wherever_the_clone_lies():
    line = bootstrap.pth_line(bootstrap.Place("/home/zoë/it's \udcff"))

    assert line.isascii()
    found = []
    exec(line, {"__builtins__": {"__import__": lambda *_args: type("sys", (), {"path": found})}})
    assert found == ["/home/zoë/it's \udcff"]


def test_a_step_that_was_cut_off_is_repeated(place, capsys):
    fake_environment(place, "exit 1")
    fake_build(place)
    with open(place.path(bootstrap.RUNTIME), "a") as file:
        file.write("# changed\n")

    with pytest.raises(bootstrap.SetupError):
        bootstrap.prepare(place=place)
    assert bootstrap.pending(place) == ["packages"]
    Path(place.python).write_text("#!/bin/sh\nexit 0\n")
    bootstrap.prepare(place=place)

    assert bootstrap.pending(place, dev=True) == []
    assert "ready after" in capsys.readouterr().err


def test_making_the_environment_anew_keeps_what_the_set_up_holds(place, monkeypatch):
    fake_environment(place)
    Path(place.log).write_text("before\n")
    monkeypatch.setattr(bootstrap, "run_logged", lambda *_args: 0)

    bootstrap.make_venv(place, None, bootstrap.Progress())

    assert sorted(os.listdir(place.venv)) == ["rsx-made", "rsx-stamp", "setup.log"]
    assert Path(place.stamp).read_text() == f"python {bootstrap.python_key()}\n"


# ---- What is stale ------------------------------------------------------


def test_an_input_newer_than_the_module_makes_it_stale(place):
    fake_environment(place)
    module = fake_build(place)
    assert bootstrap.pending(place) == []

    touch_later(place.path("rsx/core/answer.h"), module.built)

    assert bootstrap.pending(place) == ["compile"]


def test_a_missing_input_makes_a_module_stale(place):
    module = fake_build(place)

    os.unlink(place.path("rsx/core/answer.h"))

    assert bootstrap.is_stale(place, module, bootstrap.build_key(place))


def test_a_definition_file_counts_from_the_moment_it_appears(place):
    module = fake_build(place)

    touch_later(place.path("rsx/core/answer.pxd"), module.built)

    assert bootstrap.is_stale(place, module, bootstrap.build_key(place))


def test_changed_build_rules_make_every_module_stale(place):
    module = fake_build(place)

    with open(place.path("setup.py"), "a") as file:
        file.write("# changed\n")

    assert bootstrap.is_stale(place, module, bootstrap.build_key(place))


def test_a_module_of_another_profile_is_replaced_without_compiling(place):
    fake_environment(place)
    module = fake_build(place)

    Path(module.target).write_bytes(b"debug")

    assert bootstrap.pending(place) == ["place"]


def test_a_compiled_module_without_a_source_is_noticed(place):
    fake_environment(place)
    fake_build(place)

    orphan = Path(place.path("rsx", "gone" + bootstrap.SUFFIX))
    orphan.touch()

    assert bootstrap.scan(place)[1] == [str(orphan)]
    assert bootstrap.pending(place) == ["place"]


def test_a_tree_without_extensions_has_nothing_to_build(place):
    fake_environment(place)

    os.unlink(place.path("rsx/core/answer.pyx"))

    assert bootstrap.pending(place) == []


# ---- Locks and signals --------------------------------------------------

HOLDER = """
import sys
from rsx import bootstrap
place = bootstrap.Place(sys.argv[1], venv=sys.argv[1])
with bootstrap.Lock(sys.argv[1] + "/setup.lock", print) as lock:
    command = ["sh", "-c", "echo held; read line < " + sys.argv[1] + "/pipe"]
    bootstrap.run_logged(place, command, lambda line: print(line, flush=True), lock)
"""


@pytest.fixture
def holder(tmp_path):
    """A start in the middle of a step that ends when somebody writes to `pipe`."""
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def is_locked(folder):
    import fcntl

    with open(folder / "setup.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_second_set_up_waits_for_the_first_and_says_so(holder, tmp_path):
    said = []

    def let_go(text):
        said.append(text)
        (tmp_path / "pipe").write_text("go\n")

    with bootstrap.Lock(str(tmp_path / "setup.lock"), let_go):
        assert is_locked(tmp_path)

    assert said == ["waiting for another set-up of this clone to finish"]
    assert not is_locked(tmp_path)


def test_the_orphan_of_a_killed_set_up_keeps_the_lock(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert is_locked(tmp_path)

    (tmp_path / "pipe").write_text("go\n")

    deadline = time.monotonic() + 20
    while is_locked(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_locked(tmp_path)


def test_an_interrupted_step_takes_its_child_with_it(holder, tmp_path):
    holder.send_signal(signal.SIGINT)
    holder.wait()

    assert not is_locked(tmp_path)


def test_an_interrupted_set_up_says_how_it_goes_on(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert bootstrap.guarded(interrupted) == 130
    assert "the next start takes it up again" in capsys.readouterr().err


# ---- Handing over -------------------------------------------------------


@pytest.fixture
def handed_over(place, monkeypatch):
    """What the process would become; the environment is whole already."""
    calls = []
    monkeypatch.setattr(bootstrap, "prepare", lambda dev=False: calls.append(dev) or "python")
    monkeypatch.setattr(bootstrap, "replace_process", lambda *args: calls.append(args))
    return calls


def test_a_start_becomes_the_cli_with_all_its_arguments(handed_over):
    bootstrap.main(["run", "--port", "9", "a b"])

    assert handed_over == [False, ("python", "-P", "-m", "rsx.cli", "run", "--port", "9", "a b")]


def test_only_the_test_command_needs_development_packages(handed_over):
    bootstrap.main(["test", "-k", "ring"])
    bootstrap.main(["run", "test"])
    bootstrap.main([])

    assert [call for call in handed_over if isinstance(call, bool)] == [True, False, False]


def test_the_test_command_becomes_pytest_in_the_clone(handed_over, place, monkeypatch):
    monkeypatch.setattr(bootstrap, "ROOT", place.root)
    monkeypatch.chdir("/")

    bootstrap.run_tests(["-k", "ring"])

    assert handed_over == [True, ("python", "-m", "pytest", "-k", "ring")]
    assert os.path.samefile(os.getcwd(), place.root)


def test_an_installed_rsx_says_where_the_tests_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))

    assert bootstrap.run_tests([]) == 2
    assert "run them from a clone" in capsys.readouterr().err


# ---- The build itself ---------------------------------------------------


def build(clone, **env):
    """Run the clone's own build without optimisation; returns (status, output)."""
    result = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=clone,
        env={**os.environ, "RSX_BUILD": "release", "CFLAGS": "-O0", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return result.returncode, result.stdout


def answer(clone):
    code = "from rsx.core.answer import answer; print(answer())"
    env = {**os.environ, "PYTHONPATH": str(clone)}
    return subprocess.check_output([sys.executable, "-c", code], cwd=clone, env=env, text=True)[:-1]


@pytest.mark.slow
def test_a_build_tracks_headers_and_definitions_and_builds_nothing_else(clone, place):
    core = clone / "rsx" / "core"
    (core / "user.pxd").write_text("cdef int once(int value) noexcept nogil\n")
    (core / "user.pyx").write_text("cdef int once(int value) noexcept nogil:\n    return value\n")
    (core / "second.pyx").write_text(
        "from rsx.core.user cimport once\ndef twice(int value):\n    return 2 * once(value)\n"
    )

    status, output = build(clone)
    assert status == 0, output
    assert [line.split()[1] for line in output.splitlines()] == ["1/3", "2/3", "3/3"]
    assert answer(clone) == "42"
    assert build(clone) == (0, "")

    (core / "answer.h").write_text("#define ANSWER 43\n")
    assert build(clone) == (0, "building 1/1 rsx.core.answer\n")
    assert answer(clone) == "43"

    (core / "user.pxd").touch()
    status, output = build(clone)
    assert sorted(line.split()[2] for line in output.splitlines()) == [
        "rsx.core.second",
        "rsx.core.user",
    ]

    (core / "second.pyx").unlink()
    assert build(clone) == (0, "")
    assert not list(core.glob("second*"))
    assert bootstrap.scan(place)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "header", "said"),
    [
        ("cdef void f() nogil:\n    pass\ndef g():\n    f()\n", "", "performance hint"),
        ("def f():\n    cdef int unneeded\n    return 1\n", "", "Unused entry"),
        (PYX, "#define ANSWER 1\nstatic int f(void) { int u; return u; }\n", "uninitialized"),
    ],
)
def test_complaints_of_the_compilers_fail_the_build(clone, source, header, said):
    (clone / "rsx" / "core" / "answer.pyx").write_text(source)
    (clone / "rsx" / "core" / "answer.h").write_text(header)

    status, output = build(clone, RSX_WARNINGS="error")

    assert status != 0
    assert said in output and "are errors" in output
    assert not list((clone / "rsx" / "core").glob("*.so"))


@pytest.mark.slow
def test_the_debug_profile_defines_its_macro_and_keeps_c_asserts(clone):
    (clone / "rsx" / "core" / "answer.h").write_text(
        "#if defined(RSX_DEBUG) && !defined(NDEBUG)\n#define ANSWER 1\n"
        "#else\n#define ANSWER 0\n#endif\n"
    )

    found = []
    for profile in ("release", "debug", "release"):
        status, output = build(clone, RSX_BUILD=profile)
        found.append((status, bool(output), answer(clone)))

    assert found == [(0, True, "0"), (0, True, "1"), (0, False, "0")]


# ---- Packages -----------------------------------------------------------


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def normal(requirement):
    return requirement.lower().replace("_", "-")


def test_the_project_names_the_versions_that_are_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = {normal(pin) for pin in pins("constraints.txt")}
    development = {normal(pin) for pin in pins("constraints-dev.txt")}

    named = project["project"]["dependencies"] + project["build-system"]["requires"]
    assert {normal(name) for name in named} <= runtime
    extras = project["project"]["optional-dependencies"]
    pinned = extras["dev"] + extras["postgres"] + extras["export"]
    assert {normal(name) for name in pinned} <= development
    assert not runtime & development


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-dev.txt"])
def test_every_package_has_exactly_one_version(name):
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+==[0-9a-z.]+", pin) for pin in pins(name))
    names = [pin.split("==")[0] for pin in pins(name)]
    assert len(names) == len({normal(name) for name in names})


def test_what_is_installed_needs_nothing_that_is_not_pinned():
    """Each pinned package's own requirements are pinned as well, in a version that fits."""
    packaging = pytest.importorskip("packaging.requirements")
    from importlib.metadata import requires

    everything = [*pins("constraints.txt"), *pins("constraints-dev.txt")]
    pinned = dict(normal(pin).split("==") for pin in everything)
    for name in pinned:
        for text in requires(name) or []:
            need = packaging.Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert normal(need.name) in pinned, f"{name} needs {text}"
                assert need.specifier.contains(pinned[normal(need.name)]), f"{name} needs {text}"
