import numpy as np
import pytest

from acg_numpy.interop import to_torch_program
from tests.interop.option_sets import PAIRWISE, make_batch, make_conditioner

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def test_conditions_and_weights_are_those_of_the_conditioner_at_any_batch(tmp_path):
    for options in PAIRWISE:
        conditioner = make_conditioner(options)
        to_torch_program(conditioner, tmp_path / "model.pt2")
        program = torch.export.load(tmp_path / "model.pt2").module()
        for rows in (0, 1, 17, 256):
            users, ids = make_batch(rows, conditioner.dtype)
            found = program(torch.from_numpy(users), torch.from_numpy(ids))
            for ours, theirs in zip(conditioner(users, ids, return_attention=True), found, strict=True):
                tolerance = 1e-6 if conditioner.dtype == np.float64 else 2e-5  # of conditions of up to 10
                np.testing.assert_allclose(theirs, ours.data, rtol=tolerance, atol=tolerance, err_msg=str(options))


def test_a_domain_out_of_range_is_refused(tmp_path):
    to_torch_program(make_conditioner({}), tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for wrong in (-1, 5):
        with pytest.raises(IndexError, match="out of range"):
            program(torch.zeros(1, 8, dtype=torch.float64), torch.tensor([wrong]))
