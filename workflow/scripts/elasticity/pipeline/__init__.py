"""The study as a graph: its jobs, a module a topic, and what follows from them.

``study_pipeline`` puts all parts together. ``requests`` says which resources jobs ask for, ``reporting`` how tables,
figures and the report are made. From the whole graph follow ``planning`` (cost and power, before anything runs) and
``running`` (status and failures, while it runs). ``new_study`` writes the study of a user's own model and data.
"""
