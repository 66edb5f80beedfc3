"""From the Verilog that Yosys writes to Verilog for people: read it, tidy it, name things, write it.

Amaranth's conversion is right but hard to read and noisy under lint: one temporary per operator, structures as bare
vectors, fields and port names only as unused aliases, escaped names, a next-state variable per register. All that
is said in it can be said in a quarter of the lines.

``reader`` knows the few forms Yosys uses, and refuses others. ``arrays``, ``widths``, ``registers``, ``fields`` (with
``liveness``) and ``tidy`` rewrite the ``tree``, ``names`` chooses names, ``writer`` prints; ``conversion`` is all of
it in order, ``hierarchy`` does it part by part.
"""
