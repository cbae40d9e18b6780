"""Answer with each slice: the twin data sets (prompts of D4), and answers to measure cross-entropies on."""

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.generation import answer
from elasticity.jobs import SliceAnswerJob
from elasticity.models import load_model, one_thread
from elasticity.records import PROMPTS, SLICE_ANSWERS, read_rows, write_table
from elasticity.tokenization import load_tokenizer

with errors_for_people():
    one_thread()
    command = Command(__doc__, SliceAnswerJob, "rungs", "twin-prompts", "question-prompts", "twins", "questions")
    twin_prompts = read_rows(command.path("twin_prompts"), PROMPTS)
    question_prompts = read_rows(command.path("question_prompts"), PROMPTS)
    twins, questions = [], []
    for number, rung in enumerate(command.job.rungs, start=1):
        folder = command.path("rungs") / str(rung)
        model, tokenizer = load_model(folder), load_tokenizer(folder)
        cell = {"slice": number}
        twins += [cell | row for row in answer(model, tokenizer, twin_prompts, command.job.twin_sampling)]
        questions += [cell | row for row in answer(model, tokenizer, question_prompts, command.job.question_sampling)]
    write_table(command.path("twins"), twins, SLICE_ANSWERS)
    write_table(command.path("questions"), questions, SLICE_ANSWERS)
    print(f"{len(twins)} twin answers, {len(questions)} answers to measure on")
