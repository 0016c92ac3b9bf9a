"""What we measure. ``make bench`` runs all of it and prints tables; ``python -m benchmarks NAME`` runs one."""
