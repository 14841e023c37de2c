"""The one exception of the library."""


class SplitDeconvError(ValueError):
    """A refusal that tells what is wrong, where, what was expected, what was found and what to do.

    Args:
        problem: one sentence, what cannot be done and why.
        where: the layer, argument, file or geometry it concerns.
        expected: what would have been accepted.
        got: what was found instead.
        fix: what the reader can do next.
    """

    def __init__(self, problem, *, where=None, expected=None, got=None, fix=None):
        self.problem, self.where, self.expected, self.got, self.fix = problem, where, expected, got, fix
        details = (("where", where), ("expected", expected), ("got", got), ("what to do", fix))
        super().__init__("\n".join([problem, *(f"  {label}: {text}" for label, text in details if text is not None)]))

    def __reduce__(self):
        # Exceptions are rebuilt from `args` by default, which would lose the keyword fields between processes.
        return _rebuild, (self.problem, self.where, self.expected, self.got, self.fix)


def _rebuild(problem, where, expected, got, fix):
    return SplitDeconvError(problem, where=where, expected=expected, got=got, fix=fix)
