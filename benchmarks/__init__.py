"""The same work in npnet and in its peers, side by side: ``python -m benchmarks``.

A *workload* (:mod:`benchmarks.workloads`) says what is trained.  A *peer* (:mod:`benchmarks.peers`) does it
its own way, in a process of its own that the others do not disturb (:mod:`benchmarks.worker`).  Peers take
turns, round after round (:mod:`benchmarks.rounds`), so that whatever else the machine does hits all of them;
what is reported are medians, and medians of ratios within a round (:mod:`benchmarks.report`).
"""
