"""Hazards of migrations before they run: for makemigrations, the linter and the gate."""
