"""What is exported is all that serving needs, and gives what the recommender gives."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acg_numpy.interop import export_trained, from_pretrained, search_vectors
from acg_numpy.interop.export_folder import FORMATS, LIBRARIES, WITH_CONDITIONS
from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.serving.trained import OWN_SCALE
from tests.interop.option_sets import PAIRWISE, assert_same_conditioner
from tests.interop.trained_models import make_trained

PAGE = Path(__file__).parents[2] / "docs" / "serving-elsewhere.md"
ARRAYS = ("components", "item_weight", "elsewhere", "item_vectors", "item_bias", "item_domain")
OWN = ("own_data", "own_indices", "own_indptr")


@pytest.fixture(scope="module")
def trained():
    return make_trained()[0]


@pytest.fixture(scope="module")
def interactions():
    return make_trained()[1]


def export(trained, folder, to, **options):
    """Export where the library of the format is installed; skip the test elsewhere."""
    if to in LIBRARIES:
        pytest.importorskip(LIBRARIES[to])
    return export_trained(trained, folder, to, **options)


@pytest.mark.parametrize("own_history", [True, False])
@pytest.mark.parametrize(("to", "library"), [("onnx", "onnxruntime"), ("torch", "torch")])
def test_the_page_s_program_recommends_what_the_recommender_does(
    trained, interactions, tmp_path, monkeypatch, to, library, own_history
):
    pytest.importorskip(library)
    trained = trained if own_history else replace(trained, own_history=None)
    export(trained, tmp_path / f"served-{to}", to)
    monkeypatch.chdir(tmp_path)
    [code] = [c for c in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if f"import {library}" in c]
    assert "acg_numpy" not in code
    names = {}
    exec(compile(code, PAGE.name, "exec"), names)
    recommender = Recommender(trained, interactions.users, interactions.matrix)
    expected = recommender.recommend(top=40)
    for u in range(0, 80, 8):  # the first has taken nothing outside of the first domain
        taken = [*interactions.items[interactions.matrix[[u]].indices], "unheard of"]
        for n, domain in enumerate(trained.domains.tolist()):
            columns = expected.columns[u, n][expected.columns[u, n] >= 0]
            found = names["recommend"](taken, domain, top=40)
            assert [item for item, _ in found] == interactions.items[columns].tolist()
            scores = [score for _, score in found]
            np.testing.assert_allclose(scores, expected.scores[u, n, : len(columns)], rtol=1e-4, atol=1e-5)
    assert len(names["recommend"]([], "domain 1")) == 10


@pytest.mark.parametrize("to", FORMATS)
def test_names_and_numbers_are_in_every_format(trained, tmp_path, to):
    trained = replace(trained, titles=np.array([f"title\n{i}" for i in range(36)]))
    files = export(trained, tmp_path, to, about={"NDCG@10": 0.5})
    assert {path.name for path in tmp_path.iterdir()} == set(files)
    about = json.loads((tmp_path / "serving.json").read_text(encoding="utf-8"))
    assert about["files"] == {name: held for name, held in files.items() if name != "serving.json"}
    assert about["domains"] == trained.domains.tolist()
    assert about["conditioner"] == trained.conditioner.options()
    assert (about["scale"], about["sharpness"], about["dimensions"]) == (trained.factors.scale, trained.sharpness, 8)
    assert about["blend"] == trained.own_history.blend
    assert (about["data"], about["about"]) == ("0" * 64, {"NDCG@10": 0.5})
    if to != "parquet":
        for name, expected in (("items", trained.items), ("titles", trained.titles)):
            assert json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8")) == expected.tolist()


def expected_arrays(trained):
    arrays = {n: getattr(trained if hasattr(trained, n) else trained.factors, n) for n in ARRAYS}
    arrays |= trained.own_history.arrays()
    return {**arrays, **{f"conditioner.{name}": array for name, array in trained.conditioner.state_dict().items()}}


@pytest.mark.parametrize("to", ["npy", "onnx", "torch", "safetensors"])
def test_arrays_are_there_to_the_bit(trained, tmp_path, to):
    export(trained, tmp_path, to)
    expected = expected_arrays(trained)
    if to == "safetensors":
        found = __import__("safetensors.numpy").numpy.load_file(tmp_path / "serving.safetensors")
        assert_same_conditioner(from_pretrained(tmp_path), trained.conditioner)
    else:
        found = {path.stem: np.load(path) for path in tmp_path.glob("*.npy")}
    assert {*ARRAYS, *OWN} <= set(found)
    assert set(expected) <= set(found) or to != "npy"
    for name in found.keys() & expected.keys():
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name])


def test_tables_hold_the_same_as_arrays(trained, interactions, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    conditions, users = trained.conditions(interactions.matrix), interactions.users.tolist()
    export(trained, tmp_path / "npy", "npy", conditions=conditions, users=users)
    export(trained, tmp_path / "parquet", "parquet", conditions=conditions, users=users)
    arrays = {path.stem: np.load(path) for path in (tmp_path / "npy").glob("*.npy")}

    def columns(name):
        return parquet.read_table(tmp_path / "parquet" / f"{name}.parquet").to_pydict()

    items = columns("items")
    assert items["item"] == trained.items.tolist()
    assert items["domain"] == trained.domains[trained.item_domain].tolist()
    pairs = {"bias": "item_bias", "vector": "item_vectors", "search": "search_items"}
    for column, name in {**pairs, "weight": "item_weight", "component": "components"}.items():
        np.testing.assert_array_equal(np.array(items[column], np.float32), arrays[name])
    hidden = [[name in row for row in items["hidden_from"]] for name in trained.domains.tolist()]
    np.testing.assert_array_equal(~np.array(hidden), trained.factors.elsewhere)
    assert items["hidden_from"][0] == items["hidden_from"][14] == ["domain 0", "domain 1"]
    assert columns("domains")["offset"] == arrays["search_offset"].tolist()
    own, weights = columns("own_history"), trained.own_history.weights.tocoo()
    for row, column, weight, domain, taken, item, said in zip(
        *weights.coords, weights.data, *own.values(), strict=True
    ):
        assert (taken, item) == (trained.items[row], trained.items[column])
        assert domain == trained.domains[trained.item_domain[column]]
        assert said == np.float32(0.5) * weight
    for name, shape, values in zip(*columns("parameters").values(), strict=True):
        np.testing.assert_array_equal(np.array(values, np.float32).reshape(shape), arrays[f"conditioner.{name}"])
    assert json.loads((tmp_path / "npy" / "users.json").read_text()) == columns("conditions")["user"] == users
    for name in ("conditions", "search_queries"):
        lists = [columns(name)[domain] for domain in trained.domains.tolist()]
        np.testing.assert_array_equal(np.array(lists, np.float32).swapaxes(0, 1), arrays[name])
    np.testing.assert_array_equal(arrays["conditions"], conditions)
    for d in range(3):
        found, of_domain = search_vectors(trained, d), trained.item_domain == d
        np.testing.assert_array_equal(arrays["search_items"][of_domain], found.items)
        np.testing.assert_array_equal(arrays["search_queries"][:, d], found.queries(conditions[:, d]))
        assert arrays["search_offset"][d] == found.offset


@pytest.mark.parametrize("to", WITH_CONDITIONS)
def test_parameters_of_every_option_are_there_to_the_bit(tmp_path, to):
    for number, options in enumerate(PAIRWISE):
        trained, _ = make_trained(**options)
        export(trained, tmp_path / str(number), to)
        if to == "npy":
            paths = (tmp_path / str(number)).glob("conditioner.*.npy")
            found = {path.stem.removeprefix("conditioner."): np.load(path) for path in paths}
        else:
            read = pytest.importorskip("pyarrow.parquet").read_table
            table = read(tmp_path / str(number) / "parameters.parquet").to_pydict()
            dtype = trained.conditioner.dtype
            found = {n: np.array(v, dtype).reshape(shape) for n, shape, v in zip(*table.values(), strict=True)}
        expected = trained.conditioner.state_dict()
        assert sorted(found) == sorted(expected)
        for name, array in expected.items():
            assert (found[name].dtype, found[name].tobytes()) == (array.dtype, array.tobytes()), (name, options)


@pytest.mark.parametrize("to", [to for to in FORMATS if to not in WITH_CONDITIONS])
def test_formats_for_serving_refuse_users(trained, tmp_path, to):
    with pytest.raises(ValueError, match=f"conditions are not a part of {to}: parquet and npy have both"):
        export(trained, tmp_path, to, conditions=np.zeros((1, 3, 8)), users=["ann"])


def test_own_vectors_of_users_leave_out_what_would_make_others(trained, tmp_path):
    export_trained(replace(trained, about={**trained.about, OWN_SCALE: 2.5}), tmp_path, "npy")
    about = json.loads((tmp_path / "serving.json").read_text())
    assert (about["scale"], about["user_vectors"]) == (2.5, "your own, to be divided by scale")
    assert not [name for name in ARRAYS[:3] if (tmp_path / f"{name}.npy").exists()]


def test_what_cannot_be_exported_is_refused_before_anything_is_written(trained, tmp_path):
    ones = {"conditions": np.ones((2, 3, 8), np.float32), "users": ["ann", "bob"]}
    for to, options, message in (
        ("onxn", {}, "to is 'onxn'; did you mean 'onnx'"),
        ("npy", {**ones, "users": ["ann"]}, r"conditions have shape \(2, 3, 8\); expected .*, 1, 3 and 8"),
        ("npy", {**ones, "users": None}, "conditions go with users"),
    ):
        with pytest.raises(ValueError, match=message):
            export_trained(trained, tmp_path, to, **options)
    with pytest.raises(TypeError, match=r"expected a Trained, as Trained\.load reads it, not a Att"):
        export_trained(trained.conditioner, tmp_path, "npy")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="is not empty: an export is written to a folder of its own"):
        export_trained(trained, tmp_path, "npy")
    pytest.importorskip("pyarrow")
    called_user = replace(trained, domains=np.array(["user", "b", "c"]))
    with pytest.raises(ValueError, match="a domain is called 'user'"):
        export_trained(called_user, tmp_path / "new", "parquet", **ones)
