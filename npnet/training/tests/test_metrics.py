from __future__ import annotations

import numpy as np
import pytest

from npnet.errors import RecipeError
from npnet.training.metrics import class_weights, score_classes, score_ranking, score_values


def test_scores_by_hand():
    targets = np.array([0, 0, 0, 1, 1, 2])
    said = np.array([0, 0, 1, 1, 0, 0])
    scores = score_classes(targets, said, 3)
    assert scores["accuracy"] == 0.5
    assert scores["confusion"] == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    # F1 = 2 tp / (2 tp + fp + fn): 4 / 7, 2 / 4 and 0 / 1
    assert scores["macro_f1"] == pytest.approx((4 / 7 + 2 / 4 + 0) / 3)


def test_a_class_that_does_not_occur_keeps_its_place():
    scores = score_classes(np.array([0, 2]), np.array([0, 2]), 3)
    assert np.shape(scores["confusion"]) == (3, 3)
    assert scores["macro_f1"] == 1.0  # the mean over the two that occur


def test_a_class_that_is_said_and_does_not_occur_counts():
    said = np.array([0, 1])
    assert score_classes(np.array([0, 0]), said, 3)["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_balanced_weights_are_inverse_to_the_rows():
    targets = np.repeat([0, 1, 2], [6, 3, 1])
    np.testing.assert_allclose(class_weights("balanced", targets, 3), 10 / (3 * np.array([6, 3, 1])))


def test_weights_are_taken_as_they_are_or_not_at_all():
    assert class_weights(None, np.array([0, 1]), 2) is None
    assert class_weights((1.0, 2.0), np.array([0, 1]), 2).tolist() == [1.0, 2.0]
    with pytest.raises(RecipeError, match="3 weights for 2 classes"):
        class_weights((1.0, 2.0, 3.0), np.array([0, 1]), 2)


def test_the_ranking_counts_pairs_in_the_right_order():
    # Of the pairs (0, 1): 0.1 < 0.3, 0.1 < 0.2, 0.25 < 0.3, and not 0.25 < 0.2
    assert score_ranking(np.array([0, 1, 1, 0]), np.array([0.1, 0.3, 0.2, 0.25])) == 0.75
    assert score_ranking(np.zeros(3), np.arange(3)) is None


def test_scores_of_numbers_by_hand():
    true, said = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [6.0]])
    scores = score_values(true, said)
    assert scores["mae"] == 1.0
    assert scores["rmse"] == pytest.approx(3**0.5)
    assert scores["r2"] == pytest.approx(1 - 9 / 2)
    assert score_values(true[:1], said[:1]) == {"mae": 0.0, "rmse": 0.0, "r2": None}
