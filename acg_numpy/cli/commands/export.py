"""`acg export`: a trained conditioner with all that it is served with, in the format of another program."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.options import EXIT_CODES, Subcommands, add_quiet
from acg_numpy.cli.output_files import whole_folder
from acg_numpy.cli.printing import echo
from acg_numpy.text import counted, text_table

if TYPE_CHECKING:
    from acg_numpy.recommender.serving import Trained
    from acg_numpy.shapes import Array

DESCRIPTION = """\
Write what another program needs to serve a run: from the items that a user took to a list of items.

examples:
  acg export runs/films --to onnx --out films-onnx
  acg export runs/films --to parquet --out films-tables
"""

MEANING = f"""\
--to says what reads it:
  safetensors  the conditioner in Hugging Face's layout, with a model card; the other arrays as safetensors
  onnx         the conditioner as an ONNX graph; the other arrays as .npy
  torch        the conditioner as a program that torch.export.load reads; the other arrays as .npy
  parquet      tables of items and of conditions, also as vectors for an inner-product search index
  npy          the same as .npy files

Each holds V, w, scale, item vectors, biases, and the names of items and domains; serving.json lists the files.  With
parquet and npy come the conditions of the users of the training, from conditions.npy and users.txt of RUN, where these
are there.  No other format holds anything of a user.

PATH is a folder that is made, whole or not at all.  One that is there and not empty is left as it is.

{EXIT_CODES}"""

QUESTION = "which items of a domain would a user take, who is known by what they took in other domains?"
TO = ("safetensors", "onnx", "torch", "parquet", "npy")  # as in interop.export_folder, which help does not load
MODELS = 3  # beside attention, in a model card
SAMPLE = 64  # users whose conditions are made again, to see that they are of this run


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "export",
        help="write a run for other programs to serve",
        usage="acg export RUN --to FORMAT --out PATH [options]",
        description=DESCRIPTION,
        epilog=MEANING,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of results")
    parser.add_argument("--to", required=True, choices=TO, metavar="FORMAT", help=f"one of {', '.join(TO)}")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="folder for the files")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read the run, write the folder, and print what is in it."""
    from acg_numpy.interop.export_folder import WITH_CONDITIONS, export_trained
    from acg_numpy.recommender.data import DataError

    trained = _load(arguments.run)
    options: dict[str, Any] = {"about": _about(arguments.run, trained)}
    found = _conditions(arguments.run, trained) if arguments.to in WITH_CONDITIONS else None
    if found is not None:
        options |= {"conditions": found[0], "users": found[1]}
    with whole_folder(arguments.out) as folder:
        try:
            files = export_trained(trained, folder, arguments.to, **options)
        except ValueError as error:
            raise DataError(f"{arguments.run}: {error}") from error
    rows = [(name, f"{(arguments.out / name).stat().st_size:,}", held) for name, held in files.items()]
    echo(f"{arguments.out}: {counted(len(files), 'file')} for {arguments.to}")
    if not arguments.quiet:
        echo("", *text_table([("file", "bytes", "what it holds"), *rows], longest=None))
        if found is not None:
            echo("", f"Files of conditions, queries and users are data of {len(found[1]):,} users.")
        elif arguments.to in WITH_CONDITIONS:
            echo("", f"No conditions were written: {arguments.run} has no conditions.npy and users.txt.")


def _load(folder: Path) -> "Trained":
    from acg_numpy.recommender.data import DataError
    from acg_numpy.recommender.serving import Trained

    if not (folder / "checkpoint.npz").is_file():
        what = "is a file" if folder.is_file() else "has no checkpoint.npz" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}: a folder that 'acg train' or 'acg demo' wrote was expected")
    return Trained.load(folder / "checkpoint.npz")


def _conditions(folder: Path, trained: "Trained") -> "tuple[Array, list[str]] | None":
    """Map the conditions of a run into memory, and read the ids of their rows; None where the run has none."""
    import numpy as np

    from acg_numpy.recommender.data import DataError
    from acg_numpy.recommender.data.npy_files import read_npy_layout

    path, ids = folder / "conditions.npy", folder / "users.txt"
    if not path.exists() and not ids.exists():
        return None
    try:
        users = ids.read_text(encoding="utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise DataError(f"{ids} is damaged, it is not UTF-8: train again, or remove it and {path.name}") from error
    layout = read_npy_layout(path)
    if layout.dtype.kind != "f":
        raise DataError(f"{path} holds {layout.dtype}; expected floating numbers")
    conditions = np.load(path, mmap_mode="r", allow_pickle=False)
    _require_same_run(folder, trained, conditions, len(users))
    return conditions, users


def _require_same_run(folder: Path, trained: "Trained", conditions: "Array", number: int) -> None:
    """Refuse conditions that the checkpoint beside them did not make, by some users of the run's interactions.

    A training that was killed while it wrote over an earlier one leaves files of both.
    """
    import numpy as np

    from acg_numpy.recommender.data import DataError
    from acg_numpy.recommender.serving.recommender import TAKEN, Recommender

    if not (folder / TAKEN).is_file():
        return
    recommender = Recommender.load(folder)
    chosen = np.unique(np.linspace(0, max(number - 1, 0), num=min(number, SAMPLE), dtype=np.int64))
    expected = (len(recommender.users), len(trained.domains), trained.conditioner.emb_dim)
    if (number, *conditions.shape) == (len(conditions), *expected):
        made = trained.condition(*recommender.vectors(chosen))
        if np.allclose(made, conditions[chosen], rtol=1e-3, atol=1e-4, equal_nan=True):
            return
    raise DataError(
        f"{folder}/conditions.npy was not made by {folder}/checkpoint.npz: a training that was stopped while it wrote "
        f"over an earlier one leaves files of both; train again, with --resume where last.npz is there"
    )


def _about(folder: Path, trained: "Trained") -> dict[str, Any]:
    """Return what a model card says of a run: question, data, and the metrics of attention beside other models."""
    about = {
        "question": QUESTION,
        "interactions, SHA-256": trained.about.get("data", "unknown"),
        "seed": trained.about.get("seed", "unknown"),
        "items": f"{len(trained.items):,} in {len(trained.domains)} domains",
        **({} if trained.own_scale is None else {"user vectors": "given to the training, divided by scale"}),
    }
    path = folder / "metrics.json"
    if not path.is_file():
        return {**about, "metrics": f"not known: there was no {path.name}"}
    from acg_numpy.recommender.data import DataError

    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        test, paired = metrics["test"], metrics["paired"]
        runs = counted(len(metrics["runs"]), "run")
        for measure in ("ndcg@10", "recall@10"):
            row = test["attention"][measure]
            spread = f" ± {row['std']:.4f} (deviation over {runs})" if len(metrics["runs"]) > 1 else " (one run)"
            about[f"{measure} on held-out pairs"] = f"{row['mean']:.4f}{spread}"
        best = sorted(paired, key=lambda name: -test[name]["ndcg@10"]["mean"])[:MODELS]
        for name in best:
            lead = f"{paired[name]['difference']:+.4f} ± {paired[name]['se']:.4f}"
            about[f"lead over {name}, ndcg@10"] = f"{lead} (standard error of differences on the same pairs)"
        about["users of the training"] = f"{metrics['users']:,}"
        protocol = dict(metrics["protocol"])
        settings = [f"{name.replace('_', ' ')} {value}" for name, value in protocol.items() if name != "protocol"]
        about["protocol"] = ", ".join([str(protocol["protocol"]), *settings])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not what 'acg train' wrote ({error!r}): train again, or remove it") from error
    return about
