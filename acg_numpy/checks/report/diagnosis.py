"""Diagnoses and blind spots: which mistake a wrong gradient makes, and which mistakes a check could not have seen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """Explanation of a wrong gradient.

    Attributes
    ----------
    mistake : str
        Its id, "missing-scale" say; `acg_numpy.checks.report.mistake_names.MISTAKES` has them all.
    confidence : float
        From 0 to 1: 1 if the corrupted gradient equals the submitted one and nothing else does.
    message : str
        What the mistake is, a sentence.
    evidence : str
        What shows it: how closely it is reproduced, where, and the line of the forward.
    hint : str
        A question that leads to the mistake without naming it.
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
    """Mistake that would have passed at the inputs of a check.

    Attributes
    ----------
    mistake : str
        Its id.
    message : str
        Why it could not be seen.
    remedy : str
        Inputs that would show it.
    """

    mistake: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.mistake}: {self.message}; {self.remedy}"
