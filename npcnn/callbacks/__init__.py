"""Callbacks, to give to `fit`: stop early, keep the best model, lower the learning rate, write down what happens, go on
after a crash.

What they decide, and when, is what Keras' callbacks of these names decide. `npcnn/hooks.py` says when each of their
methods is called; one of your own is a subclass of `Callback`.
"""

from npcnn.callbacks.backup_and_restore import BackupAndRestore
from npcnn.callbacks.csv_logger import CSVLogger
from npcnn.callbacks.early_stopping import EarlyStopping
from npcnn.callbacks.histograms import Histograms
from npcnn.callbacks.lambda_callback import LambdaCallback
from npcnn.callbacks.learning_rate_scheduler import LearningRateScheduler
from npcnn.callbacks.model_checkpoint import ModelCheckpoint
from npcnn.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from npcnn.callbacks.tensorboard import TensorBoard
from npcnn.callbacks.terminate_on_nan import TerminateOnNaN
from npcnn.history import History
from npcnn.hooks import Callback, CallbackList

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "Histograms",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
