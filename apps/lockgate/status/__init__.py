"""What is applied, pending, held or unknown: for probes, waiting workers and showmigrations."""
