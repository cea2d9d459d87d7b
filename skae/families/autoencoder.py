"""The plain, deep and linear autoencoder."""

from ..base.autoencoder import BaseAutoencoder
from ..base.ordered import OrderedMixin


class Autoencoder(OrderedMixin, BaseAutoencoder):
    r"""Nonlinear PCA: learns codes from which the rows of X can be rebuilt.

    Minimizes the mean over rows of

    .. math:: \lVert x - d(e(x)) \rVert^2, \qquad
       e(x) = a(V x + f(x)), \quad d(z) = o(V' z + g(z)),

    where :math:`f` and :math:`g` are multilayer perceptrons, :math:`a` and :math:`o` the code's and
    the output's activation (identity by default), and :math:`V`, :math:`V'` linear shortcuts. At
    the start :math:`f = g = 0` and :math:`V` holds the principal axes: epoch 0 *is* PCA. How many
    epochs follow is chosen on held-out rows, PCA itself being one of the candidates.

    X is centered, and divided by one number, the root of the mean variance of its columns, so that
    its origin and its unit do not matter. The balance between columns does: as before PCA, put a
    ``StandardScaler`` before it where columns have different units.

    Parameters
    ----------
    code_size : int, float, "auto" or None, default=None
        Numbers in a code. A float in (0, 1) is the share of the variance to keep: as many as PCA
        needs for it. None is a quarter of the features. "auto", of ordered codes, is as few first
        numbers as leave at most a hundredth of the variance more unexplained on held-out rows than
        the best number of them, of half of the features (at most 64).
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Units of the encoder's hidden layers; the decoder mirrors them. ``()`` is the linear
        autoencoder.
    activation : str, default="silu"
        Of the hidden layers: "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus",
        "tanh", "sigmoid" or "identity".
    code_activation : str, default="identity"
        Of the code, from the same list. With another than the identity, epoch 0 is not PCA.
    output_activation : {"auto", "identity", "sigmoid", "tanh", "relu"}, default="auto"
        Of the reconstruction, in units of X. "auto" is "sigmoid" for the binary cross-entropy, else
        "identity". The sigmoid is :math:`\sigma(4 u - 2)`, which has slope one at 1/2.
    tied_weights : bool, default=False
        Whether the decoder's weights are the encoder's, transposed.
    dropout : float, default=0.0
        Share of the hidden units that are silent in a training step.
    shortcut : {"pca", "linear", None}, default="pca"
        The linear path beside each perceptron: started at PCA, started at random, or none.
    fill : {"auto", "gaussian", "mean"}, default="auto"
        What the encoder sees in the place of a missing entry: what it is expected to be, given
        the observed ones and as if rows were normal, or the mean of its column. "auto" is
        "gaussian" if X has missing entries in `fit` and at most 128 columns.
    encoder, decoder : torch.nn.Module or callable, default=None
        Your own :math:`f` and :math:`g`: an instance (copied), or a class or function called as
        ``encoder(n_features, code_size)``, ``decoder(code_size, n_features)``. They work on
        standardized rows. Beside a shortcut they fade in from zero; ``shortcut=None`` leaves them
        alone.
    loss : str, default="squared_error"
        "squared_error", "absolute_error", "huber" (quadratic up to one scale of X) or
        "binary_cross_entropy" (X in [0, 1]; in nats).
    optimizer : str or torch.optim.Optimizer class, default="adamw"
        "adamw", "adam", "sgd", "rmsprop", or a class.
    optimizer_params : dict, default=None
        Further arguments of the optimizer.
    lr : float or "auto", default="auto"
        Largest learning rate. "auto" is 0.01 for batches of 256 rows of at most 64 columns; it goes
        with the root of the batch size and against the root of the number of columns. A shortcut
        that starts at PCA has a tenth of it.
    lr_schedule : {"one_cycle", "constant"} or callable, default="one_cycle"
        Factor of the learning rate: up over the first tenth of training and down along a cosine,
        or a function of the share of training that is done.
    weight_decay : float, default=0.1
        Of all weights but the shortcuts'.
    batch_size : int or "auto", default="auto"
        Rows of a training step, at most. "auto" is an eighth of the rows, between 8 and 256.
    max_epochs : int or "auto", default="auto"
        Passes over X, at most. "auto" is 500 steps (200 for fewer than 1 000 rows; three times as
        many if ``shortcut`` is not "pca" or noise is drawn), and at least 10 passes, or as many as
        make 15 000 steps where these are fewer. 0 is PCA.
    early_stopping : bool, default=True
        Whether to choose the number of epochs on held-out rows (4 folds below 1 000 rows, one
        random split above). If False, training ends after ``max_epochs`` or when the training loss
        no longer falls.
    validation_fraction : float, default=0.1
        Share of the rows that is held out, where there are no folds.
    n_iter_no_change : int, default=20
        Training ends when the loss is no lower than so many epochs before, once the learning rate
        has come down half its way (with "one_cycle" after 54 % of ``max_epochs``).
    tol : float, default=0.005
        Share of the loss that counts as a change. PCA is kept if nothing beats it by this share,
        and by the standard error of the difference.
    refit : bool, default=True
        Whether to train anew on all rows once the number of epochs is chosen. If False, the net of
        the best epoch is kept.
    warm_start : bool, default=False
        Whether `fit` goes on from the net of the last call.
    contamination : float or "auto", default="auto"
        Share of the training rows that `predict` calls outliers. Rows that were not trained on are
        rebuilt less well, and more of them would fall below such a threshold; "auto" calls a tenth
        of the rows outliers that were held out while the number of epochs was chosen.
    callbacks : list, default=None
        skorch callbacks, notified in the run that yields ``net_``; there is a held-out
        ``valid_loss`` for them to see if ``refit=False``. scikit-learn's are set by
        ``set_callbacks``.
    keep_interrupted : bool, default=False
        Whether Ctrl-C (or a callback that raises KeyboardInterrupt) ends training and what was
        learned is kept, with a warning, and `interrupted_` set. Otherwise it is raised, and the
        estimator is as it was before.
    checkpoint : str or path-like, default=None
        A folder. A fit that is killed goes on from there when it is called again with the same
        rows and parameters, to the same bits; one that had ended is not trained again. Fits of
        other rows or parameters have files of their own there. See :ref:`checkpoints`.
    device : str or torch.device, default="auto"
        Where to train and evaluate; "auto" is the accelerator if there is one.
    accelerator : accelerate.Accelerator, "auto" or None, default=None
        Processes that train the net together, each of which calls `fit` on the same rows: that of
        `accelerate launch` or `torchrun`, which is "auto" for short. Of each batch a process
        computes a share, so that they learn what one would. See :ref:`processes`.
    verbose : int, default=0
        1: a progress bar over epochs. 2: skorch's table too.
    random_state : int, RandomState instance or None, default=None
        Of the weights, the batches and the held-out rows. The global generators are not touched.
    code_density : estimator, default=None
        Density of the codes that `sample` draws from: anything with ``fit`` and ``sample``, such as
        `sklearn.neighbors.KernelDensity`. None is a mixture of up to 16 Gaussians, chosen by BIC.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns of a frame are categories: with "from_dtype" those of texts, booleans, and of
        pandas' and polars' categories. Or a mask, numbers or names of columns, of an array too. A
        frame with columns that are no numbers has a unit for each column: see :ref:`tables`. None
        takes no texts and categories.
    max_categories : int or None, default=50
        Of a category with more values than that, the rarest share one indicator.
    ordered : bool, default=False
        Of this family and :class:`DenoisingAutoencoder`: whether the first numbers of a code are a
        code as well, as PCA's are. `inverse_transform` then takes as many as it is given. In
        training, the decoder is told a random number of first numbers of each row, and how many
        they are; it takes four times as many steps. A decoder of your own is given two numbers for
        each of the code: 0 and 0 for one that is left out, else the number and 1. Held-out losses
        are means over the lengths 2, 4, 8, ... of the error as a share of that at the start.
    compile : bool or dict, default=False
        Whether ``torch.compile`` makes code of the net's forward pass, or the arguments for it. It
        takes a minute before training starts and a C++ compiler, and pays for long trainings on a
        GPU. The last bits may differ.

    Attributes
    ----------
    code_size_ : int
        Numbers in a code.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module, ``net_.history`` skorch's history.
    center_ : ndarray of shape (n_features,)
        Mean of each column, missing entries left out.
    scale_ : float, or ndarray of shape (n_numbers,)
        Root of the mean variance of the columns; of frames of mixed columns one for each number.
    n_iter_ : int
        Epochs that the last call of `fit` trained for; 0 is its start, PCA.
    loss_curve_ : list of float
        Training loss by epoch, as the fraction of the variance unexplained (for the squared error).
    validation_loss_curve_ : list of float or None
        The same on held-out rows, starting with epoch 0; None without early stopping.
    best_loss_ : float
        Held-out loss of the chosen epoch, or the smallest training loss if nothing was held out.
    explained_variance_ratio_ : ndarray of shape (`code_size_`,)
        Share of the variance of training rows (of at most 1 000) that each number of an ordered
        code adds to what those before it rebuild.
    code_density_ : estimator
        The fitted density of the codes, learned when it is first asked for.
    offset_ : float
        ``decision_function`` is ``score_samples - offset_``.
    device_ : torch.device
        Where the net lies.
    interrupted_ : bool
        Whether Ctrl-C ended training and what was learned was kept (``keep_interrupted``).
    n_features_in_ : int
        Number of columns of X.
    n_outputs_ : int
        Number of columns that are rebuilt: those of X, or of the target.
    target_center_, target_scale_ : as `center_` and `scale_`
        Those of the target, if X is to be rebuilt as something else.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X is a frame with string names.

    Raises
    ------
    ValueError
        If X holds infinite values, or a column without a single observed entry; if a
        parameter is out of its range; if training diverges. The estimator is then left as it was.

    Warns
    -----
    ConvergenceWarning
        If an integer ``max_epochs`` ends training while the loss is still falling.

    See Also
    --------
    sklearn.decomposition.PCA : The same with linear maps.

    Notes
    -----
    ``score_samples`` is minus the squared error of a row, not the log-likelihood that PCA's is.
    Compare with PCA by ``X - inverse_transform(transform(X))`` on held-out rows.

    References
    ----------
    Baldi & Hornik: Neural networks and principal component analysis. Neural Networks 2, 1989.

    Hinton & Salakhutdinov: Reducing the dimensionality of data with neural networks. Science 313,
    2006.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import Autoencoder
    >>> from skae.model_selection import reconstruction_r2
    >>> train, test = train_test_split(load_digits().data, random_state=0)
    >>> pca = PCA(n_components=8).fit(train)
    >>> autoencoder = Autoencoder(code_size=8, random_state=0).fit(train)
    >>> print(f"{reconstruction_r2(pca, test):.2f}")
    0.66
    >>> print(f"{reconstruction_r2(autoencoder, test):.2f}")
    0.85
    """
