"""Compare the elasticity cards of any studies in a table and a figure."""

import argparse
from pathlib import Path

from elasticity.analysis.table import write_csv
from elasticity.core.errors import errors_for_people
from elasticity.plots.style import save
from elasticity.report.card_page import compared, compared_figure, read_card

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("cards", nargs="+", type=Path, help="JSON files, as results/STUDY/cards/MODEL.json")
parser.add_argument("--to", type=Path, required=True, help="the folder to write to")
arguments = parser.parse_args()

with errors_for_people():
    table = compared(map(read_card, arguments.cards))
    arguments.to.mkdir(parents=True, exist_ok=True)
    write_csv(table, arguments.to / "cards.csv")
    save(compared_figure(table), [arguments.to / f"cards.{suffix}" for suffix in ("svg", "pdf", "png")])
    print(f"Read {arguments.to}/cards.csv and {arguments.to}/cards.svg.")
