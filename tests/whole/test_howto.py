"""What the pages without cells of their own say, is so."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_conditioner_is_a_module_of_pytorch_as_the_page_says(capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    code = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / "howto-pytorch.md").read_text(), re.DOTALL))
    names: dict[str, object] = {}
    exec(compile(code, "howto-pytorch.md", "exec"), names)
    losses = [float(line.split(": ")[1]) for line in capsys.readouterr().out.splitlines()]
    assert losses[-1] < 0.01 * losses[0]
    assert all(value.grad is not None for value in names["conditioner"].values)


def test_a_conditioner_goes_into_other_programs_as_the_page_says(tmp_path, monkeypatch):
    for library in ("safetensors", "torch", "onnx", "onnxruntime", "jax", "sklearn"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / "interop.md").read_text(), re.DOTALL))
    names: dict[str, object] = {}
    exec(compile(code, "interop.md", "exec"), names)
    assert names["again"].options() == names["conditioner"].options()
    assert names["condition"].shape == (5, 16)


def test_many_users_are_conditioned_as_the_page_says(tmp_path, monkeypatch, capsys):
    for library in ("dask.array", "pyarrow"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / "scale.md").read_text(), re.DOTALL))
    names: dict[str, object] = {}
    exec(compile(code, "scale.md", "exec"), names)
    assert "BlockSummary(users=20000, domains=5, dim=32, zeros=0, parts=3, resumed=0)" in capsys.readouterr().out
    assert len(list((tmp_path / "conditions").glob("part-*"))) == 3
    assert names["of_first_domain"].shape == (20_000, 32)


def test_a_training_is_logged_as_the_page_says(tmp_path, monkeypatch, capsys):
    for library in ("tensorboardX", "pandas"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / "logging.md").read_text(), re.DOTALL))
    names: dict[str, object] = {}
    exec(compile(code, "logging.md", "exec"), names)
    [events] = (tmp_path / "runs" / "tensorboard").iterdir()
    written = events.read_bytes()
    for tag in (b"user/run-1/loss", b"attention/run-1/validation", b"attention/test"):
        assert tag in written
    assert "attention" in capsys.readouterr().out
