"""The metrics of a result as columns, and as a table of pandas, polars or Arrow."""

from collections.abc import Mapping
from typing import Any

from acg_numpy.interop.libraries import require
from acg_numpy.text import did_you_mean, joined

# what makes a table from columns, by the name of its library
MAKERS = {"pandas": ("pandas", "DataFrame"), "polars": ("polars", "DataFrame"), "arrow": ("pyarrow", "table")}
OF_ALL_RUNS = "seconds"  # a mean over runs


def metrics_frame(metrics: Mapping[str, Any], library: str) -> Any:
    """Return the metrics of every model in every run, as `Result.to_frame` does."""
    if library not in MAKERS:
        hint = did_you_mean(str(library), MAKERS, f"expected {joined(list(MAKERS), 'or')}")
        raise ValueError(f"library is {library!r}; {hint}")
    name, maker = MAKERS[library]
    return getattr(require(name, f"to_frame(library={library!r})"), maker)(metrics_columns(metrics))


def metrics_columns(metrics: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return columns of the metrics, a row for each model and run.

    Parameters
    ----------
    metrics : mapping
        The content of metrics.json.

    Returns
    -------
    dict of lists
        "model", "seed", "initialisation", every metric, and what else there is of a model; None where it has none.

    Examples
    --------
    >>> runs = [{"seed": 0, "initialisation": 1}, {"seed": 1, "initialisation": 1}]
    >>> row = {"ndcg@10": {"mean": 0.25, "std": 0.05, "values": [0.2, 0.3]}, "parameters": 64}
    >>> columns = metrics_columns({"runs": runs, "test": {"user": row}})
    >>> columns["model"], columns["seed"], columns["ndcg@10"], columns["parameters"]
    (['user', 'user'], [0, 1], [0.2, 0.3], [64, 64])
    """
    runs, test = metrics["runs"], metrics["test"]
    names = dict.fromkeys(name for row in test.values() for name in row if name != OF_ALL_RUNS)
    columns: dict[str, list[Any]] = {name: [] for name in ("model", "seed", "initialisation", *names)}
    for model, row in test.items():
        for number, run in enumerate(runs):
            columns["model"].append(model)
            columns["seed"].append(run["seed"])
            columns["initialisation"].append(run["initialisation"])
            for name in names:
                columns[name].append(_of_run(row.get(name), number))
    return columns


def _of_run(value: Any, number: int) -> Any:
    if isinstance(value, Mapping):
        value = value["values"]
    return value[number] if isinstance(value, list) else value
