// Rules of AXI4, AXI4-Lite and AXI4-Stream that the memory-side block keeps, watched in every simulation of it.
// Plain Verilog, for any simulator. A bit of "broken" that was ever set stays set; an unknown valid counts as broken.

// Once offered, a payload stays until it is taken.
module axi_stable #(parameter WIDTH = 1) (
  input wire clk, input wire rst, input wire valid, input wire ready, input wire [WIDTH-1:0] payload,
  output reg broken
);
  reg held;
  reg [WIDTH-1:0] was;
  initial begin broken = 0; held = 0; end
  always @(posedge clk) begin
    held <= (valid === 1'b1) && !ready && !rst;
    was <= payload;
    if (!rst && ((valid !== 1'b0 && valid !== 1'b1) || (held && (!valid || payload !== was))))
      broken <= 1;
  end
endmodule

// Addresses of a manager's bursts: whole beats at rising addresses, at most BURST of them, within 4 KiB.
module axi_bursts #(parameter DATA = 32, parameter BURST = 256) (
  input wire clk, input wire rst, input wire valid, input wire [11:0] address, input wire [7:0] len,
  input wire [2:0] size, input wire [1:0] burst,
  output reg broken
);
  localparam [12:0] BYTES = DATA / 8;
  wire [20:0] past = {9'd0, address} + ({13'd0, len} + 21'd1) * {8'd0, BYTES};
  initial broken = 0;
  always @(posedge clk)
    if (!rst && valid && ((13'd1 << size) != BYTES || burst != 2'd1 || {24'd0, len} >= BURST || past > 21'd4096
        || (address & (BYTES[11:0] - 12'd1)) != 0))
      broken <= 1;
endmodule

// Beats of data against the lengths of their bursts, in the order of the addresses: the last one is marked, and none
// comes without an address that was offered before it or with it. "left": bursts whose data are not complete.
module axi_lengths (
  input wire clk, input wire rst, input wire address_offered, input wire address_taken, input wire [7:0] len,
  input wire data_valid, input wire data_taken, input wire data_last,
  output reg [8:0] left, output reg broken
);
  reg [7:0] lens [0:255];
  reg [7:0] put, get, beat;
  reg noted;  // the address that is offered
  wire fresh = address_offered && !noted;
  wire known = left != 0 || fresh;
  wire [7:0] expected = left != 0 ? lens[get] : len;
  wire ends = data_taken && beat == expected;
  initial begin broken = 0; left = 0; put = 0; get = 0; beat = 0; noted = 0; end
  always @(posedge clk) begin
    if (rst) begin
      left <= 0; put <= 0; get <= 0; beat <= 0; noted <= 0;
    end else begin
      noted <= address_offered && !address_taken;
      if (fresh) begin
        lens[put] <= len;
        put <= put + 8'd1;
      end
      if (data_valid && (!known || data_last != (beat == expected)))
        broken <= 1;
      if (data_taken)
        beat <= ends ? 8'd0 : beat + 8'd1;
      if (ends)
        get <= get + 8'd1;
      left <= left + {8'd0, fresh} - {8'd0, ends};
    end
  end
endmodule

// Never more under way than LIMIT, never an end without a beginning.
module axi_count #(parameter LIMIT = 64) (
  input wire clk, input wire rst, input wire begins, input wire ends, output reg [15:0] count, output reg broken
);
  initial begin count = 0; broken = 0; end
  always @(posedge clk)
    if (rst)
      count <= 0;
    else begin
      count <= count + {15'd0, begins} - {15'd0, ends};
      if ((ends && count == 0) || {16'd0, count} > LIMIT)
        broken <= 1;
    end
endmodule

// Bytes of a stream's beats: all of them, but in a last beat the lowest ones; none only if ALLOW_EMPTY says so.
module axi_keep #(parameter BYTES = 4) (
  input wire clk, input wire rst, input wire valid, input wire [BYTES-1:0] keep, input wire last,
  input wire allow_empty,
  output reg broken
);
  wire [BYTES-1:0] all = {BYTES{1'b1}};
  initial broken = 0;
  always @(posedge clk)
    if (!rst && valid && ((keep & (keep + {{BYTES-1{1'b0}}, 1'b1})) != 0 || (!last && keep != all)
        || (keep == 0 && !allow_empty)))
      broken <= 1;
endmodule
