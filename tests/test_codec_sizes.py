import pytest

from lcodec.codec.commands.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("30MiB", 30 * 2**20), ("30MB", 30_000_000), ("31457280", 31457280), ("2 gib", 2 * 2**30), (" 7kB ", 7000)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0MiB", "-1", "1.5MiB", "30 parsecs", "MiB", "1e6", "9" * 16, "٣"])
def test_bad_sizes(text):
    with pytest.raises(ValueError, match="is not a size: write for example 30MiB"):
        parse_size(text)
