"""What pytest runs under: the service's own settings, with dummy secrets and the test server's database."""

from __future__ import annotations

import os
from unittest import mock

from lockgate.database import url

_ENVIRONMENT = {
    "SECRET_KEY": "for-tests-only-" * 4,
    "INGEST_TOKEN": "for-tests-only-ingest-token",
    "ALLOWED_HOSTS": "testserver",
    "DATABASE_URL": "postgresql:///replaced-below",
    "HTTPS_ONLY": "false",
}

# Only while the settings load: a subprocess of a test must not find these in the environment it inherits.
with mock.patch.dict(os.environ, _ENVIRONMENT):
    from project.settings.serve import *  # noqa: F403

DATABASES = {
    "default": url.from_environment("TEST_DATABASE_URL" if "TEST_DATABASE_URL" in os.environ else "DATABASE_URL")
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; real ones are slow on purpose
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
}  # pytest captures records with handlers of its own
