"""From a source to disjoint splits of examples, and prompts."""


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
