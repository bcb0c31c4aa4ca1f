"""Hypothesis profiles, chosen by the environment variable ``HYPOTHESIS_PROFILE``.

``dev`` (the default) is quick and draws anew at every run; ``ci`` draws the same cases at every run, so that
a commit passes or fails for good; ``thorough`` takes hours less often than it finds something.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=10, deadline=None)
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "thorough", max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
