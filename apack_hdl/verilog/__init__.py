"""From the Verilog that Yosys writes to Verilog for people: read it, tidy it, name things, write it.

Amaranth's conversion is right but hard to read and noisy under lint: one temporary per operator, structures as bare
vectors, fields and port names only as unused aliases, escaped names, a next-state variable per register. Nothing
is lost in getting rid of that. ``reader`` knows the few forms Yosys uses, ``fields`` gives structures their fields
back and drops what nobody reads, ``tidy`` writes expressions out at exact widths, ``names`` chooses names,
``writer`` prints.
"""
