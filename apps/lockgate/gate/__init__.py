"""From a command to the lock, and from the lock to its end: what one run of migrate looks at, decides and does."""
