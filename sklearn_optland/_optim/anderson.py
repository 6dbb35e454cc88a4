"""Anderson acceleration of fixed-point iterations."""

import numpy as np

# Of the Gram matrix of changes, relative to its trace: keeps the least squares solvable.
RIDGE = 1e-14


class Anderson:
    """Mixes the latest images of a map so that their residuals cancel: type II.

    Walker and Ni, SIAM Journal on Numerical Analysis 49 (2011).

    Parameters
    ----------
    size : int
        The most earlier iterates that are mixed.
    """

    def __init__(self, size):
        self.size = size
        self.forget()

    def forget(self):
        """Drop all iterates."""
        self.images, self.residuals = [], []

    def __bool__(self):
        return len(self.images) > 1

    def mix(self, x, image):
        """Return where to go on from x, whose image under the map is given."""
        self.images.append(image.ravel().copy())
        self.residuals.append((image - x).ravel())
        del self.images[: -self.size - 1], self.residuals[: -self.size - 1]
        if not self:
            return image
        R = np.diff(np.array(self.residuals), axis=0)
        gram = R @ R.T
        gram.flat[:: len(gram) + 1] += RIDGE * np.trace(gram)
        shares = np.linalg.lstsq(gram, R @ self.residuals[-1], rcond=None)[0]
        mixed = self.images[-1] - shares @ np.diff(np.array(self.images), axis=0)
        return mixed.reshape(image.shape)
