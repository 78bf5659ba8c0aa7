"""The exceptions of cm_collectives.

Every error that the package raises on purpose is a `CmError`, so one `except` clause catches them
all. Errors about what the caller passed are also `ValueError`, as users of NumPy and SciPy expect.
The extension module raises these same classes.
"""

__all__ = [
    "ArgumentError",
    "CalibrationWarning",
    "CmError",
    "LimitError",
    "SpecError",
    "SweepError",
    "UnsupportedError",
    "VerifyError",
]


class CmError(Exception):
    """Base of all errors of cm_collectives.

    Catch it to handle whatever the package reports, and nothing else.

    Examples
    --------
    >>> from cm_collectives.errors import CmError, LimitError
    >>> try:
    ...     raise LimitError("the run needs 12 GB, the limit is 8 GB")
    ... except CmError as error:
    ...     print(error)
    the run needs 12 GB, the limit is 8 GB
    """


class ArgumentError(CmError, ValueError):
    """An argument has a wrong value.

    The message names the argument, its value and what is allowed; for an unknown name it lists
    the nearest valid ones.

    Examples
    --------
    >>> from cm_collectives.errors import ArgumentError
    >>> try:
    ...     raise ArgumentError("ranks must be at least 1, got 0")
    ... except ValueError as error:
    ...     print(error)
    ranks must be at least 1, got 0
    """


class CalibrationWarning(UserWarning):
    """A fit or a comparison that stands on less than it seems to.

    Rows that contradict each other or do not determine a parameter, and predictions outside of what
    was measured. The result is still what was asked for.

    Examples
    --------
    >>> import warnings
    >>> from cm_collectives.errors import CalibrationWarning
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warnings.warn("3 rows for 5 parameters", CalibrationWarning)
    >>> [str(each.message) for each in caught]
    ['3 rows for 5 parameters']
    """


class VerifyError(CmError, ValueError):
    """A schedule does not compute its collective, or a certificate does not hold.

    The message names the first broken rule with its transfer, rank and chunk.

    Examples
    --------
    >>> from cm_collectives.errors import VerifyError
    >>> try:
    ...     raise VerifyError("rank 3 ends without the contribution of rank 1 to chunk 0")
    ... except ValueError as error:
    ...     print(error)
    rank 3 ends without the contribution of rank 1 to chunk 0
    """


class SpecError(CmError, ValueError):
    """A file or a frame does not follow its format.

    The message names the file or frame, the place in it and the rule.

    Examples
    --------
    >>> from cm_collectives.errors import SpecError
    >>> try:
    ...     raise SpecError("links, row 4: rate_Bps must be an integer above 0, got -1")
    ... except ValueError as error:
    ...     print(error)
    links, row 4: rate_Bps must be an integer above 0, got -1
    """


class UnsupportedError(CmError, ValueError):
    """The arguments are valid one by one, but this combination cannot be simulated.

    The package never falls back to another algorithm, engine or route; it raises this error.

    Examples
    --------
    >>> from cm_collectives.errors import UnsupportedError
    >>> try:
    ...     raise UnsupportedError("recursive_doubling needs 2^k ranks, got 12")
    ... except ValueError as error:
    ...     print(error)
    recursive_doubling needs 2^k ranks, got 12
    """


class LimitError(CmError):
    """A run reached a limit on memory or on the number of events.

    The request is valid; a larger limit or a larger machine would serve it. Hence it is not a
    `ValueError`.

    Examples
    --------
    >>> from cm_collectives.errors import LimitError
    >>> issubclass(LimitError, ValueError)
    False
    """


class SweepError(CmError):
    """A sweep into a directory could not go on: a disk was full, or an executor died.

    The parts that were finished are kept; the same call again does the others.

    Examples
    --------
    >>> from cm_collectives.errors import CmError, SweepError
    >>> try:
    ...     raise SweepError("results/part-000007.parquet cannot be written: no space left")
    ... except CmError as error:
    ...     print(error)
    results/part-000007.parquet cannot be written: no space left
    """
