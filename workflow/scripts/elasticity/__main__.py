"""The command line: ``python -m elasticity COMMAND``, or ``.venv/bin/elasticity COMMAND`` after ``make setup``.

The commands look at studies and their results; Snakemake runs them. A wrong study ends a command with exit status 1
and a message on standard error.
"""

import argparse
import inspect
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from elasticity.config.loading import read_study, read_study_file
from elasticity.config.study import Study
from elasticity.core.errors import UserError, errors_for_people
from elasticity.pipeline.running.added_seeds import with_added_seeds

PROJECT = Path(__file__).resolve().parents[3]
"""The folder of the Snakefile."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the command that the words name; by default those of the command line."""
    arguments = _parser().parse_args(words)
    with errors_for_people():
        run: Callable[[argparse.Namespace], str] = arguments.run
        print(run(arguments))


def plan(arguments: argparse.Namespace) -> str:
    """Report what a study resolves to and what it will cost, before anything runs."""
    from elasticity.pipeline.planning.plan import plan

    return plan(_given(arguments.json) if arguments.json else _study(arguments)[0])


def new(arguments: argparse.Namespace) -> str:
    """Write the study of your own models on your own data: studies/NAME.yaml, pinned, commented and planned.

    MODEL is a repository of the Hugging Face hub (owner/name or owner/name@revision), a folder, a GGUF file, or
    package:path for a GGUF file in an installed Python package. DATA is a repository of the hub (with :subset if it has
    several), a local file or folder, or package:path. Form and sides of the data, shapes and sizes are found out;
    correct them in the file.
    """
    from elasticity.pipeline.new_study.writing import write_study

    here = Path.cwd()
    _enter(arguments.directory)
    return write_study(arguments.name, arguments.model, arguments.data, here, arguments.fields, arguments.split)


def decide(arguments: argparse.Namespace) -> str:
    """Run a study, and add seeds in rounds until every confirmatory claim is decided or no more may be added."""
    from elasticity.config.claims import claims_digest
    from elasticity.pipeline.running.added_seeds import add_seeds, undecided
    from elasticity.runtime.environment import set_environment
    from elasticity.runtime.preloading import shared_servers

    study, file = _study(arguments)
    if study.decide is None:
        raise UserError(f"{file} does not say how seeds are added: add a section `decide` to it, or use make run")
    set_environment(claims_digest(study.claims))
    with shared_servers():
        while True:
            _snakemake(file, arguments.cores, f"results/{study.name}/tables/verdicts.csv")
            left, more = undecided(study), None
            if not left or (more := add_seeds(study)) is None:
                break
            print(f"After {len(study.seeds)} seeds undecided: {', '.join(left)}. Going on to {len(more.seeds)} seeds.")
            study = more
        _snakemake(file, arguments.cores)
    state = f"undecided: {', '.join(left)}" if left else "every confirmatory claim is decided"
    return f"After {len(study.seeds)} seeds {state}. Read results/{study.name}/report.html."


def _snakemake(file: Path, cores: str, *targets: str) -> None:
    """Run Snakemake on a study file; raises ``UserError`` if it fails, after it has said why."""
    words = ["--snakefile", PROJECT / "Snakefile", "--configfile", file, "--cores", cores]
    ended = subprocess.run([sys.executable, "-m", "snakemake", *map(str, words), "--", *targets], check=False)
    if ended.returncode:
        raise UserError("Snakemake failed, see above: remove the cause and run the same command again to go on")


def status(arguments: argparse.Namespace) -> str:
    """Report what is done, what is running and how far it is, and what failed."""
    from elasticity.pipeline.running import status

    return status.status(*_study(arguments))


def show_example(arguments: argparse.Namespace) -> str:
    """Show one training example of a task in the tokens of a model, with its loss mask."""
    from elasticity.pipeline.planning import preview

    return preview.shown_example(*_study(arguments), arguments.task, arguments.model)


def compare(arguments: argparse.Namespace) -> str:
    """Write a table and a figure that compare elasticity cards of any studies."""
    from elasticity.analysis.table import write_csv
    from elasticity.plots.style import save
    from elasticity.report.card_page import compared, compared_figure, read_card

    table = compared([read_card(card) for card in arguments.cards])
    folder: Path = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(table, folder / "cards.csv")
    save(compared_figure(table), [folder / f"cards.{suffix}" for suffix in ("svg", "pdf", "png")])
    return f"Read {folder}/cards.csv and {folder}/cards.svg."


def track(arguments: argparse.Namespace) -> str:
    """Write the losses and metrics of the finished runs of a study for TensorBoard."""
    try:
        from elasticity.training import tensorboard
    except ModuleNotFoundError as error:
        raise UserError(f"package {error.name} is not installed; run: make track") from None
    study, _ = _study(arguments)
    results = Path("results", study.name)
    runs = tensorboard.track(results, results / "tracking")
    return f"{runs} runs; look at them with: tensorboard --logdir {results}/tracking"


def states(arguments: argparse.Namespace) -> str:
    """List the saved states of unfinished training jobs, and remove those that no run will take up."""
    from elasticity.pipeline.running import states

    return states.tidy(Path("results", _study(arguments)[0].name), arguments.remove, arguments.older)


def name(arguments: argparse.Namespace) -> str:
    """Print the name of a study: its results are in results/NAME."""
    return _study(arguments)[0].name


def _given(text: str) -> Study:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--json: not valid JSON: {error}; give a study file instead") from None
    return read_study(values, "the study in --json")


def _study(arguments: argparse.Namespace) -> tuple[Study, Path]:
    """The study and the path of its file, after a change to the folder that holds the results.

    A relative path of a study file is taken from the folder where the command was given, or else from the folder of
    the results. All paths in a study are relative to the latter, as they are for Snakemake.
    """
    here = arguments.study.absolute()
    _enter(arguments.directory)
    file: Path = here if here.exists() else arguments.study
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    return with_added_seeds(read_study_file(file)), file


def _enter(folder: Path) -> None:
    """Change to the folder that holds the results."""
    if not folder.is_dir():
        raise UserError(f"--directory {folder} is not a folder; give the one that holds results/")
    os.chdir(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="elasticity", description=__doc__.partition("\n\n")[2])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _add(commands, plan, "elasticity plan studies/laptop.yaml")
    study = command.add_mutually_exclusive_group(required=True)
    study.add_argument("study", nargs="?", type=Path, metavar="STUDYFILE")
    study.add_argument("--json", help="a resolved study instead of a file; this is how the rule plan calls it")
    _add_directory(command)

    command = _add(commands, new, "elasticity new mine --model Qwen/Qwen2.5-0.5B --data stanfordnlp/imdb")
    command.add_argument("name", metavar="NAME", help="the name of the study")
    command.add_argument("--model", action="append", required=True, help="a model; give the option again for more")
    command.add_argument("--data", required=True, help="the data")
    command.add_argument("--split", metavar="SPLIT", help="the split of the data (default: the one for training)")
    fields = "what the fields of a row mean, as in a study, if it cannot be found out"
    command.add_argument("--fields", metavar="YAML", help=fields)
    _add_directory(command)

    command = _add(commands, decide, "elasticity decide studies/mine.yaml --cores 2")
    _add_study(command)
    command.add_argument("--cores", default="all", help="the number of processor cores for Snakemake (default: all)")

    _add_study(_add(commands, status, "elasticity status studies/laptop.yaml"))

    command = _add(commands, show_example, "elasticity show-example config.yaml reviews small")
    _add_study(command)
    command.add_argument("task", metavar="TASK", help="a task of the study")
    command.add_argument("model", metavar="MODEL", help="a base model of the study")

    example = "elasticity compare results/a/cards/small.json results/b/cards/small.json --to results/compared"
    command = _add(commands, compare, example)
    command.add_argument("cards", nargs="+", type=Path, metavar="CARD", help="results/STUDY/cards/MODEL.json")
    command.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the folder to write to")

    _add_study(_add(commands, track, "elasticity track studies/laptop.yaml"))
    command = _add(commands, states, "elasticity states studies/laptop.yaml --remove --older 7")
    _add_study(command)
    command.add_argument("--remove", action="store_true", help="remove those that no run will take up")
    command.add_argument("--older", type=float, metavar="DAYS", help="and those that are older, except of running jobs")

    _add_study(_add(commands, name, "elasticity name studies/laptop.yaml"))
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    run: Callable[[argparse.Namespace], str],
    example: str,
) -> argparse.ArgumentParser:
    words = inspect.cleandoc(run.__doc__ or "")
    command = commands.add_parser(
        run.__name__.replace("_", "-"),
        help=words.partition("\n\n")[0],
        description=words,
        epilog=f"example: {example}",
    )
    command.set_defaults(run=run)
    return command


def _add_study(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", type=Path, metavar="STUDYFILE", help="config.yaml or a file in studies/")
    _add_directory(command)


def _add_directory(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--directory",
        type=Path,
        default=PROJECT,
        metavar="FOLDER",
        help="the folder that holds results/, as in snakemake --directory (default: the project's folder)",
    )


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end without a traceback when the reader of a pipe ends
    main()
