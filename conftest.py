"""Hypothesis profiles, chosen by the environment variable ``HYPOTHESIS_PROFILE``.

``dev`` (the default) is quick and draws anew at every run; ``ci`` draws the same cases at every run, so that
a commit passes or fails for good; ``thorough`` draws many.  ``mistakes`` is what a test is given that must
fail: it stops at the first failure and does not look for a smaller one.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

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
