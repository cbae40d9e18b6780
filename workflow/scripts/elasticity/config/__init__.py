"""The study as types, a module a section; how it is read, and what is checked across its sections."""
