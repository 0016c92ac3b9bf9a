"""Similar items, by the distance of their embeddings.

An app of its own, because its only migration needs the extension ``vector``: where the server has none, that
migration is held, and everything else of the service runs.
"""
