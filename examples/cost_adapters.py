"""Three ways into another simulator: subclass its cost model, replace its formula, feed its tables.

The interfaces are written after those of the tools named, cut down to what is used here.
"""

import tempfile
from abc import ABC, abstractmethod
from types import SimpleNamespace

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")


# 1. Subclass: Frontier asks `frontier/cc_backend/base_cc_backend.py` for milliseconds.
class BaseCCBackend(ABC):
    """The part of Frontier's interface that is implemented below."""

    @abstractmethod
    def predict_allreduce(self, data_size_bytes: int, num_devices: int) -> float:
        """Return milliseconds."""

    @abstractmethod
    def predict_all_to_all(self, data_size_bytes: int, num_devices: int) -> float:
        """Return milliseconds."""


class SupernodeBackend(BaseCCBackend):
    """Frontier's collectives on a fabric of this package."""

    def __init__(self, fabric: cm.Fabric) -> None:
        self._fabric = fabric

    def predict_allreduce(self, data_size_bytes: int, num_devices: int) -> float:
        """Return milliseconds of a ring."""
        return self._ms("all_reduce", data_size_bytes, num_devices, "ring")

    def predict_all_to_all(self, data_size_bytes: int, num_devices: int) -> float:
        """Return milliseconds of direct messages."""
        return self._ms("all_to_all", data_size_bytes, num_devices, "direct")

    def _ms(self, collective: str, size_bytes: int, ranks: int, algorithm: str) -> float:
        return self._fabric.time_s(collective, size_bytes, ranks=ranks, algorithm=algorithm) * 1e3


backend = SupernodeBackend(FABRIC)
print(
    f"subclass: all-reduce of 64 MiB on 16 dies takes {backend.predict_allreduce(2**26, 16):.3f} ms"
)

# 2. Monkeypatch: GenZ computes `get_AR_time(data, numNodes, system)` in milliseconds by a formula.
genz = SimpleNamespace(get_AR_time=None)  # stands for its module


def get_AR_time(data: int, numNodes: int, system: object) -> float:  # noqa: ARG001, N802, N803
    """Return milliseconds, in place of the formula."""
    return FABRIC.time_s("all_reduce", data, ranks=numNodes, algorithm="ring") * 1e3


genz.get_AR_time = get_AR_time
print(f"monkeypatch: on 64 dies it takes {genz.get_AR_time(2**26, 64, None):.3f} ms")

# 3. Table: msmodeling looks its collectives up in CSV files.
asked = cm.grid(
    fabric="cm384", collective="all_reduce", algorithm="ring", ranks=[2, 16, 64], size_bytes=[2**26]
)
answered = cm.sweep(asked, {"cm384": FABRIC})
with tempfile.TemporaryDirectory() as folder:
    (table,) = cm.write_tables(answered, folder, format="msmodeling", fabric=FABRIC)
    print(f"table: {table.name}\n{table.read_text()}", end="")
