"""Twin scripts that train the same network, whose memory is compared (:mod:`benchmarks.memory`)."""
