"""Knowledge about safety on environments of one's own: learnt, loaded, and put between."""
