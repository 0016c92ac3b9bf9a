"""Projects whose migration histories are real: where they come from, and the least settings they load with."""

from __future__ import annotations

from dataclasses import dataclass, field

_CONTRIB = """
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles","""


@dataclass(frozen=True)
class Project:
    """package: on the package index. settings: Python that says INSTALLED_APPS and what the project insists on.

    beside: packages that it imports and does not ask for. folders: put on the path, beneath the package.
    environment: what it reads besides.
    extensions: of PostgreSQL, that its migrations make. differs: migrations of which the plan is known to say
    something else than what is sent, and why.
    """

    name: str
    package: str
    settings: str
    beside: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    differs: dict[str, str] = field(default_factory=dict)


CONTRIB = Project(
    "contrib",
    "django",
    f"""
SITE_ID = 1
INSTALLED_APPS = [{_CONTRIB}
    "django.contrib.sites", "django.contrib.flatpages", "django.contrib.redirects",
]
""",
)

WAGTAIL = Project(
    "wagtail",
    "wagtail",
    f"""
WAGTAIL_SITE_NAME, WAGTAILADMIN_BASE_URL = "conformance", "http://testserver"
INSTALLED_APPS = [{_CONTRIB}
    "wagtail.contrib.forms", "wagtail.contrib.redirects", "wagtail.contrib.search_promotions",
    "wagtail.contrib.simple_translation", "wagtail.embeds", "wagtail.sites", "wagtail.users", "wagtail.snippets",
    "wagtail.documents", "wagtail.images", "wagtail.search", "wagtail.admin", "wagtail.locales", "wagtail",
    "modelcluster", "taggit",
]
""",
)

# Its settings end in a loader that looks for the machine's files and takes Django's settings over: all but that.
PULPCORE = Project(
    "pulpcore",
    "pulpcore",
    """
import pathlib
_home = pathlib.Path(__file__).parent
_source = (_home / "packages/pulpcore/app/settings.py").read_text().partition("# HERE STARTS DYNACONF")[0]
exec(compile(_source, "pulpcore/app/settings.py", "exec"), {**globals(), "__file__": "settings.py"}, globals())
DB_ENCRYPTION_KEY = str(_home / "fields.key")
pathlib.Path(DB_ENCRYPTION_KEY).write_text("6ZXKWGOKmUwvsSrqOYlMGHJWcbuHUKYdVpZZmAFhU8g=")
DEPLOY_ROOT = WORKING_DIRECTORY = _home
MEDIA_ROOT, CONTENT_ORIGIN = str(_home), "http://testserver"
V3_API_ROOT = "/pulp/api/v3/"
""",
    extensions=("hstore",),
)

LABEL_STUDIO = Project(
    "label-studio",
    "label-studio",
    "from core.settings.base import *\n",
    folders=("label_studio",),
    environment={
        "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "0",
        "LABEL_STUDIO_BASE_DATA_DIR": "{home}/data",
    },
    extensions=("pg_trgm", "btree_gin"),
)

OSCAR = Project(
    "django-oscar",
    "django-oscar",
    f"""
from oscar.defaults import *
SITE_ID = 1
HAYSTACK_CONNECTIONS = {{"default": {{"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}}}
INSTALLED_APPS = [{_CONTRIB}
    "django.contrib.sites", "django.contrib.flatpages",
    "oscar.config.Shop", "oscar.apps.analytics.apps.AnalyticsConfig", "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig", "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig", "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig", "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig", "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig", "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig", "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig", "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig", "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig", "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "widget_tweaks", "haystack", "treebeard", "django_tables2",
]
""",
)

# RunSQL, RunPython and renamed models, partly in migrations that are not atomic.
HORDAK = Project(
    "django-hordak",
    "django-hordak",
    f"""
HORDAK_DECIMAL_PLACES, HORDAK_MAX_DIGITS = 2, 13
INSTALLED_APPS = [{_CONTRIB}
    "mptt", "hordak",
]
""",
)

# Dozens of fields removed, much RunPython, an operation that looks at the catalog before it acts.
CMS = Project(
    "django-cms",
    "django-cms",
    f"""
SITE_ID, CMS_CONFIRM_VERSION4 = 1, True
LANGUAGES, CMS_TEMPLATES = [("en", "English")], [("page.html", "page")]
TEMPLATES = [{{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {{"context_processors": [
        "django.contrib.auth.context_processors.auth", "django.template.context_processors.request",
        "sekizai.context_processors.sekizai", "cms.context_processors.cms_settings",
    ]}},
}}]
INSTALLED_APPS = [{_CONTRIB}
    "django.contrib.sites", "cms", "menus", "treebeard", "sekizai",
]
""",
    beside=("packaging",),
)

FILER = Project(
    "django-filer",
    "django-filer",
    f"""
INSTALLED_APPS = [{_CONTRIB}
    "easy_thumbnails", "filer",
]
""",
)

QUEUE = Project(
    "django-q2",
    "django-q2",
    f"""
Q_CLUSTER = {{"name": "conformance", "orm": "default"}}
INSTALLED_APPS = [{_CONTRIB}
    "django_q",
]
""",
)

# Models that may be swapped.
OAUTH = Project(
    "django-oauth-toolkit",
    "django-oauth-toolkit",
    f"""
INSTALLED_APPS = [{_CONTRIB}
    "oauth2_provider",
]
""",
)

BEAT = Project(
    "django-celery-beat",
    "django-celery-beat",
    f"""
INSTALLED_APPS = [{_CONTRIB}
    "django_celery_beat",
]
""",
)

ALLAUTH = Project(
    "django-allauth",
    "django-allauth[socialaccount,mfa]",
    f"""
SITE_ID = 1
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
INSTALLED_APPS = [{_CONTRIB}
    "django.contrib.sites", "allauth", "allauth.account", "allauth.socialaccount", "allauth.mfa",
    "allauth.usersessions",
]
""",
)

WIKI = Project(
    "wiki",
    "wiki",
    f"""
SITE_ID = 1
INSTALLED_APPS = [{_CONTRIB}
    "django.contrib.sites", "django.contrib.humanize", "django_nyt", "mptt", "sekizai", "sorl.thumbnail",
    "wiki", "wiki.plugins.attachments", "wiki.plugins.notifications", "wiki.plugins.images", "wiki.plugins.macros",
]
""",
)

HELPDESK = Project(
    "django-helpdesk",
    "django-helpdesk",
    f"""
SITE_ID = 1
HELPDESK_TEAMS_MODE_ENABLED = False
INSTALLED_APPS = [{_CONTRIB}
    "django.contrib.sites", "django.contrib.humanize", "rest_framework", "helpdesk",
]
""",
)

WEBLATE = Project(
    "weblate",
    "weblate",
    """
import pathlib
from weblate.settings_example import *
DEBUG, SITE_DOMAIN, OTP_WEBAUTHN_RP_ID = False, "testserver", "testserver"
DATA_DIR = str(pathlib.Path(__file__).parent)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
""",
    beside=("pygobject<3.51",),  # later ones are built with a library that few systems have
    extensions=("pg_trgm", "btree_gin"),
)

PRETIX = Project(
    "pretix",
    "pretix",
    "from pretix.settings import *\n",
    environment={"DATA_DIR": "{home}/data", "PRETIX_CONFIG_FILE": "{home}/pretix.cfg"},
)

MAYAN = Project(
    "mayan-edms",
    "mayan-edms",
    "from mayan.settings.base import *\n",
    environment={"MAYAN_MEDIA_ROOT": "{home}/media"},
)

NAUTOBOT = Project(
    "nautobot",
    "nautobot",
    """
from django.core.cache.backends.locmem import LocMemCache
from nautobot.core.settings import *
class Cache(LocMemCache):
    def delete_pattern(self, pattern):
        self.clear()
CACHES = {"default": {"BACKEND": "site_settings.Cache"}}
CONSTANCE_DATABASE_CACHE_BACKEND = None
""",
    environment={"NAUTOBOT_ROOT": "{home}/root"},
)

MODOBOA = Project(
    "modoboa",
    "modoboa",
    """
AUTH_USER_MODEL, SITE_ID, BASE_DIR = "core.User", 1, "."
REDIS_HOST, REDIS_PORT, REDIS_QUOTA_DB, REDIS_URL = "localhost", 6379, 0, "redis://localhost:6379/0"
RQ_QUEUES = {"default": {"HOST": "localhost", "PORT": 6379, "DB": 0}}
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
    "django.contrib.staticfiles", "django.contrib.sites", "reversion", "oauth2_provider", "corsheaders",
    "rest_framework", "rest_framework.authtoken", "django_filters", "drf_spectacular", "phonenumber_field",
    "django_otp", "django_otp.plugins.otp_totp", "django_otp.plugins.otp_static", "django_rename_app", "django_rq",
    "modoboa", "modoboa.core", "modoboa.lib", "modoboa.admin", "modoboa.autoconfig", "modoboa.transport",
    "modoboa.relaydomains", "modoboa.limits", "modoboa.parameters", "modoboa.dnstools", "modoboa.policyd",
    "modoboa.maillog", "modoboa.pdfcredentials", "modoboa.dmarc", "modoboa.imap_migration", "modoboa.autoreply",
    "modoboa.sievefilters", "modoboa.contacts", "modoboa.calendars", "modoboa.webmail",
]
""",
)

MACHINA = Project(
    "django-machina",
    "django-machina",
    f"""
MACHINA_MARKUP_LANGUAGE = None
CACHES = {{
    "default": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    "machina_attachments": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
}}
HAYSTACK_CONNECTIONS = {{"default": {{"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}}}
INSTALLED_APPS = [{_CONTRIB}
    "mptt", "haystack", "widget_tweaks", "machina", "machina.apps.forum", "machina.apps.forum_conversation",
    "machina.apps.forum_conversation.forum_attachments", "machina.apps.forum_conversation.forum_polls",
    "machina.apps.forum_feeds", "machina.apps.forum_moderation", "machina.apps.forum_search",
    "machina.apps.forum_tracking", "machina.apps.forum_member", "machina.apps.forum_permission",
]
""",
)

RDMO = Project(
    "rdmo",
    "rdmo",
    """
from rdmo.core.settings import *
MEDIA_ROOT = STATIC_ROOT = "files"
""",
)

EPHIOS = Project(
    "ephios",
    "ephios",
    "from ephios.settings import *\n",
    environment={
        "DEBUG": "false",
        "DATA_DIR": "{home}/data",
        "ALLOWED_HOSTS": "testserver",
        "SITE_URL": "http://testserver",
        "EMAIL_URL": "dummymail://",
        "DEFAULT_FROM_EMAIL": "ephios@testserver",
        "SERVER_EMAIL": "ephios@testserver",
        "ADMINS": "ephios@testserver",
    },
)

SMALL = (HORDAK, CMS, FILER, QUEUE, OAUTH, BEAT, ALLAUTH, WIKI, HELPDESK)
LARGE = (WEBLATE, PRETIX, MAYAN, NAUTOBOT, MODOBOA, MACHINA, RDMO, EPHIOS)
FIRST = (CONTRIB, WAGTAIL, PULPCORE, LABEL_STUDIO, OSCAR)
FOURTEEN = {project.name: project for project in (*FIRST, *SMALL)}  # those of docs/evidence/real-histories.md
ALL = {project.name: project for project in (*FIRST, *LARGE, *SMALL)}
