"""The tables of a study, one module each, named as the table. A module defines ``TABLE``; see ``analysis.table``."""
