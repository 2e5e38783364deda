"""Recordings of other kinds than faces, on which nothing of the default model was ever chosen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rpca_affect.recordings import Recording, from_array

__all__ = ["others"]


def others(root: Path) -> Iterator[tuple[str, Recording]]:
    """Yield five walkers, the five longest sentences, three gestures, and the blocks of a video of a face.

    Parameters
    ----------
    root : Path
        Folder of the shared recordings.
    """
    with np.load(root / "watch_walk" / "watch_walk_1s.npz", allow_pickle=False) as walks:
        for name in [key for key in walks.files if walks[key].ndim == 2][:60:12]:
            yield f"walk {name}", from_array(walks[name].astype(np.float64), fps=1.0)
    with np.load(root / "emodb" / "emodb4_egemaps.npz", allow_pickle=False) as speech:
        sentences = sorted((key for key in speech.files if key.startswith("x")), key=lambda key: -len(speech[key]))
        for name in sentences[:5]:
            yield f"sentence {name}", from_array(speech[name].astype(np.float64), fps=25.0)
    with np.load(root / "natops" / "natops.npz", allow_pickle=False) as gestures:
        arms = next(gestures[key] for key in gestures.files if gestures[key].ndim == 3)
        for number in (0, 70, 140):
            arm = arms[number].astype(np.float64)
            yield f"gesture {number}", from_array(arm if arm.shape[1] == 24 else arm.T, fps=25.0)
    with np.load(root / "video" / "pexels_face.npz", allow_pickle=False) as video:
        frames = next(video[key] for key in video.files if video[key].ndim == 3).astype(np.float64)
        blocks = frames.reshape(len(frames), 9, 10, 16, 10).mean(axis=(2, 4)).reshape(len(frames), -1)
        yield "video, every fourth block", from_array(blocks[:, ::4], fps=25.0)
