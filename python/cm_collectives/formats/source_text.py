"""Text that callers pass as a path or as it is."""

from __future__ import annotations

from os import PathLike

from cm_collectives.errors import ArgumentError, SpecError


def read(source: str | PathLike[str], name: str) -> tuple[str, str]:
    """Return the text of a path or of the text itself, and what to call it."""
    if isinstance(source, str) and "\n" in source:
        return source, "text"
    if not isinstance(source, (str, PathLike)):
        raise ArgumentError(f"{name} must be a path, or text with a line break, got {source!r}")
    from pathlib import Path

    try:
        return Path(source).read_text(encoding="utf-8"), str(source)
    except UnicodeDecodeError as error:
        raise SpecError(f"{source}: is no UTF-8 text: {error}") from None
