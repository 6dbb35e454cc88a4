"""Docstrings of the mean-field nets: what both of them say is written once."""

OBJECTIVE = r"""A net with neurons, or particles, :math:`(a_j, b_j)`,

    .. math:: f(x) = o + \sum_j a_j \max(b_j^T [x, 1], 0),

    is fitted to

    .. math:: \frac{\sum_i s_i\, \ell(y_i, f(x_i))}{\sum_i s_i}
              + \alpha \sum_j \|a_j\| \|b_j\|

    with sample weights s. The penalty is the variation norm; over rescalings of a particle it is
    the least value of half the squares of both layers' weights, biases included. The output
    intercept o is free. The problem is convex in the measure that the particles make up, and so
    has a dual: `certificate_` is a duality gap, proven where the maximum of the first variation
    over the unit sphere is, that is for data of up to three dimensions, the bias feature
    included."""
PARAMETERS = """n_particles : int, default=100
        Number of hidden neurons. "sliding-frank-wolfe" starts with none and finds its own.
    alpha : float, default=1e-3
        Strength of the penalty. With standardised columns and targets the best is mostly between
        1e-5 and 1e-2. Not used by "margin-ascent".
    solver : {{"particles", "flow", "conic", "sliding-frank-wolfe"{margin}}}, \
            default="particles"
        The algorithm.

        - "particles": L-BFGS on all particles. The fastest, and the best on test data.
        - "flow": the Wasserstein gradient flow of Chizat and Bach (2018), discretised: gradient
          steps on the net scaled by 1/m, from a start spread over the sphere in pairs of opposite
          sign, each shortened until it brings half of what a tangent promises at the highest of
          the last five values.
        - "conic": multiplicative steps of the masses, gradient steps on the sphere of the
          directions (Chizat 2019).
        - "sliding-frank-wolfe": adds particles where the certificate is violated, lets all slide
          by L-BFGS, solves for their masses, drops those without. Sparse nets, small
          gaps.{margin_text}
    regime : {{"feature", "kernel"}}, default="feature"
        "feature": both layers learn. "kernel": the hidden layer stays as it was drawn, uniformly
        on the sphere; the penalty is half the squared norm of the random features' Hilbert space,
        m/2 times the sum of squares of the output weights. Solved by L-BFGS in the metric of the
        features' Gram matrix, whatever their number; needs `solver="particles"`{or_margin}.
    activation : {{"relu"}}, default="relu"
        Of the hidden neurons. The theory needs its homogeneity.
    fit_intercept : bool, default=True
        Whether hidden neurons have biases, which the penalty takes as weights of a feature 1, and
        the output an intercept.
    scale_inputs : bool, default=False
        Whether columns are standardised inside. The penalty then is that of the standardised
        columns; `coefs_` and `intercepts_` are for the columns as they are.
    noise : float, default=0.0
        Temperature of Langevin noise in "flow". With noise it makes all `max_iter` steps.
    batch_size : "auto" or int, default="auto"
        Rows of a mini-batch in `partial_fit`. "auto" is 200.
    max_iter : int, default=1000
        The most steps; rounds of "sliding-frank-wolfe".
    tol : float, default=1e-4
        "sliding-frank-wolfe" and the kernel regime stop when the duality gap is at most `tol` times
        the objective, or nothing more is gained; the others when ten steps together bring less than
        that{margin_tol}.
        0 goes on until the steps are below the precision of the data's type.
    early_stopping : bool, default=False
        Whether to set rows aside, to stop when their loss falls no more, and to keep the net with
        the least.
    validation_fraction : float, default=0.1
        The share of rows that are set aside.
    n_iter_no_change : int, default=10
        With early stopping: looks at these rows, one every five steps, that may bring nothing.
    warm_start : bool, default=False
        Whether to start from the net of the last fit, if its shape is the same.
    random_state : int, RandomState instance or None, default=None
        Draws the start, the rows set aside, and starts of the certificate's ascent."""
MARGIN = {
    "margin": ', "margin-ascent"',
    "margin_text": """
        - "margin-ascent": for two classes that a net separates. There is no penalty: it maximises
          the margin min y f of nets of norm 1, and bounds the best one (Chizat and Bach 2020).""",
    "or_margin": ' or `"margin-ascent"`',
    "margin_tol": ', "margin-ascent" when the margin is that close to its bound',
}
ATTRIBUTES = """coefs_ : list of two ndarrays
        b_j without bias weights, of shape (n_features, m), and a_j, of shape (m, n_outputs), in the
        layout of scikit-learn's MLP; float32 if X was, else float64. Each particle has
        :math:`\\|a_j\\| = \\|b_j\\|`; in the kernel regime :math:`\\|b_j\\| = 1`.
    intercepts_ : list of two ndarrays
        Bias weights of b_j, of shape (m,), and o, of shape (n_outputs,).
    n_particles_ : int
        Number of particles that have mass.
    variation_norm_ : float
        :math:`\\sum_j \\|a_j\\| \\|b_j\\|`; with `scale_inputs` that of the standardised columns.
    first_variation_max_ : float
        Largest known norm of :math:`\\sum_i c_i r_i \\max(t^T [x_i, 1], 0)` over unit vectors t, c
        the weights that sum to 1 and r minus the derivatives of the loss. At an optimum it is
        `alpha`. NaN without a penalty.
    certificate_ : Certificate
        The duality gap, in units of the objective: scope "global" where it is proven, else
        "estimate", because a maximum that was missed makes it larger. In the kernel regime it is
        proven for the features that were drawn. With `alpha=0` the norm of the gradient in the
        units of the solver, scope "stationary".
    history_ : dict of ndarray
        "objective", "certificate" (infinite where the solver did not look), "passes" (over the
        data) and "seconds" after each step; with early stopping "validation_loss".
    n_iter_ : int
        Number of steps.
    n_layers_ : int
        3, as MLP counts.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        "identity", "logistic" or "softmax".
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names."""
REFERENCES = """L. Chizat and F. Bach, "On the global convergence of gradient descent for
    over-parameterized models using optimal transport", NeurIPS 2018.

    L. Chizat, "Sparse optimization on measures with over-parameterized gradient descent",
    Mathematical Programming 194 (2022).

    L. Chizat and F. Bach, "Implicit bias of gradient descent for wide two-layer neural networks
    trained with the logistic loss", COLT 2020.

    F. Bach, "Breaking the curse of dimensionality with convex neural networks", JMLR 18 (2017).

    Q. Denoyelle, V. Duval, G. Peyré and E. Soubies, "The sliding Frank-Wolfe algorithm and its
    application to super-resolution microscopy", Inverse Problems 36 (2020)."""
NOTES = """X and y are divided by their sizes inside, which the homogeneity of relu makes exact:
    any units of the data give the same net with `alpha` in the same proportion, and columns of any
    size neither overflow nor produce NaN. Columns are not standardised unless `scale_inputs` asks.

    float32 data are computed in float32. Of float64 data of some size "particles" computes the
    first iterations in float32 too, on a copy, and ends in float64. Memory maps are read in blocks
    of rows by all solvers, but the certificate and "sliding-frank-wolfe" hold the rows once in
    memory."""
