"""What post_migrate makes on top of the migrations: rows that a start may load in place of sending the signal.

Only where every receiver is Django's own. Those make content types, permissions and the default site, of what is known:
models and one setting. Another's may do anything, and not in the database alone, so a run has to send it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence

from django.apps import apps
from django.conf import settings
from django.utils import translation

from lockgate.facts import Key
from lockgate.snapshot import signal_receivers
from lockgate.snapshot.snapshot_file import Header

_POSITION = "SELECT pg_catalog.setval("


class NotOnTop(ValueError):
    """post_migrate does more than add rows that are always the same; the text says what."""


def why_not(header: Header, disk: Collection[Key]) -> str:
    """What keeps a start from loading all there is to load; empty where nothing does."""
    if newer := sorted(set(disk) - header.recorded.keys()):
        return f"it has not {newer[0]}"
    stranger = next(signal_receivers.strangers(), "")
    return f"{stranger} hears of what migrate does, and may do anything" if stranger else ""


def digest() -> str:
    """sha256 over what those rows are made of, and by what."""
    lines = [f"site {getattr(settings, 'SITE_ID', None)!r}", *signal_receivers.names()]
    with translation.override(None):
        for model in apps.get_models(include_auto_created=True):
            options = model._meta
            named = f"{options.label} {options.verbose_name_raw!r} {options.proxy}"
            lines.append(f"{named} {options.default_permissions!r}")
            lines += [f"{codename!r} {str(name)!r}" for codename, name in options.permissions]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def statements(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What leads from one dump of rows to another. Raises NotOnTop unless rows were only added."""
    gone, new = Counter(before), Counter(after)
    if changed := [line for line in gone - new if not line.startswith(_POSITION)]:
        raise NotOnTop(f"post_migrate changes rows: {changed[0].partition(' VALUES')[0][:100]}")  # no values: secrets
    new -= gone
    lines = []
    for line in after:
        if new[line]:
            new[line] -= 1
            lines.append(line)
    return lines
