"""The summary of a split: a dict that prints as a short table."""

from typing import Any

__all__ = ["Summary"]


class Summary(dict):
    """Plain numbers and sentences about a split: a dict that JSON can hold and that prints as a short table."""

    def __str__(self) -> str:
        return "\n".join(
            f"{key.replace('_', ' '):<22}{_shown(value)}"
            for key, value in self.items()
            if value not in ([], None) and key != "doubts"
        )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, (list, tuple)) and len(value) > 8 and all(isinstance(item, (int, float)) for item in value):
        return f"{_shown(min(value))} to {_shown(max(value))} ({len(value)} sequences)"
    if isinstance(value, (list, tuple)):
        return " ".join(_shown(item) for item in value)
    return str(value)
