"""The papers' formulas, each a pure function of one example."""
