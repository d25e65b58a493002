"""The loop of the child: it runs the file that it is sent, and answers one request after the other."""

import faulthandler
import io
import json
import os
import signal
import sys
import threading
from typing import Any, BinaryIO


def main() -> None:
    """Take the pipes, import NumPy, accept the confinement, and answer until the parent says no more."""
    settings = json.loads(sys.argv[1])
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # so that what the file prints is not read as an answer
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    here, packages = sys.path.pop(0), settings["packages"]
    sys.path.append(packages)
    import numpy as np

    sys.path[:] = [here, *ORIGINAL_PATH]
    from confinement import confine, watch_events  # type: ignore[import-not-found]
    from messages import read_message, write_message  # type: ignore[import-not-found]
    from student_module import CallCounter  # type: ignore[import-not-found]

    sys.path[:] = ORIGINAL_PATH
    np.seterr(all="warn")
    seen: list[str] = []
    _print_line_after(settings["seconds"])  # before `confine`, under which no thread starts
    held = confine(settings["seconds"], settings["megabytes"], packages) if settings["confined"] else []
    write_message(replies, {"ready": True, "held": held})
    head, _ = read_message(requests)
    counter = CallCounter(head["file"], head["functions"][0], head["handed_out"])
    sys.setprofile(counter)
    threading.setprofile(counter)
    if settings["confined"]:
        watch_events(packages, head["file"], lambda event: seen.append(event) if len(seen) < 50 else None)
    Answers(head, counter, seen).serve(requests, replies)


def _print_line_after(seconds: float) -> None:
    """Print where the file is when its time is up; the thread that is at work prints it, where the system has alarms.

    Another thread would read frames that change meanwhile, which ends the process now and then.
    """
    if hasattr(faulthandler, "register") and hasattr(signal, "setitimer"):
        faulthandler.register(signal.SIGALRM, file=2, all_threads=False)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    else:
        faulthandler.dump_traceback_later(seconds, file=2)


ORIGINAL_PATH = list(sys.path[1:])


class Answers:
    """The answers of a student's file.

    Parameters
    ----------
    start : dict
        The file's name and source, the names of its functions, the options of the forward, and the source that was
        handed out.
    counter : CallCounter
    seen : list of str
        What the hook reported.
    """

    def __init__(self, start: dict[str, Any], counter: Any, seen: list[str]) -> None:
        self.start, self.counter, self.seen = start, counter, seen
        self.forward: Any = None
        self.backward: Any = None
        self.kept: dict[int, tuple[list[Any], Any, list[Any]]] = {}

    def serve(self, requests: BinaryIO, replies: BinaryIO) -> None:
        """Answer one request after the other."""
        from messages import read_message, write_message
        from student_module import describe_error

        do = "load"
        given: list[Any] = []
        head: dict[str, Any] = {}
        while True:
            arrays: list[Any] = []
            try:
                answer = getattr(self, f"_{do}")(head, given, arrays)
            except BaseException as error:  # a file may raise anything
                self.counter.end()
                answer = {"error": describe_error(error, self.start["file"])}
                arrays = []
            write_message(replies, {**answer, "seen": [*self.seen]}, arrays)
            try:
                head, given = read_message(requests)
            except EOFError:
                os._exit(0)
            do = {"forward": "call_forward", "backward": "call_backward"}[head["do"]]

    def _load(self, head: dict[str, Any], given: list[Any], arrays: list[Any]) -> dict[str, Any]:
        """Run the file and find its functions."""
        from student_module import run_source

        module = run_source(self.start["source"].encode("utf-8", "surrogateescape"), self.start["file"])
        found = [getattr(module, name, None) for name in self.start["functions"]]
        for name, function in zip(self.start["functions"], found, strict=True):
            if not callable(function):
                own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == "student"]
                return {"missing": name, "own": [str(key)[:80] for key in own][:50], "is": type(function).__name__[:40]}
        self.forward, self.backward = found
        return {"loaded": True}

    def _call_forward(self, head: dict[str, Any], given: list[Any], arrays: list[Any]) -> dict[str, Any]:
        """Call the forward, keep its cache, and say what it changed."""
        import numpy as np
        from messages import pack, unpack
        from student_module import arrays_in

        values = [unpack(described, given) for described in head["inputs"]]
        before = [np.array(value) if isinstance(value, np.ndarray) else value for value in values]
        self.counter.enter()
        returned = self.forward(*values, **self.start["options"])
        self.counter.end()
        if not isinstance(returned, tuple) or len(returned) != 2:
            return {"returned": pack(returned, arrays)}
        out, cache = returned
        cached = arrays_in(cache)
        self.kept[head["token"]] = (values, cache, cached)
        while len(self.kept) > 12:
            del self.kept[next(iter(self.kept))]
        shapes = [list(array.shape) for array in cached]
        return {"out": pack(out, arrays), "changed": changed_places(before, values), "cached": shapes}

    def _call_backward(self, head: dict[str, Any], given: list[Any], arrays: list[Any]) -> dict[str, Any]:
        """Call the backward with the cache of an earlier forward, and say what it changed and what it called."""
        import numpy as np
        from messages import pack, unpack

        values, cache, cached = self.kept[head["token"]]
        grad_out = unpack(head["grad_out"], given)
        parts = grad_out if isinstance(grad_out, tuple) else (grad_out,)
        grads_before = [np.array(part) if isinstance(part, np.ndarray) else part for part in parts]
        before = [np.array(array) for array in cached]
        inputs = [np.array(value) if isinstance(value, np.ndarray) else value for value in values]
        self.counter.begin(values)
        returned = self.backward(grad_out, cache)
        self.counter.end()
        counts = self.counter.counts
        own = {str(name)[:80]: number for name, number in sorted(counts.items(), key=lambda one: -one[1])[:5]}
        return {
            "grads": pack(returned, arrays),
            "grad_out_changed": changed_places(grads_before, parts),
            "inputs_changed": changed_places(inputs, values),
            "cache_changed": changed_places(before, cached),
            "forward_calls": self.counter.calls,
            "odd_calls": self.counter.odd,
            "uncounted": "sys.setprofile" in self.seen,
            "calls": own,
        }


def changed_places(before: Any, now: Any) -> list[int]:
    """List the places of arrays that are not what they were."""
    import numpy as np

    return [
        place
        for place, (was, value) in enumerate(zip(before, now, strict=True))
        if isinstance(was, np.ndarray) and not np.array_equal(was, value, equal_nan=was.dtype.kind in "fc")
    ]


if __name__ == "__main__":
    main()
