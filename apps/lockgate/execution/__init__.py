"""What changes the schema, and nothing else does: a migration in one transaction or operation by operation, its steps
before and after, what an earlier attempt left.
"""
