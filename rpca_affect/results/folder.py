"""A folder of results: which files in it are ours, whose results they are, and how they are replaced whole or not."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from rpca_affect.refusals import Refusal
from rpca_affect.results.identity import content_hash, identity, plain
from rpca_affect.results.lock import FolderLock

__all__ = ["MANIFEST", "FolderError", "Manifest", "ResultsFolder", "identity"]

MANIFEST = "manifest.json"
_MAKER = "rpca_affect"
_FORM = 1  # of the manifest
_LEFTOVER = ".rpca_affect-writing-"
_ANY = "*"  # for a hash: the file is ours whatever it holds, while a training run writes it again and again
_REMEDIES = {
    "overwrite": {"python": "give overwrite=True to replace it", "shell": "use --overwrite to replace it"},
    "elsewhere": {"python": "give another folder", "shell": "give another place with -o"},
}


class FolderError(Refusal):
    """A folder that cannot take these results; nothing in it was changed.

    Attributes
    ----------
    problem : str
        The obstacle, in words.
    remedies : tuple of {"overwrite", "elsewhere"}
        Kind of remedy; `sentence` puts it in the words of a door.
    """

    def __init__(self, problem: str, *remedies: Literal["overwrite", "elsewhere"]):
        self.problem, self.remedies = problem, remedies
        super().__init__(problem, *remedies)

    def sentence(self, door: Literal["python", "shell"]) -> str:
        """Problem and remedy in the words of a door."""
        helps = " or ".join(_REMEDIES[name][door] for name in self.remedies)
        return f"{self.problem}: {helps}." if helps else f"{self.problem}."


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder of results.

    Attributes
    ----------
    kind : str
        "recording", "study", "demo" or "training".
    inputs : list of dict
        Of each input ``name``, ``bytes``, ``modified`` (seconds since 1970) and ``sha256``.
    settings : dict
        Everything that was asked for and changes the results.
    files : dict of str to list of str
        Files that are ours, by name, with the SHA-256 of each content they may have. A file that somebody edited since
        is theirs.
    complete : bool
        Whether all of them are there; a run that was killed while it replaced files leaves False.
    version : str
        Of the package.
    """

    kind: str = "recording"
    inputs: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    complete: bool = False
    version: str = ""

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """Read the manifest of a folder, or return None where there is none that we wrote."""
        try:
            found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if found.pop("made_by") != _MAKER or found.pop("form") != _FORM:
                return None
            manifest = cls(**found)
            ours = {str(name): [str(content) for content in known] for name, known in manifest.files.items()}
            return cls(**{**found, "files": {name: known for name, known in ours.items() if Path(name).name == name}})
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def same_inputs(self, inputs: Iterable[Mapping[str, Any]]) -> bool:
        """Whether the results are of these inputs, by name and content; where they lie and their dates do not count."""
        return [_named(item) for item in self.inputs] == [_named(item) for item in inputs]

    def changes(self, settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Settings that differ, each as (in the folder, asked for)."""
        wanted = plain(settings)
        names = [*wanted, *(name for name in self.settings if name not in wanted)]
        pairs = {name: (self.settings.get(name), wanted.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


class ResultsFolder:
    """Exclusive hold on a folder of results, as a context.

    On entry the folder is made and locked, and unfinished files of a killed run are cleared; on exit the lock goes, and
    the folder too where it was made here and nothing came into it.

    Parameters
    ----------
    path : path
    protected : iterable of path
        Inputs: never replaced, whatever is asked for, and whichever link leads to them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> place = Path(tempfile.mkdtemp())
    >>> with ResultsFolder(place / "out") as folder, folder.replacing([], {"threshold": 2.0}) as temporary:
    ...     _ = (temporary / "base.csv").write_text("AU06")
    >>> Manifest.read(place / "out").complete, sorted(file.name for file in (place / "out").iterdir())
    (True, ['base.csv', 'manifest.json'])
    """

    def __init__(self, path: str | os.PathLike, protected: Iterable[str | os.PathLike] = ()):
        self.path = Path(path)
        self.protected = [Path(item) for item in protected]
        self._made: list[Path] = []
        self._lock = FolderLock(self.path)

    def __enter__(self) -> Self:
        if self.path.exists() and not self.path.is_dir():
            raise FolderError(f"{self.path} is a file, expected a folder for the results", "elsewhere")
        missing = [place for place in (self.path, *self.path.parents) if not place.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(f"{self.path} cannot be made ({error.strerror or error})", "elsewhere") from error
        self._made = missing
        try:
            held = self._lock.acquire()
        except OSError as error:
            self._unmake()
            raise FolderError(f"{self.path} cannot be written to ({error.strerror or error})", "elsewhere") from error
        if not held:
            raise FolderError(f"another run{self._lock.holder()} is writing to {self.path}: wait for it", "elsewhere")
        for leftover in self.path.glob(f"{_LEFTOVER}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._unmake()

    def _unmake(self) -> None:
        for place in self._made:  # the innermost first
            try:
                place.rmdir()
            except OSError:
                return

    @property
    def manifest(self) -> Manifest | None:
        """Manifest as it stands on disk now."""
        return Manifest.read(self.path)

    def finished(self) -> Manifest | None:
        """Manifest of complete results all of whose files are there; None otherwise."""
        found = self.manifest
        whole = found is not None and found.complete and all((self.path / name).is_file() for name in found.files)
        return found if whole else None

    def is_ours(self, name: str) -> bool:
        """Whether a file of the folder was written by us and not edited since."""
        file = self.path / name
        found = self.manifest
        if name == MANIFEST:
            return found is not None
        if found is None or name not in found.files or file.is_symlink() or not file.is_file():
            return False
        return _ANY in found.files[name] or content_hash(file) in found.files[name]

    def check(self, names: Iterable[str], *, overwrite: bool = False) -> None:
        """Raise a FolderError where one of these files must not be written.

        Parameters
        ----------
        names : iterable of str
            Files that are going to be written, or deleted.
        overwrite : bool
            Whether files that are not ours may be replaced. Inputs never are.
        """
        for name in (*names, MANIFEST):
            file = self.path / name
            if not os.path.lexists(file):
                continue
            for item in self.protected:
                if _same(file, item):
                    raise FolderError(f"{file} is the input, which is never replaced", "elsewhere")
            if file.is_dir() and not file.is_symlink():
                raise FolderError(f"{file} is a folder where a file of the results belongs", "elsewhere")
            if not overwrite and not self.is_ours(name):
                raise FolderError(f"{file} is not from an earlier run, or was edited since", "overwrite", "elsewhere")

    @contextmanager
    def replacing(
        self,
        inputs: Iterable[Mapping[str, Any]],
        settings: Mapping[str, Any],
        *,
        kind: str = "recording",
        overwrite: bool = False,
    ) -> Iterator[Path]:
        """Lend an empty folder for the results; when the block ends well, its files take their places, all of them.

        A run that is killed while the files are renamed leaves a manifest that says so and that names the old and the
        new files as ours, so that the next run replaces them.

        Parameters
        ----------
        inputs : iterable of dict
            As `identity` returns them.
        settings : dict
        kind : str
        overwrite : bool
            As in `check`.

        Yields
        ------
        Path
            Write plain files here. A file of an earlier run that is not written again is deleted.
        """
        from rpca_affect import __version__

        temporary = Path(tempfile.mkdtemp(dir=self.path, prefix=_LEFTOVER))
        try:
            yield temporary
            fresh = {file.name: [content_hash(file)] for file in sorted(temporary.iterdir())}
            before = self.manifest
            old = {} if before is None else before.files
            stale = [name for name in old if name not in fresh and (self.path / name).exists()]
            self.check([*fresh, *stale], overwrite=overwrite)
            manifest = Manifest(kind, plain(list(inputs)), plain(settings), fresh, True, __version__)
            both = {name: [*old.get(name, []), *fresh.get(name, [])] for name in {**old, **fresh}}
            self._write_manifest(Manifest(kind, [], {}, both, False, __version__), temporary)
            for name in fresh:
                os.replace(temporary / name, self.path / name)
            for name in stale:
                (self.path / name).unlink()
            self._write_manifest(manifest, temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def claim(self, names: Iterable[str], settings: Mapping[str, Any], *, kind: str, overwrite: bool = False) -> None:
        """Say that files of these names, written from now on in place, are ours: for runs that keep checkpoints."""
        from rpca_affect import __version__

        names = list(names)
        self.check(names, overwrite=overwrite)
        self._rewrite(Manifest(kind, [], plain(settings), {name: [_ANY] for name in names}, False, __version__))

    def seal(self) -> None:
        """Say that the claimed files are complete; those that were not written are named no more."""
        claimed = self.manifest
        if claimed is not None:
            there = [name for name in claimed.files if (self.path / name).is_file()]
            self._rewrite(
                replace(claimed, complete=True, files={name: [content_hash(self.path / name)] for name in there})
            )

    def disclaim(self) -> None:
        """Take a claim back where none of the claimed files has been written."""
        claimed = self.manifest
        if claimed is not None and not any((self.path / name).exists() for name in claimed.files):
            (self.path / MANIFEST).unlink(missing_ok=True)

    def _rewrite(self, manifest: Manifest) -> None:
        with tempfile.TemporaryDirectory(dir=self.path, prefix=_LEFTOVER) as temporary:
            self._write_manifest(manifest, Path(temporary))

    def _write_manifest(self, manifest: Manifest, temporary: Path) -> None:
        text = json.dumps({"made_by": _MAKER, "form": _FORM, **asdict(manifest)}, indent=2)
        written = temporary / f"{MANIFEST}.new"
        written.write_text(text + "\n", encoding="utf-8")
        os.replace(written, self.path / MANIFEST)


def _named(item: Mapping[str, Any]) -> tuple[Any, Any]:
    return item.get("name"), item.get("sha256")


def _same(file: Path, other: Path) -> bool:
    try:
        return os.path.samefile(file, other)
    except OSError:
        return os.path.abspath(file) == os.path.abspath(other)
