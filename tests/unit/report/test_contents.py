"""The order of report items."""

from elasticity.report.contents import figure_item, report_items, table_items


def test_the_rebound_in_bits_comes_first_below_each_experiment() -> None:
    names = ("divergence", "lean", "lean-difference", "rebound")
    specs = [figure_item(name, "results/tiny", experiment=it) for name in names for it in ("one", "two")]
    specs += [*table_items("lean", "results/tiny", experiment="one")]
    found = [(item.subject, item.kind, item.label) for item in report_items(specs)]
    assert found[0] == ("one", "figure", "the rebound in bits")
    assert [subject for subject, _, _ in found] == 5 * ["one"] + 4 * ["two"]
    assert found[4] == ("one", "table", "the rebound in bits, table")
    assert found[5] == ("two", "figure", "the rebound in bits")
