"""Settings for the whole test suite: property-test effort, and names for the doctests."""

import importlib
import os

import pytest
from hypothesis import settings

# The default suite gives the same verdict each time; CM_TEST_PROFILE=slow searches anew.
settings.register_profile("fast", derandomize=True, max_examples=30, deadline=None, database=None)
settings.register_profile("slow", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("CM_TEST_PROFILE", "fast"))


class DoctestNames:
    """A plugin rather than a fixture of this file, as the doctests live outside `tests/`."""

    @pytest.fixture(autouse=True)
    def _names(self, doctest_namespace: dict[str, object]) -> None:
        for name, module in (("cm", "cm_collectives"), ("np", "numpy"), ("pl", "polars")):
            doctest_namespace[name] = importlib.import_module(module)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(DoctestNames(), "doctest-names")
