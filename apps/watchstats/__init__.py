"""Playback statistics of home media servers: the small real service that stands behind the gate."""
