"""The directory of a sweep: part files that are there whole or not at all, and their manifest.

Every file is written under another name, synced to the disk and renamed, so a kill leaves no half
of one. A part carries the digest of the scenarios that it answers; the manifest says what the whole
directory is about, and no other sweep may write into it.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ArgumentError, SpecError, SweepError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

FORMAT = "cm.sweep/1"
MANIFEST = "manifest.json"

_DIGEST_KEY = "cm.scenarios"
_PARTS = "part-*.parquet"
_UNFINISHED = ".*.unfinished"


class Manifest(NamedTuple):
    """What a directory answers; two sweeps may share one if all of this is equal."""

    version: str
    rows: int
    part_rows: int
    schema: dict[str, str]
    scenarios: str
    fabrics: dict[str, str | None]

    @property
    def n_parts(self) -> int:
        """At least one, so that an empty sweep has its columns."""
        return max(1, -(-self.rows // self.part_rows))

    def refuse_other(self, known: dict[str, Any], directory: Path) -> None:
        """Raise the error for a directory whose manifest is another one."""
        advice = "give another directory"
        theirs = known.get("version")
        if theirs != self.version:
            raise ArgumentError(
                f"out: {directory} holds a sweep by version {theirs} of cm_collectives, this is "
                f"{self.version}; {advice}"
            )
        if known.get("part_rows") != self.part_rows:
            raise ArgumentError(
                f"out: {directory} holds a sweep with part_rows={known.get('part_rows')}, got "
                f"part_rows={self.part_rows}; resume with the same"
            )
        for name, digest in self.fabrics.items():
            before = known.get("fabrics", {}).get(name, digest)
            if before != digest:
                raise ArgumentError(
                    f"out: {directory} holds answers about another fabric under the name {name!r} "
                    f"(digest {before}, this is {digest}); {advice}"
                )
        if known != {"format": FORMAT, **self._asdict()}:
            raise ArgumentError(
                f"out: {directory} holds answers to other scenarios ({known.get('rows')} rows, "
                f"digest {known.get('scenarios')}; these are {self.rows} rows, digest "
                f"{self.scenarios}); {advice}"
            )


class Directory:
    """The directory of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, manifest: Manifest, *, resume: bool) -> None:
        """Make the directory and its manifest, or check that they are of the same sweep."""
        file = self.path / MANIFEST
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            text = file.read_text() if file.exists() else None
            strangers = text is None and any(self.path.glob(_PARTS))
        except OSError as error:
            raise ArgumentError(f"out: {self.path} is no directory to write to: {error}") from error
        if strangers:
            raise ArgumentError(
                f"out: {self.path} has parts but no {MANIFEST}; clear it or give another directory"
            )
        if text is None:
            content = json.dumps({"format": FORMAT, **manifest._asdict()}, indent=2)
            write_whole(file, content.encode() + b"\n")
            return
        if not resume:
            raise ArgumentError(
                f"out: {self.path} holds a sweep already; resume=True goes on with it"
            )
        try:
            known = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"{file} is no JSON: {error}") from None
        if not isinstance(known, dict) or known.get("format") != FORMAT:
            raise SpecError(f"{file} is no manifest of a sweep of the format {FORMAT}")
        manifest.refuse_other(known, self.path)

    def part(self, index: int) -> Path:
        """Return the file of a part."""
        return self.path / f"part-{index:06}.parquet"

    def has(self, index: int, digest: str) -> bool:
        """Whether a part is finished; one that is damaged or foreign is an error."""
        import polars as pl

        file = self.part(index)
        if not file.exists():
            return False
        try:
            found = pl.read_parquet_metadata(file).get(_DIGEST_KEY)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SpecError(
                f"{file} is cut short or damaged ({error}); delete it, and the same call again "
                "computes it anew"
            ) from error
        if found != digest:
            raise SpecError(
                f"{file} does not answer this part of the scenarios; delete it, and "
                "the same call again computes it anew"
            )
        return True

    def write(self, index: int, frame: pl.DataFrame, digest: str) -> None:
        """Write a part."""
        content = io.BytesIO()
        frame.write_parquet(content, metadata={_DIGEST_KEY: digest})
        write_whole(self.part(index), content.getbuffer())

    def clear(self) -> None:
        """Remove what killed writers have left."""
        for file in self.path.glob(_UNFINISHED):
            file.unlink(missing_ok=True)


def write_whole(file: Path, content: bytes | memoryview) -> None:
    """Write a file that is there whole, and on the disk, or not at all."""
    import uuid

    unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}.unfinished")
    try:
        try:
            with unfinished.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(file)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_names(file.parent)
    except OSError as error:
        raise SweepError(
            f"{file} cannot be written: {error.strerror or error}; what is finished is kept, and "
            "the same call again goes on"
        ) from error


def _sync_names(directory: Path) -> None:
    """Bring a new name in a directory to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
