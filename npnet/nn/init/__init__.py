r"""How parameters start.

Every function fills a parameter (or an array) in place and returns it.  Values are drawn on the host
from ``generator=``, else from the ``init`` stream, so that they are the same on every device.  For a
weight of shape ``(out, in, ...)``, with :math:`r` the product of the axes after the second, fan-in is
:math:`\mathrm{in} \cdot r` and fan-out is :math:`\mathrm{out} \cdot r`.
"""

from __future__ import annotations

from npnet.nn.init.filled import constant_, dirac_, eye_, normal_, ones_, uniform_, zeros_
from npnet.nn.init.scaled import (
    calculate_gain,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    xavier_normal_,
    xavier_uniform_,
)
from npnet.nn.init.shaped import orthogonal_, sparse_, trunc_normal_

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
