"""The examples of the documentation run, and the scripts in `examples/` end without an error."""

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> Iterator[tuple[Path, str]]:
    """Yield the Python of each Markdown page, in order, as one session."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = FENCE.findall(page.read_text())
        if blocks:
            yield page, "\n".join(blocks)


@pytest.mark.parametrize(
    ("page", "code"), [pytest.param(page, code, id=page.name) for page, code in examples()]
)
def test_the_examples_of_a_page_run(page: Path, code: str) -> None:
    if ">>>" in code:
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        parsed = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
        report: list[str] = []
        doctest.DocTestRunner(optionflags=flags).run(parsed, out=report.append)
        assert report == [], "".join(report)
    else:
        exec(compile(code, str(page), "exec"), {"__name__": "__main__"})  # noqa: S102


@pytest.mark.parametrize(
    "script", [pytest.param(p, id=p.name) for p in sorted((ROOT / "examples").glob("*.py"))]
)
def test_an_example_script_ends_well(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
