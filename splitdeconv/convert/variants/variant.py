"""The ways to compute a transposed convolution in a model file: a form and an interleave each."""

from dataclasses import replace
from typing import NamedTuple

from ...core.forms import FILE_FORMS
from ...core.kernels import Kernels
from ...formats.site import Decision, Site
from ..decide import interleaves


class Variant(NamedTuple):
    """One way to compute a transposed convolution.

    Args:
        form: "native" or one of `splitdeconv.core.forms.FILE_FORMS`.
        interleave: one of `splitdeconv.core.forms.FILE_INTERLEAVES`; empty for "native".
    """

    form: str
    interleave: str = ""

    def __str__(self) -> str:
        return f"{self.form} {self.interleave}".strip()

    @classmethod
    def of(cls, text: str) -> "Variant":
        """The variant whose text this is."""
        return cls(*text.split(" "))


#: The operator as the model has it.
NATIVE = Variant("native")


def variants(site: Site) -> list[Variant]:
    """The operator as it is, and every form and interleave that the site allows."""
    made = [Variant(form, way) for form in FILE_FORMS for way in interleaves(site)]
    return [NATIVE, *made]


def chosen(
    decision: Decision, variant: Variant, reason: str, kernels: Kernels | None = None
) -> Decision:
    """A site that is computed in a variant; what cannot be converted stays refused.

    Args:
        decision: what the target's rules decided.
        variant: how to compute it.
        reason: why, as text for the user.
        kernels: the sizes to which the target has taps padded.
    """
    if decision.verdict == "refuse":
        return decision
    if variant == NATIVE:
        kept = replace(decision, verdict="leave", form=None, interleave=None, reason=reason)
        return replace(kept, kernels=None)
    form, interleave = variant
    made = replace(decision, verdict="convert", form=form, interleave=interleave, reason=reason)
    return replace(made, kernels=kernels)
