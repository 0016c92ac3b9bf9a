"""The verbs of ``manage.py lockgate``: one module each, with a command of its own."""
