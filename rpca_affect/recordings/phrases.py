"""Numbers and lists of names in the sentences that readers say."""


def counted(number: int, what: str) -> str:
    """Number and noun: ``counted(1, "frame")`` is "1 frame", ``counted(2, "frame")`` is "2 frames"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def listed(names, most: int = 5) -> str:
    """First few names in a sentence."""
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
