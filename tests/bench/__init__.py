"""Benchmarks: what the product promises in speed, as ratios beside their limit in the same run."""
