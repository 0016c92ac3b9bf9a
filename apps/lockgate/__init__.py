"""Lockgate: the gate between a container's start and its first request.

Every command of the suite lives in ``lockgate.management.commands``; the stages a run passes through are
the packages beside this file, and imports between them go one way (see ``pyproject.toml``).
"""

__version__ = "0.1.0"
