"""The snapshot: a database as this release's migrations make it, built once, loaded in place of replaying them.

``build`` replays into scratch databases and dumps; ``snapshot_file`` is the file; ``compatibility`` says whether it
belongs to this code and this database; ``load`` puts it there. Nothing is taken on trust: whatever does not match is
replayed.
"""
