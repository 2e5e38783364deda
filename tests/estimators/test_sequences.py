"""Many sequences: forms of input, bases, metadata routing, descriptors."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rpca_affect as ra


def clips(count=12, features=10, seed=0):
    """Two kinds of clips of different length: rising and falling along the first of two directions."""
    rng = np.random.default_rng(seed)
    moves = np.random.default_rng(99).standard_normal((2, features))
    made = []
    for number in range(count):
        time = np.linspace(-1, 1, int(rng.integers(25, 40)))
        shape = np.stack([(1 if number % 2 else -1) * time, np.cos(3 * time + rng.uniform(0, 6))], axis=1)
        made.append(
            shape @ moves + rng.standard_normal(features) * 0.3 + 0.03 * rng.standard_normal((len(time), features))
        )
    return made, np.arange(count) % 2


def table(made):
    return np.concatenate(made), np.repeat(np.arange(len(made)), [len(clip) for clip in made])


@pytest.mark.parametrize("base", ["shared", "own", "both"])
def test_a_list_and_a_table_give_the_same(base):
    made, _ = clips()
    frames, number = table(made)
    model = ra.SequenceRobustPCA(2, base=base)
    parts = model.fit_transform(made)
    assert [part.shape for part in parts] == [(len(clip), 2) for clip in made]
    assert np.allclose(np.concatenate(parts), model.fit_transform(frames, sequence_id=number))
    # Rows of one sequence need not lie together.
    order = np.argsort(np.arange(len(frames)) % 2, kind="stable")
    if base != "own":  # (a sequence on its own is split by the differences of its neighbouring frames)
        mixed = model.transform(frames[order], sequence_id=number[order])
        assert np.allclose(mixed, np.concatenate(parts)[order], atol=1e-6)


def test_offsets_of_sequences_belong_to_them():
    made, _ = clips()
    both = ra.SequenceRobustPCA(2, base="both", output="low_rank").fit(made)
    moved = [clip + 100.0 * (number + 1) for number, clip in enumerate(made)]
    for far, near, number in zip(both.transform(moved), both.transform(made), range(1, 99)):
        assert np.allclose(far - 100.0 * number, near, atol=1e-6)
    assert both.components_.shape == (2, 10)
    assert both.n_sequences_ == 12


def test_jobs_do_not_change_the_answer():
    made, _ = clips(4)
    one, two = (ra.SequenceRobustPCA(2, base="own", output="sparse", n_jobs=n).fit_transform(made) for n in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two))


def test_wrong_sequences_are_named():
    made, _ = clips(3)
    frames, number = table(made)
    with pytest.raises(ValueError, match="they must agree"):
        ra.SequenceRobustPCA(2).fit([made[0], made[1][:, :4]])
    with pytest.raises(ValueError, match="one value for each"):
        ra.SequenceRobustPCA(2).fit(frames, sequence_id=number[:-1])
    with pytest.raises(ValueError, match="needs n_components"):
        ra.SequenceRobustPCA(base="own").fit(made)
    with pytest.raises(ValueError, match="base is"):
        ra.SequenceRobustPCA(base="mine").fit(made)


def test_sequence_id_is_routed_through_a_pipeline():
    made, _ = clips()
    frames, number = table(made)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler()
        split = ra.SequenceRobustPCA(2, base="both").set_fit_request(sequence_id=True)
        split.set_transform_request(sequence_id=True)
        pipe = make_pipeline(scaler, split).fit(frames, sequence_id=number)
        routed = pipe.transform(frames, sequence_id=number)
    by_hand = ra.SequenceRobustPCA(2, base="both").fit_transform(
        StandardScaler().fit_transform(frames), sequence_id=number
    )
    assert np.allclose(routed, by_hand)


def test_descriptors_mean_what_they_say():
    time = np.arange(60) / 20.0
    rng = np.random.default_rng(0)
    made = [np.outer(2 + slope * time, [1.0, 2.0, -1.0, 1.0, 3.0, 1.0]) for slope in (0.5, 1.0, -1.0, 2.0)]
    made = [clip + 0.01 * rng.standard_normal(clip.shape) for clip in made]
    model = ra.SequenceDescriptors(fps=20, groups=["AU"] * 3 + ["gaze"] * 3).set_output(transform="pandas").fit(made)
    burst = made[1].copy()
    burst[20:24, 4] += 5.0
    found = model.transform([made[1], burst])
    assert np.isclose(found["base_slope_x0"][0], 1.0, atol=0.15)
    assert np.isclose(found["base_level_x1"][0], 2 * (2 + time.mean()), atol=0.1)
    assert np.isclose(found["base_range_x0"][0], time[-1], atol=0.2)
    columns = [name for name in found if name.startswith("base_")]
    assert np.allclose(found.loc[0, columns].to_numpy(float), found.loc[1, columns].to_numpy(float), atol=0.05)
    assert found["transient_energy_gaze"][1] > found["transient_energy_gaze"][0] + 1
    assert np.isclose(found["transient_energy_AU"][1], found["transient_energy_AU"][0], atol=0.2)
    only = ra.SequenceDescriptors(parts="base").fit(made)
    assert all(name.startswith("base_") for name in only.get_feature_names_out())
    assert only.transform(made).shape[1] == len(only.get_feature_names_out())


def test_descriptors_hold_up_where_means_do_not():
    made, kind = clips(40)
    train, test = made[:20], [clip.copy() for clip in made[20:]]
    rng = np.random.default_rng(3)
    model = make_pipeline(ra.SequenceDescriptors(parts="base"), StandardScaler(), LogisticRegression()).fit(
        train, kind[:20]
    )
    for clip in test:
        hit = rng.permutation(len(clip))[: len(clip) * 3 // 10]
        clip[hit[::2]] = np.nan
        clip[hit[1::2]] += rng.uniform(-20, 20, (len(hit[1::2]), clip.shape[1]))
    assert model.score(made[20:], kind[20:]) > 0.95
    assert model.score(test, kind[20:]) > 0.9


def test_forms_of_sequences_agree():
    made, _ = clips(6)
    cut = [clip[:25] for clip in made]
    frames, number = table(cut)
    names = [f"AU{n}" for n in range(10)]
    model = ra.SequenceDescriptors().fit(pd.DataFrame(frames, columns=names), sequence_id=number)
    rows = model.transform(pd.DataFrame(frames, columns=names), sequence_id=number)
    assert "base_level_AU0" in model.get_feature_names_out()
    assert np.allclose(rows, ra.SequenceDescriptors().fit_transform(np.stack(cut)))
    assert np.allclose(rows, ra.SequenceDescriptors().fit_transform(cut))
    # A table without sequence_id: every row is a sequence of one feature.
    waves = np.sin(np.linspace(0, 3, 30)) * np.arange(1, 5)[:, None]
    assert np.allclose(
        ra.SequenceDescriptors().fit_transform(waves), ra.SequenceDescriptors().fit_transform(waves[:, :, None])
    )


def named(made):
    """The clips as tables whose index counts frames, each from where the last one ended."""
    starts = np.cumsum([0, *map(len, made)])
    columns = [f"AU{number:02d}" for number in range(made[0].shape[1])]
    frames = [pd.RangeIndex(start, start + len(clip), name="frame") for clip, start in zip(made, starts)]
    return [pd.DataFrame(clip, columns=columns, index=index) for clip, index in zip(made, frames)]


@pytest.mark.parametrize("output", ["scores", "low_rank", "sparse"])
def test_pandas_keeps_its_index(output):
    tables = named(clips(3)[0])
    whole, number = pd.concat(tables), pd.Series(np.repeat(list("abc"), [len(table) for table in tables]), name="clip")
    model = ra.SequenceRobustPCA(2, output=output).set_output(transform="pandas").fit(tables)
    for part, table in zip(model.transform(tables), tables):
        assert part.index.equals(table.index) and part.index.name == "frame"
        assert list(part.columns) == list(model.get_feature_names_out())
    assert model.transform(whole, sequence_id=number).index.equals(whole.index)
    described = ra.SequenceDescriptors().set_output(transform="pandas").fit(whole, sequence_id=number)
    rows = described.transform(whole, sequence_id=number)
    assert list(rows.index) == list("abc") and rows.index.name == "clip"
    assert list(described.transform(tables).index) == [0, 1, 2]


def test_other_names_are_refused():
    tables = named(clips(3)[0])
    other = tables[1].rename(columns={"AU00": "AU99"})
    turned = tables[1][tables[1].columns[::-1]]
    for model in (ra.SequenceRobustPCA(2), ra.SequenceDescriptors()):
        for wrong in (other, turned):
            with pytest.raises(ValueError, match="sequence 1 has the columns"):
                model.fit([tables[0], wrong])
            with pytest.raises(ValueError, match="feature names should match"):
                model.fit(tables).transform([wrong])
    model = ra.SequenceDescriptors().fit(tables)
    for wrong in (["AU00"], list(other.columns), list(turned.columns)):
        with pytest.raises(ValueError, match="not equal to feature_names_in_"):
            model.get_feature_names_out(wrong)
    assert list(model.get_feature_names_out(list(tables[0].columns))) == list(model.get_feature_names_out())


@pytest.mark.parametrize("width", [2, 6])
def test_a_feature_never_observed_is_described_without_a_warning(width):
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((length, width)).cumsum(axis=0) for length in (40, 50, 60)]
    lost = [np.where(np.arange(width) == 1, np.nan, clip) for clip in clips]
    found = ra.SequenceDescriptors(n_waves=1).fit(lost).transform(lost)
    assert np.isfinite(found).all()
    names = ra.SequenceDescriptors(n_waves=1).fit(lost).get_feature_names_out()
    still = [name.startswith("base") and name.endswith("x1") for name in names]
    np.testing.assert_allclose(found[:, still], 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "model", [ra.SequenceRobustPCA(1), ra.SequenceRobustPCA(1, base="own"), ra.SequenceDescriptors()]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_comes_back_belongs_to_the_sequences_given(model, place):
    frames = np.random.default_rng(0).standard_normal((90, 4)).cumsum(axis=0)
    clips = [frames[:30], frames[30:60], frames[60:]]
    fitted = sklearn.base.clone(model).fit(clips)
    assert len(fitted.transform(clips)) == 3
    clips[place] = clips[place][:0]
    for act in (fitted.transform, fitted.fit):
        with pytest.raises(ValueError, match=f"sequence {place} has no frames: leave it out, and its label"):
            act(clips)
        with pytest.raises(ValueError, match="the list is empty"):
            act([])
