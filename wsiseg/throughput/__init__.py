"""Throughput: seconds per tile, shares of the run's time, the bottleneck, the hardware."""
