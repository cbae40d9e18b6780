"""From a source to disjoint splits of examples, and prompts.

These jobs come first, because every model waits for them: otherwise a core is idle while the first model is trained.
"""


localrules:
    fetch,


# Read, clean and deduplicate the examples of a task.
use rule download as fetch with:
    input:
        source=pipeline.data.source_files,
    output:
        examples="<results>/{task}/examples.parquet",
        counts="<results>/{task}/examples.json",
    log:
        "<logs>/{task}/fetch.log",
    priority: 150
    params:
        **spec("fetch_data.py", pipeline.data.fetch_job, pipeline.data.format_modules),
        files=options("examples", "counts"),


# Take the examples of one split.
use rule job as split with:
    input:
        examples="<results>/{task}/examples.parquet",
    output:
        split="<results>/{task}/splits/{split}.parquet",
    log:
        "<logs>/{task}/splits/{split}.log",
    priority: 150
    params:
        **spec("split_data.py", pipeline.data.split_job),


# Make prompts: the beginnings of texts, or the questions of examples.
use rule job as prompts with:
    input:
        examples="<results>/{task}/splits/{split}.parquet",
        complete=pipeline.data.prompt_tokenizer_file,
    output:
        prompts="<results>/{task}/prompts/{split}.parquet",
    log:
        "<logs>/{task}/prompts/{split}.log",
    params:
        **spec("make_prompts.py", pipeline.data.prompt_job),
        files=options(tokenizer=pipeline.data.prompt_tokenizer),
