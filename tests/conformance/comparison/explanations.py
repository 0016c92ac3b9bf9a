"""Why Lockgate is wrong where it is, by case: each miss and each false alarm, in one of its two judgements or both."""

OF: dict[str, str] = {}
