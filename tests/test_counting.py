import pytest

from cartwise.counting import counted


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 carts"), (1, "1 cart"), (2, "2 carts"), (2000, "2,000 carts")]
)
def test_one_is_singular_and_thousands_are_told_apart(count: int, told: str) -> None:
    assert counted(count, "cart") == told
