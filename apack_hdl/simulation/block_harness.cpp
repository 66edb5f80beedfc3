// Drives the memory-side block with its watchers (axi_wrapper.py): software, memory and accelerator.
//
//   harness SEED STALL LATENCY HOLD PATIENCE FOLDER
//
// FOLDER/script is what software does, one operation after another: rows of three 64-bit integers, little-endian:
// 0 OFFSET VALUE writes a register, 1 OFFSET 0 reads one, 2 0 0 waits for the interrupt. FOLDER/memory is the memory's
// contents from FOLDER/base on (an integer), FOLDER/values are the bytes to offer on s_axis: from HOLD cycles after the
// first wait for the interrupt on, or, if HOLD is 0, from the beginning.
// Written to FOLDER: memory.out; values.out, the bytes that counted on m_axis; script.out, a row of two integers for
// each operation: the cycle in which it ended, and what was read; NAME.times, the cycle of each transfer, for s_axis, m_axis
// and the memory's five channels; and m_axi_ar.addresses, from the base on.
//
// The memory answers LATENCY cycles after an address or the last beat of a burst was taken, one beat a cycle, any
// number of bursts under way. STALL: probability that a channel waits in a cycle, for each. Exit code 1 and a line on
// stderr: a rule was broken, an access outside the memory, or PATIENCE cycles without a transfer on any channel.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "verilated.h"
#include "Vtop.h"

namespace {

#include "sizes.h"  // MEMORY_BYTES and STREAM_BYTES, of a beat

using Bytes = std::vector<uint8_t>;

[[noreturn]] void fail(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::exit(1);
}

template <class T> std::vector<T> load(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) fail("cannot read " + path);
    std::fseek(file, 0, SEEK_END);
    std::vector<T> data(std::ftell(file) / sizeof(T));
    std::rewind(file);
    if (std::fread(data.data(), sizeof(T), data.size(), file) != data.size()) fail("cannot read " + path);
    std::fclose(file);
    return data;
}

template <class T> void save(const std::string& path, const std::vector<T>& data) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data.data(), sizeof(T), data.size(), file) != data.size() || std::fclose(file))
        fail("cannot write " + path);
}

// A port of any width, first byte in the lowest bits.
template <class T> void put(T& port, const uint8_t* bytes, size_t count) { std::memcpy(&port, bytes, count); }
template <class T> void get(const T& port, uint8_t* bytes, size_t count) { std::memcpy(bytes, &port, count); }

struct Random {  // splitmix64
    uint64_t state;
    double next() {
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return double((z ^ (z >> 31)) >> 11) * 0x1p-53;
    }
};

struct Burst {
    uint64_t address, beats, ready;
};

class Bench {
  public:
    Bench(Vtop& top, uint64_t seed, double stall, uint64_t latency, uint64_t hold, const std::string& folder)
        : t(top), random{seed}, stall(stall), latency(latency), hold(hold), held(hold > 0), script(load<uint64_t>(folder + "/script")),
          memory(load<uint8_t>(folder + "/memory")), base(load<uint64_t>(folder + "/base").at(0)),
          values(load<uint8_t>(folder + "/values")) {}

    bool done() const { return operation * 3 >= script.size(); }

    // Set all inputs for the cycle that begins now.
    void offer() {
        t.m_axi_arready = willing();
        t.m_axi_awready = willing();
        t.m_axi_wready = willing();
        t.m_axis_tready = willing();
        if (!t.m_axi_rvalid && !reads.empty() && reads.front().ready <= now && willing()) {
            put(t.m_axi_rdata, &memory.at(place(reads.front().address)), MEMORY_BYTES);
            t.m_axi_rlast = reads.front().beats == 1;
            t.m_axi_rvalid = 1;
        }
        if (!t.m_axi_bvalid && !responses.empty() && responses.front() <= now && willing()) t.m_axi_bvalid = 1;
        if (!t.s_axis_tvalid && !held && sent < values.size() && willing()) {
            uint8_t beat[STREAM_BYTES] = {};
            const size_t count = std::min<size_t>(STREAM_BYTES, values.size() - sent);
            std::memcpy(beat, &values[sent], count);
            put(t.s_axis_tdata, beat, STREAM_BYTES);
            std::memset(beat, 0, STREAM_BYTES);
            for (size_t i = 0; i < count; i++) beat[i / 8] |= 1 << i % 8;
            put(t.s_axis_tkeep, beat, (STREAM_BYTES + 7) / 8);
            t.s_axis_tlast = sent + count == values.size();
            t.s_axis_tvalid = 1;
        }
        operate();
    }

    // Look at all handshakes before the clock's edge; returns the inputs that are taken as a set of actions for after.
    void look() {
        taken = {t.s_axis_tvalid && t.s_axis_tready, t.m_axi_rvalid && t.m_axi_rready, t.m_axi_bvalid && t.m_axi_bready,
                 t.s_axil_awvalid && t.s_axil_awready, t.s_axil_wvalid && t.s_axil_wready,
                 t.s_axil_arvalid && t.s_axil_arready};
        if (t.m_axi_arvalid && t.m_axi_arready) {
            reads.push_back({t.m_axi_araddr, t.m_axi_arlen + 1u, now + latency});
            note("m_axi_ar");
            read_addresses.push_back(t.m_axi_araddr - base);
        }
        if (t.m_axi_awvalid && t.m_axi_awready) {
            writes.push_back({t.m_axi_awaddr, t.m_axi_awlen + 1u, 0});
            note("m_axi_aw");
        }
        if (t.m_axi_wvalid && t.m_axi_wready) {
            beats.emplace_back(MEMORY_BYTES + (MEMORY_BYTES + 7) / 8);
            get(t.m_axi_wdata, beats.back().data(), MEMORY_BYTES);
            get(t.m_axi_wstrb, beats.back().data() + MEMORY_BYTES, (MEMORY_BYTES + 7) / 8);
            note("m_axi_w");
        }
        while (!writes.empty() && !beats.empty()) write();
        if (t.m_axis_tvalid && t.m_axis_tready) {
            uint8_t data[STREAM_BYTES], keep[(STREAM_BYTES + 7) / 8];
            get(t.m_axis_tdata, data, STREAM_BYTES);
            get(t.m_axis_tkeep, keep, sizeof keep);
            for (size_t i = 0; i < STREAM_BYTES; i++)
                if (keep[i / 8] >> i % 8 & 1) received.push_back(data[i]);
            note("m_axis");
        }
        if (t.s_axil_bvalid && t.s_axil_bready) finish(0);
        if (t.s_axil_rvalid && t.s_axil_rready) finish(t.s_axil_rdata);
        if (kind() == 2 && t.irq) finish(0);
        if (taken[0]) note("s_axis");
        if (taken[1]) note("m_axi_r");
        if (taken[2]) note("m_axi_b");
    }

    // After the edge: what was taken is offered no more.
    void withdraw() {
        if (taken[0]) {
            t.s_axis_tvalid = 0;
            sent += STREAM_BYTES;
        }
        if (taken[1]) {
            t.m_axi_rvalid = 0;
            reads.front().address += MEMORY_BYTES;
            if (!--reads.front().beats) reads.pop_front();
        }
        if (taken[2]) {
            t.m_axi_bvalid = 0;
            responses.pop_front();
        }
        if (taken[3]) t.s_axil_awvalid = 0;
        if (taken[4]) t.s_axil_wvalid = 0;
        if (taken[5]) t.s_axil_arvalid = 0;
        now++;
    }

    void write_all(const std::string& folder) {
        save(folder + "/memory.out", memory);
        save(folder + "/values.out", received);
        save(folder + "/script.out", results);
        for (const char* name : {"s_axis", "m_axis", "m_axi_ar", "m_axi_r", "m_axi_aw", "m_axi_w", "m_axi_b"})
            save(folder + "/" + name + ".times", times[name]);
        save(folder + "/m_axi_ar.addresses", read_addresses);
    }

    uint64_t now = 0, last = 0;  // cycle; that of the last transfer

  private:
    bool willing() { return stall == 0 || random.next() >= stall; }
    uint64_t kind() const { return done() ? 3 : script[operation * 3]; }
    void note(const char* name) {
        times[name].push_back(now);
        last = now;
    }
    size_t place(uint64_t address) const {
        const uint64_t offset = address / MEMORY_BYTES * MEMORY_BYTES - base;
        if (offset + MEMORY_BYTES > memory.size()) fail("an access outside the memory, at " + std::to_string(address));
        return offset;
    }
    void write() {
        Burst& burst = writes.front();
        const Bytes& beat = beats.front();
        uint8_t* row = &memory.at(place(burst.address));
        for (size_t i = 0; i < MEMORY_BYTES; i++)
            if (beat[MEMORY_BYTES + i / 8] >> i % 8 & 1) row[i] = beat[i];
        beats.pop_front();
        burst.address += MEMORY_BYTES;
        if (!--burst.beats) {
            writes.pop_front();
            responses.push_back(now + latency);
        }
    }
    void operate() {
        if (held && kind() == 2 && !hold--) held = false;
        if (begun || kind() > 1) return;
        const uint64_t offset = script[operation * 3 + 1];
        begun = true;
        if (kind() == 0) {
            t.s_axil_awaddr = offset;
            t.s_axil_wdata = script[operation * 3 + 2];
            t.s_axil_wstrb = 15;
            t.s_axil_awvalid = t.s_axil_wvalid = 1;
        } else {
            t.s_axil_araddr = offset;
            t.s_axil_arvalid = 1;
        }
    }
    void finish(uint64_t value) {
        results.insert(results.end(), {now, value});
        operation++;
        begun = false;
        last = now;
    }

    Vtop& t;
    Random random;
    const double stall;
    const uint64_t latency;
    uint64_t hold;
    bool held;  // values are not offered yet
    const std::vector<uint64_t> script;
    Bytes memory;
    const uint64_t base;
    const Bytes values;
    Bytes received;
    size_t operation = 0, sent = 0;
    bool begun = false;
    std::deque<Burst> reads, writes;
    std::deque<Bytes> beats;
    std::deque<uint64_t> responses;
    std::vector<uint64_t> results, read_addresses;
    std::vector<bool> taken;
    std::map<std::string, std::vector<uint64_t>> times;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 7) fail("harness SEED STALL LATENCY HOLD PATIENCE FOLDER");
    VerilatedContext context;
    context.commandArgs(argc, argv);
    context.randSeed(int(std::strtoull(argv[1], nullptr, 10) % 0x7fffffff) + 1);
    context.randReset(2);  // registers start with random values
    const auto top = std::make_unique<Vtop>(&context);
    const auto number = [argv](int which) { return std::strtoull(argv[which], nullptr, 10); };
    const std::string folder = argv[6];
    Bench bench(*top, number(1), std::atof(argv[2]), number(3), number(4), folder);
    const uint64_t patience = number(5);
    top->rst = 1;
    top->m_axi_rvalid = top->m_axi_bvalid = top->m_axi_rresp = top->m_axi_bresp = top->s_axis_tvalid = 0;
    top->s_axil_awvalid = top->s_axil_wvalid = top->s_axil_arvalid = top->s_axil_awprot = top->s_axil_arprot = 0;
    top->s_axil_bready = top->s_axil_rready = 1;
    for (int edge = 0; edge < 8; edge++) {
        top->clk = edge & 1;
        top->eval();
    }
    top->rst = 0;
    while (!bench.done()) {
        top->clk = 0;
        bench.offer();
        top->eval();
        bench.look();
        top->clk = 1;
        top->eval();
        bench.withdraw();
        if (top->broken) fail("cycle " + std::to_string(bench.now) + ": rules broken: " + std::to_string(top->broken));
        if (bench.now - bench.last > patience) fail("nothing has happened for " + std::to_string(patience) + " cycles");
    }
    bench.write_all(folder);
    top->final();
    return 0;
}
