"""A long series for both scripts: a slow wave that sets the pace of a fast one."""

import numpy as np


def waves(steps, streams):
    """One series, cut into `streams` pieces of `steps` numbers that are walked side by side."""
    time = np.arange(steps * streams)
    pace = 0.3 + 0.1 * np.sin(2 * np.pi * time / 170)
    series = np.sin(np.cumsum(pace)) + np.random.default_rng(0).normal(0.0, 0.05, len(time))
    return np.ascontiguousarray(series.reshape(streams, steps).T[:, :, None])
