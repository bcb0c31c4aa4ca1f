"""Turns, rounds, and what is made of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.peers import PEERS, Unavailable
from benchmarks.worker import Timing, Worker
from benchmarks.workloads import Workload

__all__ = ["Result", "measure"]


@dataclass
class Result:
    """One workload, measured.

    Attributes
    ----------
    workload : Workload
    rounds : dict
        Of each peer, its timings, one a round.
    missing : dict
        Of each peer that could not do it, why.
    """

    workload: Workload
    rounds: dict[str, list[Timing]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def median(self, peer: str, clock: str = "wall") -> float:
        """Median seconds a step."""
        return statistics.median(getattr(timing, clock) for timing in self.rounds[peer])

    def group(self, group: str) -> list[str]:
        """Peers of a group that did the work."""
        return [name for name in self.rounds if PEERS[name].group == group]

    def best(self, names: Sequence[str], clock: str = "wall") -> str | None:
        """The one of the least median."""
        return min(names, key=lambda name: self.median(name, clock), default=None)

    def reference(self, clock: str = "wall") -> str | None:
        """What npnet is compared with: the best of eager PyTorch; for an update alone, its default."""
        if self.workload.kind == "update":
            return "torch" if "torch" in self.rounds else None
        return self.best(self.group("eager"), clock)

    def ratio(self, peer: str, to: str | None, clock: str = "wall") -> float | None:
        """Median over rounds of one peer's time by another's in the same round."""
        if to is None or peer not in self.rounds:
            return None
        pairs = zip(self.rounds[peer], self.rounds[to], strict=True)
        return statistics.median(getattr(one, clock) / getattr(other, clock) for one, other in pairs)

    def same_work(self) -> list[str]:
        """Peers, but npnet and the floor, that leave nothing of the workload out."""
        found = [name for name in self.rounds if PEERS[name].group in ("eager", "other")]
        return found if self.workload.plain else [name for name in found if name != "sklearn"]


def measure(
    workloads: Sequence[Workload],
    workers: Mapping[str, Worker],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> Iterator[Result]:
    """Run every workload in every worker, round by round; the order turns by one a round."""
    for workload in workloads:
        result = Result(workload)
        ready = []
        for name, worker in workers.items():
            try:
                worker.prepare(workload)
                ready.append(name)
            except Unavailable as reason:
                result.missing[name] = str(reason)
        for number in range(rounds):
            turn = number % max(len(ready), 1)
            for name in ready[turn:] + ready[:turn]:
                result.rounds.setdefault(name, []).append(workers[name].turn(seconds))
        line = "  ".join(f"{name} {result.median(name) * 1e6:.0f}" for name in ready)
        say(f"{workload.name}: {line} µs a step")
        yield result
