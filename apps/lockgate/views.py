"""Liveness and readiness, for probes: no secrets, no side effects, no transaction of their own.

``/livez`` says that the process answers, and asks nothing else, so that a database outage does not restart a
healthy process. ``/readyz`` says whether this process may receive traffic.
"""

from __future__ import annotations

from functools import cache

import psycopg
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.utils import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from lockgate.errors import LedgerDamaged, ReadRefused
from lockgate.execution import failures
from lockgate.reporting import json_documents
from lockgate.status.current import ReadinessCheck


@never_cache
@require_safe
@transaction.non_atomic_requests
def livez(request: HttpRequest) -> JsonResponse:
    """200 whenever the process answers."""
    return JsonResponse({"live": True})


@never_cache
@require_safe
@transaction.non_atomic_requests
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if the database answers and has every migration of this release; 503, saying what is missing, if not.

    Held migrations do not count as missing: the release runs without them. One query, while nothing changes.
    """
    try:
        status = _glance(DEFAULT_DB_ALIAS).status()
    except ReadRefused as refused:
        return JsonResponse({"ready": False, "database": "refused", "grant": refused.grants}, status=503)
    except LedgerDamaged as damaged:
        return JsonResponse({"ready": False, "database": "damaged", "why": damaged.why}, status=503)
    except (DatabaseError, psycopg.Error) as error:
        sqlstate = failures.sqlstate_of(error)
        return JsonResponse({"ready": False, "database": "unavailable", "sqlstate": sqlstate}, status=503)
    return JsonResponse(json_documents.readiness(status), status=200 if status.ready else 503)


@cache
def _glance(alias: str) -> ReadinessCheck:
    return ReadinessCheck(alias)
