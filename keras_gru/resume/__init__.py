"""A training with `model.fit` that a kill cannot change: `ExactResume`."""

from keras_gru.resume.errors import NotFinite as NotFinite
from keras_gru.resume.errors import ResumeError as ResumeError
from keras_gru.resume.exact import ExactResume as ExactResume

__all__ = ["ExactResume", "NotFinite", "ResumeError"]
