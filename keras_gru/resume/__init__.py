"""A training with `model.fit` that a kill cannot change: `ExactResume`."""

from keras_gru.resume.errors import NotFinite as NotFinite
from keras_gru.resume.errors import ResumeError as ResumeError
from keras_gru.resume.exact import ExactResume as ExactResume
from keras_gru.resume.seeds import seed_everything as seed_everything

__all__ = ["ExactResume", "NotFinite", "ResumeError", "seed_everything"]
