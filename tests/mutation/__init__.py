"""Changes of the product's lines, and which tests notice each: ``make mutate``."""
