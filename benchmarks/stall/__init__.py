"""Stalls: what a serving release's queries meet while one migration runs. ``python -m benchmarks stall --help``."""
