"""The errors a caller of lcodec meets. Each has a message of one line, fit to be shown as it is."""


class LcodecError(Exception):
    """Anything that went wrong for a reason outside the caller's program: bytes, files, weights."""


class FormatError(LcodecError):
    """The bytes are bad. `offset` counts bytes from the start of the file, `field` is SPEC.md's name."""

    offset: int | None
    field: str | None

    def __init__(self, message: str, *, offset: int | None = None, field: str | None = None) -> None:
        place = [] if field is None else [field]
        if offset is not None:
            place.append(f"at byte {offset}")
        super().__init__(f"{message} ({' '.join(place)})" if place else message)
        self.offset = offset
        self.field = field


class CutError(FormatError):
    """The file ends before it should, or a length in it is damaged."""


class UnsupportedError(LcodecError):
    """The bytes are, as far as can be told, valid, but this version does not handle what they hold."""


class ModelError(LcodecError):
    """The weights a file needs are absent, or are not the ones it was written with."""


class DamageWarning(UserWarning):
    """An ancillary section of a file is damaged and was skipped; the picture is whole."""
