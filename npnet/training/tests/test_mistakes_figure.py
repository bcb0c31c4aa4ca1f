from __future__ import annotations

import numpy as np
import pytest

from npnet.training.mistakes_figure import mistakes_figure, worst_mistakes


def some(n=40, shape=(5, 5), seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    probabilities = rng.dirichlet([1.0, 1.0, 1.0], n)
    return images, rng.integers(0, 3, n), probabilities


def test_the_worst_mistakes_have_the_largest_cross_entropy():
    _, targets, probabilities = some(200)
    worst = worst_mistakes(targets, probabilities, 10)
    losses = -np.log(probabilities[np.arange(200), targets])
    wrong = probabilities.argmax(axis=1) != targets
    assert wrong[worst].all()
    assert losses[worst].tolist() == sorted(losses[wrong], reverse=True)[:10]


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 3)])
def test_each_picture_stands_with_its_classes_and_probability(shape):
    images, targets, probabilities = some(shape=shape)
    names = ("elliptical", "spiral", "edge_on")
    figure = mistakes_figure(
        images, targets, probabilities, names, "title", "note", names=np.arange(40) + 100
    )
    worst = worst_mistakes(targets, probabilities)
    assert 0 < len(worst) <= 24
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == len(worst)
    for axes, row in zip(shown, worst, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), images[row])
        said = probabilities[row].argmax()
        assert axes.get_title() == (
            f"true: {names[targets[row]]}\nsaid: {names[said]}, {probabilities[row, said]:.0%}\n{row + 100}"
        )
    wrong = np.sum(probabilities.argmax(axis=1) != targets)
    assert figure.get_suptitle() == f"title: the worst {len(worst)} of {wrong} mistakes"


def test_a_single_mistake_fills_a_page_and_none_gives_no_page():
    images, _, probabilities = some(3)
    right = probabilities.argmax(axis=1)
    assert mistakes_figure(images, right, probabilities, ("a", "b", "c"), "t", "n") is None
    one = np.where(np.arange(3) == 1, (right + 1) % 3, right)
    figure = mistakes_figure(images, one, probabilities, ("a", "b", "c"), "t", "n")
    assert len([axes for axes in figure.axes if axes.images]) == 1
