"""The mistakes that can be named, each with its meaning, and a hint that does not name it."""

from typing import NamedTuple


class MistakeName(NamedTuple):
    """Meaning of a mistake, and a hint."""

    meaning: str
    hint: str


MISTAKES: dict[str, MistakeName] = {
    "wrong-sign": MistakeName("minus the right gradient", "Which way does the output move when this input grows?"),
    "constant-factor": MistakeName(
        "a constant times the right gradient", "Compare the sizes: is their ratio the same all over?"
    ),
    "missing-scale": MistakeName(
        "a lost or doubled factor 1 / sqrt(d)",
        "Go through the forward and tick off each constant: is each one in the backward, once?",
    ),
    "mean-for-sum": MistakeName(
        "an average where a sum belongs, or a sum where an average belongs",
        "Does the size of your gradient depend on the size of the batch as it should?",
    ),
    "transposed": MistakeName("two axes are exchanged", "Write the shape of each factor beside the product."),
    "reshaped-not-transposed": MistakeName(
        "axes are merged or split by reshape alone, without exchanging them",
        "reshape never moves a number to another place in memory; does something have to move here?",
    ),
    "swapped-inputs": MistakeName(
        "the gradients of two inputs are exchanged", "Which gradient is returned in which place?"
    ),
    "missing-broadcast-sum": MistakeName(
        "not summed over an axis along which the value was broadcast",
        "A value that is used several times gets one gradient a use. What happens to them?",
    ),
    "wrong-axis": MistakeName(
        "reduced over another axis", "Say aloud what each axis of this array counts, and which one is summed."
    ),
    "overwritten-rows": MistakeName(
        "assigned where an id repeats or windows overlap, instead of added",
        "What should happen when the same row is looked up twice?",
    ),
    "last-only": MistakeName(
        "only the last of several contributions is kept", "Is something assigned in a loop that should add up?"
    ),
    "diagonal-softmax": MistakeName(
        "only the diagonal of the softmax Jacobian is used",
        "Raise one score: which of the probabilities change?",
    ),
    "held-constant": MistakeName(
        "an intermediate that depends on the input was treated as a constant",
        "List what depends on this input in the forward. Is there a path for each?",
    ),
    "stale-value": MistakeName(
        "another value of the same shape stands where the right one belongs",
        "Is each value in your formula the one from before, or from after, the operation?",
    ),
    "missing-path": MistakeName(
        "one use of the value is left out", "In how many places does the forward use this value?"
    ),
    "double-counted": MistakeName(
        "one use of the value is counted twice", "In how many places does the forward use this value?"
    ),
    "missing-mask": MistakeName(
        "the mask of the forward is forgotten", "What did the forward leave out? Does the backward know?"
    ),
    "target-not-subtracted": MistakeName(
        "the target is not subtracted where it points: P - Y is needed",
        "At which positions are you off? What is special about them?",
    ),
    "ignored-upstream": MistakeName("the gradient that comes in makes no difference", "What is grad_out for?"),
    "nonlinear-in-grad": MistakeName(
        "the result is not linear in the gradient that comes in",
        "A backward pass is a matrix times grad_out. Where does grad_out enter other than as a factor?",
    ),
    "zero-gradient": MistakeName("no gradient arrives at all", "Does anything arrive at this input?"),
    "wrong-shape": MistakeName(
        "a gradient has another shape than its input", "Compare the shape of the gradient with that of its input."
    ),
    "wrong-dtype": MistakeName(
        "a gradient has another dtype than its input", "Compare the dtype of the gradient with that of its input."
    ),
    "wrong-count": MistakeName("too few or too many gradients", "How many inputs does the forward take?"),
    "mutated-input": MistakeName(
        "a call changes the inputs it was given", "Is there an in-place operation on an argument?"
    ),
    "mutated-cache": MistakeName("the backward changes the cache", "Can the backward be called twice?"),
    "carries-over": MistakeName("a second call differs from the first", "Where is something kept between two calls?"),
    "random-forward": MistakeName("the forward differs from call to call", "Where does the randomness come from?"),
    "random-backward": MistakeName("the backward differs from call to call", "Where does the randomness come from?"),
    "kink": MistakeName(
        "left and right derivatives differ at this point",
        "What does the function look like just left and just right of here?",
    ),
    "step-too-large": MistakeName(
        "the step of the numeric derivative is too large", "Would another step give another answer?"
    ),
    "step-too-small": MistakeName(
        "the step of the numeric derivative is too small", "Would another step give another answer?"
    ),
    "low-precision": MistakeName("the forward computes in too few digits", "Which dtype comes out of the forward?"),
}
