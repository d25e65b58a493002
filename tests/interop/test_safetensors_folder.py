import json

import numpy as np
import pytest

from acg_numpy.interop import from_pretrained, save_pretrained
from tests.interop.option_sets import OPTION_SETS, OTHERS, assert_same_conditioner, make_conditioner

safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")


@pytest.fixture
def folder(tmp_path):
    save_pretrained(make_conditioner({}), tmp_path, about={"data": "9f86d0", "NDCG@10": 0.589})
    return tmp_path


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    for name, value in changes.items():
        if value is None:
            del config[name]
        else:
            config[name] = value
    (folder / "config.json").write_text(json.dumps(config))


def test_every_option_and_every_bit_comes_back(tmp_path):
    for options in [*OPTION_SETS, {"dtype": np.float16}, {"tokens_per_domain": 1, "num_global_tokens": 1}]:
        conditioner = make_conditioner({"inner_dim": None, **options})
        save_pretrained(conditioner, tmp_path)
        assert_same_conditioner(from_pretrained(tmp_path), conditioner)


def test_arrays_in_any_order_of_memory_come_back(tmp_path):
    conditioner = make_conditioner({})
    parameter = conditioner.attention.query.weight
    parameter._elements = np.asfortranarray(parameter._elements)
    save_pretrained(conditioner, tmp_path)
    np.testing.assert_array_equal(from_pretrained(tmp_path).attention.query.weight.data, parameter.data)


def test_the_config_is_that_of_a_model_hub(folder):
    config = json.loads((folder / "config.json").read_text())
    assert (config["architectures"], config["model_type"]) == (["AttentionConditioner"], "acg_numpy")
    assert {name: config[name] for name in OTHERS} == {**OTHERS, "dtype": "float64"}
    with safetensors.safe_open(folder / "model.safetensors", framework="np") as file:
        assert file.metadata() == {"format": "np"}


def test_a_card_says_where_the_model_is_from(folder):
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: acg_numpy\n")
    assert "| data | 9f86d0 |" in card
    assert "R&B\\|" in card
    assert "What it is not for" in card


def test_a_readme_of_ones_own_is_left_alone(folder):
    save_pretrained(make_conditioner({}), folder, about={"data": "ab12"})
    assert "ab12" in (folder / "README.md").read_text()  # the card of an older model is not
    (folder / "README.md").write_text("# My repository\n")
    save_pretrained(make_conditioner({}), folder)
    assert (folder / "README.md").read_text() == "# My repository\n"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "a model of type 'bert'; expected 'acg_numpy'"),
        ({"resdual": True}, "'resdual', which is not an option .* did you mean 'residual'"),
        ({"residual": None}, "lacks residual"),
        ({"num_heads": 3}, "do not fit: num_heads is 3"),
        ({"num_domains": 4, "domain_names": list("abcd")}, "do not fit: state"),
        ({"dtype": "float32"}, r"says dtype 'float32', but .* has .*float64"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(ValueError, match=message):
        from_pretrained(folder)


def test_damaged_and_missing_files_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ValueError, match="safetensors is damaged"):
        from_pretrained(folder)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="has no model"):
        from_pretrained(folder)
    (folder / "config.json").write_text("{")
    weights.write_bytes(b"")
    with pytest.raises(ValueError, match="is not JSON"):
        from_pretrained(folder)
