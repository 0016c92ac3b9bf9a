"""The editor that writes statements down in place of sending them, and what it listens to."""
