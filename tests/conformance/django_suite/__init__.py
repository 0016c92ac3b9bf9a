"""Django's own tests of migrations, run as Django ships them, and again with our commands and executor in place."""
