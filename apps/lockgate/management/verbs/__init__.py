"""The verbs of ``manage.py lockgate``: one module each, with HELP, add_arguments and handle."""
