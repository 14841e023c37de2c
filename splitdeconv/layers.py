"""Keras 3 layers: twins of Conv1D/2D/3DTranspose that compute by split deconvolution.

A twin has the original's arguments, weights, initial values and configuration, so it loads the
original's weights and trains like it; only the computation differs. It runs on Keras' tensorflow,
jax and torch backends. Import this module before `keras.models.load_model` opens a file that holds
one of its layers.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .core import backends
from .core.apply import apply
from .core.forms import FORMS, INTERLEAVES
from .core.kernels import Kernels
from .core.typing import Array
from .errors import check_choice
from .extras import require
from .ops import plan_for

if TYPE_CHECKING:
    import keras
else:
    keras = require("keras", "tensorflow")


class _SplitConvTranspose:
    """Methods that the three ranks share; mixed in before Keras' own layer."""

    # Keras' own attributes that are used here.
    rank: int
    filters: int
    strides: tuple[int, ...]
    padding: str
    output_padding: tuple[int, ...] | None
    dilation_rate: tuple[int, ...]
    data_format: str
    use_bias: bool
    kernel: Any
    bias: Any
    activation: Callable[[Array], Array] | None

    def __init__(
        self,
        *args: Any,
        form: str = "auto",
        interleave: str = "concat",
        pad_to: Sequence[int | Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        forms = ("auto", *FORMS)
        choices = (("form", form, forms), ("interleave", interleave, INTERLEAVES))
        for name, value, known in choices:
            check_choice(value, known, name, f"SplitConv{self.rank}DTranspose")
        self.form, self.interleave = form, interleave
        self.pad_to = None if pad_to is None else Kernels.of(pad_to, "pad_to").plain()

    def call(self, inputs: Array) -> Array:
        """Transposed convolution, bias, activation."""
        if self.form == "native":
            return super().call(inputs)  # type: ignore[misc]
        outputs = self._convolve(inputs)
        if self.use_bias:
            shape = [1] * (self.rank + 2)
            shape[1 if self.data_format == "channels_first" else -1] = self.filters
            outputs = keras.ops.add(outputs, keras.ops.reshape(self.bias, shape))
        return outputs if self.activation is None else self.activation(outputs)

    def _convolve(self, inputs: Array) -> Array:
        x, kernel = keras.ops.convert_to_tensor(inputs), keras.ops.convert_to_tensor(self.kernel)
        xp, channels_first, source = backends.of(x), self.data_format == "channels_first", x
        if channels_first:
            x = xp.transpose(x, (0, *range(2, self.rank + 2), 1))
        plan = plan_for(
            backends.static_shape(x)[1:-1],
            kernel,
            self.strides,
            self.padding,
            output_padding=self.output_padding,
            dilations=self.dilation_rate,
            form=self.form,
            pad_to=self.pad_to,
        )
        y = apply(plan, x, kernel, interleave=self.interleave)
        return xp.channels_first(y, like=source) if channels_first else y

    def get_config(self) -> dict[str, Any]:
        """The original's configuration, `form`, `interleave` and, if there is one, `pad_to`."""
        own = super().get_config()  # type: ignore[misc]
        padded = {} if self.pad_to is None else {"pad_to": self.pad_to}
        return {**own, "form": self.form, "interleave": self.interleave, **padded}


# Keras stores a layer's weights under the name of its class. The twins are therefore named like
# their originals, so that each can read the other's weight files; they are registered and exported
# under distinct names.


@keras.saving.register_keras_serializable("splitdeconv", "SplitConv1DTranspose")
class Conv1DTranspose(_SplitConvTranspose, keras.layers.Conv1DTranspose):
    """Twin of `keras.layers.Conv1DTranspose`; as `SplitConv2DTranspose`.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> layer = sd.layers.SplitConv1DTranspose(8, 3, strides=2, padding="same")
        >>> tuple(layer(np.ones((1, 10, 4), "float32")).shape)
        (1, 20, 8)
    """


@keras.saving.register_keras_serializable("splitdeconv", "SplitConv2DTranspose")
class Conv2DTranspose(_SplitConvTranspose, keras.layers.Conv2DTranspose):
    """Twin of `keras.layers.Conv2DTranspose` that computes by split deconvolution, exactly.

    Args:
        *args, **kwargs: those of `keras.layers.Conv2DTranspose`, in its order.
        form: "auto" (see `splitdeconv.core.plan.auto_form`), "split", "rows", "stacked", "paper",
            "nzp", or "native" for Keras' own computation.
        interleave: "concat", "depth_to_space" or "transpose".
        pad_to: as for `splitdeconv.plan`.

    Raises:
        SplitDeconvError: an unknown form or interleave, or a geometry that has no output.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> layer = sd.layers.SplitConv2DTranspose(16, 5, strides=2, padding="same")
        >>> twin = keras.layers.Conv2DTranspose(16, 5, strides=2, padding="same")
        >>> x = np.arange(48, dtype="float32").reshape(1, 4, 4, 3)
        >>> tuple(layer(x).shape) == tuple(twin(x).shape) == (1, 8, 8, 16)
        True
        >>> layer.set_weights(twin.get_weights())
        >>> bool(np.abs(np.subtract(layer(x), twin(x))).max() < 1e-4)
        True
    """


@keras.saving.register_keras_serializable("splitdeconv", "SplitConv3DTranspose")
class Conv3DTranspose(_SplitConvTranspose, keras.layers.Conv3DTranspose):
    """Twin of `keras.layers.Conv3DTranspose`; as `SplitConv2DTranspose`.

    Example:
        >>> import numpy as np
        >>> import splitdeconv as sd
        >>> layer = sd.layers.SplitConv3DTranspose(8, 3, strides=2, padding="same")
        >>> tuple(layer(np.ones((1, 2, 4, 6, 3), "float32")).shape)
        (1, 4, 8, 12, 8)
    """


SplitConv1DTranspose = Conv1DTranspose
SplitConv2DTranspose = Conv2DTranspose
SplitConv3DTranspose = Conv3DTranspose
