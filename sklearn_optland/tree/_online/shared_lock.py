"""A lock for a tree that some threads read while another one lets it learn."""

from contextlib import contextmanager
from threading import Condition


class SharedLock:
    """Lets in many readers or one writer; writers that wait come before new readers.

    Neither may be nested in the other, or in itself.
    """

    def __init__(self):
        self._condition = Condition()
        self._n_readers = self._n_waiting = 0
        self._is_writing = False

    @contextmanager
    def reading(self):
        """Wait for writers, and keep them out."""
        with self._condition:
            self._condition.wait_for(lambda: not self._is_writing and not self._n_waiting)
            self._n_readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._n_readers -= 1
                self._condition.notify_all()

    @contextmanager
    def writing(self):
        """Wait for all others, and keep them out."""
        with self._condition:
            self._n_waiting += 1
            try:
                self._condition.wait_for(lambda: not self._is_writing and not self._n_readers)
                self._is_writing = True
            finally:
                self._n_waiting -= 1
        try:
            yield
        finally:
            with self._condition:
                self._is_writing = False
                self._condition.notify_all()
