"""One migration through its phases: planned when its turn comes, step by step, each in the journal."""
