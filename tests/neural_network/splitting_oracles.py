"""Splitting solvers of nets in plain NumPy: rows one by one, no blocks, no kernels."""

import numpy as np
from scipy.special import expit, log_softmax, softmax

# Independent versions: rows one by one, no blocks, no kernels, plain formulas.


def loss_and_slope(F, Y, is_log_loss):
    """Losses of the rows, and their derivatives."""
    if not is_log_loss:
        return 0.5 * np.sum((F - Y) ** 2, axis=1), F - Y
    if F.shape[1] == 1:
        return np.logaddexp(0, np.where(Y > 0, -F, F))[:, 0], expit(F) - Y
    return -np.sum(Y * log_softmax(F, axis=1), axis=1), softmax(F, axis=1) - Y


def prox_row(v, y, target, strength, is_log_loss):
    """Three Newton steps on l(v) + strength/2 |v - target|^2, halved up to four times."""
    if not is_log_loss:
        return (y + strength * target) / (1 + strength)

    def value(v):
        return loss_and_slope(v[None], y[None], True)[0][0] + 0.5 * strength * np.sum(
            (v - target) ** 2
        )

    for _ in range(3):
        slope = loss_and_slope(v[None], y[None], True)[1][0]
        p = slope + y
        hessian = np.diag(p + strength) - np.outer(p, p)
        step = np.linalg.solve(hessian, slope + strength * (v - target))
        halvings, limit = 0, value(v) * (1 + 64 * np.finfo(float).eps)
        while value(v - step) > limit and halvings < 4:
            step, halvings = step / 2, halvings + 1
        if value(v - step) <= limit:
            v = v - step
    return v


def ones(V):
    return np.column_stack([V, np.ones(len(V))])


def unflatten(theta, shapes):
    W, at = [], 0
    for shape in shapes:
        W.append(theta[at : at + np.prod(shape)].reshape(shape).copy())
        at += np.prod(shape)
    return W


class ReferenceADMM:
    """Algorithm 1: W backward, V forward, multipliers; majorizers of the sigmoid's blocks."""

    def __init__(self, theta, shapes, X, Y, c, alpha, beta, is_log_loss):
        self.W = unflatten(theta, shapes)
        self.X, self.Y, self.c, self.alpha, self.beta = X, Y, c, alpha, beta
        self.is_log_loss, self.L = is_log_loss, len(shapes)
        self.V = [X]
        for level in range(self.L):
            self.V.append(self.output(level))
        self.multipliers = [np.zeros_like(V) for V in self.V[1:]]

    def output(self, level):
        Z = ones(self.V[level]) @ self.W[level]
        return expit(Z) if level < self.L - 1 else Z

    def slope(self, level):
        N = self.output(level)
        return N * (1 - N) if level < self.L - 1 else np.ones_like(N)

    def lagrangian(self):
        total = self.c @ loss_and_slope(self.V[-1], self.Y, self.is_log_loss)[0]
        for level in range(self.L):
            gap = self.output(level) - self.V[level + 1]
            terms = self.multipliers[level] * gap + 0.5 * self.beta[level] * gap**2
            total += self.c @ terms.sum(axis=1) + 0.5 * self.alpha * np.sum(self.W[level][:-1] ** 2)
        return total

    def lines(self):
        c, W, V, L = self.c[:, None], self.W, self.V, self.L
        pulls = [self.multipliers[i] * self.slope(i) for i in range(L)]
        w = []
        for level in range(L):
            line = ones(V[level]).T @ (c * pulls[level])
            line[:-1] += self.alpha * W[level][:-1]
            w.append(np.sum(line**2))
        v = [
            np.sum(c * (pulls[i + 1] @ W[i + 1][:-1].T - self.multipliers[i]) ** 2)
            for i in range(L - 1)
        ]
        slope = loss_and_slope(V[-1], self.Y, self.is_log_loss)[1]
        out = np.sum(c * (slope - self.multipliers[-1]) ** 2)
        gaps = [np.sum(c * (self.output(i) - V[i + 1]) ** 2) for i in range(L)]
        squares = (w[0], sum(w[1:-1]), w[-1], sum(v[:-1]), v[-1], out, sum(gaps[:-1]), gaps[-1])
        return np.sqrt(squares)

    def bound(self, level):
        """Largest |sigma + b|, b = Lambda / beta - V, wherever the sigmoid goes."""
        b = self.multipliers[level] / self.beta[level] - self.V[level + 1]
        return np.maximum(np.abs(b), np.abs(1 + b))

    def update_w(self, level):
        H, W, beta = ones(self.V[level]), self.W[level], self.beta[level]
        penalty = np.diag([self.alpha] * (len(W) - 1) + [0.0])
        gram = H.T @ np.diag(self.c) @ H
        if level == self.L - 1:
            moment = H.T @ (self.c[:, None] * (beta * self.V[-1] - self.multipliers[-1]))
            self.W[level] = np.linalg.solve(beta * gram + penalty, moment)
            return
        curvature = 1 / 16 + self.bound(level).max() / (6 * np.sqrt(3))
        E = self.output(level) - self.V[level + 1] + self.multipliers[level] / beta
        gradient = beta * H.T @ (self.c[:, None] * E * self.slope(level)) + penalty @ W
        self.W[level] = W - np.linalg.solve(beta * curvature * gram + penalty, gradient)

    def update_v(self, level):
        """V of the output of a layer."""
        beta, N, Lambda = self.beta[level], self.output(level), self.multipliers[level]
        if level == self.L - 1:
            target = N + Lambda / beta
            self.V[-1] = np.array(
                [
                    prox_row(v, y, t, beta, self.is_log_loss)
                    for v, y, t in zip(self.V[-1], self.Y, target, strict=True)
                ]
            )
            return
        beta_next, W = self.beta[level + 1], self.W[level + 1][:-1]
        E = self.output(level + 1) - self.V[level + 2] + self.multipliers[level + 1] / beta_next
        pull = beta_next * (E * self.slope(level + 1)) @ W.T
        rhs = beta * (N - self.V[level + 1]) + Lambda - pull
        bound = self.bound(level + 1).max(axis=1)
        moved = np.empty_like(rhs)
        for i in range(len(rhs)):
            curvature = 1.0 if level + 1 == self.L - 1 else 1 / 16 + bound[i] / (6 * np.sqrt(3))
            hessian = beta * np.eye(len(W)) + beta_next * curvature * W @ W.T
            moved[i] = self.V[level + 1][i] + np.linalg.solve(hessian, rhs[i])
        self.V[level + 1] = moved

    def sweep(self, watch=lambda: None):
        for level in range(self.L - 1, -1, -1):
            self.update_w(level)
            watch()
        for level in range(self.L):
            self.update_v(level)
            watch()
        for level in range(self.L):
            self.multipliers[level] += self.beta[level] * (self.output(level) - self.V[level + 1])


class ReferenceSplit:
    """ReLU nets with products z and activations a: Taylor et al., and block coordinate descent."""

    def __init__(self, theta, shapes, X, Y, c, alpha, beta, gamma, is_log_loss):
        self.W = unflatten(theta, shapes)
        self.Y, self.c, self.alpha, self.beta, self.gamma = Y, c, alpha, beta, gamma
        self.is_log_loss, self.L = is_log_loss, len(shapes)
        self.a, self.z = [X], []
        for level in range(self.L):
            self.z.append(self.product(level))
            if level < self.L - 1:
                self.a.append(np.maximum(self.z[level], 0))
        self.multiplier = np.zeros_like(self.z[-1])
        self.sweeps = 0

    def product(self, level):
        return ones(self.a[level]) @ self.W[level]

    def update_w(self, level, proximal=0.0):
        H, beta = ones(self.a[level]), self.beta[level]
        n = H.shape[1]
        penalty = np.diag([self.alpha] * (n - 1) + [0.0]) + proximal * np.eye(n)
        gram = beta * H.T @ np.diag(self.c) @ H + penalty
        moment = beta * H.T @ (self.c[:, None] * self.z[level]) + proximal * self.W[level]
        self.W[level] = np.linalg.solve(gram, moment)

    def update_a(self, level):
        W, beta, gamma = self.W[level + 1], self.beta[level + 1], self.gamma[level]
        hessian = beta * W[:-1] @ W[:-1].T + gamma * np.eye(len(W) - 1)
        rhs = beta * (self.z[level + 1] - W[-1]) @ W[:-1].T + gamma * np.maximum(self.z[level], 0)
        self.a[level + 1] = np.linalg.solve(hessian, rhs.T).T

    def update_z(self, level, proximal=0.0):
        B, beta, gamma = self.product(level), self.beta[level], self.gamma[level]
        for index in np.ndindex(B.shape):
            a, b, old = self.a[level + 1][index], B[index], self.z[level][index]

            def cost(z, a=a, b=b, old=old):
                return (
                    gamma * (a - max(z, 0)) ** 2 + beta * (z - b) ** 2 + proximal * (z - old) ** 2
                )

            weight = beta + proximal
            center = (beta * b + proximal * old) / weight
            above = max((weight * center + gamma * a) / (weight + gamma), 0.0)
            self.z[level][index] = min((above, min(center, 0.0)), key=cost)

    def update_output(self, target, strength):
        self.z[-1] = np.array(
            [
                prox_row(z, y, t, strength, self.is_log_loss)
                for z, y, t in zip(self.z[-1], self.Y, target, strict=True)
            ]
        )

    def taylor(self):
        for level in range(self.L):
            self.update_w(level)
            if level < self.L - 1:
                self.update_a(level)
                self.update_z(level)
        B, beta = self.product(self.L - 1), self.beta[-1]
        self.update_output(B - self.multiplier / beta, beta)
        if self.sweeps >= 10:
            self.multiplier += beta * (self.z[-1] - B)
        self.sweeps += 1

    def bcd(self):
        n = len(self.c)
        for level in range(self.L - 1, -1, -1):
            beta = self.beta[level]
            if level == self.L - 1:
                self.update_output((self.product(level) + self.z[-1]) / 2, 2 * beta)
            else:
                self.update_a(level)
                self.update_z(level, proximal=beta)
            self.update_w(level, proximal=beta / n)


def forward_objective(W, X, Y, c, alpha, is_log_loss, activation):
    V = X
    for level, layer in enumerate(W):
        V = ones(V) @ layer
        if level < len(W) - 1:
            V = activation(V)
    penalty = 0.5 * alpha * sum(np.sum(layer[:-1] ** 2) for layer in W)
    return c @ loss_and_slope(V, Y, is_log_loss)[0] + penalty
