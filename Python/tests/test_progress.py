import io

import pytest

from mafin_embeddings.progress import Bars, Lines, Progress, parse, sink


def test_the_lines_of_a_running_job():
    line = "mafin:  40% of 250 steps, 2.1 steps/s, 1m 12s left, loss 0.413 (0.420) · 5012 tokens/s"
    assert parse(line) == Progress("mafin", 100, 250, "steps", "2.1 steps/s, 1m 12s left, loss 0.413 (0.420) · 5012 tokens/s")
    assert parse("Embedding: 100% of 926 texts, 312 texts/s") == Progress("Embedding", 926, 926, "texts", "312 texts/s")
    # A title may hold a colon.
    assert parse("Encoding documents: chunk 2:   0% of 9 texts") == Progress("Encoding documents: chunk 2", 0, 9, "texts")


def test_the_last_line_of_a_job():
    assert parse("Embedding: 926 texts in 2.9 s, 312 texts/s") == Progress(
        "Embedding", 926, 926, "texts", "2.9 s, 312 texts/s", finished=True
    )


def test_other_lines_are_notes():
    for line in [
        "mafin: step 20: dev nDCG@10 0.6011, λ 0.412, likelihood -3.1022  best",
        "training began 1.20 s after the start; its first step took 0.41 s",
        "warning: 3 queries of train have the text of a query of test",
        "100% of nothing",
        "",
    ]:
        assert parse(line) is None


def test_lines_and_bars_show_the_same_job():
    output = io.StringIO()
    lines = Lines(output)
    lines.update(Progress("Embedding", 50, 100, "texts", "9 texts/s"))
    lines.note("a note")
    assert output.getvalue() == "Embedding: 50% of 100 texts, 9 texts/s\na note\n"


def test_a_bar_follows_the_jobs(capsys):
    pytest.importorskip("tqdm")
    from tqdm.auto import tqdm

    bars = Bars(tqdm)
    bars.update(Progress("mafin", 5, 10, "steps", "loss 0.4"))
    bars.note("a note")
    bars.update(Progress("mafin", 10, 10, "steps", finished=True))
    bars.update(Progress("stand-in", 1, 4, "steps"))
    bars.close()
    shown = capsys.readouterr().err
    assert "mafin: 100%" in shown and "10/10" in shown and "stand-in:  25%" in shown and "a note" in shown


def test_what_shows_progress():
    pytest.importorskip("tqdm")
    assert isinstance(sink(None), Bars)
    own = Lines()
    assert sink(own) is own
    sink(False).note("nothing is shown")
