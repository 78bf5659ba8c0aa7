"""What is installed: the first lines of a report about a defect."""

from . import _core


def show_versions() -> None:
    """Print the versions of the package, its extension and what it runs on.

    Examples
    --------
    >>> cm.show_versions()
    cm_collectives: ...
    """
    # These three cost more time than the rest of the package together, so they are imported here.
    import platform
    import sys
    from importlib import metadata

    lines = {
        "cm_collectives": _core.__version__,
        **{name: metadata.version(name) for name in ("numpy", "polars")},
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        **{f"extension {name}": value for name, value in sorted(_core.build_info().items())},
    }
    for name, value in lines.items():
        print(f"{name}: {value}")  # noqa: T201 (printing is what it is for)
