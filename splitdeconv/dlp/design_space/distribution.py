"""Where the blocks of a sweep are computed: on threads of this process, or on a dask cluster."""

import pickle
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import SplitDeconvError
from ...extras import require
from .jobs import Job
from .memory import reused
from .space import Block, Space

if TYPE_CHECKING:
    import distributed

#: Called after each block with the number of blocks done and their total.
Progress: TypeAlias = Callable[[int, int], object]
#: What is done with a block where it is computed; what it returns travels.
Step: TypeAlias = Callable[[Job, Block], Any]
#: Blocks, each with what a step returned.
Results: TypeAlias = Generator[tuple[Block, Any], None, None]
#: Blocks per thread that are computed or wait to be, at most: so many results are held at once.
IN_FLIGHT = 3


def results(
    jobs: Sequence[Job],
    space: Space,
    step: Step,
    scheduler: "str | distributed.Client | None",
    progress: Progress | None,
) -> Results:
    """Take a step for all blocks of all jobs, in any order.

    At most `IN_FLIGHT` blocks per thread are under way. A cluster forgets a result as soon as it
    has been taken.

    Args:
        jobs: what is computed.
        space: its points and blocks.
        step: what is done with each block. For a cluster, it can be pickled.
        scheduler: as for `splitdeconv.dlp.sweep`.
        progress: likewise.

    Yields:
        A block and what the step returned.

    Raises:
        SplitDeconvError: dask is not installed, or a scheduler cannot be reached or was lost.
    """
    if scheduler is None:
        stream = _on_threads(jobs, space, step)
    else:
        stream = _on_cluster(jobs, space, step, scheduler)
    try:
        for done, result in enumerate(stream, 1):
            yield result
            if progress is not None:
                progress(done, space.blocks)
    finally:
        stream.close()


def _on_threads(jobs: Sequence[Job], space: Space, step: Step) -> Results:
    dask = require("dask", "sweep")
    count = dask.config.get("num_workers", None) or require("dask.system", "sweep").CPU_COUNT
    waiting = space.each()
    running = dict[Future[Any], Block]()
    pool = ThreadPoolExecutor(count, thread_name_prefix="sweep")
    try:
        while True:
            for block in islice(waiting, IN_FLIGHT * count - len(running)):
                running[pool.submit(step, jobs[block.job], block)] = block
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(
    jobs: Sequence[Job], space: Space, step: Step, scheduler: "str | distributed.Client"
) -> Results:
    library = require("distributed", "sweep")
    own = not isinstance(scheduler, library.Client)
    client: Any = _connect(library, scheduler) if own else scheduler
    waiting, taken = space.each(), _Pickled(jobs, step)
    running = dict[Any, Block]()
    completed = library.as_completed(loop=client.loop)
    try:
        while True:
            threads = max(sum(client.nthreads().values()), 1)
            more = list(islice(waiting, max(IN_FLIGHT * threads - len(running), 0)))
            # Without a key made of its arguments, every call is a task of its own.
            sent = [client.submit(_call, *taken(block), block, pure=False) for block in more]
            running |= dict(zip(sent, more, strict=True))
            completed.update(sent)
            if not running:
                return
            del sent
            batch = completed.next_batch()
            values = client.gather(batch)
            while batch:
                future = batch.pop()
                yield running.pop(future), values.pop()
    except (CancelledError, OSError, library.KilledWorker) as error:
        raise SplitDeconvError(
            "the cluster was lost",
            where="sweep",
            expected="a scheduler and workers that stay until the end",
            got=f"{type(error).__name__}: {error}",
        ) from None
    finally:
        completed.clear()
        running.clear()
        if own:
            client.close()


class _Pickled:
    """Jobs and a step as bytes, made once for all blocks; workers keep what they unpacked."""

    def __init__(self, jobs: Sequence[Job], step: Step) -> None:
        self._jobs, self._step = jobs, pickle.dumps(step)
        self._of = lru_cache(maxsize=2)(lambda number: pickle.dumps(self._jobs[number]))

    def __call__(self, block: Block) -> tuple[bytes, bytes]:
        return self._step, self._of(block.job)


_unpacked = lru_cache(maxsize=32)(pickle.loads)


def _call(step: bytes, job: bytes, block: Block) -> Any:
    with reused():
        return _unpacked(step)(_unpacked(job), block)


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
