"""How many threads a kernel that is called here may use by itself."""

from threading import local

_HERE = local()


def share() -> int:
    """As `set_share` has said in this thread, or else one."""
    return getattr(_HERE, "threads", 1)


def set_share(threads: int) -> None:
    """From now on, in this thread."""
    _HERE.threads = threads
