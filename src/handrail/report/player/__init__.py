"""Recorded episodes, watched: a block of a page, pictures and videos."""
