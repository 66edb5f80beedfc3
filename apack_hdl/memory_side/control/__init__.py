"""What software sees: registers, tables, jobs, results, counters, interrupt."""
