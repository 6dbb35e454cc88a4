"""Products of a net's Hessian with directions, exact: the R-operator.

Along theta + t v the activations, residuals and adjoints of a row change at rates R{.}, which obey
the derivatives of the passes' own equations. With Z_l = V_{l-1} W_l + b_l, V_l = s(Z_l), the output
residuals D_L = c dl/dF and the adjoints D_l = (D_{l+1} W_{l+1}') * s'(Z_l),

    R{Z_l} = R{V_{l-1}} W_l + V_{l-1} dW_l + db_l,   R{V_l} = s'(Z_l) * R{Z_l},
    R{D_L} = c (d2l/dF2) R{F},
    R{D_l} = (R{D_{l+1}} W' + D_{l+1} dW') * s'(Z_l) + (D_{l+1} W') * s''(Z_l) * R{Z_l},

and the product is the sum over rows of R{V_{l-1}' D_l} = R{V_{l-1}}' D_l + V_{l-1}' R{D_l}.

B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994).
"""

import numpy as np

from sklearn_optland._net.entrywise_fast import KINDS, times_slope
from sklearn_optland._net.forward import NetStatistic, columns_of, residuals

# s''(Z) R{Z} = bend(V) R{V}, from V = s(Z).
BEND = {
    "logistic": lambda V: 1.0 - 2.0 * V,
    "tanh": lambda V: -2.0 * V,
    "relu": None,
    "identity": None,
}


class HessianProducts(NetStatistic):
    """Products of the mean loss' Hessian with some directions."""

    def __init__(self, forward, n_directions):
        super().__init__(forward)
        n_parameters = forward.network.n_parameters
        self.shape, self.dtype = (n_directions, n_parameters), forward.dtype
        self.work = 2.0 * n_directions * n_parameters

    def add(self, block, parameters, total):
        columns, layers, Y, directions, outputs = parameters
        forward, network = self.forward, self.forward.network
        X, Y, c = columns_of(block, columns), block.local(Y), block.source.c
        buffers = forward.buffers(block)
        totals = [network.layers(row) for row in total]
        if outputs is not None:
            outputs = [block.local(array) for array in outputs]
        for rows in forward.blocks(block):
            if outputs is None:
                V = forward(layers, X, rows, buffers)
            else:
                V = [forward.inputs(X, rows), *(array[rows] for array in outputs)]
            pass_ = _Pass(network, layers, V, Y[rows], c[rows])
            for direction, sums in zip(directions, totals, strict=True):
                pass_.add_product(direction, sums)


class _Pass:
    """A pass forward and back over some rows, and what products take from it."""

    def __init__(self, network, layers, V, Y, c):
        self.network, self.layers, self.V = network, layers, V
        # Of each layer: adjoints; of hidden ones: slopes, and what a change of V bends adjoints by.
        n = len(layers)
        self.D, self.slopes, self.bends = [None] * n, [None] * n, [None] * n
        D = V[-1].copy()
        residuals(network, D, Y, c)
        self.weights = c[:, None].astype(D.dtype)
        self.probabilities = D / self.weights + Y if network.is_log_loss else None
        self.D[-1], bend = D, BEND[network.activation]
        for level in range(n - 1, 0, -1):
            below = D @ layers[level][:-1].T
            slope = np.ones_like(below)
            times_slope(slope, V[level], KINDS[network.activation])
            if bend is not None:
                self.bends[level - 1] = below * bend(V[level])
            D = below * slope
            self.slopes[level - 1], self.D[level - 1] = slope, D

    def add_product(self, direction, sums):
        """Add the rows' share of the Hessian times a direction, both as layers."""
        n, RV = len(self.layers), [None]
        for level, (W, dW) in enumerate(zip(self.layers, direction, strict=True)):
            RZ = self.V[level] @ dW[:-1]
            RZ += dW[-1]
            if level:
                RZ += RV[level] @ W[:-1]
            RV.append(RZ if level == n - 1 else RZ * self.slopes[level])
        RD = self.bent_output(RV[-1])
        for level in range(n - 1, -1, -1):
            D = self.D[level]
            sums[level][:-1] += self.V[level].T @ RD
            sums[level][-1] += RD.sum(axis=0)
            if not level:
                break
            sums[level][:-1] += RV[level].T @ D
            RD = RD @ self.layers[level][:-1].T
            RD += D @ direction[level][:-1].T
            RD *= self.slopes[level - 1]
            if self.bends[level - 1] is not None:
                RD += self.bends[level - 1] * RV[level]

    def bent_output(self, RF):
        """c (d2l/dF2) R{F}."""
        P = self.probabilities
        if P is None:
            return self.weights * RF
        if self.network.is_multilabel or RF.shape[1] == 1:
            return self.weights * (P * (1.0 - P) * RF)
        bent = P * RF
        return self.weights * (bent - P * bent.sum(axis=1, keepdims=True))
