"""The bookkeeping of the benchmark; nothing here looks at how long anything takes."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from benchmarks import machine
from benchmarks.cli import app
from benchmarks.peers import CPU_PEERS, GPU_PEERS, PEERS, Unavailable
from benchmarks.report import markdown, ratios, write
from benchmarks.rounds import Result, measure
from benchmarks.worker import Timing, Worker
from benchmarks.workloads import GPU_WORKLOADS, WORKLOADS, Reach, Workload, find

SMALL = Workload("small", sizes=(4, 5, 3), batch=6, steps=2, reach=Reach(0.5, 0.4, 0.9))


def timings(*seconds):
    return [Timing(second, 2 * second) for second in seconds]


def result(**rounds):
    return Result(SMALL, {name.replace("_", "-"): timings(*values) for name, values in rounds.items()})


def test_a_ratio_is_the_median_of_the_ratios_within_rounds():
    measured = result(npnet=[1.0, 20.0, 3.0], torch=[2.0, 40.0, 4.0])
    assert measured.ratio("npnet", "torch") == 0.5  # 0.5, 0.5, 0.75; the medians' ratio would be 0.75


def test_npnet_is_compared_with_the_best_of_eager_and_of_all_that_do_the_same_work():
    measured = result(
        npnet=[4.0],
        npnet_numba=[2.0],
        torch=[10.0],
        torch_fused=[8.0],
        torch_loader=[1.0],
        jax_scan=[5.0],
        sklearn=[0.5],
    )
    found = ratios(measured)
    assert [found[key] for key in ("numpy", "engine", "all_peers")] == [0.5, 0.25, 2.0]
    measured.rounds.pop("torch-loader")
    assert ratios(measured)["all_peers"] == 0.4  # not scikit-learn: it leaves batch normalisation out
    measured.workload = replace(SMALL, batch_norm=False, dropout=0.0)
    assert ratios(measured)["all_peers"] == 4.0


def test_an_update_alone_is_compared_with_pytorchs_default():
    measured = result(npnet=[3.0], torch=[2.0], torch_fused=[1.0])
    measured.workload = Workload("adam", kind="update", parameters=10)
    assert ratios(measured)["numpy"] == 1.5


def test_the_report_shows_the_goal_beside_the_ratio_and_why_a_peer_is_missing(tmp_path):
    measured = result(npnet=[1e-6], torch=[4e-6])
    measured.missing["jax-step"] = "JAX or Optax is not installed"
    text = markdown([measured], {"cores": "2"}, "python -m benchmarks")
    assert "| small | 1 | 4 |" in text
    assert "0.25 (0.50)" in text
    paths = write(tmp_path, [measured], {}, "", "wall")
    assert [path.name for path in paths] == ["benchmark.csv", "benchmark.md", "benchmark.png"]
    rows = list(csv.DictReader(paths[0].read_text(encoding="utf-8").splitlines()))
    assert [row["peer"] for row in rows] == ["npnet", "torch", "jax-step"]
    assert float(rows[0]["ratio_to_eager"]) == 0.25
    assert rows[2]["missing"] == "JAX or Optax is not installed"


def test_ratios_to_compiled_pytorch_are_shown_where_it_was_measured():
    measured = result(npnet=[3e-6], torch=[4e-6], torch_compile=[2e-6], torch_reduce_overhead=[1e-6])
    found = ratios(measured)
    assert (found["compile"], found["reduce_overhead"]) == (1.5, 3.0)
    text = markdown([measured], {}, "")
    header = (
        "| workload | npnet / eager | npnet / torch-compile | npnet / torch-reduce-overhead | best eager |"
    )
    assert header in text
    assert "| small | 0.75 (0.50) | 1.50 | 3.00 | torch | torch-reduce-overhead |" in text
    assert "torch-compile" not in markdown([result(npnet=[1.0], torch=[2.0])], {}, "")


def test_names_are_looked_up_whole_then_by_their_beginning():
    assert [w.name for w in find(["mnist-128"], WORKLOADS)] == ["mnist-128"]
    assert len(find(["galaxies"], WORKLOADS)) == 3
    assert find([], WORKLOADS) == list(WORKLOADS)
    with pytest.raises(ValueError, match="no workload begins with 'nist'"):
        find(["nist"], WORKLOADS)


def test_names_are_unique_and_peers_are_known():
    for table in (WORKLOADS, GPU_WORKLOADS):
        assert len({workload.name for workload in table}) == len(table)
    assert {*CPU_PEERS, *GPU_PEERS} == set(PEERS)


@pytest.mark.parametrize(
    "name", ["blas", "npnet", "sklearn", "torch", "torch-foreach", "torch-fused", "torch-loader"]
)
@pytest.mark.parametrize(
    "workload",
    [
        SMALL,
        replace(SMALL, l1=0.1),
        replace(SMALL, kind="inference"),
        Workload("update", kind="update", parameters=10, optimizer="RMSprop"),
    ],
    ids=["training", "l1", "inference", "update"],
)
def test_every_peer_does_the_work_or_says_why_not(name, workload):
    try:
        run = PEERS[name].load()(workload, "cpu")
    except Unavailable as reason:
        assert str(reason)  # noqa: PT017 (both outcomes are right)
        assert name not in ("npnet", "torch")
    else:
        run()


def test_npnet_and_pytorch_train_the_same_network():
    import torch

    from benchmarks.peers.npnet_peer import network
    from npnet import nn

    ours, theirs = network(nn, SMALL), network(torch.nn, SMALL)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_a_worker_takes_turns_and_survives_what_a_peer_cannot_do():
    worker = Worker("blas", "cpu", threads=1)
    try:
        workloads = [SMALL, replace(SMALL, kind="update")]
        results = list(measure(workloads, {"blas": worker}, 2, 0.001, lambda line: None))
    finally:
        worker.close()
    assert len(results[0].rounds["blas"]) == 2
    assert results[0].median("blas") > 0
    assert results[1].missing["blas"] == "there is no matrix product in it"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workloads", "none-such"], "no workload begins with 'none-such'"),
        (["--peers", "tensorflow"], "no peer is called 'tensorflow' on cpu"),
        (["--device", "tpu"], "--device is cpu or cuda, not 'tpu'"),
        (["--clock", "sun"], "--clock is wall or cpu, not 'sun'"),
    ],
)
def test_a_mistake_is_one_line(arguments, message):
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 1
    assert message in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_whichever_cupy_is_installed_is_named(monkeypatch):
    metadata = machine.importlib.metadata
    version = metadata.version
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"cupy": ["cupy-cuda13x"]})
    monkeypatch.setattr(metadata, "version", lambda name: "14.2" if name == "cupy-cuda13x" else version(name))
    assert machine.describe("cpu")["cupy-cuda13x"] == "14.2"


def test_a_busy_machine_is_refused(monkeypatch):
    monkeypatch.setattr(machine, "busy", lambda: "90 % of 2 processors are at work already")
    answer = CliRunner().invoke(app, ["--quick"])
    assert answer.exit_code == 1
    assert "at work already: wait for a quiet machine, or pass --busy" in answer.stderr


def test_the_draws_of_pytorchs_generator_are_timed():
    result = CliRunner().invoke(app, ["generator", "--rounds", "1"])
    assert result.exit_code == 0
    assert [line.split("|")[1].strip() for line in result.output.splitlines()[2:]] == [
        "1,000,000 uniforms, float32",
        "1,000,000 uniforms, float64",
        "permutation of 60,000",
        "mask of 128 by 256",
        "100,000 normals, float32",
    ]
