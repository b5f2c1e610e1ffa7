"""What came out: statistics, figures, pages, tables."""
