"""What is written down: runs and migrations, the journal of steps, and the digests by which they are known."""
