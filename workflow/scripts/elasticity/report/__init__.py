"""The report page, the elasticity cards, and provenance."""
