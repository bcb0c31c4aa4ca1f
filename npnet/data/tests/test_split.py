from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.data.split import stratified_folds, stratified_split
from npnet.errors import ArgumentError, ShapeError
from npnet.random import Generator

TARGETS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [270, 90, 640]))


def test_every_row_is_in_one_part_and_the_classes_keep_their_shares():
    split = stratified_split(TARGETS, 0.2, 0.1, generator=Generator(0))
    assert [len(part) for part in split] == [700, 200, 100]
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(1000))
    for part in split:
        assert np.abs(np.bincount(TARGETS[part]) / len(part) - [0.27, 0.09, 0.64]).max() <= 0.005
        assert np.all(np.diff(part) > 0)


def test_the_split_follows_the_generator_and_without_one_the_split_stream():
    first, second = (stratified_split(TARGETS, 0.2, 0.2, generator=Generator(seed)).test for seed in (1, 2))
    assert not np.array_equal(first, second)
    npnet.manual_seed(3)
    third = stratified_split(TARGETS, 0.2, 0.2).test
    npnet.manual_seed(3)
    npnet.random.stream("init").random_()
    np.testing.assert_array_equal(stratified_split(TARGETS, 0.2, 0.2).test, third)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63), size=st.integers(1, 4))
def test_groups_stay_on_one_side(seed, size):
    groups = np.random.default_rng(seed).permutation(np.arange(1000) // size)
    split = stratified_split(TARGETS, 0.2, 0.2, groups=groups, generator=Generator(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(1000))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.intersect1d(groups[split[one]], groups[split[other]]).size
    assert abs(len(split.test) - 200) <= size
    for train, test in stratified_folds(TARGETS, 4, groups=groups, generator=Generator(seed)):
        assert not np.intersect1d(groups[train], groups[test]).size
        assert len(train) + len(test) == 1000


def test_held_out_rows_are_the_test_part_and_nothing_else_is():
    held_out = np.arange(1000) >= 800
    split = stratified_split(TARGETS, 0.25, held_out=held_out, generator=Generator(0))
    np.testing.assert_array_equal(split.test, np.arange(800, 1000))
    assert len(split.validation) == 200
    assert split.train.max() < 800
    with pytest.raises(ArgumentError, match="both inside and outside"):
        stratified_split(TARGETS, 0.2, held_out=held_out, groups=np.arange(1000) % 100)


def test_a_share_of_zero_makes_an_empty_part():
    split = stratified_split(TARGETS, 0.0, 0.0, generator=Generator(0))
    assert [len(part) for part in split] == [1000, 0, 0]


def test_folds_test_every_row_once_with_the_classes_in_equal_shares():
    folds = stratified_folds(TARGETS, 5, generator=Generator(0))
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(1000))
    for train, test in folds:
        assert not np.intersect1d(train, test).size
        np.testing.assert_array_equal(np.bincount(TARGETS[test]), [54, 18, 128])
    again = stratified_folds(TARGETS, 5, generator=Generator(1))
    assert not np.array_equal(again[0][1], folds[0][1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation": -0.1, "test": 0.1}, "validation is a share"),
        ({"validation": 0.1, "test": 1.0}, "test is a share"),
        ({"validation": float("nan"), "test": 0.1}, "validation is a share"),
        ({"validation": 0.6, "test": 0.5}, "take all 1000 rows, and leave none to train on"),
        ({"validation": 0.001, "test": 0.2}, "each part needs at least one row for each of 3 classes"),
        ({"validation": 0.1}, "no test part of its own"),
        ({"validation": 0.1, "test": 0.1, "held_out": np.arange(1000) > 800}, "leave test = 0.1 out"),
    ],
)
def test_shares_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        stratified_split(TARGETS, **arguments)


def test_a_class_with_too_few_members_is_named():
    targets = np.repeat([0, 1, 2], [50, 48, 2])
    with pytest.raises(ArgumentError, match="class 2 has 2 members for 3 parts"):
        stratified_split(targets, 0.2, 0.2)
    with pytest.raises(ArgumentError, match="class 2 has 2 members for 5 folds"):
        stratified_folds(targets, 5)
    with pytest.raises(ArgumentError, match="at least 2 folds"):
        stratified_folds(targets, 1)
    with pytest.raises(ShapeError, match="groups has shape"):
        stratified_folds(targets, 2, groups=np.arange(99))
