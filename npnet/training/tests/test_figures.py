from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib import image

from npnet.training import Classification, Regression
from npnet.training.figures import confusion_figure, curves_figure, predictions_figure


def frame(epochs=5, validation=True):
    epoch = np.arange(1, epochs + 1)
    table = {"train_loss": 1 / epoch, "train_accuracy": 1 - 0.5 / epoch, "lr": 0.1 / epoch}
    if validation:
        table |= {"validation_loss": 1.2 / epoch, "validation_accuracy": 1 - 0.6 / epoch}
    return pd.DataFrame(table, index=pd.Index(epoch, name="epoch"))


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    buffer.seek(0)
    return image.imread(buffer)


def curves(epochs=5, kept=3, ceiling=0.9, **options):
    return curves_figure(frame(epochs, **options), kept, "title", "note", ceiling, objective=Classification())


def test_curves_show_losses_accuracies_rate_and_the_epoch_kept():
    loss, accuracy, rate = curves().axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("cross-entropy (nats)", "accuracy")
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        drawn = {tuple(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 5}
        assert drawn == {tuple(frame()[f"train_{quantity}"]), tuple(frame()[f"validation_{quantity}"])}
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), frame()["lr"])
    for axes in (loss, accuracy, rate):
        assert [3, 3] in [list(line.get_xdata()) for line in axes.lines]
        assert axes.get_ylabel()
    assert rate.get_xlabel() == "epoch"
    labels = [text.get_text() for text in loss.get_legend().get_texts()]
    assert labels == ["training (mean over the epoch)", "validation", "kept: epoch 3"]
    assert "90.0%" in accuracy.get_legend().get_texts()[0].get_text()


@pytest.mark.parametrize(
    "options", [{"epochs": 1, "kept": 1}, {"kept": 0}, {"ceiling": None}, {"validation": False}]
)
def test_curves_of_short_and_plain_runs_are_not_blank(options):
    assert np.ptp(pixels(curves(**options))) > 0.5


def test_figures_show_title_and_note():
    figure = curves()
    assert figure.get_suptitle() == "title"
    assert figure.get_supxlabel() == "note"


def test_a_long_note_is_broken_into_lines():
    figure = confusion_figure(np.eye(2, dtype=int), ("a", "b"), "title", "many words " * 30)
    assert len(figure.get_supxlabel().splitlines()) > 2


def test_the_confusion_matrix_has_the_true_class_in_rows():
    confusion = np.array([[3, 1], [0, 0]])  # a class without rows too
    axes = confusion_figure(confusion, ("cat", "dog"), "title", "note").axes[0]
    cells = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "3\n75.0%", (1, 0): "1\n25.0%", (0, 1): "0\n0.0%", (1, 1): "0\n0.0%"}
    assert axes.get_ylabel() == "true class"
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])


def test_different_matrices_look_different():
    a, b = (
        confusion_figure(c, tuple("abcdefg"), "t", "n") for c in (np.eye(7, dtype=int), np.ones((7, 7), int))
    )
    assert not np.array_equal(pixels(a), pixels(b))


def test_curves_of_numbers_are_in_their_units():
    table = frame().rename(columns=lambda name: name.replace("accuracy", "mae"))
    loss, error, _ = curves_figure(table, 2, "title", "note", objective=Regression(("co2",), "ppm")).axes
    assert (loss.get_ylabel(), error.get_ylabel()) == (
        "loss (of the scaled target)",
        "mean absolute error (ppm)",
    )
    assert any(np.array_equal(line.get_ydata(), table["train_mae"]) for line in error.lines)


@pytest.mark.parametrize("rows", [5, 400])
def test_predictions_are_drawn_against_what_is_true(rows):
    true = np.linspace(0, 1, 2 * rows).reshape(rows, 2)
    axes = predictions_figure(true, true + 1, ("a", "b"), "m", "title", "note").axes[0]
    for number in range(2):
        np.testing.assert_array_equal(axes.lines[number].get_xdata(), true[:, number])
        np.testing.assert_array_equal(axes.lines[number].get_ydata(), true[:, number] + 1)
    assert list(axes.lines[2].get_xdata()) == list(axes.lines[2].get_ydata()) == [0, 2]
    assert axes.get_xlabel() == "true target (m)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "equal"]
