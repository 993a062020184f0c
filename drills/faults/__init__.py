"""How things are broken: a module for each family, each with its DRILLS. Must never leave anything broken behind."""
