"""Numbers with what they count, as people write them."""


def counted(count: int, noun: str) -> str:
    """``counted(1, "cart") == "1 cart"``, ``counted(2000, "cart") == "2,000 carts"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
