"""What models take where they are told nothing: Keras' `set_random_seed` and `set_floatx` change it for a program."""

seed: int | None = 0
floatx = "float32"
epsilon = 1e-7
