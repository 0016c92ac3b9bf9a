"""What post_migrate makes on top of the migrations: rows that a start may load in place of sending the signal.

Only where every receiver is Django's own. Those make content types, permissions and the default site, of what is known:
models and one setting. Another's may do anything, and not in the database alone, so a run has to send it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from django.apps import apps
from django.conf import settings
from django.db.models.signals import post_migrate, pre_migrate

from lockgate.boot.snapshot.document import Header
from lockgate.execution import django_seams
from lockgate.facts import Key

_KNOWN = "django.contrib."
_POSITION = "SELECT pg_catalog.setval("


class NotOnTop(ValueError):
    """post_migrate does more than add rows; the text says what."""


def why_not(header: Header, disk: Collection[Key]) -> str:
    """What keeps a start from loading all there is to load; empty where nothing does."""
    if newer := sorted(set(disk) - header.recorded.keys()):
        return f"it has not {newer[0]}"
    return next((f"{each} hears pre_migrate or post_migrate, and may do anything" for each in _strangers()), "")


def digest() -> str:
    """sha256 over what those rows are made of."""
    lines = [f"site {getattr(settings, 'SITE_ID', None)!r}"]
    for model in apps.get_models(include_auto_created=True):
        options = model._meta
        of_permissions = [*options.default_permissions, *options.permissions]
        lines.append(f"{options.label} {options.verbose_name_raw!r} {options.proxy} {of_permissions!r}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def statements(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What leads from one dump of rows to another. Raises NotOnTop unless rows were only added."""
    gone, new = Counter(before), Counter(after)
    if changed := [each for each in gone - new if not each.startswith(_POSITION)]:
        raise NotOnTop(f"it changes rows: {changed[0][:200]}")
    new -= gone
    return [each for each in after if new[each]]


def _strangers() -> Iterator[str]:
    """The receivers that are not Django's, as ``module.name``."""
    for signal in (pre_migrate, post_migrate):
        for config in apps.get_app_configs():
            for receiver in django_seams.receivers(signal, config):
                module = getattr(receiver, "__module__", None) or type(receiver).__module__
                if not module.startswith(_KNOWN):
                    yield f"{module}.{getattr(receiver, '__qualname__', type(receiver).__qualname__)}"
