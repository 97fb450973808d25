"""Arguments that Keras has and npcnn has not, with the value that asks for what npcnn does anyway."""

from typing import Any

NEUTRAL = {
    **{"skip_mismatch": False, "by_name": False},
    **dict.fromkeys(("activity_regularizer", "kernel_constraint", "bias_constraint", "quantization_config"), None),
    **{"optional": False, "ragged": False, "sparse": False},
    **dict.fromkeys(("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"), None),
    **{"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "synchronized": False},
    **{"data_format": "channels_last", "groups": 1},
    **dict.fromkeys(("loss_weights", "gradient_accumulation_steps", "loss_scale_factor"), None),
    **dict.fromkeys(("ignore_class", "weighted_metrics"), None),
    **{"amsgrad": False, "use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None},
    **{"reduction": "sum_over_batch_size"},
}


def check_neutral(owner: str, arguments: dict[str, Any]) -> None:
    """Refuse arguments that ask for something npcnn lacks; None asks for nothing.

    Raises:
        ValueError: Keras has this argument, and the value asks for what npcnn lacks.
        TypeError: nobody has this argument.
    """
    for name, value in arguments.items():
        if name not in NEUTRAL:
            raise TypeError(f"{owner}: there is no argument {name!r}")
        if value is not None and value != NEUTRAL[name]:
            raise ValueError(f"{owner}: npcnn has no {name}={value!r}; leave it out, or use {NEUTRAL[name]!r}")
