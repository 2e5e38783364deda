"""Generated problems hold what they promise: rank, density, bursts, gaps; and a session looks like OpenFace's."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpca_affect.synthetic import make_session, planted
from rpca_affect.synthetic.face import ACTION_UNITS, AU_MOVES, NEUTRAL, landmarks, project

seeds = st.integers(0, 2**32 - 1)


@given(
    seeds,
    st.integers(1, 60),
    st.integers(1, 40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["uniform", "sign", "gauss"]),
)
def test_planted_holds_what_it_promises(seed, m, n, density, missing, kind):
    rank = min(m, n, 3)
    problem = planted(m, n, rank, density, kind=kind, magnitude=4.0, missing=missing, noise=0.1, random_state=seed)
    assert np.linalg.matrix_rank(problem.low_rank) == problem.rank == rank
    assert (problem.sparse != 0).sum() == round(density * m * n)
    assert (~problem.mask).sum() == round(missing * m * n)
    whole = problem.low_rank + problem.sparse + problem.noise
    np.testing.assert_array_equal(problem.observed, np.where(problem.mask, whole, np.nan))
    if kind == "sign":
        assert set(abs(problem.sparse[problem.sparse != 0])) <= {4.0}
    if kind == "uniform":
        assert abs(problem.sparse).max() <= 4.0


@given(seeds, st.integers(2, 12), st.floats(0.01, 0.4))
def test_bursts_last_as_long_as_asked(seed, length, density):
    sparse = planted(120, 15, 2, density, burst_length=length, random_state=seed).sparse
    assert abs((sparse != 0).sum() - density * sparse.size) <= length / 2 + 1e-9
    for column in sparse.T:
        edges = np.flatnonzero(np.diff(np.r_[0.0, column, 0.0]))
        runs = [(a, b) for a, b in itertools.pairwise(edges) if column[a] != 0]
        assert all(b - a == length for a, b in runs)


def test_parts_come_from_their_own_streams():
    one = planted(40, 30, 2, 0.1, random_state=7)
    other = planted(40, 30, 2, 0.1, noise=1.0, missing=0.3, random_state=7)
    np.testing.assert_array_equal(one.low_rank, other.low_rank)
    np.testing.assert_array_equal(one.sparse, other.sparse)
    assert not np.array_equal(one.low_rank, planted(40, 30, 2, 0.1, random_state=8).low_rank)
    assert 0.9 < planted(400, 300, 5, random_state=0).low_rank.std() < 1.1
    assert 0.9 < other.noise.std() < 1.1


def test_drift_turns_the_subspace():
    turned = planted(400, 50, 3, 0, drift=np.pi / 2, random_state=0)
    assert turned.rank == np.linalg.matrix_rank(turned.low_rank) == 6
    start, end = (np.linalg.svd(part)[2][:3] for part in (turned.low_rank[:3], turned.low_rank[-3:]))
    assert np.linalg.svd(start @ end.T, compute_uv=False).max() < 0.7


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"rank": 41}, "rank=41"),
        ({"density": 1.5}, "density=1.5"),
        ({"missing": -0.1}, "missing=-0.1"),
        ({"burst_length": 0}, "burst_length=0"),
        ({"noise": -1}, "noise=-1"),
        ({"kind": "cauchy"}, "kind='cauchy'"),
        ({"n_frames": 0}, "0 x 40"),
    ],
)
def test_planted_names_a_wrong_number(options, name):
    with pytest.raises(ValueError, match=name):
        planted(**{"n_frames": 50, "n_features": 40, "rank": 2, **options})


@pytest.fixture(scope="module")
def session():
    return make_session(random_state=0)


def test_a_session_repeats_and_another_seed_differs(session):
    again = make_session(random_state=0)
    pd.testing.assert_frame_equal(session.frame, again.frame)
    pd.testing.assert_frame_equal(session.events, again.events)
    assert not session.frame.equals(make_session(random_state=1).frame)


def test_columns_are_those_of_openface(session, data_folder):
    real = pd.read_csv(data_folder / "openface" / "OpenFace_Test.csv", skipinitialspace=True)
    ours = [name for name in session.frame if name not in ("face_id", "gaze_angle_x", "gaze_angle_y", "AU28_c")]
    assert set(ours) <= set(real.columns)
    shared = [name for name in real.columns if name in ours]
    assert shared == ours


def test_a_session_has_the_ranges_of_openface(session):
    frame, tracked = session.frame, session.frame[session.mask]
    assert frame.shape == (1200, 189)
    assert not frame.isna().any(axis=None)
    np.testing.assert_allclose(np.diff(frame["timestamp"]), 1 / 30, atol=1.1e-3)
    intensity, presence = frame.filter(regex="AU.._r"), frame.filter(regex="AU.._c")
    assert intensity.shape[1] == presence.shape[1] == 17
    assert intensity.to_numpy().min() == 0
    assert intensity.to_numpy().max() <= 5
    assert (intensity == 0).to_numpy().mean() > 0.2  # units rest
    assert set(np.unique(presence)) == {0, 1}
    assert (tracked["confidence"] > 0.9).all()
    assert (frame.loc[~session.mask, "confidence"] < 0.5).all()
    np.testing.assert_array_equal(frame["success"] == 1, session.mask)
    gaze = session.base.filter(regex="gaze_0").to_numpy()
    np.testing.assert_allclose(np.linalg.norm(gaze, axis=1), 1)
    assert tracked["x_27"].between(200, 440).all()
    assert (tracked["x_45"] > tracked["x_36"]).all()
    assert (tracked["y_8"] > tracked["y_27"]).all()


def test_base_transient_and_noise_add_up(session):
    left = session.frame[session.base.columns] - session.base - session.transient
    left = left[session.mask]
    rounding = 0.1 / np.sqrt(12)
    for name in ("x_30", "y_57", "pose_Tz", "pose_Rx", "gaze_angle_x"):
        sigma = session.noise[name]
        assert 0.8 * sigma < left[name].std() < 1.2 * np.hypot(sigma, rounding), name
    assert (left.filter(regex="AU.._c") == 0).all(axis=None)
    quiet = make_session(noise=0, dropout=0, random_state=0)
    exact = quiet.frame[quiet.base.columns] - quiet.base - quiet.transient
    assert abs(exact.to_numpy()).max() <= 0.0501


def test_the_base_is_low_rank_and_the_transients_are_rare(session):
    base = (session.base - session.base.median()) / session.noise.replace(0, 1)
    values = np.linalg.svd(base.filter(regex="^[xy]_").to_numpy(), compute_uv=False)
    assert (values[15:] < 0.01 * values[0]).all()
    share = (session.transient.abs() > 1e-9).to_numpy().mean()
    assert 0.003 < share < 0.05


def test_events_tell_where_the_transients_are(session):
    events, transient = session.events, session.transient
    assert set(events["kind"]) >= {"blink", "brow flash", "frown", "tracker slip"}
    assert ((events["onset"] <= events["apex"]) & (events["apex"] <= events["offset"])).all()
    inside = np.zeros(len(transient), dtype=bool)
    for event in events.itertuples():
        span = slice(event.onset, event.offset + 1)
        assert not inside[span].any()
        inside[span] = True
        assert session.mask[span].all()
        assert event.features
        peak = transient[event.features.split(";")].iloc[span].abs().max()
        assert (peak > 3 * session.noise[peak.index] - 1e-12).all()
        if event.kind == "blink":
            assert "AU45_r" in event.features
            assert "y_37" in event.features
            assert transient["AU45_r"].iloc[span].idxmax() == event.apex
    assert (transient.to_numpy()[~inside] == 0).all()
    np.testing.assert_allclose(events["end"] - events["start"], (events["offset"] - events["onset"] + 1) / 30)


def test_lost_frames_hold_wrong_numbers(session):
    assert 0.01 < (~session.mask).mean() < 0.03
    wrong = (session.frame[session.base.columns] - session.base)[~session.mask]
    assert wrong.filter(regex="^x_").abs().mean(axis=None) > 5
    assert make_session(duration=3, dropout=0, random_state=0).mask.all()


@pytest.mark.parametrize("n_frames", [2, 5, 40])
@pytest.mark.parametrize("fps", [5.0, 60.0])
def test_short_sessions_hold_what_fits(n_frames, fps):
    short = make_session(n_frames=n_frames, fps=fps, dropout=0.3, random_state=0)
    assert len(short.frame) == len(short.base) == len(short.mask) == n_frames
    assert short.mask.any()
    assert (short.events["offset"] < n_frames).all()


def test_motion_and_drift_can_be_switched_off():
    still = make_session(duration=5, head_motion=0, drift=0, random_state=0)
    assert (still.base.filter(regex="pose").nunique() == 1).all()
    leaning = make_session(duration=5, head_motion=0, drift=30, random_state=0).base["pose_Tz"]
    np.testing.assert_allclose(leaning.iloc[0] - leaning.iloc[-1], 30)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"noise": -1}, "noise=-1"), ({"dropout": 1}, "dropout=1"), ({"duration": 0}, "too short"), ({"fps": 0}, "fps")],
)
def test_a_session_names_a_wrong_number(options, name):
    with pytest.raises(ValueError, match=name):
        make_session(**options)


def test_the_face_is_symmetric_and_every_unit_moves_it():
    assert NEUTRAL.shape == (68, 3)
    assert AU_MOVES.shape == (len(ACTION_UNITS), 68, 3)
    assert (np.abs(AU_MOVES).max(axis=(1, 2)) > 0).all()
    flip = np.array([-1.0, 1.0, 1.0])
    for shape in landmarks(3.0 * np.eye(len(ACTION_UNITS))):
        mirrored = shape * flip
        distance = np.linalg.norm(mirrored[:, None] - shape[None], axis=2).min(axis=1)
        assert distance.max() < 1e-9


def test_the_camera_sees_further_faces_smaller():
    width = []
    for distance in (400.0, 800.0):
        image = project(NEUTRAL[None], np.array([[0, 0, distance, 0, 0, 0]]))
        width.append(np.ptp(image[0, :68]))
    assert 1.8 < width[0] / width[1] < 2.3
