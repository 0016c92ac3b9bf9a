"""Speaks PostgreSQL and knows no migrations: sessions, the advisory lock, the catalog, and SQL files that are sent as
they are.
"""
