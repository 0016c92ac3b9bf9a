"""The libpq that psycopg calls. A process may have another one beside it, which GDAL or a second driver has brought:
a name, or being the only one that is mapped, says nothing. Whoever resolves psycopg's symbols is asked, the linker.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from psycopg import pq

_OF_CTYPES = "psycopg.pq._pq_ctypes"  # where psycopg without compiled parts keeps libpq's functions


class Unknown(Exception):
    """Which file it is cannot be told; the text says why."""


class _LoadedLibrary(ctypes.Structure):
    """``Dl_info``. Source: https://man7.org/linux/man-pages/man3/dladdr.3.html"""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def file() -> str:
    """Its absolute path, without links. Raises Unknown."""
    if sys.platform != "linux":
        raise Unknown("which libpq psycopg has loaded can be told on Linux alone")
    function = _version_function()
    if function() != pq.version():  # a libpq that was loaded before, for everybody, stands in for psycopg's own
        raise Unknown(f"psycopg ({pq.__impl__}) calls another libpq than the one that it was linked with")
    library = _LoadedLibrary()
    if not ctypes.CDLL(None).dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(library)) or not library.file:
        raise Unknown(f"the linker does not say which libpq psycopg ({pq.__impl__}) has loaded")
    return os.path.realpath(os.fsdecode(library.file))


def _version_function() -> Any:
    """``PQlibVersion``, as psycopg finds it: by way of its compiled module, or of what it has loaded itself."""
    path = str(getattr(sys.modules[pq.PGconn.__module__], "__file__", ""))
    try:
        if path.endswith(".so"):
            return ctypes.CDLL(path).PQlibVersion  # loaded already; its symbols are looked up in what it is linked with
        return sys.modules[_OF_CTYPES].PQlibVersion
    except (OSError, AttributeError, KeyError) as error:
        raise Unknown(f"psycopg ({pq.__impl__}) does not show which libpq it has loaded") from error
