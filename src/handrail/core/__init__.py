"""What every room uses: types, random streams, files, artefacts, records, identity of runs."""
