"""How often each mistake is named, as a table."""

from collections import Counter

from acg_numpy.checks.confusion import Confusion


def test_a_confusion_table_has_a_line_for_every_expected_mistake():
    cases = [("a", "wrong-sign", "wrong-sign")] * 3 + [("b", "wrong-sign", None), ("c", "last-only", "wrong-sign")] * 2
    confusion = Confusion(Counter(cases))
    assert str(confusion).splitlines() == [
        "expected    cases  right  named otherwise",
        "last-only       2      0  wrong-sign 2",
        "wrong-sign      5      3  (nothing) 2",
        "all             7      3  recall 42.9%, precision 60.0%",
    ]
    assert confusion.confused == [("b", "wrong-sign", None, 2), ("c", "last-only", "wrong-sign", 2)]
    assert (confusion.num_cases, confusion.num_named, confusion.num_right) == (7, 5, 3)
    assert (Confusion(Counter()).recall, Confusion(Counter()).precision) == (1.0, 1.0)
