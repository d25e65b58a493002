"""Names that stand for something else while a forward is traced, wherever its functions find them.

A function finds NumPy, and arrays that are no inputs, in five places: the globals of its module, the defaults of its
parameters, the variables around it, the attributes or slots of an object that it is given, and lists and dicts of
these.  In all of them NumPy stands for one whose arrays can be written to, and a floating array is recorded, so that
`self.W.dot(x)` is.  Everything is put back at the end; of an object also what the forward has left in it.

All this is seen by other threads too, to which NumPy and the arrays are what they always are.  What such a thread puts
into an attribute while the forward is traced is lost when the attributes are put back.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import CellType, FrameType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from acg_numpy.checks.tracing.recorded_arrays import Memory, RecordedArray, recorded_arrays, stacked, stand_in
from acg_numpy.checks.tracing.source_lines import VisitLog

# lists and dicts within one another
_DEEPEST = 3
# of the forward's own are functions and objects of other modules; a forward of this package holds no arrays
_OTHERS = ({"acg_numpy", "numpy", "scipy"} | sys.stdlib_module_names) - {"types", "dataclasses"}
# what holds nothing of the forward's
_CODE = (type, ModuleType, np.ufunc, str, bytes, int, float, complex, np.generic, np.ndarray)
# what is in a slot that holds nothing; it has no attributes
_EMPTY = object()


class EachElement:
    """`np.vectorize` of a function of numbers, for arrays of which one is recorded."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        """Call the function for each element."""
        recorded = list(recorded_arrays(arrays))
        if not recorded or options:
            return self._usual(*arrays, **options)
        shape = np.broadcast_shapes(*map(np.shape, arrays))
        columns = [np.ravel(np.broadcast_to(array, shape)) for array in arrays]
        results = [self._usual.pyfunc(*numbers) for numbers in zip(*columns, strict=True)]
        log = recorded[0]._memory.log
        return np.reshape(RecordedArray(Memory(stacked(shown(results)), log)), shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)


def shown(value: Any) -> Any:
    """Return nested lists with the Tensors that recorded arrays show."""
    if isinstance(value, RecordedArray):
        return value.current
    return [shown(item) for item in value] if isinstance(value, list | tuple) else value


class ReplacedNames:
    """What was put in the place of something else, and how to put everything back.

    Parameters
    ----------
    others : dict
        By the identity of a module or a function, what stands for it.
    log : VisitLog
    """

    def __init__(self, others: dict[int, Any], log: VisitLog) -> None:
        self._others, self._log = others, log
        self._undo: list[Callable[[], None]] = []
        # of what was looked at, which has to live as long as its identity is used
        self._seen: dict[int, Any] = {}

    def restore(self) -> None:
        """Put everything back, in the reverse order."""
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def replace_in_frame(self, frame: FrameType) -> None:
        """Replace what a function that is called finds around it."""
        names = frame.f_globals
        if self._is_new(names):
            self._replace_in_dict(names)
            for value in list(names.values()):
                self._replace_in_code(value, str(names.get("__name__", "")))
        if not _is_own(str(names.get("__name__", ""))):
            return
        # the parameters stand first, so that `self` is among them
        number = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        if number:
            given = frame.f_locals
            for name in frame.f_code.co_varnames[:number]:
                self._replace_in_object(given.get(name))

    def replace_in_function(self, function: Any) -> None:
        """Replace what a callable, and the functions and objects that it holds, find around them."""
        if isinstance(function, MethodType):
            self.replace_in_function(function.__func__)
            self.replace_in_function(function.__self__)
            return
        if isinstance(function, partial):
            self._replace_in_partial(function)
            return
        if not isinstance(function, FunctionType):
            if _is_own(type(function).__module__):
                self._replace_in_object(function)
            elif type(function).__module__.startswith("acg_numpy.") and self._is_new(function):
                # what calls the forward for a check: it is looked through
                held = list(getattr(function, "__dict__", {}).values())
                for value in held:
                    if isinstance(value, FunctionType | MethodType | partial):
                        self.replace_in_function(value)
            return
        if not self._is_new(function):
            return
        own = _is_own(function.__module__ or "")
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # of a variable that has no value yet
                continue
            if own:
                self._replace_in_cell(cell, value)
                self._replace_in_object(value)
            elif not isinstance(value, np.ndarray):
                self.replace_in_function(value)
        if own:
            self._replace_defaults(function)

    def _is_new(self, value: Any) -> bool:
        """Check whether something was not looked at yet, and remember it."""
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        return True

    def _other(self, value: Any) -> Any:
        """Return what is to stand for a value, None for the value itself."""
        found = self._others.get(id(value))
        if found is None and type(value) is np.ndarray and value.dtype.kind == "f":
            return stand_in(value, self._log)
        if found is None and type(value) is np.vectorize:
            return EachElement(value)
        return found

    def _replace_in_dict(self, names: dict[Any, Any]) -> None:
        """Replace values of a dict, whose other values may change for good."""
        for name, value in list(names.items()):
            other = self._other(value)
            if other is not None:
                names[name] = other

                def undo(name: Any = name, value: Any = value, other: Any = other) -> None:
                    if names.get(name) is other:  # unless the forward has put something else there
                        names[name] = value

                self._undo.append(undo)

    def _replace_in_cell(self, cell: CellType, value: Any) -> None:
        other = self._other(value)
        if other is not None:
            cell.cell_contents = other

            def undo() -> None:
                if cell.cell_contents is other:
                    cell.cell_contents = value

            self._undo.append(undo)

    def _replace_defaults(self, function: FunctionType) -> None:
        given, keywords = function.__defaults__, function.__kwdefaults__
        if given is not None:
            function.__defaults__ = self._changed(given)
            self._undo.append(lambda: setattr(function, "__defaults__", given))
        if keywords is not None:
            function.__kwdefaults__ = dict(zip(keywords, self._changed(keywords.values()), strict=True))
            self._undo.append(lambda: setattr(function, "__kwdefaults__", keywords))

    def _replace_in_partial(self, function: Any) -> None:
        """Replace the arguments that are bound to a function."""
        if not self._is_new(function):
            return
        self.replace_in_function(function.func)
        args, keywords = function.args, function.keywords
        for value in (*args, *keywords.values()):
            self._replace_in_object(value)
        if _is_own(getattr(function.func, "__module__", None) or ""):
            new_args, new_keywords = (
                self._changed(args),
                dict(zip(keywords, self._changed(keywords.values()), strict=True)),
            )
            function.__setstate__((function.func, new_args, new_keywords, vars(function)))
            self._undo.append(lambda: function.__setstate__((function.func, args, keywords, vars(function))))

    def _changed(self, values: Iterable[Any]) -> tuple[Any, ...]:
        """Return values, with what stands for those that are replaced."""
        return tuple(value if (other := self._other(value)) is None else other for value in values)

    def _replace_in_code(self, value: Any, module: str) -> None:
        """Replace what functions, and methods of classes, that a module defines find around them."""
        if isinstance(value, FunctionType) and value.__module__ == module:
            self.replace_in_function(value)
        elif isinstance(value, type) and value.__module__ == module and self._is_new(value):
            for member in list(vars(value).values()):
                self._replace_in_code(getattr(member, "__func__", member), module)

    def _replace_in_object(self, value: Any, depth: int = 0) -> None:
        """Replace attributes of an object of the forward's, and what lies in lists and dicts among them."""
        if isinstance(value, FunctionType | MethodType | partial):
            self.replace_in_function(value)
            return
        if value is None or isinstance(value, _CODE) or depth > _DEEPEST:
            return
        if not self._is_new(value):
            if depth == 0:  # it may have got more attributes meanwhile
                self._replace_attributes(value)
            return
        if isinstance(value, list | dict):
            self._replace_items(value, depth)
            return
        if isinstance(value, tuple):
            for item in value:
                self._replace_in_object(item, depth + 1)
            return
        state, slots = _attributes(value), _slots(value)
        before = dict(state or {})
        before_in_slots = [(member, _in_slot(value, member)) for member in slots]

        def undo() -> None:
            if state is not None:
                _restore_dict(state, before)
            for member, held in before_in_slots:
                _put_in_slot(value, member, held)

        self._undo.append(undo)
        self._replace_attributes(value)
        for item in (*before.values(), *(held for _, held in before_in_slots)):
            self._replace_in_object(item, depth + 1)

    def _replace_attributes(self, value: Any) -> None:
        """Replace attributes of an object of the forward's."""
        state = _attributes(value)
        if state is not None:
            self._replace_values(state)
        for member in _slots(value):
            if (other := self._other(_in_slot(value, member))) is not None:
                _put_in_slot(value, member, other)

    def _replace_values(self, values: Any) -> None:
        """Replace values of a list or a dict."""
        for key, item in list(values.items() if isinstance(values, dict) else enumerate(values)):
            if (other := self._other(item)) is not None:
                values[key] = other

    def _replace_items(self, value: Any, depth: int) -> None:
        """Replace items of a list or a dict."""
        before: Any = dict(value.items()) if isinstance(value, dict) else list(value)

        def undo() -> None:
            if isinstance(value, dict):
                _restore_dict(value, before)
            elif list(map(id, value)) != list(map(id, before)):
                value[:] = before

        self._undo.append(undo)
        try:
            self._replace_values(value)
        except Exception:  # of a kind of dict or list that lets nothing be put into it: what it holds stays
            undo()
        for item in before.values() if isinstance(before, dict) else before:
            self._replace_in_object(item, depth + 1)


def _restore_dict(values: dict[Any, Any], before: dict[Any, Any]) -> None:
    """Put back what a dict held, name by name, so that another thread finds each of them at all times."""
    for name in [name for name in values if name not in before]:
        del values[name]
    for name, value in before.items():
        if values.get(name, _EMPTY) is not value:
            values[name] = value
    if list(values) != list(before):  # a name was deleted and given again
        values.clear()
        values.update(before)


def _attributes(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object of the forward's; None of another, or of one that has none."""
    if not _is_own(type(value).__module__):
        return None
    try:
        state = getattr(value, "__dict__", None)
    except Exception:  # of an object that stands for another, which is not there now
        return None
    return state if type(state) is dict else None


def _slots(value: Any) -> list[MemberDescriptorType]:
    """Return what reads and writes the `__slots__` of an object of the forward's."""
    kinds = [kind for kind in type(value).__mro__ if "__slots__" in vars(kind) and _is_own(kind.__module__)]
    return [m for kind in kinds for m in vars(kind).values() if isinstance(m, MemberDescriptorType)]


def _in_slot(value: Any, member: MemberDescriptorType) -> Any:
    """Return what a slot of an object holds, `_EMPTY` if it holds nothing."""
    try:
        return member.__get__(value)
    except AttributeError:
        return _EMPTY


def _put_in_slot(value: Any, member: MemberDescriptorType, held: Any) -> None:
    """Put something into a slot of an object, or empty it."""
    if held is _in_slot(value, member):
        return
    if held is _EMPTY:
        member.__delete__(value)
    else:
        member.__set__(value, held)


def _is_own(module: str) -> bool:
    """Check whether a module is the forward's: not this package's, NumPy's or Python's."""
    return module.partition(".")[0] not in _OTHERS
