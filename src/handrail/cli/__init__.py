"""The command line: `commands`, `checks`, `results` and `share` register what users type, and each
command's work is in a file of its name. `options` are those of several, `settings_help` lists a
run's settings, and `own_runs` opens finished runs in environments of the user's.
"""
