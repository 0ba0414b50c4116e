"""One work measured: every program on it takes its turn, round after round, and the medians are kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from statistics import median

from speed_peers.pool import Worker, WorkerFailed
from speed_peers.worker import FAMILIES
from speed_peers.works import KINDS, Kind

# What the tables call a family. The order is theirs.
LABELS = {
    "limit": "limit",
    "glassnet": "glassnet",
    "reference": "NumPy reference",
    "article": "article's loop",
    "sklearn": "scikit-learn",
    "torch": "PyTorch",
    "torch.compile": "torch.compile",
    "jax": "JAX",
    "skorch": "skorch",
}
PEERS = ("article", "sklearn", "torch", "torch.compile", "jax", "skorch")
PREPARE, TURN = 900.0, 300.0  # seconds after which a worker counts as hung
HOPELESS = 1.5  # times its peer's best, after two rounds: such a variant takes no more turns


@dataclass
class Series:
    """The turns of one program with one number of threads: seconds a step, and cores it had the use of."""

    label: str
    family: str
    program: str
    threads: int
    worker: Worker
    seconds: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    loss: float | None = None

    @property
    def median(self) -> float:
        """Seconds a step."""
        return median(self.seconds)

    def __str__(self) -> str:
        return f"{self.label}{' ' * bool(self.program)}{self.program}, {self.threads} thread{'s' * (self.threads > 1)}"


@dataclass
class Result:
    """What the rounds of one work brought: all series, and what could not run and why."""

    name: str
    series: list[Series]
    failed: dict[str, str]

    @property
    def kind(self) -> Kind:
        """The kind of work."""
        return KINDS[self.name]

    def best(self, label: str, threads: int | None = None) -> Series | None:
        """The fastest series of a peer, with that number of threads or with any; None when it has none."""
        found = [s for s in self.series if s.label == label and s.seconds and threads in (None, s.threads)]
        return min(found, key=lambda s: s.median, default=None)

    def best_peer(self, threads: int | None = None) -> Series | None:
        """The fastest of all peers, with that number of threads or with any."""
        found = [self.best(LABELS[family], threads) for family in PEERS]
        return min((s for s in found if s), key=lambda s: s.median, default=None)

    def loss(self) -> float | None:
        """The loss that the others are compared with: the reference's, else glassnet's, else anybody's."""
        for label in (LABELS["reference"], LABELS["glassnet"], *(s.label for s in self.series)):
            for series in self.series:
                if series.label == label and series.loss is not None:
                    return series.loss
        return None

    def strays(self) -> list[Series]:
        """Series whose loss is not the common one within 1 %."""
        common = self.loss()
        return [s for s in self.series if s.loss is not None and not abs(s.loss / common - 1) <= 0.01]


class Pool:
    """The workers, started when they are first needed, kept from work to work."""

    def __init__(self) -> None:
        self.workers: dict[tuple[str, int], Worker] = {}

    def worker(self, family: str, threads: int) -> Worker:
        """The worker of a family with that number of threads; a new one where the last has ended."""
        found = self.workers.get((family, threads))
        if found is None or found.process.poll() is not None:
            found = self.workers[family, threads] = Worker(family, threads)
        return found

    def close(self) -> None:
        """End all workers."""
        for worker in self.workers.values():
            worker.close()


def programs_of(family: str, name: str) -> list[str]:
    """The family's programs that do this work: the article's has its own loop and its own limit."""
    if family == "article":
        return list(FAMILIES[family]) if name == "article" else []
    if family == "limit":
        return [program for program in FAMILIES[family] if program.startswith("C++") == (name == "article")]
    return list(FAMILIES[family])


def measure(name: str, families: list[str], pool: Pool, rounds: int, budget: float) -> Result:
    """Prepare every program for the work, then let each take a turn of `budget` seconds or one run, round by round."""
    result = Result(name, [], {})
    for family in families:
        for threads in (1,) if family == "limit" else (1, 2):
            _prepare(result, family, threads, pool)
    for turn in range(rounds):
        if turn == 2:
            _drop_hopeless(result)
        first = turn % max(len(result.series), 1)  # nobody is always the first after somebody else
        for series in result.series[first:] + result.series[:first]:
            _take_turn(result, series, budget)
        print(f"{name}: round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    for series in result.series:
        if series.seconds:
            try:
                series.loss = series.worker.ask(TURN, do="loss", program=series.program)["loss"]
            except WorkerFailed as error:
                result.failed[str(series)] = str(error)
    return result


def _prepare(result: Result, family: str, threads: int, pool: Pool) -> None:
    programs = programs_of(family, result.name)
    if not programs:
        return
    worker = pool.worker(family, threads)
    print(f"{result.name}: {worker.name}", file=sys.stderr, flush=True)
    try:
        answer = worker.ask(PREPARE, do="prepare", work=result.name, programs=programs)
    except WorkerFailed as error:
        answer = {"ready": [], "failed": {"": str(error)}}
    label = LABELS[family]
    result.series += [Series(label, family, program, threads, worker) for program in answer["ready"]]
    for program, reason in answer["failed"].items():
        result.failed[f"{label} {program}, {threads}"] = reason
        print(f"  {label} {program} cannot run: {reason}", file=sys.stderr, flush=True)


def _take_turn(result: Result, series: Series, budget: float) -> None:
    if str(series) in result.failed or series.worker is None:
        return
    try:
        answer = series.worker.ask(TURN, do="turn", program=series.program, budget=budget)
    except WorkerFailed as error:
        result.failed[str(series)] = str(error)
        return
    series.seconds.append(answer["seconds"])
    series.cores.append(answer["cores"])


def _drop_hopeless(result: Result) -> None:
    """Leave out a peer's variants that are far behind its best with as many threads; ours and the limits all stay."""

    def hopeless(series: Series) -> bool:
        best = result.best(series.label, series.threads)
        return series.family in PEERS and best is not None and series.median > HOPELESS * best.median

    result.series = [s for s in result.series if s.seconds and not hopeless(s)]
