"""What a check says beyond right and wrong: which mistake it was, and which it could not have seen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One explanation of a wrong gradient.

    Attributes
    ----------
    mistake : str
        Its id, "missing-scale" say; `acg_numpy.checks.report.mistake_names.MISTAKES` has them all.
    confidence : float
        From 0 to 1: 1 where the corrupted gradient equals the submitted one and nothing else does.
    message : str
        What the mistake is, a sentence.
    evidence : str
        What shows it: how closely it is reproduced, where, and the line of the forward.
    hint : str
        A nudge that does not give it away.
    """

    mistake: str
    confidence: float
    message: str
    evidence: str
    hint: str

    def __str__(self) -> str:
        return f"{self.mistake}: {self.message} [{self.evidence}]"


@dataclass(frozen=True)
class BlindSpot:
    """A mistake that would have passed at these inputs.

    Attributes
    ----------
    mistake : str
        Its id.
    message : str
        Why it could not be seen.
    remedy : str
        An input that would tell.
    """

    mistake: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.mistake}: {self.message}; {self.remedy}"
