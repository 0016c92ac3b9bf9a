"""What we measure. ``make bench`` runs what takes minutes, ``python -m benchmarks NAME`` one of them."""
