"""Recordings in: files of the common face trackers, tables and arrays, as one small frozen object."""

from .describe import describe
from .reading import available_formats, detect, from_array, from_frame, read
from .recording import Recording, RecordingError
from .searching import recordings_in

__all__ = [
    "Recording",
    "RecordingError",
    "available_formats",
    "describe",
    "detect",
    "from_array",
    "from_frame",
    "read",
    "recordings_in",
]
