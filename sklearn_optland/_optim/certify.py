"""When a bound on what is left is worth the passes that it costs."""


class BoundTrigger:
    """Asks for a bound when a proxy says that it is within its target.

    The proxy falls in proportion to the bound; the factor between them is learned from the bounds
    that were computed.

    Parameters
    ----------
    factor : float
        proxy / bound, as far as it is known beforehand.
    caution : float, default=1.0
        Of the learned factor, below 1 to ask a little later.
    """

    def __init__(self, factor, caution=1.0):
        self.factor, self.caution = factor, caution

    def is_due(self, proxy, target):
        """Whether the bound should be within its target."""
        return proxy <= self.factor * target

    def learn(self, proxy, bound):
        """Note what the bound was."""
        self.factor = self.caution * proxy / bound
