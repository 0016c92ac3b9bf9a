"""Why Lockgate is wrong where it is, by case: each miss and each false alarm, in one of its two judgements or both."""

OF: dict[str, str] = {
    "CREATE INDEX CONCURRENTLY by hand": (
        "LG704 warns because a build that is killed leaves an invalid index, which IF NOT EXISTS then keeps. That is "
        "true, and rare; nothing blocks."
    ),
    "Unique index concurrently, then USING INDEX": (
        "LG704 as above. LG807 asks whether the serving release may write what the constraint forbids, which no tool "
        "can know."
    ),
    "AddConstraintNotValid, then ValidateConstraint": (
        "LG807 asks whether the serving release may write what the constraint forbids, which no tool can know."
    ),
    "FOREIGN KEY NOT VALID by hand, then VALIDATE": "As the case before it in this list: LG807.",
    "RemoveConstraint, check": "No rule. Dropped NOT NULL is reported (LG811), a dropped check is not.",
    "null=False, proven by a validated check": ("LG807 as above, of the check; NOT NULL itself is known to be proven."),
    "lock_timeout beside an AddField": (
        "LG705 is about Lockgate's own timeouts, which a SET of the migration's own gets in the way of. As stock "
        "Django runs it, the statement is good advice."
    ),
    "ALTER TYPE … ADD VALUE": "LG504 does not look whether the value is used in the same transaction.",
    "UPDATE of one row by its key": "LG606 does not know how many rows a condition matches, and says so as a warning.",
    "RunPython with a statement of its own": "SQL in a Python function is not read.",
    "RunPython that builds an index": "SQL in a Python function is not read.",
}
