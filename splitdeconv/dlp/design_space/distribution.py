"""Where the tasks of a sweep run: on threads of this process, or on the workers of a cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeAlias

from ...core.typing import NumpyArray
from ...errors import SplitDeconvError
from ...extras import require
from .jobs import Job

if TYPE_CHECKING:
    import distributed

#: Called after each task with the number of tasks done and their total.
Progress: TypeAlias = Callable[[int, int], object]
#: A part of a job: its index, and its first and last point, exclusive.
Block: TypeAlias = tuple[int, int, int]


def blocks(
    jobs: Sequence[Job],
    points: int,
    chunk: int,
    scheduler: "str | distributed.Client | None",
    progress: Progress | None,
) -> Iterator[tuple[Block, NumpyArray]]:
    """Compute all blocks of all jobs, in any order.

    Args:
        jobs: what is computed.
        points: of each job.
        chunk: points per block.
        scheduler: as for `splitdeconv.dlp.sweep`.
        progress: likewise.

    Yields:
        A block and its result.

    Raises:
        SplitDeconvError: dask is not installed, or a scheduler cannot be reached or was lost.
    """
    dask = require("dask", "sweep")
    ranges = [(start, min(start + chunk, points)) for start in range(0, points, chunk)]
    # Passed unchanged: dask would traverse records to look for its own objects.
    shared = [dask.delayed(job, traverse=False) for job in jobs]
    places = [(index, *range_) for index in range(len(jobs)) for range_ in ranges]
    tasks = [dask.delayed(_call)(shared[index], *range_) for index, *range_ in places]
    done = iter(range(1, len(tasks) + 1))

    def advance() -> None:
        if progress is not None:
            progress(next(done), len(tasks))

    if scheduler is None:
        keys = {task.key for task in tasks}
        callbacks = require("dask.callbacks", "sweep")

        def finished(key: object, *_: object) -> None:
            if key in keys:
                advance()

        with callbacks.Callback(posttask=finished):
            yield from zip(places, dask.compute(*tasks, scheduler="threads"), strict=True)
        return
    library = require("distributed", "sweep")
    own = not isinstance(scheduler, library.Client)
    client: Any = _connect(library, scheduler) if own else scheduler
    try:
        futures = client.compute(tasks)
        named = {future.key: place for future, place in zip(futures, places, strict=True)}
        for future in library.as_completed(futures, client.loop):
            yield named[future.key], _result(library, future)
            advance()
    finally:
        if own:
            client.close()


def _call(job: Job, start: int, stop: int) -> NumpyArray:
    return job(start, stop)


def _connect(library: Any, address: object) -> "distributed.Client":
    try:
        return library.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SplitDeconvError(
            "the scheduler cannot be reached",
            where="sweep",
            expected="the address of a running dask scheduler, such as tcp://host:8786",
            got=f"{address!r}: {error}",
        ) from None


def _result(library: Any, future: "distributed.Future[NumpyArray]") -> NumpyArray:
    """A task's result; other workers take over from a lost one, as long as there are any."""
    try:
        return future.result()
    except (CancelledError, OSError, library.KilledWorker) as error:
        raise SplitDeconvError(
            "the cluster was lost",
            where="sweep",
            expected="a scheduler and workers that stay until the end",
            got=f"{type(error).__name__}: {error}",
        ) from None
