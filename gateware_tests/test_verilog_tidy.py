"""The way from Yosys' Verilog to the emitted one, step by step, on pieces one can read."""

import re
import textwrap

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from apack_hdl.verilog import conversion, names, writer
from apack_hdl.verilog.reader import read
from apack_hdl.verilog.tree import Cat, Const, Op, Ref, cat
from apack_hdl.verilog.widths import exact, fit, select


def tidied(text: str, streams=()) -> str:
    modules = read(textwrap.dedent(text))
    conversion.tidy_up(modules, [*streams], set())
    return "\n".join(writer.write(module) for module in modules)


def ref(net, high, low, whole=False):
    return Ref(net, high, low, whole)


# Reading


@pytest.mark.parametrize("wrong", [
    "initial x = 0;", "assign x = a >>> 1;", "assign x = y;", "assign x = a + (b);", "assign x = f(a);",
    "always @(negedge a) x <= 1'h0;", "wire [-1:0] z;", "wire [3:1] z;", "assign x = a",
])
def test_reader_refuses_what_it_does_not_know(wrong):
    with pytest.raises(ValueError, match="cannot read this Verilog|without bits|end of file"):
        read(f"module m(a, b, x);\n input a;\n input b;\n output x;\n {wrong}\nendmodule\n")


def test_reader_numbers():
    (module,) = read("module m(x);\n output [11:0] x;\n assign x = { 3'h5, 2'd2, 4'b10xz, 3'h0 };\nendmodule\n")
    assert module.assigns[0].value == Const("101" "10" "10xz" "000")


# Expressions


def test_cat_joins_neighbours():
    assert cat([Const("1"), Const("0"), ref("a", 7, 4), ref("a", 3, 1)]) == Cat((Const("10"), ref("a", 7, 1)))
    assert cat([Cat((Const("1"), Const(""))), Const("1")]) == Const("11")


def test_select_reaches_into_operators():
    a, b, s = ref("a", 7, 0, True), ref("b", 7, 0, True), ref("s", 0, 0, True)
    assert select(Cat((a, b)), 9, 6) == Cat((ref("a", 1, 0), ref("b", 7, 6)))
    assert select(Op("?:", (s, a, b)), 5, 2) == Op("?:", (s, ref("a", 5, 2), ref("b", 5, 2)))
    assert select(Op("+", (a, b)), 3, 0) == Op("+", (ref("a", 3, 0), ref("b", 3, 0)))
    assert select(Op("+", (a, b)), 3, 1) is None, "a carry comes from below"
    assert select(Op(">>", (a, s)), 3, 0) is None, "bits come from above"
    wide = Op(">>", (Cat((Const("0000"), a)), s))
    assert select(wide, 8, 0) == Op(">>", (Cat((Const("0"), a)), s)), "... unless they are zeros"


def test_fit_spells_out_widths():
    a, b = ref("a", 3, 0, True), ref("b", 5, 0, True)
    assert fit(Op("+", (a, b)), 7) == Op("+", (Cat((Const("000"), a)), Cat((Const("0"), b))))
    signed = [Op("$signed", (side,)) for side in (a, b)]
    sign = ref("a", 3, 3)
    assert fit(Op("-", (*signed,)), 6) == Op("-", (Cat((sign, sign, a)), b))
    assert fit(Op("<", (*signed,)), 1) == Op("<", (Op("$signed", (Cat((sign, sign, a)),)), signed[1]))
    assert fit(Op("!", (a,)), 1) == Op("==", (a, Const("0000")))
    assert fit(Op(">>", (b, a)), 4) is None


# Whole modules


def test_comparisons_that_always_hold_are_none():
    a, b = ref("a", 1, 0, whole=True), ref("b", 1, 0, whole=True)
    assert exact(Op("<=", (a, Const("11")))) == exact(Op(">=", (a, Const("0")))) == Const("1")
    assert exact(Op("<=", (a, Const("10")))) == Op("<=", (a, Const("10"))) and exact(Op("<=", (a, b))) != Const("1")
    text = tidied(r"""
        module m(a, q);
          input [1:0] a;
          wire \$1 ;
          output q;
          reg q;
          assign \$1  = a <= 2'h3;
          always @* begin
            q = 1'h0;
            if (\$1 ) begin q = a[0]; end
          end
        endmodule
        """)
    assert "if" not in text and "q = a[0];" in text


def test_comparisons_that_never_hold_are_none():
    a = ref("a", 1, 0, whole=True)
    assert exact(Op(">", (a, Const("11")))) == exact(Op("<", (a, Const("0")))) == Const("0")
    assert exact(Op("<", (a, Const("01")))) == Op("<", (a, Const("01")))


def test_blocks_of_constants_are_assignments():
    """``always @*`` runs when something it reads changes: never, if it reads nothing."""
    text = tidied(r"""
        module m(a, x, y);
          input a;  output x;  output [1:0] y;
          reg x;  reg [1:0] y;
          always @* begin x = a; end
          always @* begin y = 2'h2; end
        endmodule
        """)
    assert "  assign y = 2'd2;" in text and "output wire [1:0] y" in text and text.count("always @*") == 1


def test_bits_of_inputs_that_nobody_reads():
    text = tidied(r"""
        module m(a, b, x);
          input [5:0] a;  input [1:0] b;
          output [1:0] x;
          assign x = { a[4], a[1] };
        endmodule
        """)
    assert "assign unused_inputs = &{1'b0, a[5], a[3:2], a[0], b};" in text


def test_register_with_reset():
    assert tidied(r"""
        module m(clk, rst, en, d, q);
          input clk;  input rst;  input en;  input [3:0] d;
          output [3:0] q;
          reg [3:0] q = 4'h0;
          reg [3:0] \$1 ;
          wire [4:0] \$2 ;
          assign \$2  = q + d;
          always @(posedge clk)
            q <= \$1 ;
          always @* begin
            \$1  = q;
            if (en) begin
              \$1  = \$2 [3:0];
            end
            if (rst) begin
              \$1  = 4'h0;
            end
          end
        endmodule
        """) == textwrap.dedent("""\
        module m (
          input wire clk,
          input wire rst,
          input wire en,
          input wire [3:0] d,
          output reg [3:0] q
        );

          always @(posedge clk) begin
            if (rst)
              q <= 4'd0;
            else if (en)
              q <= q + d;
          end
        endmodule
        """)


class Halves(wiring.Component):
    """A register of which only the upper half is ever assigned; it gives as many of its bits as are asked for."""

    def __init__(self, shown: int):
        self.shown = shown
        super().__init__({"i": In(4), "o": Out(shown)})

    def elaborate(self, platform):
        m = Module()
        held = Signal(8, reset_less=True)
        with m.If(self.i[0]):
            m.d.sync += held[4:].eq(self.i)
        m.d.comb += self.o.eq(held[8 - self.shown :])
        return m


def test_register_that_is_assigned_in_part():
    _, text = conversion.convert(Halves(4), "halves")
    assert re.search(r"if \(i\[0\]\)\s+held\w* <= i;", text), text
    with pytest.raises(ValueError, match="halves: nothing drives \\w+, bits 0xf"):
        conversion.convert(Halves(8), "halves")


def test_fields_dead_bits_and_instances():
    """A structure crosses a boundary: it comes out as its fields, and what nobody reads is gone on both sides."""
    assert tidied(r"""
        module top(i__payload, o);
          input [8:0] i__payload;
          output [3:0] o;
          wire [8:0] \i__payload ;
          wire [6:0] \i__payload.data ;
          wire \i__payload.last ;
          wire \i__payload.error ;
          wire [9:0] \$1 ;
          wire [8:0] \sub.o ;
          \top.sub  \sub$7  ( .i__payload(i__payload), .\p$3 (\$1 ) );
          assign o = \$1 [7:4];
          assign \i__payload.data  = i__payload[6:0];
          assign \i__payload.last  = i__payload[7];
          assign \i__payload.error  = i__payload[8];
        endmodule
        module \top.sub (i__payload, \p$3 );
          input [8:0] i__payload;
          output [9:0] \p$3 ;
          wire [6:0] \i__payload.data ;
          wire \i__payload.last ;
          wire \i__payload.error ;
          assign \p$3  = i__payload[7] ? { 3'h0, i__payload[6:0] } : 10'h3ff;
          assign \i__payload.data  = i__payload[6:0];
          assign \i__payload.last  = i__payload[7];
          assign \i__payload.error  = i__payload[8];
        endmodule
        """, ["i"]) == textwrap.dedent("""\
        module top (
          input wire [6:0] i_data,
          input wire i_last,
          input wire i_error,
          output wire [3:0] o
        );

          wire unused_inputs;

          top_sub sub (
            .i_data(i_data[6:4]),
            .i_last(i_last),
            .p(o)
          );

          assign unused_inputs = &{1'b0, i_data[3:0], i_error};
        endmodule

        module top_sub (
          input wire [6:4] i_data,
          input wire i_last,
          output wire [7:4] p
        );

          assign p = i_last ? {1'b0, i_data} : 4'd15;
        endmodule
        """)


def test_ports_that_share_a_name_are_called_after_what_takes_them():
    """Two nets of one name cross a module, and one without a name leaves it."""
    text = tidied(r"""
        module top(a, b, x, y);
          input a;  input b;
          output [1:0] x;  output y;
          wire \$9 ;
          \top.mid  mid ( .\i$1 (a), .\i$2 (b), .\port$7$0 (\$9 ), .x(x) );
          \top.far  far ( .taken(\$9 ), .y(y) );
        endmodule
        module \top.mid (\i$1 , \i$2 , \port$7$0 , x);
          input \i$1 ;  input \i$2 ;
          output \port$7$0 ;  output [1:0] x;
          assign \port$7$0  = \i$1  ^ \i$2 ;
          \top.mid.one  one ( .i(\i$1 ), .o(x[0]) );
          \top.mid.two  two ( .i(\i$2 ), .o(x[1]) );
        endmodule
        module \top.mid.one (i, o);
          input i;  output o;
          assign o = ~i;
        endmodule
        module \top.mid.two (i, o);
          input i;  output o;
          assign o = ~i;
        endmodule
        module \top.far (taken, y);
          input taken;  output y;
          assign y = ~taken;
        endmodule
        """)
    assert ".one_i(a)" in text and ".two_i(b)" in text and "assign far_taken = one_i ^ two_i;" in text


def test_registers_that_share_a_name():
    """What an output shows is that output; what shares the name of an input says that it is a register."""
    text = tidied(r"""
        module m(clk, x, y, z);
          input clk;  input x;
          output y;  output z;
          reg \y$1 ;  reg \x$2 ;
          always @(posedge clk) \y$1  <= x;
          always @(posedge clk) \x$2  <= x;
          assign y = \y$1 ;
          assign z = \x$2  & \y$1 ;
        endmodule
        """)
    assert "output reg y" in text and "y <= x;" in text and "x_reg <= x;" in text and "assign z = x_reg & y;" in text


def test_no_line_is_long():
    """Some tools refuse lines of tens of thousands of characters."""
    inputs = [f"a{k}" for k in range(200)]
    text = tidied(f"""
        module m({", ".join(inputs)}, s, x);
          {" ".join(f"input {name};" for name in inputs)}  input s;
          output [199:0] x;
          assign x = s ? {{ {", ".join(inputs)} }} : {{ {", ".join(reversed(inputs))} }};
        endmodule
        """)
    assert max(map(len, text.splitlines())) <= 120 and text.count("a117") == 3
    assert all(line.startswith("  ") for line in text.splitlines()[1:] if line not in ("", ");", "endmodule"))


def test_dummies_where_an_operator_gives_too_much():
    text = tidied(r"""
        module m(a, s, x);
          input [7:0] a;  input [2:0] s;
          output [3:0] x;
          wire [14:0] \$1 ;
          assign \$1  = a << s;
          assign x = \$1 [7:4];
        endmodule
        """)
    assert "assign {x, x_unused} = a << s;" in text and "wire [3:0] x_unused;" in text


def test_array_element_is_a_choice():
    text = tidied(r"""
        module m(a, b, c, i, x, y);
          input [4:0] a;  input [4:0] b;  input [4:0] c;  input [1:0] i;  input j;
          output [4:0] x;  output [4:0] y;
          wire [4:0] \$1 ;  wire [3:0] \$2 ;  wire [4:0] \$3 ;  wire [3:0] \$4 ;
          assign \$2  = i * 3'h5;
          assign \$1  = { c, b, a } >> \$2 ;
          assign \$4  = j * 3'h5;
          assign \$3  = { b, a } >> \$4 ;
          assign x = \$1 ;
          assign y = \$3 ;
        endmodule
        """)
    assert "assign x_choices = {3'd0, 5'd0, 3'd0, c, 3'd0, b, 3'd0, a};" in text
    assert "assign x = x_choices[{i, 3'd0} +: 5];" in text
    assert "assign y = j ? b : a;" in text


def test_cases_say_no_more_than_they_do():
    text = tidied(r"""
        module m(s, x, y);
          input [1:0] s;
          output x;  output y;
          reg x;  reg y;
          always @* begin
            if (\$auto$1 ) begin end
            x = 1'h0;
            casez (s)
              2'h0:
                  /* empty */;
              2'h2:
                  x = 1'h1;
            endcase
          end
          always @* begin
            y = 1'h0;
            casez (s)
              2'b1?:
                  /* empty */;
              2'h?:
                  y = 1'h1;
            endcase
          end
        endmodule
        """.replace("if (\\$auto$1 ) begin end", ""))
    assert "if (s == 2'd2)\n      x = 1'b1;" in text.replace("  ", "  ")
    assert "2'b1?: ;" in text and "2'b??: y = 1'b1;" in text, "an empty item can hide the one behind it"


def test_conditions_are_written_out_or_named():
    """Short ones wherever they decide something, long ones once, under the name of what they decide first."""
    processes = "".join(rf"""
          reg \$n{x} ;
          always @(posedge clk) {x} <= \$n{x} ;
          always @* begin
            \$n{x}  = {x};
            if (\$4 ) begin \$n{x}  = a; end
            if (\$5 ) begin \$n{x}  = b; end
          end""" for x in "xyz")
    text = tidied(rf"""
        module m(clk, a, b, c, d, e, x, y, z);
          input clk;  input a;  input b;  input c;  input d;  input e;
          output x;  output y;  output z;
          reg x;  reg y;  reg z;
          wire \$1 ;  wire \$2 ;  wire \$3 ;  wire \$4 ;  wire \$5 ;
          assign \$1  = a & b;
          assign \$2  = \$1  & c;
          assign \$3  = \$2  & d;
          assign \$4  = \$3  | e;
          assign \$5  = d | e;
          {processes}
        endmodule
        """)
    assert text.count("assign x_when = (a & b & c & d) | e;") == 1
    assert text.count("if (x_when)") == 3 and text.count("if (d | e)") == 3


# Names


@pytest.mark.parametrize(("raw", "plain"), [
    ("o__payload$31.data", "o_data"), ("rows$11[3].v_min", "rows_3_v_min"), ("i__ready$27", "i_ready"),
    ("$12", ""), ("$12[4:3]", ""), ("port$19$0", ""), ("$signal$4", "signal"), ("a_product[17:2]", "a_product_17_2"),
    ("apack.core.table", "apack_core_table"),
])
def test_plain(raw, plain):
    assert names.plain(raw) == plain


def test_unique():
    taken = set(names.KEYWORDS)
    assert [names.unique(name, taken) for name in ("a", "a", "a_2", "table", "table")] == [
        "a", "a_2", "a_2_2", "table_", "table_2",
    ]
