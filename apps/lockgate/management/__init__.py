"""Django's commands, overridden, and the verbs of ``manage.py lockgate``: arguments, one call, one report."""
