"""What prose asks of the repository, enforced: layers, no floats, sizes, words, links, tables."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from rsx import config as config_module
from rsx.errors import HTTP_STATUS, SENTENCES, Reason
from rsx.records_gen import outputs
from rsx.topology import RINGS

ROOT = Path(__file__).resolve().parents[1]
GENERATED = {"rsx/records.h", "rsx/records_c.pxd", "specs/records.md", "tests/records_golden.py",
             "rsx/rows.h", "rsx/rows_c.pxd"}  # fmt: skip
SPECS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "specs").glob("*.md")}


def files(*suffixes: str, under: tuple[str, ...] = ("rsx", "tests", "perf")) -> list[Path]:
    """Source files of the repository, built and generated ones left out."""
    found = [path for folder in under for path in (ROOT / folder).rglob("*")]
    found += [path for path in ROOT.iterdir() if path.is_file()] if under[-1] == "perf" else []
    return sorted(
        path
        for path in found
        if path.suffix in suffixes
        and name(path) not in GENERATED
        and not (path.suffix in (".c", ".cpp") and path.with_suffix(".pyx").exists())
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name)


PYTHON = files(".py")
CYTHON = files(".pyx", ".pxd")
CODE = files(".py", ".pyx", ".pxd", ".h", ".toml", ".cpp")
PROSE = files(".md", under=("specs", "perf", "rsx", "tests")) + sorted(ROOT.glob("*.md"))

# --- layers -----------------------------------------------------------------------------------

# Who may import whom (specs/index.md). Each layer may also import itself.
BASE = {"core", "units", "records", "rows", "errors", "rules", "shards", "config"}
LAYERS: dict[str, set[str]] = {
    "core": set(),
    "errors": set(),
    "units": set(),
    "records": {"core", "errors"},
    "rows": {"core", "records"},
    "rules": {"errors", "units", "records"},
    "shards": {"records"},
    "config": {"errors", "units", "rules", "shards"},
    "book": BASE,
    "risk": BASE | {"book"},
    "wal": BASE | {"book", "risk"},
    "store": BASE | {"wal"},
    "mark": BASE,
    "tiles": BASE | {"book", "risk", "wal", "mark", "store"},
    "edge": BASE | {"tiles", "store"},
    "net": BASE | {"book", "risk", "wal", "edge"},
    "client": {"errors", "config"},
    "topology": BASE | {"book", "risk", "wal", "store", "mark", "tiles", "edge", "net"},
    "exchange": BASE | {"book", "risk", "wal", "tiles", "edge", "topology", "client", "net"},
    "sim": BASE | {"book", "risk", "wal", "tiles", "topology"},
    "commands": BASE | {"book", "risk", "wal", "store", "edge", "client", "net", "sim"},
    "cli": BASE | {"exchange", "commands", "bootstrap"},
    "bootstrap": set(),
}
PART_OF = {f"records_{part}": "records" for part in ("c", "enums", "form", "gen")}
PART_OF["rows_c"] = "rows"
IMPORT = re.compile(
    r"^\s*(?:from\s+rsx\.(\w+)[\w.]*\s+c?import"
    r"|c?import\s+rsx\.(\w+)|from\s+rsx\s+c?import\s+(\w+))"
    r"|cdef extern from \"rsx/(\w+)",
    re.MULTILINE,
)


def layer(module: str) -> str:
    return PART_OF.get(module, module)


@named([p for p in files(".py", ".pyx", ".pxd", under=("rsx",)) if p.name != "__init__.py"])
def test_imports_point_one_way(path):
    own = layer(path.relative_to(ROOT / "rsx").parts[0].partition(".")[0])
    used = {layer(next(filter(None, groups))) for groups in IMPORT.findall(text(path))}

    assert own in LAYERS, f"{name(path)}: a new part; give it its place in LAYERS"
    assert not used - LAYERS[own] - {own, "__version__"}, f"{own} must not know of them"


def test_the_layers_have_no_cycle():
    order = list(LAYERS)
    for own, used in LAYERS.items():
        if own != "records":  # reads a checksum, which knows of no record
            assert all(order.index(u) < order.index(own) for u in used - {"bootstrap"}), own


PURE = re.compile(
    r"^\s*(?:import|from)\s+(asyncio|time|random|logging|os|socket|threading)\b", re.M
)


PURE_ALLOWED = {
    # Seeds of hashes, against chosen ids and prices; no result depends on them.
    "rsx/book/book.pyx": {"os"},
    "rsx/book/cids.pyx": {"os"},
    # The seeded walk, and the only file there that knows the network.
    "rsx/mark/walk.py": {"random"},
    "rsx/mark/connector.py": {"asyncio"},
}


@named(files(".py", ".pyx", ".pxd", under=("rsx/book", "rsx/risk", "rsx/mark")))
def test_the_domain_has_no_clock_no_io_and_no_chance(path):
    assert set(PURE.findall(text(path))) <= PURE_ALLOWED.get(name(path), set())


# --- no floats (INV-27) -----------------------------------------------------------------------

EXACT = [
    *files(".py", ".pyx", ".pxd", under=("rsx/core", "rsx/book", "rsx/risk", "rsx/wal",
                                             "rsx/mark")),
    *(ROOT / f"rsx/{part}" for part in (
        "units.py", "units.pxd", "records.py", "records_form.py", "errors.py", "rules.py",
        "shards.py", "client/decimals.py",
        "client/models.py", "client/frames.py", "client/book.py", "client/memory.py",
        "tiles/mark.py", "tiles/matching.pyx", "tiles/risk.pyx", "tiles/wal.pyx",
        "edge/codec.py", "edge/entry.py", "edge/events.py", "edge/orders.py", "edge/picks.py",
        "edge/public_feed.py",
    )),
]  # fmt: skip
# file -> text of lines that may hold one: times in seconds, paths, and floats being refused
FLOATS_ALLOWED = {
    "rsx/core/async_tile.py": ("timeout_s: float",),
    "rsx/wal/start.py": ("seconds: float",),
    "rsx/wal/inspect.py": ("LOOK_AGAIN_S",),
    "rsx/wal/segments.py": ('path / "wal"', "data / "),
    "rsx/tiles/wal.pyx": ("self.folder / ",),
    "rsx/tiles/mark.py": ("wait_s = ",),
    "rsx/mark/connector.py": ("def seconds(", "return milliseconds / 1000"),
    "rsx/client/decimals.py": ("isinstance(value, float)",),
    "rsx/client/models.py": ("down_s: float",),
    "rsx/edge/codec.py": ("def echo(",),
}


@named([path for path in EXACT if path.exists()])
def test_no_float_touches_money_price_or_quantity(path):
    allowed = FLOATS_ALLOWED.get(name(path), ())
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text(path)).readline):
        is_float = token.type == tokenize.NUMBER and re.search(r"[.jJ]|^[0-9]+[eE]", token.string)
        is_name = token.type == tokenize.NAME and token.string in ("float", "double")
        is_division = token.type == tokenize.OP and token.string in ("/", "/=")
        if (is_float or is_name or is_division) and not any(a in token.line for a in allowed):
            found.append(f"line {token.start[0]}: {token.line.strip()}")
    assert not found


# --- sizes ------------------------------------------------------------------------------------

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = {".py": 800, ".pyx": 800, ".pxd": 300, ".h": 300}


@named([path for path in CODE if not name(path).startswith("perf/")])
def test_lines_and_files_are_short(path):
    lines = text(path).splitlines()

    long = [f"line {i}" for i, line in enumerate(lines, 1) if len(line) > COLUMNS_MAX]
    assert not long
    assert len(lines) <= FILE_LINES_MAX.get(path.suffix, 1000)


@named(PYTHON)
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name}: {lines} lines"


@named([path for path in CYTHON if path.suffix == ".pyx"])
def test_cython_functions_are_short(path):
    head = re.compile(r"^(\s*)(?:cdef|cpdef|def)\s+(?!class|enum|struct|extern)[^=]*?(\w+)\(")
    start, indent, function = 0, "", ""
    lines = text(path).splitlines()
    for number, line in enumerate([*lines, "end"], 1):
        ends = line.strip() and len(line) - len(line.lstrip()) <= len(indent)
        if function and ends and not line.lstrip().startswith((")", "#")):
            last = number - 1
            while not lines[last - 1].strip():
                last -= 1
            assert last - start < FUNCTION_LINES_MAX, f"{function}: {last - start + 1} lines"
            function = ""
        if match := head.match(line):
            start, indent, function = number, match[1], match[2]


# --- words ------------------------------------------------------------------------------------

# Split, so that this file does not find itself.
BANNED = [
    r"\bTO" r"DO(?!\(#\d+\))", r"\bFIX" r"ME\b", r"\bX" r"XX\b", r"\bHA" r"CK\b",
    r"\bfor n" r"ow\b", r"\bplace" r"holder\b", r"\bnot (yet )?imple" r"mented\b",
    r"\bback" r"wards[- ]compat",
]  # fmt: skip
MACHINE = [r"/wo" r"rk/", r"/tmp" r"/v/", r"/ro" r"ot/", r"\.py" r"env"]


@named([*CODE, *PROSE])
def test_no_unfinished_business_and_no_place_of_one_machine(path):
    content = text(path)
    for pattern in BANNED + MACHINE:
        found = re.search(pattern, content)
        assert not found, f"{found[0]!r} at line {content[: found.start()].count(chr(10)) + 1}"


@named(PYTHON)
def test_no_error_is_swallowed_unseen(path):
    for node in ast.walk(ast.parse(text(path))):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"line {node.lineno}: except without a class"
        broad = isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
        silent = all(isinstance(statement, ast.Pass) for statement in node.body)
        assert not (broad and silent), f"line {node.lineno}: everything is passed over"


# --- specs ------------------------------------------------------------------------------------

INVARIANTS = set(re.findall(r"^\| INV-(\d+) \|", SPECS["invariants.md"], re.MULTILINE))
RULE = re.compile(
    r"\b(B|PM|PX|MO|M|RO|ST|C|CA|AM|EX|TR|D|R|F|Y|U|A|K|G|V|P|T|L|W|MD|MK|CL|DM|PF)-(\d+)\b"
)
DEFINED = {
    rule
    for page in SPECS.values()
    for line in page.splitlines()
    for rule in re.findall(r"^(?:[-*|] )?(?:\*\*)?([A-Z]{1,2}-\d+)\b", line)
}


@named([*CODE, *PROSE])
def test_every_invariant_that_is_cited_exists(path):
    cited = {int(number) for number in re.findall(r"\bINV-(\d+)\b", text(path))}

    assert not {n for n in cited if n < 1000} - set(map(int, INVARIANTS))


@named([p for p in CODE if name(p).startswith("rsx/") or name(p).startswith("tests/")])
def test_every_rule_that_is_cited_exists(path):
    cited = {f"{prefix}-{number}" for prefix, number in RULE.findall(text(path))}

    assert not cited - DEFINED


def test_the_index_names_every_prefix_of_every_page():
    pages = {page: own.split() for page, own in re.findall(
        r"^\| \[\w+\]\((\w+\.md)\) \| .* \|(.*)\|$", SPECS["index.md"], re.MULTILINE
    )}  # fmt: skip
    for page, content in SPECS.items():
        used = set(re.findall(r"^(?:\*\*)?([A-Z]+3?)-\d+\b", content, re.MULTILINE))
        assert used <= {*pages.get(page, []), "INV"}, page


def test_every_invariant_names_what_enforces_it():
    rows = re.findall(r"^\| (INV-\d+) \| (.*) \| (.*) \|$", SPECS["invariants.md"], re.MULTILINE)

    assert len(rows) == len(INVARIANTS)
    for number, holds, enforced in rows:
        assert holds.strip() and enforced.strip(), number
        for path in re.findall(r"`([\w/]+\.\w+)`", enforced):
            places = (ROOT / path, ROOT / "rsx" / path)
            assert any(place.exists() for place in places), f"{number}: {path} is not there"


@named([*CODE, *PROSE])
def test_every_page_that_is_named_exists(path):
    for page in re.findall(r"\bspecs/(\w+\.md)\b", text(path)):
        assert page in SPECS, page


@named(PROSE)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(path)):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"\]\((\w+\.md)\)", SPECS["index.md"]))

    assert listed == SPECS.keys() - {"index.md"}


def test_every_ring_is_in_the_table_of_rings():
    table = SPECS["tiles.md"]
    listed: set[str] = set()
    for cell in re.findall(r"^\| ([a-z_\[\], ]+) \| [a-z]+", table, re.MULTILINE):
        listed |= {part.strip() for part in re.split(r",(?![^\[]*\])", cell)}
    keys = {row: ["shard"] * row.per_shard + ["symbol"] * row.per_symbol for row in RINGS}
    rings = {f"{row.name}[{', '.join(k)}]" if k else row.name for row, k in keys.items()}

    assert listed - {"ring"} == rings


# --- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", outputs(), ids=name)
def test_generated_files_are_fresh(path):
    fix = "python -m rsx.records --write"
    assert text(path) == outputs()[path], f"{name(path)} is stale: {fix}"


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_has_a_sentence_a_band_and_a_line_in_the_spec(reason):
    assert SENTENCES[reason]
    assert SENTENCES[reason][0].islower()
    assert reason == 0 or reason // 1000 in (1, 2, 3, 4, 9)
    assert re.search(rf"^\| {int(reason)} \| {reason.name} \|", SPECS["records.md"], re.MULTILINE)


def test_every_reason_is_given_somewhere_and_by_its_name():
    """One table, used the same everywhere: no number of its own in any code that gives one."""
    tables = {"rsx/errors.py", "rsx/records.h", "rsx/records_c.pxd"}
    code = {name(p): text(p) for p in files(".py", ".pyx", ".pxd", under=("rsx",))}
    together = "\n".join(content for path, content in code.items() if path not in tables)
    given = set(re.findall(r"\b(?:Reason\.|RSX_R_)([A-Z0-9_]+)\b", together))
    assert given >= {reason.name for reason in Reason} - {"NONE"}
    for path, content in code.items():
        bare = re.findall(r"(?:RequestError|RequestRefused|Refused|reject\w*)\((\d{4})\b", content)
        assert not bare, f"{path}: {bare}"


def test_no_sentence_or_status_is_left_over():
    assert SENTENCES.keys() == set(Reason)
    assert HTTP_STATUS.keys() <= set(Reason)
    assert all(400 <= status < 600 for status in HTTP_STATUS.values())


def test_every_key_of_the_configuration_is_explained_in_config_toml():
    manual = text(ROOT / "config.toml")
    tables = re.split(r"(?m)^\[+(\w+)\]+$", manual)
    sections: dict[str, str] = {}
    for section, body in zip(tables[1::2], tables[2::2], strict=True):
        sections[section] = sections.get(section, "") + body
    for section in config_module._File.__struct_fields__:
        kind = config_module._File.__annotations__[section]
        struct = config_module.SymbolText if section == "symbols" else getattr(
            config_module, kind if isinstance(kind, str) else kind.__name__)  # fmt: skip
        body = sections[section]
        for key in struct.__struct_fields__:
            assert re.search(rf"(?m)^{key} = ", body), f"{section}.{key} is not in config.toml"
        if section != "symbols":  # explained together, above the first market
            assert body.lstrip().startswith("#"), section
    assert sections.keys() == set(config_module._File.__struct_fields__)
