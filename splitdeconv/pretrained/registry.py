"""The files that can be fetched, their sources and checksums: `registry.yaml`, typed."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from ..datafiles import plain_yaml
from ..errors import check_choice


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One trained generator, or one model file, inside one wheel.

    Attributes:
        name: its name in `load`, `samples` and `fetch`.
        package, version: the distribution on the package registry.
        wheel_sha256, wheel_bytes: of the wheel.
        member: path of the weight file inside the wheel.
        sha256, bytes: of the weight file.
        licence: as the package's metadata states it.
        about: what it is, in one line.
        architecture: the builder in `generators` that knows the network; None for a model file,
            used as it is.
        network: the benchmark network of the same kind, whose images it represents, or None.
        platform: the platform tag of the wheel if there are several; the file inside is the same in
            all.
        state: key of the generator's tensors in the checkpoint, or None if the checkpoint is that
            dictionary.
        classes: names of the one-hot classes appended to the latent vector.
    """

    name: str
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    sha256: str
    bytes: int
    licence: str
    about: str
    architecture: str | None = None
    network: str | None = None
    platform: str | None = None
    state: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        """Name of the weight file without its folder."""
        return PurePosixPath(self.member).name


@cache
def _entries() -> dict[str, Entry]:
    text = (resources.files(__package__) / "registry.yaml").read_text(encoding="utf-8")
    table = plain_yaml.load(text, "registry.yaml")
    return {
        name: Entry(name=name, **row | {"classes": tuple(row.get("classes", ()))})
        for name, row in table.items()
    }


def names() -> list[str]:
    """The trained generators that `load`, `samples` and `fetch` know, in the registry's order.

    Example:
        >>> import splitdeconv as sd
        >>> sd.pretrained.names()
        ['face_dcgan', 'eye_cdcgan', 'vintage_cyclegan']
    """
    return [name for name, entry in _entries().items() if entry.architecture is not None]


def files() -> list[str]:
    """Everything that `fetch` knows: the trained generators, and model files such as .tflite.

    Example:
        >>> import splitdeconv as sd
        >>> sd.pretrained.files()
        ['face_dcgan', 'eye_cdcgan', 'vintage_cyclegan', 'selfie_segmentation', 'ppocr_detector']
    """
    return list(_entries())


def entry(name: str) -> Entry:
    """The registry's entry for `name`; `SplitDeconvError` if there is none.

    Example:
        >>> import splitdeconv as sd
        >>> entry = sd.pretrained.entry("face_dcgan")
        >>> entry.licence, entry.bytes
        ('MIT', 14322251)
    """
    check_choice(name, files(), "trained generator or model file", "name")
    return _entries()[name]


def generator(name: str) -> Entry:
    """The entry for the trained generator `name`; `SplitDeconvError` for any other name."""
    check_choice(name, names(), "trained generator", "name")
    return entry(name)


def of_network(network: str) -> str | None:
    """The trained generator that represents a benchmark network, whose own weights no package has.

    Args:
        network: one of `splitdeconv.networks.names()`.

    Returns:
        One of `names()`, or None if no generator is of the network's kind.

    Example:
        >>> import splitdeconv as sd
        >>> sd.pretrained.of_network("fst"), sd.pretrained.of_network("fcn32s")
        ('vintage_cyclegan', None)
    """
    return next((name for name in names() if _entries()[name].network == network), None)
