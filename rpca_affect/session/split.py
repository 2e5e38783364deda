"""The split of a recording: base, transients and residual in the input's own form, events, summary, plot, report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from rpca_affect.cached import cached_property
from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.display import html_card
from rpca_affect.recordings import Recording
from rpca_affect.session.chance import Noise
from rpca_affect.session.events import find_events
from rpca_affect.session.levels import Level, levels_of
from rpca_affect.session.leverage import measured_chance
from rpca_affect.session.prediction import Prediction
from rpca_affect.session.remainder import StandardErrors
from rpca_affect.session.sequence import SequenceSplit, frame_numbers
from rpca_affect.session.summary import Summary, summarise

__all__ = ["Split", "Summary"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """A recording split into ``base + transient + residual``.

    On observed cells the three add up to the input. In a missing cell the base holds its low-rank prediction and the
    lasting part of the remainder in neighbouring frames (a line between its neighbours where frames are lost as a whole
    for longer than ``lags``), transient and residual are 0, and `mask` is 0.

    Attributes
    ----------
    recording : Recording
        The input.
    base_values, transient_values, residual_values : ndarray, shape (n_frames, n_features)
        The parts as arrays, in the units of the input.
    sequences : tuple of SequenceSplit
        One for each unbroken sequence; each was solved on its own.
    status : Status
        How the solves ended, and every reason not to interpret the split, with its remedy.
    parameters : dict
        Arguments of the split.
    versions : dict
        Of the package and the libraries that computed.
    seconds : float
        Time of the solves.
    prediction : Prediction or None
        How well the base predicts cells that were hidden from it; None where that was not asked.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> frames = np.arange(300)
    >>> features = np.outer(np.sin(frames / 40), np.linspace(1, 3, 20))
    >>> features += np.random.default_rng(0).normal(0, 0.05, features.shape)
    >>> features[100:106, 1] += 1.0
    >>> split = ra.decompose(features)
    >>> split.events()[["onset_frame", "offset_frame", "features"]].values.tolist()
    [[100, 105, 'feature_1']]
    """

    recording: Recording
    base_values: np.ndarray
    transient_values: np.ndarray
    residual_values: np.ndarray
    sequences: tuple[SequenceSplit, ...]
    status: Status
    parameters: dict[str, Any]
    versions: dict[str, str]
    seconds: float
    prediction: Prediction | None = None

    def __repr__(self) -> str:
        shape = "{} x {}".format(*self.base_values.shape)
        return f"<Split of {self.recording.meta['source']} ({shape}): {self.status}>"

    def _repr_html_(self) -> str:
        summary = self.summary()
        rows = {
            "frames": summary["frames"],
            "features": summary["features"],
            "rank of the base": ", ".join(map(str, summary["rank"][:8])),
            "transient cells": f"{summary['density']:.2%}",
            "residual": f"{summary['residual']:.2%}",
            "events": summary["events"],
            "missing cells": f"{summary['missing_share']:.2%}",
        }
        notes = [summary["status"], *summary["warnings"], *summary["notices"]]
        return html_card(f"Split of {summary['source']}", rows, notes)

    @cached_property
    def base(self) -> pd.DataFrame:
        """Emotional base: the low-rank part, with the input's rows and columns; other columns as in the input."""
        return self.recording.frame(self.base_values, left_out="keep")

    @cached_property
    def transient(self) -> pd.DataFrame:
        """Transient fluctuations: the sparse part, with the input's rows and columns; other columns as in the input."""
        return self.recording.frame(self.transient_values, left_out="zero")

    @cached_property
    def residual(self) -> pd.DataFrame:
        """Dense noise, the input less both, with the input's rows and columns; other columns as in the input."""
        return self.recording.frame(self.residual_values, left_out="zero")

    @cached_property
    def mask(self) -> pd.DataFrame:
        """1 where a feature cell was observed and 0 where it was missing; other columns as in the input."""
        table = self.recording.frame(self.recording.mask.astype(np.int8), left_out="keep")
        others = list(self.recording.meta["left_out"])
        if not others:
            return table
        flags = table[others].notna().astype(np.int8)
        return pd.concat([table.drop(columns=others), flags], axis=1)[list(table.columns)]

    @cached_property
    def frame_numbers(self) -> np.ndarray:
        """Numbers of the frames in the input, shape (n_frames,): its ``frame`` column, or rows counted from 0."""
        return frame_numbers(self.recording)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The parts of every time scale, slowest first, which add up to these; () if `decompose` got no ``levels``."""
        return levels_of(self.recording, self.sequences)

    @property
    def decompositions(self) -> tuple[Decomposition, ...]:
        """The solves, one for each sequence with an observed cell, in scaled units."""
        return tuple(part.decomposition for part in self.sequences if part.decomposition is not None)

    @property
    def decomposition(self) -> Decomposition:
        """The solve, in scaled units, of a recording that is one sequence."""
        if len(self.decompositions) != 1:
            raise ValueError(f"the recording has {len(self.decompositions)} sequences: see decompositions")
        return self.decompositions[0]

    @cached_property
    def _chance(self) -> tuple[tuple[StandardErrors | None, Noise], ...]:
        """Law of the noise in each sequence: measured once, for every list of events."""
        return tuple(measured_chance(self, part) for part in self.sequences)

    def events(
        self,
        *,
        false_alarms: float | Literal["auto"] | None = "auto",
        fdr: float | None = None,
        min_peak: float | None = None,
        min_frames: int = 1,
        max_gap: int = 2,
    ) -> pd.DataFrame:
        """List the transient events in the order of their onset.

        Parameters
        ----------
        false_alarms, fdr, min_peak, min_frames, max_gap
            As in `rpca_affect.find_events`: how many events noise alone may add per minute (``"auto"``: as many as
            `rpca_affect.decompose` was told), and other rules.

        Returns
        -------
        DataFrame
            One row per event; the columns are those of `rpca_affect.find_events`.
        """
        rate = self.parameters.get("false_alarms", 0.1) if isinstance(false_alarms, str) else false_alarms
        asked = (rate, fdr, min_peak, min_frames, max_gap)
        if asked not in self._events:
            self._events[asked] = self._list_events(*asked)
        return self._events[asked].copy()

    @cached_property
    def _events(self) -> dict[tuple, pd.DataFrame]:
        """Events by the arguments of the list: summary, tables, pictures and report make each list once."""
        return {}

    def _list_events(
        self, false_alarms: float | None, fdr: float | None, min_peak: float | None, min_frames: int, max_gap: int
    ) -> pd.DataFrame:
        usual = (min_frames, max_gap) == (1, 2)
        time = self.recording.time
        tables = [
            find_events(
                self.transient_values[part.stretch],
                part.sigma,
                feature_names=self.recording.feature_names,
                time=None if time is None else time[part.stretch],
                frame_numbers=self.frame_numbers[part.stretch],
                fps=self.recording.fps,
                residual=self.residual_values[part.stretch],
                false_alarms=false_alarms,
                fdr=fdr,
                min_peak=min_peak,
                min_frames=min_frames,
                max_gap=max_gap,
                sequence=k,
                errors=None if min_peak is not None else self._chance[k][0],
                noise=self._chance[k][1] if usual and min_peak is None else None,
            )
            for k, part in enumerate(self.sequences)
        ]
        filled = [table for table in tables if len(table)]
        if not filled:
            return tables[0]
        return pd.concat(filled).sort_values(["onset_frame", "sequence"], kind="stable", ignore_index=True)

    def summary(self) -> Summary:
        """Sum the split up in plain numbers and sentences.

        Returns
        -------
        Summary
            A dict: ``rank`` (of each sequence), ``density`` (share of the observed cells in the transient part),
            ``residual`` (``||residual|| / ||input - median||``, each feature divided by its scale), ``predicted``
            (1 - error of the base / error of the median, on cells hidden from it), ``duality_gap``, ``status``,
            ``doubts`` (records), ``warnings`` (the same as sentences), ``notices``, the parameters, and more.
        """
        return Summary(self._summary)

    @cached_property
    def _summary(self) -> Summary:
        return summarise(self)

    def plot(self, features: Any = None, **options: Any) -> Any:
        """Draw observed, base, transient and residual of the leading features; see `rpca_affect.plot_decomposition`.

        Parameters
        ----------
        features : list of str, optional
            Which features; those with the strongest transients when left out.
        **options
            Passed on.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from rpca_affect.plots import plot_decomposition

        return plot_decomposition(self, features=features, **options)

    def save(
        self,
        folder: Any,
        *,
        report: bool = False,
        export: Any = (),
        table: str = "csv",
        digits: Any = "auto",
        missing: str = "interpolate",
        overwrite: bool = False,
    ) -> Path:
        """Write tables, events and summary into a folder: all of them, or nothing.

        Parameters
        ----------
        folder : str or Path
            Made when it is not there.
        report : bool, default False
            Write ``report.html`` as well.
        export : str or list of str
            Annotation programs to write the events for: "elan", "boris", "praat", "audacity".
        table : {"csv", "parquet"}
            Text in the dialect of the input (``.tsv`` where that is separated by tabs), or Parquet.
        digits : "auto" or int, default "auto"
            Significant digits, 17 for all; ``"auto"`` writes two decimals more than the input has.
        missing : {"interpolate", "NA"}
            Content of cells that were not observed: the prediction of the base, and 0 in transient and residual; or
            nothing in all three.
        overwrite : bool, default False
            Replace results of another input or of other settings, and files that are not ours. The input never is.

        Returns
        -------
        Path
            ``folder``.

        Raises
        ------
        ValueError
            If a parameter cannot be used or files are in the way.
        """
        from rpca_affect.results.saving import save

        form = {"table": table, "digits": digits, "missing": missing}
        return save(self, folder, report=report, overwrite=overwrite, export=export, **form)

    def export(self, path: Any, to: str | None = None, *, fps: float | None = None, events: Any = None) -> Path:
        """Write the events for ELAN (``.eaf``), BORIS (``.xlsx``), Praat (``.TextGrid``) or Audacity (``.txt``).

        Parameters
        ----------
        path : str or Path
            File to write; replaced when it exists.
        to : {"elan", "boris", "praat", "audacity"}, optional
            Read from the ending of ``path`` when left out.
        fps : float, optional
            Frames per second, for a recording without time.
        events : DataFrame, optional
            As `events` returns them, to write a selection.

        Returns
        -------
        Path
            ``path``.

        Raises
        ------
        ValueError
            If the program is unknown, the recording has no time, or a library is missing.
        """
        from rpca_affect.results.annotations import export_events

        return export_events(self, path, to, events=events, fps=fps)

    def to_xarray(self) -> Any:
        """Return the parts as an `xarray.Dataset` with the dimensions ``frame`` and ``feature``.

        Returns
        -------
        xarray.Dataset
            ``base``, ``transient``, ``residual`` and ``observed`` (bool), each of shape (frame, feature); coordinates
            ``frame`` (row names of the input), ``feature``, ``group``, ``time`` (s) and ``sequence``.

        Raises
        ------
        ValueError
            If xarray is not installed.
        """
        from rpca_affect.results.labelled import to_xarray

        return to_xarray(self)

    def report(self, path: Any) -> Path:
        """Write one self-contained HTML file with pictures, events, warnings and a methods paragraph.

        Parameters
        ----------
        path : str or Path
            File to write; replaced when it exists.

        Returns
        -------
        Path
        """
        from rpca_affect.report import write_report

        return write_report(self, path)
