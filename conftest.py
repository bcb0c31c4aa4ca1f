"""Hypothesis profiles, chosen by the environment variable ``HYPOTHESIS_PROFILE``.

``dev`` (the default) is quick and draws anew at every run; ``ci`` draws the same cases at every run, so that
a commit passes or fails for good; ``thorough`` draws many.  ``mistakes`` is what a test is given that must
fail: it stops at the first failure and does not look for a smaller one.

``--device cuda`` runs on a GPU, through CuPy, what else runs on the strict stand-in for one; without a GPU it
is refused.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

STAND_INS_OWN = ("test_strict_device.py", "test_fusion.py", "test_device_side.py")
"""Tests of the stand-in itself, and of what is done without a GPU."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suite run on a GPU."""
    parser.addoption(
        "--device",
        choices=("strict", "cuda"),
        default="strict",
        help="where device tests run: on the strict stand-in for a GPU, or on a GPU",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hear Ctrl-C; refuse a GPU that is not there, else let it stand in for the stand-in.

    A shell starts what it puts in the background deaf to Ctrl-C, and what that starts is deaf too, so that a
    test of Ctrl-C would wait for nothing.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--device") == "cuda":
        from npnet import backend
        from npnet.errors import DeviceError

        try:
            backend.check_device("cuda")
        except DeviceError as error:
            raise pytest.UsageError(f"--device cuda: {error}") from error
        os.environ["NPNET_PARITY_DEVICE"] = "cuda"  # read by parity_tests.strict_device, in workers too


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is left out on a GPU."""
    if config.getoption("--device") != "cuda":
        return []
    return [f"on a GPU; left out, as they test the stand-in for one: {', '.join(STAND_INS_OWN)}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on a GPU, the tests of the stand-in."""
    if config.getoption("--device") == "cuda":
        left_out = [item for item in items if Path(item.path).name in STAND_INS_OWN]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


settings.register_profile("dev", max_examples=10, deadline=None)
settings.register_profile("ci", max_examples=20, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "thorough", max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "mistakes",
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture
def npnet_(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    """Run the command line in this process; it returns the status, the output and the error stream."""
    from npnet import cli

    def call(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["npnet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return call
