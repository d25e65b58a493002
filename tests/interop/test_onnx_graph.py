import json

import numpy as np
import pytest

from acg_numpy.interop import to_onnx
from tests.interop.option_sets import OPTION_SETS, make_batch, make_conditioner

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def session(conditioner, path, **options):
    to_onnx(conditioner, path, **options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4  # what a test provokes is no news
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def test_conditions_and_weights_are_those_of_the_conditioner(tmp_path):
    for options in OPTION_SETS:
        conditioner = make_conditioner(options)
        runtime = session(conditioner, tmp_path / "model.onnx", attention=True)
        large = 4096 if options == OPTION_SETS[0] or options == OPTION_SETS[-1] else 256
        for rows in (0, 1, 17, large):
            users, ids = make_batch(rows, conditioner.dtype)
            found = runtime.run(None, {"user_emb": users, "domain_id": ids})
            expected = conditioner(users, ids, return_attention=True)
            for ours, theirs in zip(expected, found, strict=True):
                assert theirs.dtype == conditioner.dtype
                tolerance = 1e-6 if conditioner.dtype == np.float64 else 2e-5  # of conditions of up to 10
                np.testing.assert_allclose(theirs, ours.data, rtol=tolerance, atol=tolerance, err_msg=str(options))


def test_the_file_says_what_it_is(tmp_path):
    conditioner = make_conditioner({})
    runtime = session(conditioner, tmp_path / "model.onnx")
    assert [output.name for output in runtime.get_outputs()] == ["condition"]
    assert [entry.shape for entry in runtime.get_inputs()] == [["batch", 8], ["batch"]]
    assert json.loads(runtime.get_modelmeta().custom_metadata_map["acg_numpy"]) == conditioner.options()
    assert [opset.version for opset in onnx.load(tmp_path / "model.onnx").opset_import] == [17]


@pytest.mark.parametrize("wrong", [-1, -5, 5, 2**40])
def test_a_domain_out_of_range_is_refused_by_the_runtime(tmp_path, wrong):
    runtime = session(make_conditioner({}), tmp_path / "model.onnx")
    users, ids = make_batch(3, np.float64)
    ids[1] = wrong
    with pytest.raises(Exception, match="indices element out of data bounds"):
        runtime.run(None, {"user_emb": users, "domain_id": ids})
