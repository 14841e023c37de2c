"""Published networks that no package defines, as Keras models, each after the source it names."""

from . import audio, generators, plain, segmentation

#: From name to the function that builds the model.
NETWORKS = {
    function.__name__: function
    for part in (audio, generators, plain, segmentation)
    for function in part.NETWORKS
}
