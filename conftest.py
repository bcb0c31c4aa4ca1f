"""Hypothesis profiles, chosen by the environment variable ``HYPOTHESIS_PROFILE``.

``dev`` (the default) is quick and draws anew at every run; ``ci`` draws the same cases at every run, so that
a commit passes or fails for good; ``thorough`` draws many.  ``mistakes`` is what a test is given that must
fail: it stops at the first failure and does not look for a smaller one.

``--device cuda`` runs on a GPU, through CuPy, what else runs on the strict stand-in for one; without a GPU it
is refused.  Tests that touch no device are left out there (``--host-tests`` runs them too).  Hypothesis draws
a quarter of the profile's examples, five at least, and shrinks none: most of the time goes by compiling
kernels, and what is drawn can be shrunk on the stand-in.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suite run on a GPU."""
    parser.addoption(
        "--device",
        choices=("strict", "cuda"),
        default="strict",
        help="where device tests run: on the strict stand-in for a GPU, or on a GPU",
    )
    parser.addoption(
        "--host-tests",
        action="store_true",
        help="with --device cuda, also run the tests that touch no device",
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
        chosen = settings.default
        settings.register_profile(
            "cuda",
            chosen,
            max_examples=max(5, chosen.max_examples // 4),
            phases=[Phase.explicit, Phase.generate],
        )
        settings.load_profile("cuda")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is left out on a GPU."""
    if config.getoption("--device") != "cuda":
        return []
    left_out = "tests of the stand-in for one"
    if not config.getoption("--host-tests"):
        left_out += ", and those that touch no device (--host-tests runs them)"
    return [f"on a GPU, {settings.default.max_examples} examples a property; left out: {left_out}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on a GPU, what is not for it; that the marks are right is seen to in ``parity_tests``."""
    if config.getoption("--device") == "cuda":
        host_tests = config.getoption("--host-tests")
        kept = [
            item
            for item in items
            if item.get_closest_marker("device") or (host_tests and not item.get_closest_marker("stand_in"))
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


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
