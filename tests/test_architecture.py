"""Rules of ARCHITECTURE.md that a program can check."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cm_collectives as cm

ROOT = Path(__file__).parents[1]
PYTHON = sorted((ROOT / "python").rglob("*.py"))
CORE = ROOT / "rust" / "core"
BINDING = ROOT / "rust" / "py"


def in_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_core_does_not_know_python() -> None:
    assert "pyo3" not in (CORE / "Cargo.toml").read_text()
    for path in (CORE / "src").rglob("*.rs"):
        assert "pyo3" not in path.read_text(), path


def test_every_class_of_the_extension_is_frozen() -> None:
    attributes = [
        (path.name, attribute)
        for path in sorted((BINDING / "src").glob("*.rs"))
        for attribute in re.findall(r"#\[pyclass\b[^\]]*\]", path.read_text())
    ]
    assert attributes
    for name, attribute in attributes:
        assert re.search(r"\bfrozen\b", attribute), f"{name}: {attribute}"


def constants(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a file that are no docstrings, with their lines."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in documentation:
            continue
        if isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_python_holds_no_algorithm_names(path: Path) -> None:
    names = set(cm.algorithms()["algorithm"])
    assert [(line, value) for line, value in constants(path) if value in names] == []


# `importlib.metadata` alone takes longer to import than this package.
HEAVY = {"numpy", "polars", "json", "platform", "importlib.metadata", "argparse", "difflib"}


def test_importing_loads_nothing_heavy_and_starts_no_thread() -> None:
    code = (
        "import sys, os, cm_collectives\n"
        f"print({HEAVY!r} & set(sys.modules), len(os.listdir('/proc/self/task')))"
    )
    assert in_process(code) == "set() 1"


def test_a_public_name_is_the_same_whatever_was_imported_before() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT / "python").with_suffix("").parts)
        for path in (ROOT / "python" / "cm_collectives").rglob("*.py")
        if not path.name.startswith("__")
    )
    code = (
        "import importlib, types, cm_collectives as cm\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        "names = [name for name in cm.__all__ if isinstance(getattr(cm, name), types.ModuleType)]\n"
        "print(names, set(cm.__all__) <= set(dir(cm)))"
    )
    assert in_process(code) == "['expr'] True"


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_no_module_imports_numpy_or_polars_at_its_top(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            modules = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [(node.module or "").partition(".")[0]]
        else:
            continue
        assert not {"numpy", "polars"} & set(modules), ast.unparse(node)


def test_everything_in_the_extension_is_used() -> None:
    from cm_collectives import _core

    used = "\n".join(path.read_text() for path in PYTHON)
    for name in _core.__all__:
        assert f"_core.{name}" in used or f"import {name}" in used, name


def test_the_command_line_uses_the_public_interface_only() -> None:
    allowed = set(cm.__all__)
    for path in (ROOT / "python" / "cm_collectives" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "cm_collectives":
                assert {alias.name for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                module = node.module or ""
                assert not module.startswith("cm_collectives._"), path.name


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_a_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
