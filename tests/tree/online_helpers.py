"""Data for online trees."""

import numpy as np
from sklearn.datasets import make_blobs

LOSSES = ["hinge", "absolute", "log_loss"]


def blobs(seed, n=300, k=8, d=5, std=1.0):
    return make_blobs(n, d, centers=k, cluster_std=std, random_state=seed % 2**32)


def depth_bound(k):
    return 2.5 * np.log2(k) + 3
