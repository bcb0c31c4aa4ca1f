"""Planted mistakes in PyTorch's generator, its consumers, and the comparison of runs."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

AGREEMENT = "npnet/training/agreement.py"
BITS = "npnet/random/mersenne.py"
COMPARISON = "npnet/training/comparison.py"
GENERATOR = "npnet/random/torch_generator.py"
MASKS = "torchref/masks.py"
RECORDING = "npnet/training/recording.py"
REPLAY = "npnet/training/replay.py"
SAMPLER = "npnet/data/sampler.py"
STREAMS = "npnet/random/streams.py"
TRANSFORMS = "npnet/random/transforms.py"

DRAWS = "parity_tests/test_torch_generator.py::test_any_sequence_of_draws"
FEW = "parity_tests/test_torch_generator.py::test_few_normals_and_many_in_turns"
STATES = "parity_tests/test_torch_generator.py::test_a_state_carried_over_in_either_direction"
LOADERS = "parity_tests/test_replay_data.py::test_loaders_hand_out_their_batches"
PARTED = "torchref/tests/test_replay.py"
COMPARED = "npnet/training/tests/test_comparison.py"

MISTAKES: list[Mistake] = [
    Mistake(
        "a fraction of the high bits",
        BITS,
        "words &= np.uint32(2**24 - 1)",
        "words >>= np.uint32(8)",
        DRAWS,
    ),
    Mistake("one bit too few", BITS, "pairs &= np.uint64(2**53 - 1)", "pairs &= np.uint64(2**52 - 1)", DRAWS),
    Mistake(
        "the halves of 64 bits swapped",
        BITS,
        "return pairs if _HIGH_WORD_FIRST else",
        "return pairs if not _HIGH_WORD_FIRST else",
        DRAWS,
    ),
    Mistake(
        "a new seed keeps the old half of a pair",
        BITS,
        "        self._spare: float | None = None\n",
        "        self._spare: float | None = getattr(self, '_spare', None)\n",
        "parity_tests/test_torch_generator.py::test_a_new_seed_forgets_the_unused_half_of_a_pair",
    ),
    Mistake(
        "the kept half of a pair is not in the state",
        BITS,
        'state["spare"], state["has_spare"] = self._spare, 1',
        'state["spare"], state["has_spare"] = self._spare, 0',
        FEW,
    ),
    Mistake(
        "the position in the words off by one",
        BITS,
        "(_WORDS + 1 - position, position)",
        "(_WORDS - position, position)",
        STATES,
    ),
    Mistake(
        "radius and angle swapped below 16 normals",
        GENERATOR,
        "radius = math.sqrt(-2.0 * math.log1p(-second))\n        angle = 2.0 * math.pi * first",
        "radius = math.sqrt(-2.0 * math.log1p(-first))\n        angle = 2.0 * math.pi * second",
        FEW,
    ),
    Mistake(
        "a probability reached counts as below it",
        GENERATOR,
        "below = np.uint64(math.ceil(float(p) * 2**53))",
        "below = np.uint64(math.floor(float(p) * 2**53) + 1)",
        "parity_tests/test_torch_generator.py::test_a_fraction_equal_to_the_probability_is_not_below_it",
    ),
    Mistake(
        "wide ranges from 32 bits",
        GENERATOR,
        "_WIDE_RANGE = 2**28",
        "_WIDE_RANGE = 2**32",
        "parity_tests/test_torch_generator.py::test_ranges_at_the_edges_of_a_draw",
    ),
    Mistake(
        "the last block is not drawn anew",
        GENERATOR,
        "flat[-BLOCK:] = box_muller(units, location, scale)",
        "flat[-(flat.size % BLOCK) :] = box_muller(units, location, scale)[-(flat.size % BLOCK) :]",
        DRAWS,
    ),
    Mistake(
        "cosine and sine swapped",
        TRANSFORMS,
        "np.stack([radius * cosine, radius * sine], axis=1)",
        "np.stack([radius * sine, radius * cosine], axis=1)",
        DRAWS,
    ),
    Mistake(
        "a swap follows one link of its chain only",
        TRANSFORMS,
        "        origin = further\n",
        "        origin = further\n        break\n",
        "parity_tests/test_torch_generator.py::test_a_long_permutation",
    ),
    Mistake(
        "the permutation of nothing is not drawn",
        SAMPLER,
        "yield generator.randperm(size)[: self.num_samples % size]",
        "yield from [generator.randperm(size)[: self.num_samples % size]] if self.num_samples % size else []",
        LOADERS,
    ),
    Mistake("samples drawn one by one", SAMPLER, "_CHUNK = 32", "_CHUNK = 31", LOADERS),
    Mistake(
        "copies start anew",
        STREAMS,
        "copy.set_state(generator.get_state())",
        "pass",
        "npnet/random/tests/test_streams.py::test_two_that_take_turns_draw_the_same[torch]",
    ),
    Mistake(
        "both sides draw from the same streams",
        COMPARISON,
        "streams = copy_streams(), {",
        "streams = {name: stream(name) for name in STREAMS}, {",
        "parity_tests/test_whole_run.py::test_runs_are_equal[images, one-cycle]",
    ),
    Mistake(
        "PyTorch's own masks",
        MASKS,
        "if func is not torch.ops.aten.bernoulli_.float:",
        "if True:",
        "torchref/tests/test_masks.py",
    ),
    Mistake(
        "a difference relative to a small tensor",
        AGREEMENT,
        "else max(1.0, float(np.max(np.abs(b))))",
        "else float(np.max(np.abs(b)))",
        f"{COMPARED}::test_differences",
    ),
    Mistake(
        "a missing gradient agrees with any",
        AGREEMENT,
        "return 0.0 if ours is theirs else math.inf",
        "return 0.0",
        f"{COMPARED}::test_differences",
    ),
    Mistake(
        "the gradient furthest from the loss is named",
        AGREEMENT,
        'reversed(names) if kind == "gradient" else names',
        "names",
        f"{COMPARED}::test_a_mistake_is_named_with_its_step",
    ),
    Mistake(
        "buffers are not compared",
        COMPARISON,
        "(_weights(engines[0]), _weights(engines[1])),",
        "({}, {}),",
        f"{COMPARED}::test_a_mistake_is_named_with_its_step",
    ),
    Mistake(
        "a sketch does not tell the sign",
        RECORDING,
        "float(flat @ _directions[flat.size])",
        "float(np.abs(flat) @ _directions[flat.size])",
        f"{PARTED}::test_where_they_part_is_named[wrong sign]",
    ),
    Mistake(
        "losses pile up from step to step",
        RECORDING,
        "gradients})\n        self._loss = None\n",
        "gradients})\n",
        f"{PARTED}::test_each_step_has_the_losses_since_the_step_before",
    ),
    Mistake(
        "draws are not held together",
        REPLAY,
        'one["draws"] == other["draws"]',
        'bool(one["draws"])',
        f"{PARTED}::test_where_they_part_is_named[one draw too many]",
    ),
    Mistake(
        "the shorter run counts for both",
        REPLAY,
        "counts[0] == counts[1]",
        "min(counts) > 0",
        f"{PARTED}::test_where_they_part_is_named[fewer steps]",
    ),
]
