"""Every module of the registry computes, learns and remembers what PyTorch's does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import NpnetError
from parity_tests.equal import assert_same_observations
from parity_tests.libraries import LIBRARIES, NPNET, TORCH
from parity_tests.observation import inputs_of, observe
from parity_tests.registry import MODULES, ModuleSpecification
from parity_tests.registry.specification import Refusal

every_module = pytest.mark.parametrize("name", MODULES)
every_device = pytest.mark.parametrize("device", LIBRARIES)
every_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])
REFUSALS = [(specification, refusal) for specification in MODULES.values() for refusal in specification.refusals]

data_of = st.data()


@every_module
@every_device
@given(data=data_of)
def test_values_gradients_and_buffers(name: str, device: str, data: st.DataObject) -> None:
    specification = MODULES[name]
    case = data.draw(specification.cases)
    ours = observe(LIBRARIES[device], specification, case, "float64")
    theirs = observe(TORCH, specification, case, "float64")
    assert_same_observations(ours, theirs, name, "float64", least_slope=specification.least_slope)
