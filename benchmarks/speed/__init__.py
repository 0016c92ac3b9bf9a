"""Speed: nothing pending, something pending, everything pending. ``python -m benchmarks speed --help``."""
