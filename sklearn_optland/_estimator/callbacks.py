"""scikit-learn's callbacks, which it has from 1.9 on; with an older one, estimators have none."""

import sklearn

__all__ = ["CallbackSupportMixin"]

try:
    from sklearn.callback import CallbackSupportMixin
except ModuleNotFoundError:

    class CallbackSupportMixin:
        """Stands in for scikit-learn's: fits run without callbacks, and setting one raises."""

        def set_callbacks(self, *callbacks):
            """Refuse callbacks.

            Parameters
            ----------
            *callbacks : callback
                Of scikit-learn 1.9 on; none.

            Returns
            -------
            self : object
                The estimator, as it was.

            Raises
            ------
            ImportError
                If there are any.
            """
            if callbacks:
                raise ImportError(
                    f"callbacks: scikit-learn {sklearn.__version__} has none; they need 1.9."
                )
            return self

        def _init_callback_context(self, **_):
            return _Nobody()


class _Nobody:
    """The context of a fit to which no callback listens."""

    def call_on_fit_task_begin(self, **_):
        """Call nobody."""

    def call_on_fit_task_end(self, **_):
        """Call nobody."""
