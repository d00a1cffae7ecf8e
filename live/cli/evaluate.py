"""`cleanplate evaluate`: tables of quality on material with known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.evaluation.clips import Stock
    from core.evaluation.matte import Results
    from core.evaluation.methods import Method

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measures matte and alignment against truth.",
)

SHARED_FOLDER = Path("../shared")
DATA_FOLDER = SHARED_FOLDER / "data"
PEERS_FOLDER = SHARED_FOLDER / "models"

COST = "cost"
INTERRUPTED = 130  # exit code of a shell's command that Ctrl-C ended

DataOption = Annotated[
    Path, typer.Option("--data", metavar="FOLDER", help="People, rooms, panoramas, props.")
]
PeersOption = Annotated[
    Path,
    typer.Option("--peers", metavar="FOLDER", help="Weights of the peers; left out where there are none."),
]


@app.command("matte")
def matte(
    data: DataOption = DATA_FOLDER,
    peers: PeersOption = PEERS_FOLDER,
    per_class: Annotated[int, typer.Option("--per-class", min=1, help="Clips of each class of trouble.")] = 3,
    size: Annotated[str, typer.Option("--size", metavar="WxH")] = "1280x720",
    working_size: Annotated[
        str,
        typer.Option(
            "--working-size",
            metavar="WxH|auto",
            help="At which platenet looks; auto: the largest live one, and films beside it. "
            "The table of costs has all live ones.",
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw.")] = 0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda")] = "auto",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Methods whose name has this in it; may be given again."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="Only this class or trial: clean, webcam, drift, noisy, shifted, handheld, moving, props, "
            "empty, shadows, hair, leaving, cost; may be given again. What is drawn for one stays the same.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Another network beside the rest, of `models list`, or the folder `cleanplate train` wrote.",
        ),
    ] = None,
    peer_weights: Annotated[
        Path | None,
        typer.Option("--peer-weights", metavar="FILE", help="Weights of --model; else those in the store."),
    ] = None,
) -> None:
    """All goals of the matte in one run, beside the peers.

    MAD, MSE, Grad and dtSSD by class of trouble; movement, props, empty rooms, shadows, hair, colours of
    the edge, people who leave; cost; and which goals are met.
    """
    from core.errors import MediaError, SettingsError

    if peer_weights is not None and model is None:
        raise SettingsError(f"--peer-weights {peer_weights} needs --model, the name of the network they fit")
    from core.evaluation import matte as judge
    from core.evaluation.goals import goal_table, goals
    from core.evaluation.methods import PLATELESS
    from core.evaluation.peer_weights import holds_peers
    from core.matte.working_size import platenet_size
    from live.settings import AUTO_SIZE, load

    kinds = _chosen_kinds(classes, (*judge.KINDS, COST))
    seen = tuple(kind for kind in kinds if kind != COST)
    if seen and not data.is_dir():
        raise MediaError(
            f"--data {data} is not a folder: the clips are made of people and rooms that it holds"
        )
    chosen = load(flags={"camera.size": size, "model.size": working_size})
    auto = chosen.model.size == AUTO_SIZE
    looks_at = platenet_size(chosen.camera.size) if auto else chosen.model.size
    found = peers if holds_peers(peers) else None
    if found is None:
        typer.echo(f"(no peers: there are no weights of theirs in {peers})", err=True)
    results = judge.Results()
    if seen:
        stock = judge.stock_for(data, seen)
        methods, runs_on = _methods(device, found, model, peer_weights, looks_at[0] * looks_at[1])
        if auto:
            methods |= _as_films_are_made(device)
        draw = _Draw(stock, chosen.camera.size, per_class, seed, seen)
        stopped = _judge(_chosen_methods(methods, only), draw, results)
        seen_at = "{} looked at in {}x{}".format(size, *looks_at)
        typer.echo(f"{runs_on}, {seen_at}, {draw.words}")
        _tell_tables(results, seen, stopped, model)
        if stopped is not None:
            raise typer.Exit(INTERRUPTED)
    costs = _tell_costs(found) if COST in kinds else _Costs()
    reached = goals(results, costs.as_it_is_ms, costs.avx2_ms, costs.busy)
    typer.echo(f"\n{goal_table(reached)}")
    if seen and PLATELESS not in results.figures:
        typer.echo("(goals that need a method left out by --only are not judged)", err=True)


@dataclass(frozen=True, slots=True)
class _Draw:
    """The clips that everybody sees. size: (width, height). kinds: classes and trials."""

    stock: Stock
    size: tuple[int, int]
    per_class: int
    seed: int
    kinds: tuple[str, ...]

    @property
    def words(self) -> str:
        from core.evaluation.clips import CLASSES

        clips = f"{self.per_class} {'clip' if self.per_class == 1 else 'clips'} a class, "
        if not any(kind in CLASSES for kind in self.kinds):
            clips = ""  # a trial has as many as it has
        return f"{clips}seed {self.seed}"


@dataclass(frozen=True, slots=True)
class _Costs:
    """Median ms of network and refinement, None where not measured. busy: others were computing too."""

    as_it_is_ms: float | None = None
    avx2_ms: float | None = None
    busy: bool = False


def _judge(methods: dict[str, Method], draw: _Draw, results: Results) -> str | None:
    """Takes everybody's figures into the results. Where Ctrl-C came: how far the clips were, else None."""
    from core.evaluation.matte import evaluate

    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        typer.echo(line, err=True)

    try:
        evaluate(methods, draw.stock, draw.size, draw.per_class, draw.seed, tell, draw.kinds, results)
    except KeyboardInterrupt:  # an hour's figures are not thrown away
        if not told:
            raise
        return told[-1].partition(":")[0]
    return None


def _tell_tables(results: Results, kinds: tuple[str, ...], stopped: str | None, model: str | None) -> None:
    """Prints what the clips' classes are, and the tables. stopped: see _judge."""
    from core.evaluation import matte as judge
    from core.evaluation.clips import CLASSES

    if stopped is not None:
        typer.echo(f"STOPPED after {stopped}: the tables are of the clips so far")
    if _trained_on_what_is_shown(model):
        typer.echo(
            f"WARNING: {model} was trained with --unknown-licences, so it may have seen the real people, "
            "the rooms and the things of these clips: its figures are better than on what is new to it"
        )
    for kind in kinds:
        if kind in CLASSES:
            typer.echo(f"- {judge.caption(kind)}")
    for table in (judge.class_table(results), judge.trial_table(results), judge.colour_table(results)):
        if table:
            typer.echo(f"\n{table}")


def _tell_costs(peers: Path | None) -> _Costs:
    """Times the matte, and prints the table."""
    from core.evaluation.cost import WITH_PLATE
    from live.matte_cost import BUSY, cost_table, load_per_core, load_words, measure_apart

    typer.echo("cost ...", err=True)
    load = load_per_core()
    runs = {
        "as it is": measure_apart(peers, limited=False),
        "AVX2 only": measure_apart(peers, limited=True),
    }
    typer.echo(f"\n{cost_table(runs)}\n\n{load_words(load)}")
    as_it_is_ms, avx2_ms = (run.median_ms[WITH_PLATE] for run in runs.values())
    return _Costs(as_it_is_ms, avx2_ms, load > BUSY)


@app.command("cost")
def cost(
    peers: Annotated[str, typer.Option("--peers", metavar="FOLDER", help="Empty: without peers.")] = str(
        PEERS_FOLDER
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Median milliseconds of network and refinement at 1280x720 on two cores, beside RVM and MediaPipe.

    With ONEDNN_MAX_CPU_ISA=AVX2 in the environment, as on a processor without AVX-512.
    """
    from core.evaluation.peer_weights import holds_peers
    from live import matte_cost

    load = matte_cost.load_per_core()
    measured = matte_cost.measure(Path(peers) if peers and holds_peers(Path(peers)) else None)
    if as_json:
        typer.echo(matte_cost.as_json(measured))
    else:
        typer.echo(f"{matte_cost.cost_table({'p50': measured})}\n\n{matte_cost.load_words(load)}")


@app.command("alignment")
def alignment(
    shared: Annotated[
        Path,
        typer.Option(
            "--shared",
            metavar="FOLDER",
            help="Holds data/panoramas and data/people_rendered; what needs data/captures or XFeat in models "
            "has no row where they are not there.",
        ),
    ] = SHARED_FOLDER,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Few and short scenes, for a first look.")] = False,
) -> None:
    """Corner errors, holding still, finding again, and cost."""
    from core.errors import MediaError

    if not shared.is_dir():
        raise MediaError(f"--shared {shared} is not a folder: the scenes are made of panoramas that it holds")
    from core.evaluation.alignment import run

    typer.echo(run(shared, seed, quick, lambda line: typer.echo(line, err=True)).text())


def _methods(
    device: str, peers: Path | None, model: str | None, weights: Path | None, working_pixels: int
) -> tuple[dict[str, Method], str]:
    """Everybody who is compared, and in words what our network runs on."""
    from functools import partial

    from core.align import PlateAligner
    from core.errors import SettingsError
    from core.evaluation.methods import KEYED, cleanplate, keyed, papers, trained_elsewhere
    from core.evaluation.methods import peers as peer_methods
    from core.nets.trained import PLATENET, find_trained
    from core.render.build import MatterOptions, build_platenet
    from core.runtime.base import REFINER
    from core.runtime.choose import resolve_device

    matter, runs_on = build_platenet(MatterOptions(device, working_pixels=working_pixels))
    methods = cleanplate(matter, PlateAligner)
    trained = None if model is None else find_trained(model)
    if trained is not None:
        if weights is not None:
            raise SettingsError(f"--peer-weights {weights} is for a network by its name; {model} is weights")
        refiner = trained.refiner or REFINER
        other, _ = build_platenet(
            MatterOptions(device, working_pixels=working_pixels, weights=trained.net, refiner_weights=refiner)
        )
        methods |= trained_elsewhere(f"{PLATENET} of {model}", other, PlateAligner)
    elif model is not None:
        from core.matte.papers import load_paper_matter
        from core.nets.registry import find_model
        from live.models_store import ModelStore

        line = find_model(model)
        plateless = partial(matter.matte, plate_rgb=None, coverage=None)
        paper = load_paper_matter(
            line.name, weights or ModelStore().weights(line.name), resolve_device(device), plateless
        )
        methods |= papers(line.name, paper, PlateAligner, line.needs_plate)
    methods[KEYED] = keyed
    if peers is not None:
        methods |= peer_methods(peers, threads=2)
    return methods, runs_on


def _trained_on_what_is_shown(model: str | None) -> bool:
    """Whether it is a trained platenet whose training may have drawn from what judges it."""
    from core.nets.trained import find_trained, trained_on_unknown_licences

    trained = None if model is None else find_trained(model)
    return trained is not None and trained_on_unknown_licences(trained.net)


def _as_films_are_made(device: str) -> dict[str, Method]:
    """The program where no camera is waiting."""
    from core.align import PlateAligner
    from core.evaluation.methods import FILM, with_tracked_plate
    from core.matte.working_size import FILM_PIXELS
    from core.render.build import MatterOptions, build_platenet

    matter, _ = build_platenet(MatterOptions(device, closer_pixels=FILM_PIXELS))
    return {FILM: with_tracked_plate(matter, PlateAligner)}


def _chosen_kinds(wanted: list[str] | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of clips to show, in the order of the tables."""
    from core.errors import SettingsError

    for name in wanted or ():
        if name not in allowed:
            raise SettingsError(f"--class is {name!r}; it must be one of {', '.join(allowed)}")
    return tuple(kind for kind in allowed if not wanted or kind in wanted)


def _chosen_methods(methods: dict[str, Method], only: list[str] | None) -> dict[str, Method]:
    """Those whose name has one of `only` in it, capitals or not."""
    from core.errors import SettingsError

    for part in only or ():
        if not any(part.lower() in name.lower() for name in methods):
            raise SettingsError(f"--only is {part!r}; it must be part of one of: {'; '.join(methods)}")
    return {
        name: method
        for name, method in methods.items()
        if not only or any(part.lower() in name.lower() for part in only)
    }
