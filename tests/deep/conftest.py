"""One thread for torch, and a fixed seed for every test of the deep part."""

import pytest

torch = pytest.importorskip("torch", reason="the deep part needs torch: pip install 'rpca-affect[deep]'")


@pytest.fixture(autouse=True)
def quiet_torch():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)
