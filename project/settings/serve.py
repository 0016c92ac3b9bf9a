"""What gunicorn runs under: the whole configuration of the service, validated at once when it is loaded.

Invariant: every variable is there and plausible, or loading fails with one message that names each that
is not and repeats no value. The apps and the way to the database are those that were migrated (``base.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lockgate.database import url
from lockgate.errors import ConfigurationError
from project import logging
from project.settings.base import *  # noqa: F403
from project.settings.base import INSTALLED_APPS as MIGRATED_APPS

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
CONNECT_TIMEOUT_SECONDS = 5  # while the database is down, a request ends in 503, not in the proxy's timeout
# A network that is gone ends what a request waits for in about as long as a proxy has patience: data that was sent and
# nobody takes (ms), and silence while an answer is waited for (s).
NETWORK_LOST = {"tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
HSTS_SECONDS = 30 * 24 * 3600  # long enough to protect between visits, short enough to be taken back


FAULTS = {  # by pydantic's type of error; what is in braces comes from the limits it names, not from values
    "missing": "is not set",
    "too_short": "is too short: at least {min_length} characters",
    "literal_error": "must be one of {expected}",
    "int_parsing": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "bool_parsing": "must be true or false",
    "value_error": "{error}",
}


def _comma_separated(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("has nothing between its commas")
    return parts


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _database(value: object) -> dict[str, Any]:
    """DATABASE_URL as an entry of DATABASES. The error carries the fault and not the URL."""
    try:
        return url.parse(str(value).strip())
    except ConfigurationError as error:
        raise ValueError("; ".join(filter(None, [error.what, error.why]))) from None


List = Annotated[list[str], NoDecode, BeforeValidator(_comma_separated)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]


class Environment(BaseSettings):
    """The service's environment variables, by their names in lower case. An empty one counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, hide_input_in_errors=True, extra="ignore")

    # 50 is what Django's own deployment check asks for (security.W009).
    secret_key: Annotated[SecretStr, Field(min_length=50)]
    allowed_hosts: List
    ingest_token: Annotated[SecretStr, Field(min_length=24)]
    database_url: Annotated[dict[str, Any], NoDecode, BeforeValidator(_database), Field(repr=False)]
    log_level: Level = "INFO"
    csrf_trusted_origins: List = []
    conn_max_age: Annotated[int, Field(ge=0)] = 60  # seconds
    https_only: bool | None = None
    static_root: Path | None = None

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers send the cookies over https only; nobody could then sign in over plain http.

        Unless HTTPS_ONLY says, plain http is for a service that only its own machine can name.
        """
        if self.https_only is not None:
            return self.https_only
        return not set(self.allowed_hosts) <= set(LOOPBACK)


def _load() -> Environment:
    try:
        return Environment()  # type: ignore[call-arg]  # its values come from the environment
    except ValidationError as invalid:
        # Without a cause: the validation error's own text quotes the values.
        raise ImproperlyConfigured(_faults(invalid)) from None


def _faults(invalid: ValidationError) -> str:
    """Every variable that is missing or wrong, with the reason; no values."""
    errors = {str(error["loc"][0]).upper(): error for error in invalid.errors(include_input=False)}
    faults = {name: _fault(name, error) for name, error in errors.items()}
    width = max(map(len, faults))
    count = "1 environment variable is" if len(faults) == 1 else f"{len(faults)} environment variables are"
    return "\n".join(
        [
            f"{count} missing or wrong",
            *(f"  {name:<{width}}  {fault}" for name, fault in faults.items()),
            "  state  the service did not start; migrating needs none of these but DATABASE_URL",
            "  next   set them and start again; a new secret:  "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"',
        ]
    )


def _fault(name: str, error: Mapping[str, Any]) -> str:
    """What is wrong with one variable, in plain words where it can be wrong in one of the usual ways."""
    text = str(FAULTS.get(error["type"], error["msg"])).format(**error.get("ctx", {}))
    return text.removeprefix(f"{name} ")


environment = _load()

SECRET_KEY = environment.secret_key.get_secret_value()
INGEST_TOKEN = environment.ingest_token.get_secret_value()
# The container's own health probe asks 127.0.0.1, whatever the service is called outside.
ALLOWED_HOSTS = [*environment.allowed_hosts, *LOOPBACK]
CSRF_TRUSTED_ORIGINS = environment.csrf_trusted_origins

DATABASES = {
    "default": {
        **environment.database_url,
        "CONN_MAX_AGE": environment.conn_max_age,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            **NETWORK_LOST,
            **environment.database_url.get("OPTIONS", {}),
        },
    }
}

# Without models, so the migrator need not know it: the assets of the API's documentation, which would otherwise
# come from a public server.
INSTALLED_APPS = [*MIGRATED_APPS, "ninja"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Assets are served out of the installed packages: nothing to collect, nothing to write. With STATIC_ROOT set,
# `collectstatic` fills that directory for a web server in front.
STATIC_URL = "/static/"
STATIC_ROOT = environment.static_root
WHITENOISE_USE_FINDERS = True

# TLS ends at the proxy, which must set this header itself and not pass on a client's. Redirecting to https
# is the proxy's as well: here, a redirect would answer the health probe.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = HSTS_SECONDS  # sent with answers over https only
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = environment.secure_cookies

LOGGING = logging.configuration(environment.log_level)
logging.configure_structlog()
