"""Tables, figures and report: the jobs that make them from measurements."""
