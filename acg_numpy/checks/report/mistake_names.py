"""The mistakes that can be named, each with its meaning, and a hint that does not name it."""

from typing import NamedTuple


class Naming(NamedTuple):
    """Meaning of a mistake, and a hint."""

    meaning: str
    hint: str


MISTAKES: dict[str, Naming] = {
    "wrong-sign": Naming("minus the right gradient", "Which way does the output move when this input grows?"),
    "constant-factor": Naming(
        "a constant times the right gradient", "Compare the sizes: is their ratio the same all over?"
    ),
    "missing-scale": Naming(
        "a lost or doubled factor 1 / sqrt(d)",
        "Go through the forward and tick off each constant: is each one in the backward, once?",
    ),
    "mean-for-sum": Naming(
        "an average where a sum belongs, or a sum where an average belongs",
        "Does the size of your gradient depend on the size of the batch as it should?",
    ),
    "transposed": Naming("two axes are exchanged", "Write the shape of each factor beside the product."),
    "reshaped-not-transposed": Naming(
        "axes are merged or split by reshape alone, without exchanging them",
        "reshape never moves a number to another place in memory; does something have to move here?",
    ),
    "swapped-inputs": Naming("the gradients of two inputs are exchanged", "Which gradient is returned in which place?"),
    "missing-broadcast-sum": Naming(
        "not summed over an axis along which the value was broadcast",
        "A value that is used several times gets one gradient a use. What happens to them?",
    ),
    "wrong-axis": Naming(
        "reduced over another axis", "Say aloud what each axis of this array counts, and which one is summed."
    ),
    "overwritten-rows": Naming(
        "assigned where an id repeats, instead of added",
        "What should happen when the same row is looked up twice?",
    ),
    "last-only": Naming(
        "only the last of several contributions is kept", "Is something assigned in a loop that should add up?"
    ),
    "diagonal-softmax": Naming(
        "only the diagonal of the softmax Jacobian is used",
        "Raise one score: which of the probabilities change?",
    ),
    "held-constant": Naming(
        "an intermediate that depends on the input was treated as a constant",
        "List what depends on this input in the forward. Is there a path for each?",
    ),
    "stale-value": Naming(
        "another value of the same shape stands where the right one belongs",
        "Is each value in your formula the one from before, or from after, the operation?",
    ),
    "missing-path": Naming("one use of the value is left out", "In how many places does the forward use this value?"),
    "double-counted": Naming(
        "one use of the value is counted twice", "In how many places does the forward use this value?"
    ),
    "missing-mask": Naming(
        "the mask of the forward is forgotten", "What did the forward leave out? Does the backward know?"
    ),
    "target-not-subtracted": Naming(
        "the target is not subtracted: P instead of P - Y",
        "At which positions are you off? What is special about them?",
    ),
    "ignored-upstream": Naming("the gradient that comes in makes no difference", "What is grad_out for?"),
    "nonlinear-in-grad": Naming(
        "the result is not linear in the gradient that comes in",
        "A backward pass is a matrix times grad_out. Where does grad_out enter other than as a factor?",
    ),
    "zero-gradient": Naming("no gradient arrives at all", "Does anything arrive at this input?"),
    "wrong-shape": Naming(
        "a gradient has another shape than its input", "Compare the shape of the gradient with that of its input."
    ),
    "wrong-dtype": Naming(
        "a gradient has another dtype than its input", "Compare the dtype of the gradient with that of its input."
    ),
    "wrong-count": Naming("too few or too many gradients", "How many inputs does the forward take?"),
    "mutated-input": Naming("a call changes the inputs it was given", "Is there an in-place operation on an argument?"),
    "mutated-cache": Naming("the backward changes the cache", "Can the backward be called twice?"),
    "carries-over": Naming("a second call differs from the first", "Where is something kept between two calls?"),
    "random-forward": Naming("the forward differs from call to call", "Where does the randomness come from?"),
    "random-backward": Naming("the backward differs from call to call", "Where does the randomness come from?"),
    "kink": Naming(
        "left and right derivatives differ at this point",
        "What does the function look like just left and just right of here?",
    ),
    "step-too-large": Naming(
        "the step of the numeric derivative is too large", "Would another step give another answer?"
    ),
    "step-too-small": Naming(
        "the step of the numeric derivative is too small", "Would another step give another answer?"
    ),
    "low-precision": Naming("the forward computes in too few digits", "Which dtype comes out of the forward?"),
}
