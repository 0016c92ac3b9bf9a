"""Plans of what would run, for whoever asks before it does: ``--plan``, ``makemigrations``, the linter, hazards."""
