"""Why Lockgate is wrong where it is, by case: each miss and each false alarm, in one of its two judgements or both."""

OF: dict[str, str] = {
    "An index dropped before the one that replaces it": (
        "No rule looks at the order of two builds. Nothing waits and nothing is lost; queries are slow in between."
    ),
}
