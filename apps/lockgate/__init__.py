"""Lockgate: the gate between a container's start and its first request.

``management`` has the commands and their verbs; the stages a run passes through are the packages beside this file, and
imports between them go one way (see ``pyproject.toml``).
"""

__version__ = "0.1.0"
__all__ = ["__version__", "migrate"]

TYPE_CHECKING = False  # as in manifest_file.py
if TYPE_CHECKING:
    from lockgate.gate.call import migrate
else:

    def migrate(using="default", *arguments, **options):
        """Migrate a database as ``manage.py migrate`` does; returns a Report. See ``lockgate.gate.call.migrate``.

        Raises LockgateError for whatever goes wrong.
        """
        # Imported here: every start of a container imports this module, most of them nothing else, and no Django.
        from django.apps import apps  # noqa: PLC0415

        from lockgate.errors import ConfigurationError  # noqa: PLC0415

        if not apps.ready:
            raise ConfigurationError("the apps are not loaded yet", next_step="call django.setup() before")
        from lockgate.gate import call  # noqa: PLC0415

        return call.migrate(using, *arguments, **options)
