"""What a migration would run, as steps in phases, with the locks they take and the work they do; it asks no server."""
