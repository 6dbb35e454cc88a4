"""Docstrings of the ADMM nets: what both of them say is written once."""

PARAMETERS = """hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer. Empty: a linear model.
    activation : {"logistic", "tanh", "relu"}, default="relu"
        Of the hidden layers. "admm" asks for "logistic", "taylor" and "bcd" for "relu".
    solver : {"feasible", "admm", "taylor", "bcd"}, default="feasible"
        The algorithm.

        - "feasible": ADMM's metric on its feasible set, accelerated by L-BFGS. It is not the
          paper's Algorithm 1, but what works.
        - "admm": Algorithm 1, with hidden layers' blocks by one step on a safe majorizer.
        - "taylor": splitting of products and activations, with multipliers of the output only.
        - "bcd": the same without multipliers, proximal.

        The last three split, are fast for some sweeps and then oscillate; the net with the lowest
        objective on the way is returned.
    metric : {"auto", "gram", "identity"}, default="auto"
        Of "feasible": the Gram matrix of each layer's inputs, or none. "auto" takes none for
        layers with more than 2000 inputs, where a Gram costs more than it saves.
    alpha : float, default=1e-4
        Strength of the penalty. It is not divided by the number of rows, as `MLPRegressor`'s is.
    rho : float or array-like of shape (n_layers - 1,), default=None
        Strength of the splitting solvers' couplings, the β of the papers; one for each layer with
        weights, or the same for all. None is 0.1 for "admm", the least bad in our measurements,
        and 1 for the others.
    tol : float, default=1e-3
        The fit stops when the relative KKT residual is at most `tol`: the largest of the layers'

        .. math:: \\frac{\\|H_l^T D_l + \\alpha W_l\\|}{\\|H_l\\| \\|D_l\\| + \\alpha \\|W_l\\|}
                  \\cdot \\frac{\\|D_L\\|}{\\|D_0\\|},

        with a layer's inputs H, the adjoints D, and the output residuals D_0 of a constant
        prediction. Unlike the gradient it is not small on the plateaus of deep nets. With
        `early_stopping` the held-out rows alone say when to stop.
    max_iter : int, default=1000
        The most iterations: steps of "feasible", sweeps of the others.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when the loss on them has not fallen for
        `n_iter_no_change` iterations, and to return the net that had the lowest.
    validation_fraction : float, default=0.1
        Share of the rows that `early_stopping` holds out.
    n_iter_no_change : int, default=100
        Patience of `early_stopping`. The loss on held-out rows often rises for some tens of
        iterations before it falls on.
    init : "glorot", float or tuple of (coefs, intercepts), default="glorot"
        Where to start: uniform draws with the bounds of scikit-learn's MLP, those times a factor,
        or given arrays.
    warm_start : bool, default=False
        Whether to start from the net of the previous fit, if its layers have the same sizes.
    random_state : int, RandomState instance or None, default=None
        Draws the start and the held-out rows."""
ATTRIBUTES = """coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer; float32 if X was, else float64.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    certificate_ : Certificate
        The relative KKT residual, as `tol` has it, scope "stationary". Of a regression without
        hidden layers, the gap to the optimum in units of the objective, scope "global".
    kkt_residuals_ : dict of ndarray
        Norms of the eight lines of the KKT system at each iteration, in units of standardised
        targets: "W_1", "W_i", "W_l" for the weights of the first, the middle and the last layer,
        "V_i", "V_l-1", "V_l" for the layers' outputs, "constraint_i" and "constraint_l". On the
        feasible set all but the first three are 0.
    history_ : dict of ndarray
        "objective", "certificate", "passes" (over the data), "seconds", and with `early_stopping`
        "validation_loss", at each iteration. Of "admm", also "lagrangian".
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective at each iteration.
    loss_ : float
        The objective of the net that is returned, on the rows that were not held out.
    n_iter_ : int
        Number of iterations.
    n_layers_ : int
        Number of layers, inputs and outputs counted.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Activation of the output layer, as `MLPClassifier` names it.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names."""
NOTES = """The W line of the KKT system is all that is left when V is the forward pass and the
    multipliers its exact adjoint. "feasible" moves on that set, in the metric of ADMM's W step,
    (HᵀH + δI)⁻¹ with the layer's inputs H: a Gram-preconditioned L-BFGS, close to one-sided K-FAC.
    Grams G are taken every 5 iterations; δ, relative to abs(G)² / tr(G), starts at 0.2 and falls
    tenfold, to 1e-8 at least, when 5 iterations have brought less than a tenth. The penalty of nets
    with three or more hidden layers waits until their plateau is left.

    Columns whose mean or standard deviation is beyond 10 are standardised inside, as the targets
    always are; the penalty stays that of `coefs_`. float32 data are computed in float32. Of float64
    data "feasible" computes the first iterations in float32 too, on a copy, unless the net is deep,
    the data small or a memory map; the net that is returned is judged in float64."""
REFERENCES = """J. Zeng, S. Ouyang, T. T.-K. Lau, S. Lin and Y. Yao, "Global convergence in deep
    learning with variable splitting via the Kurdyka-Łojasiewicz property", 2018; J. Zeng, T. T.-K.
    Lau, S. Lin and Y. Yao, "Global convergence of block coordinate descent in deep learning",
    ICML 2019: "bcd".

    J. Zeng, S.-B. Lin, Y. Yao and D.-X. Zhou, "On ADMM in deep learning: convergence and
    saturation-avoidance", JMLR 22 (2021): "admm".

    G. Taylor, R. Burmeister, Z. Xu, B. Singh, A. Patel and T. Goldstein, "Training neural networks
    without gradients: a scalable ADMM approach", ICML 2016: "taylor".

    J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored approximate
    curvature", ICML 2015: K-FAC."""
