"""Keras' arguments and attributes that npcnn has not, and what is said to a program that uses one of them."""

import inspect
from collections.abc import Mapping
from typing import Any

from npcnn.array import Array

# With the value that asks for what npcnn does anyway.
NEUTRAL = {
    **{"skip_mismatch": False, "by_name": False},
    **dict.fromkeys(("activity_regularizer", "kernel_constraint", "bias_constraint", "quantization_config"), None),
    **{"optional": False, "ragged": False, "sparse": False},
    **dict.fromkeys(("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"), None),
    **{"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "synchronized": False},
    **{"data_format": "channels_last", "groups": 1},
    **dict.fromkeys(("loss_weights", "gradient_accumulation_steps", "loss_scale_factor"), None),
    "ignore_class": None,
    **{"amsgrad": False, "use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None},
    **{"interpolation_order": 1, "save_to_dir": None},
    **{"reduction": "sum_over_batch_size", "top_k": None, "class_id": None},
}

# Arguments of Keras 1 and 2 that Keras 3 refuses, too, with what to write today.
OLD = {
    # layers
    **{"nb_filter": "filters=", "nb_row": "kernel_size=(rows, columns)", "nb_col": "kernel_size=(rows, columns)"},
    **{"border_mode": "padding=", "subsample": "strides=", "dim_ordering": "data_format='channels_last'"},
    **{"output_dim": "units=", "init": "kernel_initializer=", "bias": "use_bias=", "p": "rate="},
    **{"weights": "layer.set_weights(...), once the model is built", "input_length": "input_shape="},
    **{"W_regularizer": "kernel_regularizer=", "b_regularizer": "bias_regularizer="},
    **{"W_constraint": "kernel_constraint=", "b_constraint": "bias_constraint=", "mode": None},
    **{"beta_init": "beta_initializer=", "gamma_init": "gamma_initializer="},
    # compile, fit, evaluate, predict
    **{"nb_epoch": "epochs=", "samples_per_epoch": "steps_per_epoch=, in batches", "nb_worker": None},
    **{"nb_val_samples": "validation_steps=, in batches", "val_samples": "steps=, in batches"},
    **{"show_accuracy": "compile(..., metrics=['accuracy'])", "class_mode": None, "theano_mode": None},
    **{"generator": "x="},
    **dict.fromkeys(("workers", "use_multiprocessing", "max_queue_size", "max_q_size", "pickle_safe"), None),
    **dict.fromkeys(("sample_weight_mode", "target_tensors", "options", "run_metadata"), None),
    # others
    **{"nb_classes": "num_classes=", "period": "save_freq=", "epsilon_std": "stddev="},
}

# Attributes of Keras' layers, models and optimizers, old ones too, with what to use instead.
SYMBOLIC = "there are no symbolic tensors here; "
ARRAYS = "for the outputs of its first n layers, call Sequential(model.layers[:n]).predict(x)"
ATTRIBUTES = {
    **dict.fromkeys(("input", "output", "inputs", "outputs"), SYMBOLIC + ARRAYS),
    "call": "a layer here has forward(x), which returns y and what backward needs, and backward",
    "get_input_at": SYMBOLIC + ARRAYS,
    "get_output_at": SYMBOLIC + ARRAYS,
    "compute_output_shape": "call build(input_shape), then read output_shape",
    "add_weight": "put an array into self.params in build; npcnn/layers/batch_normalization.py shows how",
    "add_loss": "give a layer kernel_regularizer=, or write a loss of your own",
    "losses": "the penalties on weights are part of the loss that fit and evaluate return",
    "fit_generator": "fit takes generators: fit(generator, steps_per_epoch=...)",
    "evaluate_generator": "evaluate takes generators: evaluate(generator, steps=...)",
    "predict_generator": "predict takes generators: predict(generator, steps=...)",
    "predict_classes": "np.argmax(model.predict(x), axis=-1) are the classes; (model.predict(x) > 0.5) of one output",
    "predict_proba": "predict returns the probabilities",
    **dict.fromkeys(
        ("train_step", "test_step", "compute_loss"),
        "write a loss, a layer or an optimizer of your own; npcnn/training.py is the whole step",
    ),
    **dict.fromkeys(
        ("flow_from_directory", "flow_from_dataframe"),
        "read the images into an array (N, H, W, C), np.asarray(Image.open(path)) with Pillow, and use flow(x, y)",
    ),
    **dict.fromkeys(("get_random_transform", "apply_transform"), "random_transform(image) draws and applies one"),
    "export": "save the model as a .keras file",
    "to_yaml": "to_json is there",
    "reset_states": "there are no recurrent layers",
    "reset_metrics": "metrics keep nothing from call to call",
    "compiled_loss": "model.loss is the loss",
    "compiled_metrics": "model.metrics are the metrics",
    "total_loss": "model.evaluate returns it",
    "sample_weights": "give them to fit",
    "uses_learning_phase": "leave it out",
    **dict.fromkeys(
        ("apply_gradients", "apply", "minimize"),
        "fit takes the steps; update(params, grads) takes one with gradients of your own, in two dictionaries",
    ),
}


def check_neutral(owner: str, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that ask for something npcnn lacks; None asks for nothing.

    Raises:
        ValueError: Keras has this argument, and the value asks for what npcnn lacks.
        TypeError: nobody has this argument today.
    """
    for name, value in arguments.items():
        if name not in NEUTRAL:
            raise TypeError(f"{owner}: there is no argument {name!r}{instead_of(name)}")
        if value is not None and value != NEUTRAL[name]:
            raise ValueError(f"{owner}: npcnn has no {name}={value!r}; leave it out, or use {NEUTRAL[name]!r}")


def refuse_old(owner: str, function: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of older versions of Keras before Python says that those of today are missing.

    Raises:
        TypeError: the function has no such argument, and Keras had it.
    """
    if not function.__module__.startswith("npcnn."):  # a class of the user's may call its arguments as it likes
        return
    for name in arguments:
        if name in OLD and name not in inspect.signature(function).parameters:
            raise TypeError(f"{owner}: there is no argument {name!r}{instead_of(name)}")


def instead_of(name: str) -> str:
    """Return what to write today instead of an older argument of Keras', or nothing for a name that nobody knows."""
    if name not in OLD:
        return ""
    return f"; write {OLD[name]} instead, as in Keras 3" if OLD[name] else "; leave it out, as in Keras 3"


def made_here(thing: Any, classes: Mapping[str, Any]) -> Any:
    """Return `thing`; of an object of Keras' or TensorFlow's, one with its arguments, of the class of its name here."""
    package = type(thing).__module__.partition(".")[0]
    if package in ("keras", "tensorflow", "tf_keras") and type(thing).__name__ in classes:
        return classes[type(thing).__name__](**thing.get_config())
    return thing


def find_attribute(thing: Any, name: str) -> Any:
    """Return the array of that name which a layer has, as in `layer.kernel`.

    Raises:
        AttributeError: there is none; of what Keras has, it says what to use instead.
    """
    for arrays in ("params", "state"):
        if name in vars(thing).get(arrays, {}):
            return vars(thing)[arrays][name].view(Array)
    message = f"{type(thing).__name__!r} object has no attribute {name!r}"
    raise AttributeError(f"{message}: {ATTRIBUTES[name]}" if name in ATTRIBUTES else message)
