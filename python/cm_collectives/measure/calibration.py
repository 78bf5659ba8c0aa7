"""Calibrations: the fitted numbers of a library on a machine, where they come from and how far."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cm_collectives.errors import ArgumentError, SpecError

from . import calibration_toml

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl

    from .libraries import Tuning

# Below this share of information the data say less than what was believed before.
DETERMINED = 0.5


class Fitted(NamedTuple):
    """A fitted parameter."""

    value: float  # in the unit that its name ends with
    sd: float  # relative, one standard deviation
    information: float  # share that comes from the data, 0..1


class Seen(NamedTuple):
    """What of a regime was measured."""

    regime: str
    rows: int
    ranks: tuple[int, int]
    size_bytes: tuple[int, int]


class Errors(NamedTuple):
    """Relative errors: the median, the 90th percentile and the largest."""

    median: float
    p90: float
    worst: float


class Provenance(NamedTuple):
    """Where a calibration comes from."""

    rows: int
    sources: tuple[str, ...]
    libraries: tuple[str, ...]  # as the measurements write them
    version: str  # of this package
    fitted: Errors
    left_out: Errors | None  # of rows that the fit had not seen; None where there were too few
    note: str


class Calibration:
    """The numbers of one library on one machine.

    Get one from `cm.calibrate` or `Calibration.load`, and use it with `Fabric.calibrated`. It is
    immutable and compares by content.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("hgx_h100", library="nccl")
    >>> calibration = fabric.calibration
    >>> calibration.library, round(calibration.parameters["launch_us"].value, 1)
    ('nccl', 4.4)
    >>> cm.Calibration.from_toml(calibration.to_toml()) == calibration
    True
    """

    __slots__ = (
        "fabric",
        "library",
        "parameters",
        "provenance",
        "residuals",
        "rule",
        "seen",
        "transferred_from",
        "tuning",
    )

    fabric: str
    library: str
    rule: str
    tuning: Tuning | None
    parameters: dict[str, Fitted]
    seen: tuple[Seen, ...]
    provenance: Provenance
    transferred_from: str | None
    residuals: pl.DataFrame | None

    def __init__(
        self,
        *,
        fabric: str,
        library: str,
        rule: str,
        tuning: Tuning | None,
        parameters: dict[str, Fitted],
        seen: tuple[Seen, ...],
        provenance: Provenance,
        transferred_from: str | None = None,
        residuals: pl.DataFrame | None = None,
    ) -> None:
        for name, value in (
            ("fabric", fabric),
            ("library", library),
            ("rule", rule),
            ("tuning", tuning),
            ("parameters", parameters),
            ("seen", seen),
            ("provenance", provenance),
            ("transferred_from", transferred_from),
            ("residuals", residuals),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a calibration is immutable."""
        raise AttributeError(f"a Calibration is immutable; make a new one with another {name}")

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Parameters of which the data say less than what was believed before.

        Examples
        --------
        >>> cm.Fabric.preset("cm384", library="cann-ep").calibration.undetermined
        ('launch_us', 'pair_GBs')
        """
        return tuple(
            name for name, each in self.parameters.items() if each.information < DETERMINED
        )

    @property
    def frame(self) -> pl.DataFrame:
        """One row per parameter: value, uncertainty, and whether the data determine it.

        `parameter` (String), `value` (Float64, in the unit that the name ends with), `sd` (Float64,
        relative), `information` (Float64, share that comes from the data), `determined` (Boolean),
        `meaning` (String).
        """
        import polars as pl

        from cm_collectives import _core

        about = _core.cost_parameters()
        meanings = dict(zip(about["parameter"], about["meaning"], strict=True))
        return pl.DataFrame(
            [
                (name, *each, each.information >= DETERMINED, meanings[name])
                for name, each in self.parameters.items()
            ],
            schema={
                "parameter": pl.String,
                "value": pl.Float64,
                "sd": pl.Float64,
                "information": pl.Float64,
                "determined": pl.Boolean,
                "meaning": pl.String,
            },
            orient="row",
        )

    def values(self) -> list[tuple[str, float]]:
        """Return the parameters by name."""
        return [(name, each.value) for name, each in self.parameters.items()]

    def transferred(self, fabric: str) -> Calibration:
        """Return the same numbers for another machine with the same endpoints.

        Every use of them is an extrapolation; `cm.validate` says so.

        Examples
        --------
        >>> fitted = cm.Fabric.preset("hgx_b200", library="nccl").calibration
        >>> fitted.transferred("my_box").transferred_from
        'hgx_b200'
        """
        return self.replaced(fabric=fabric, transferred_from=self.transferred_from or self.fabric)

    def replaced(self, **changes: object) -> Calibration:
        """Return a calibration with other fields."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Calibration(**(fields | changes))

    def extrapolates(self, regime: str, n_ranks: int, size_bytes: float) -> str | None:
        """Return why a question lies outside of what was measured; None if it does not.

        Parameters
        ----------
        regime : str
            Name of a regime of the cost model, as `cm.validate` lists it.
        n_ranks : int
            Ranks.
        size_bytes : float
            Bytes, as in the measurements.

        Returns
        -------
        str or None
            A sentence.

        Examples
        --------
        >>> nccl = cm.Fabric.preset("hgx_a100", library="nccl").calibration
        >>> nccl.extrapolates("bulk", 64, 2**28)
        'regime bulk was measured on 2 to 8 ranks'
        """
        if self.transferred_from is not None:
            return f"the numbers are those of {self.transferred_from}"
        known = [each for each in self.seen if each.regime == regime]
        if not known:
            return f"no row of regime {regime} was measured"
        low, high = known[0].ranks
        if not low <= n_ranks <= high:
            some = f"{low}" if low == high else f"{low} to {high}"
            return f"regime {regime} was measured on {some} ranks"
        least, most = known[0].size_bytes
        if not least <= size_bytes <= most:
            return f"regime {regime} was measured from {least} to {most} bytes"
        return None

    def to_toml(self) -> str:
        """Return the calibration as text of the schema cm.calibration/1, without the residuals.

        Examples
        --------
        >>> cm.Fabric.preset("cm384", library="hccl").calibration.to_toml().splitlines()[0]
        'schema = "cm.calibration/1"'
        """
        return calibration_toml.render(self)

    @staticmethod
    def from_toml(text: str) -> Calibration:
        """Return the calibration of such a text.

        Raises
        ------
        SpecError
            If it breaks the schema; the message names the key.
        """
        return calibration_toml.parse(text, "calibration")

    def save(self, path: str | PathLike[str]) -> None:
        """Write `to_toml()` to a file."""
        from pathlib import Path

        Path(path).write_text(self.to_toml(), encoding="utf-8")

    @staticmethod
    def load(path: str | PathLike[str]) -> Calibration:
        """Return the calibration of a file that `save` has written.

        Raises
        ------
        SpecError
            If it breaks the schema; the message names file and key.
        """
        from pathlib import Path

        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SpecError(f"{path}: is no UTF-8 text: {error}") from None
        return calibration_toml.parse(text, str(path))

    def _content(self) -> tuple[object, ...]:
        return tuple(
            tuple(value.items()) if isinstance(value, dict) else value
            for name in self.__slots__
            if name != "residuals"
            for value in (getattr(self, name),)
        )

    def __eq__(self, other: object) -> bool:
        """Compare by content; residuals, which no file carries, do not count."""
        return isinstance(other, Calibration) and self._content() == other._content()

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self._content())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content."""
        return _rebuilt, ({name: getattr(self, name) for name in self.__slots__},)

    def __repr__(self) -> str:
        """Name library, machine and how well it fits."""
        told = self.provenance
        return (
            f"Calibration({self.library} on {self.fabric}: {len(self.parameters)} parameters from "
            f"{told.rows} rows, median error {told.fitted.median:.1%})"
        )


def _rebuilt(fields: dict[str, object]) -> Calibration:
    return Calibration(**fields)  # type: ignore[arg-type] # they are those of a calibration


def checked(value: object, name: str = "calibration") -> Calibration:
    """Return a calibration, or raise the error for anything else."""
    if not isinstance(value, Calibration):
        raise ArgumentError(
            f"{name} must be a Calibration, got {value!r}; see calibrate and Calibration.load"
        )
    return value
