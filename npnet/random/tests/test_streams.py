from __future__ import annotations

import numpy as np
import pytest

import npnet
from npnet.random import STREAMS, copy_streams, stream, using_streams


@pytest.mark.parametrize("like", [None, "torch"])
def test_two_that_take_turns_draw_the_same(like):
    try:
        npnet.manual_seed(4, like=like)
        stream("dropout").bernoulli(0.5, (3,))
        copies = copy_streams()
        for _ in range(3):
            ours = [stream(name).normal(0, 1, (5,), "float64") for name in STREAMS]
            with using_streams(copies):
                theirs = [stream(name).normal(0, 1, (5,), "float64") for name in STREAMS]
            np.testing.assert_array_equal(ours, theirs)
        assert (stream("init") is stream("split")) == (copies["init"] is copies["split"]) == (like == "torch")
    finally:
        npnet.manual_seed(0)


def test_the_streams_come_back_after_an_error():
    before = stream("split")
    copies = copy_streams()
    with using_streams(copies):
        assert stream("split") is copies["split"] is not before
    with pytest.raises(ZeroDivisionError), using_streams(copies):
        raise ZeroDivisionError
    assert stream("split") is before
