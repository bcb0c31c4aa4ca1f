"""Functions written down call by call compute what they compute as they stand, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from npnet.engine.trace import Tape, Untraceable, unheard

X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)
ROW = np.arange(4.0, dtype=np.float32)


def written(function: Callable[..., Any], x: Any, *constants: Any) -> Callable[..., Any]:
    """The function of `x`, with constants that stay the same."""
    tape = Tape()
    result = function(tape.argument(x, "x"), *map(tape.constant, constants))
    return tape.function(["def entry(x):"], result)


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, tuple):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert type(ours) is type(theirs)
        np.testing.assert_array_equal(ours, theirs)
        assert theirs is None or ours.dtype == theirs.dtype


def in_place(x: Any, row: Any) -> Any:
    y = x * 2
    y += row
    z = y - 1
    y -= z
    return y, z


def stored(x: Any, row: Any) -> Any:
    total = np.dot(np.ones(3, np.float32), x)
    row[...] = total
    return total * 2 + row


def stored_later(x: Any, row: Any) -> Any:
    total = np.dot(np.ones(3, np.float32), x)
    before = row * 2  # of what was there
    row[...] = total
    return before, total + row


def stored_twice(x: Any, row: Any) -> Any:
    total = x.sum(axis=0)
    half = total / 2
    row[...] = half
    row *= 3
    return half + 1, row * 1


def stored_and_returned(x: Any, row: Any) -> Any:
    total = row + x[0]
    row[...] = total
    return total


def stored_and_changed(x: Any, row: Any) -> Any:
    total = row + x[0]
    row[...] = total
    total *= 2
    return total + row


def stored_in_a_part(x: Any, row: Any) -> Any:
    row[1:3] = x[0, 1:3] * 2
    return row + 1


def stored_as_a_view(x: Any, row: Any) -> Any:
    total = row + x[0]
    view = total.reshape(2, 2)
    row[...] = total
    row += 1
    return view * 1


def views_outlive(x: Any) -> Any:
    y = x + 1
    top = y[0]
    z = y * 2  # y is not named any more, and yet lives on
    return top + 1, z * top


def written_over(x: Any) -> Any:
    a = x + 1
    b = a * 2
    c = np.exp(b)
    d = c - a
    return d / (b * b + 1), c


def another_kind(x: Any) -> Any:
    mask = x > 0
    wide = x.astype(np.float64)
    return mask * x, wide * 2, x.astype(np.float32, copy=False) + 1


def numbers(x: Any) -> Any:
    return (
        0.1 * x,
        x / 3,
        1 - x,
        np.maximum(x, 0),
        x > 0.1,
        x**2,
        x * np.float64(0.1),
        2 * x.astype(np.float64),
    )


def counted(x: Any, count: Any) -> Any:
    count += 1
    return x * (1 / count)


def reduced(x: Any) -> Any:
    total = x.sum()
    return total, x.max(axis=0), x.mean(axis=1), np.sum(x, axis=-1, keepdims=True), (x - total).sum(axis=0)


def products(x: Any, weight: Any) -> Any:
    place = np.empty_like(weight)
    np.dot(x.T, x, out=place)
    return np.dot(x, weight.T), place * 2, np.matmul(x, weight)


def picked(x: Any) -> Any:
    columns = x.T.copy()
    columns[np.array([0, 2, 1]), np.arange(3)] -= 1
    return (
        columns,
        x[:, None].reshape(12),
        x[np.array([2, 0])],
        np.concatenate([x, x * 2]),
        x.take([1], axis=0),
    )


def nothing_of_it(x: Any) -> Any:
    return x * 1, None


FUNCTIONS = [
    *(in_place, stored, stored_later, stored_twice, stored_and_returned, stored_and_changed),
    *(stored_in_a_part, stored_as_a_view, views_outlive, written_over, another_kind, numbers, reduced),
    *(picked, nothing_of_it),
]


def compared(function: Callable[..., Any], *constants: Any) -> None:
    """Called three times, with other numbers, it gives and leaves behind what the function does."""
    own, others = [each.copy() for each in constants], [each.copy() for each in constants]
    entry = written(function, X, *own)
    assert_same(tuple(own), tuple(others))  # to write it down changes nothing
    earlier: list[Any] = []
    for factor in (1, -2, 3):
        x = X * factor
        results = entry(x), function(x.copy(), *others)
        assert_same(*results)
        assert_same(tuple(own), tuple(others))
        np.testing.assert_array_equal(x, X * factor)
        earlier.append(results)
    if not constants:
        for ours, theirs in earlier:  # no call has touched what another one has returned
            assert_same(ours, theirs)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_written_down_does_what_the_function_does(function: Callable[..., Any]) -> None:
    compared(function, *([ROW] if function.__code__.co_argcount == 2 else []))


def test_a_part_is_stored() -> None:
    def turned_round(x: Any, row: Any) -> Any:
        total = row + x[0]
        row[::-1] = total
        return x * 2

    compared(turned_round, ROW)


def test_what_is_returned_is_no_constant() -> None:
    row = ROW.copy()
    entry = written(stored_and_returned, X, row)
    first = entry(X)
    assert first is not row
    np.testing.assert_array_equal(first, ROW + X[0])
    entry(X)
    np.testing.assert_array_equal(first, ROW + X[0])


def test_parts_of_constants_are_asked_for_with_their_keywords() -> None:
    def parts(x: Any, row: Any) -> Any:
        same = row.astype(x.dtype, copy=False)
        return x * same, x + row.reshape((2, 2), order="F").reshape(4, order="F")

    compared(parts, ROW)
    other = ROW.copy()
    entry = written(lambda x, row: x * row.astype(np.float32, copy=False), X, other)
    other += 1
    np.testing.assert_array_equal(entry(X), X * other)


def test_products_and_counts() -> None:
    compared(products, np.arange(16.0, dtype=np.float32).reshape(4, 4))
    compared(counted, np.array(0))


def test_a_number_is_an_array_already_and_a_sum_is_made_in_place() -> None:
    def function(x: Any, row: Any) -> Any:
        unused = x * 7
        row[...] = x[0] * 0.5 + row
        return np.exp(x + 1) if unused.ndim else None

    row = ROW.copy()
    text = str(written(function, X, row).__doc__).split("\n")
    assert [line.strip() for line in text[1:-1]] == [
        *("v1 = x[0]", "v2 = multiply(v1, c3)", "add(v2, c0, c0)"),
        *("v5 = add(x, c6)", "v6 = exp(v5, v5)", "return v6"),
    ]


def looks(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


def asks_for_a_number(x: Any) -> Any:
    return x * float(x[0, 0])


def asks_for_items(x: Any) -> Any:
    return x * x[0, 0].item()


def walks(x: Any) -> Any:
    return sum(row for row in x)


def hides_from_warnings(x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 1 / x


def changes_what_it_is_given(x: Any) -> Any:
    x += 1
    return x


def changes_a_part_of_what_it_is_given(x: Any) -> Any:
    x[0][...] = 1
    return x * 2


def changes_a_number(x: Any) -> Any:
    total = x.sum()
    np.add(total, 1, out=total)
    return x * total


def counts_what_it_finds(x: Any) -> Any:
    return x * x.nonzero()[0].size


def splits(x: Any) -> Any:
    return np.split(x, 3)[0] * 2


def copies_to(x: Any) -> Any:
    y = x * 1
    np.copyto(y, x)
    return y


def looks_at_memory(x: Any) -> Any:
    return x * x.flat[0]


def sorts(x: Any) -> Any:
    y = x * 1
    y.sort()
    return y


def changes_an_array_of_its_own(x: Any) -> Any:
    return np.add(x, 1, out=np.empty_like(X))


@pytest.mark.parametrize(
    "function",
    [
        *(looks, asks_for_a_number, asks_for_items, walks, hides_from_warnings, changes_what_it_is_given),
        *(changes_a_part_of_what_it_is_given, changes_a_number, counts_what_it_finds, splits, copies_to),
        *(looks_at_memory, sorts, changes_an_array_of_its_own),
    ],
)
def test_what_cannot_be_written_down_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(Untraceable), unheard():
        written(function, X.copy())
