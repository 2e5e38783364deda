"""The study on disk and in memory: its tables, its notes, and the folder of each recording."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rpca_affect.results.split_tables import unguarded

__all__ = ["FILES", "Study"]

TABLE, LONG, PAGE, NOTES = "study.csv", "features_long.csv", "study.html", "notes.txt"
FILES = (TABLE, LONG, PAGE, NOTES)


@dataclass(frozen=True, eq=False)
class Study:
    """Result of `rpca_affect.decompose_many`.

    Attributes
    ----------
    folder : Path
        Holds ``study.csv``, ``features_long.csv``, ``study.html`` and a folder for each recording.
    table : DataFrame
        One row for each recording: columns of its participant, ``frames``, ``missing`` (share of the cells),
        ``rank`` (the largest of its sequences), ``predicted`` (share of hidden cells that the base predicts),
        ``density`` (share of the observed cells in the transient part), ``residual``, ``events``,
        ``events_per_minute``, ``doubts``, ``stands_out`` (measures in which it differs from the others) and ``error``
        (why it could not be split).
    features : DataFrame
        One row for each feature of each recording, for mixed models.
    notes : tuple of str
        About files that were left out, and participants without a recording.

    Examples
    --------
    >>> import tempfile, pathlib, rpca_affect as ra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for seed in (0, 1):
    ...     session = ra.synthetic.make_session(n_frames=60, random_state=seed)
    ...     session.frame.to_csv(folder / f"p{seed}.csv", index=False)
    >>> study = ra.decompose_many([folder], folder / "out", features="au", lags=1)
    >>> study.table["recording"].tolist(), len(study.errors)
    (['p0', 'p1'], 0)
    """

    folder: Path
    table: pd.DataFrame
    features: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        failed = len(self.errors)
        return f"<Study in {self.folder}: {len(self.table)} recordings{f', {failed} with an error' if failed else ''}>"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def errors(self) -> pd.Series:
        """Sentences about the recordings that could not be split, by their names."""
        named = self.table.set_index("recording")["error"].fillna("")
        return named[named != ""]

    def folder_of(self, recording: str) -> Path:
        """Folder with the results of a recording.

        Parameters
        ----------
        recording : str
            Its name in the table.

        Returns
        -------
        Path

        Raises
        ------
        KeyError
            If no recording has this name.
        """
        if recording not in set(self.table["recording"]):
            raise KeyError(f"{recording!r} is no recording of this study: table['recording'] names them")
        return self.folder / recording

    @classmethod
    def read(cls, folder: Any) -> "Study":
        """Open a study that was made before.

        Parameters
        ----------
        folder : path

        Returns
        -------
        Study

        Raises
        ------
        ValueError
            If there is none.
        """
        folder = Path(folder)
        if not (folder / TABLE).is_file():
            raise ValueError(f"{folder} holds no {TABLE}: give the folder of a study.")
        notes = folder / NOTES
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else []
        return cls(folder, _table(folder / TABLE), _table(folder / LONG), tuple(lines))


def _table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame()
    table = pd.read_csv(path, encoding="utf-8", dtype={"recording": str, "participant_id": str, "feature": str})
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = unguarded(table[name].astype(object))
    texts = [name for name in ("error", "doubts", "stands_out", "group") if name in table]
    return table.assign(
        **{name: table[name].astype(object).where(table[name].notna(), "").astype(str) for name in texts}
    )
