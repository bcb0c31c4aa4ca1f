"""Writes the table of largest errors when the tests are done, also where pytest-xdist spread them."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from npnet import backend
from parity_tests import report

DEFAULT_PATH = Path(__file__).parent / "report" / "parity.csv"


class WorkersReports:
    """A hook of pytest-xdist, which only its controller knows."""

    @staticmethod
    def pytest_testnodedown(node: Any) -> None:
        """Take the rows of a worker that is done."""
        report.merge(getattr(node, "workeroutput", {}).get("parity", ()))  # a crashed worker has none


@pytest.fixture
def engine_restored() -> Iterator[None]:
    """After the test the engine is the one that was chosen before."""
    before = backend.engine()
    yield
    backend.set_engine(before)


@pytest.fixture
def numpy_engine(engine_restored: None) -> None:
    """NumPy runs the formulas: the Numba engine is the host's alone, and takes sums in another order.

    For what compares a device with the host to the last bit.
    """
    backend.set_engine("numpy")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that touches the stand-in and is marked neither ``device`` nor ``stand_in``.

    On a GPU it would be left out, and nobody would notice.
    """
    before = _uploads()
    result = yield
    if _uploads() > before and not any(map(pyfuncitem.get_closest_marker, ("device", "stand_in"))):
        pytest.fail("this test touches the strict device: mark it with @pytest.mark.device", pytrace=False)
    return result


def _uploads() -> int:
    """How many arrays went to the stand-in; it is loaded by the tests that need it."""
    strict_device = sys.modules.get("parity_tests.strict_device")
    return 0 if strict_device is None else strict_device.uploads


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(WorkersReports())


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker of pytest-xdist: what goes to the controller must be plain
        output["parity"] = [tuple(row) for row in report.rows()]
    elif report.rows():
        report.write(Path(os.environ.get("PARITY_REPORT", DEFAULT_PATH)))
