"""A team: the ranks of a collective, and the groups they form."""

from __future__ import annotations

from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, SupportsIndex

from .arguments import integer, unknown_name
from .errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Groups = tuple[tuple[int, ...], ...]


class Team:
    """Ranks on endpoints of a fabric, and their groups: packages, nodes, and a placement's axes.

    `Fabric.team` makes one. Pass it wherever `ranks` is asked for; `groups` gives the rank lists of
    several jobs that run at once. A team is immutable.

    Parameters
    ----------
    ranks : sequence of int
        Endpoint of each rank, in rank order.
    levels : mapping of str to groups
        Groups of rank indices (positions in `ranks`), innermost level first.
    axes : mapping of str to groups
        Likewise for the axes of a placement, first axis fastest; `grid` makes them.

    Examples
    --------
    >>> team = cm.Fabric.preset("cm384").team(32)
    >>> list(team.levels), len(team.groups("node"))
    (['package', 'node', 'supernode'], 2)
    """

    __slots__ = ("_axes", "_levels", "_ranks")

    def __init__(
        self,
        ranks: Sequence[int],
        levels: Mapping[str, Sequence[Sequence[int]]],
        axes: Mapping[str, Sequence[Sequence[int]]] | None = None,
    ) -> None:
        self._ranks = tuple(ranks)
        self._levels = _frozen(levels)
        self._axes = _frozen(axes or {})

    @property
    def ranks(self) -> tuple[int, ...]:
        """Endpoint of each rank, in rank order.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").team([5, 3]).ranks
        (5, 3)
        """
        return self._ranks

    @property
    def levels(self) -> Mapping[str, Groups]:
        """Groups of rank indices per level of the fabric, innermost first.

        This is what `cm.schedule` takes as `levels`.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").team([5, 3, 4]).levels["package"]
        ((0, 2), (1,))
        """
        return self._levels

    @property
    def axes(self) -> Mapping[str, Groups]:
        """Groups of rank indices per axis of the placement; empty without one.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").team(4).grid(tp=2, dp=2).axes["dp"]
        ((0, 2), (1, 3))
        """
        return self._axes

    def grid(self, **axes: SupportsIndex) -> Team:
        """Return the team with named axes, the first of which varies fastest.

        With `tp=16, dp=48`, tensor-parallel groups are 16 consecutive ranks, and a data-parallel
        group takes one rank of each of them.

        Parameters
        ----------
        **axes : int
            Length of each axis; their product must be the number of ranks.

        Returns
        -------
        Team
            The same ranks and levels; `groups` also knows the axes.

        Raises
        ------
        ArgumentError
            If the product is another number, or an axis has the name of a level.

        Examples
        --------
        >>> team = cm.Fabric.preset("cm384").team(768).grid(tp=16, dp=48)
        >>> len(team.groups("tp")), team.groups("tp")[1][:3], team.groups("dp")[1][:3]
        (48, [16, 17, 18], [1, 17, 33])
        """
        n_ranks = len(self._ranks)
        lengths = {name: integer(value, name, 1, n_ranks) for name, value in axes.items()}
        if prod(lengths.values()) != n_ranks:
            product = " * ".join(f"{name}={length}" for name, length in lengths.items())
            raise ArgumentError(
                f"the axes must multiply to the {n_ranks} ranks of the team, got {product or 1}"
            )
        for name in lengths:
            if name in self._levels:
                raise ArgumentError(f"axis {name!r} has the name of a level; choose another")
        groups: dict[str, list[list[int]]] = {}
        stride = 1
        for name, length in lengths.items():
            groups[name] = [
                [block + offset + i * stride for i in range(length)]
                for block in range(0, n_ranks, stride * length)
                for offset in range(stride)
            ]
            stride *= length
        return Team(self._ranks, self._levels, groups)

    def groups(self, name: str) -> list[list[int]]:
        """Return the groups of a level or an axis as lists of endpoints.

        Each list can be the `ranks` of one job.

        Parameters
        ----------
        name : str
            A level of the fabric or an axis given to `grid`.

        Returns
        -------
        list of list of int
            Endpoints in rank order.

        Raises
        ------
        ArgumentError
            If there is no such level or axis.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").team(range(14, 18)).groups("node")
        [[14, 15], [16, 17]]
        """
        known = {**self._levels, **self._axes}
        if name not in known:
            raise unknown_name("level or axis", name, known)
        return [[self._ranks[index] for index in group] for group in known[name]]

    def __len__(self) -> int:
        """Return the number of ranks."""
        return len(self._ranks)

    def _content(self) -> tuple[object, ...]:
        return self._ranks, tuple(self._levels.items()), tuple(self._axes.items())

    def __eq__(self, other: object) -> bool:
        """Compare ranks, levels and axes."""
        return isinstance(other, Team) and self._content() == other._content()

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self._content())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content."""
        return Team, (self._ranks, dict(self._levels), dict(self._axes))

    def __repr__(self) -> str:
        """Name the ranks and the sizes of the groups."""
        named = {**self._levels, **self._axes}
        groups = ", ".join(f"{len(groups)} x {name}" for name, groups in named.items())
        return f"Team({len(self._ranks)} ranks: {groups or 'no levels'})"


def _frozen(levels: Mapping[str, Sequence[Sequence[int]]]) -> Mapping[str, Groups]:
    return MappingProxyType(
        {name: tuple(tuple(group) for group in groups) for name, groups in levels.items()}
    )
