// Drives one Verilated top: every stream has an end here, which stalls at random.
//
//   harness STALL SEED WATCHDOG FOLDER[:CYCLES]...
//
// For every FOLDER in turn: reset, then offer the transfers in FOLDER/<stream>.in on the input streams and write what
// the output streams give to FOLDER/<stream>.out, until nothing is left to happen (or CYCLES have passed). A transfer
// is a row of 64-bit little-endian integers, one for each field of the stream's payload.
//
// STALL is the probability that an end is not willing in a cycle. A producer that has offered something goes on
// offering it until it is taken; a consumer makes up its mind every cycle. Registers start with random values.
//
// On stdout, one line for every folder: for each stream its name and the cycles, counted from 1 after reset, of its
// first and its last transfer (0 if none). Exit code 1 and a line on stderr: the design broke the stream law, or
// WATCHDOG cycles went by without a transfer though there was work.

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "verilated.h"
#include "Vtop.h"

namespace {

constexpr int QUIET = 200;  // cycles with nothing offered on either side, after which nothing will come
constexpr int MAX_FIELDS = 8;

// A stream as a port of the top. `into`: the top takes from it.
struct Stream {
    const char* name;
    bool into;
    int fields;
    void (*offer)(Vtop&, bool valid, const uint64_t* fields);
    void (*accept)(Vtop&, bool ready);
    void (*look)(const Vtop&, bool& valid, bool& ready, uint64_t* fields);
};

#include "streams.h"  // written for the top at hand: STREAMS

// What stands on a stream's fields while nothing is offered.
const uint64_t NOISE[MAX_FIELDS] = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull};

// Random numbers, one series for every end (splitmix64).
struct Random {
    uint64_t state;
    uint64_t next() {
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
};

// One end of a stream.
struct End {
    const Stream& stream;
    Random random;
    std::vector<uint64_t> rows;  // to offer, or taken
    size_t next = 0;             // row to offer next
    bool offering = false;       // producer: has made an offer; consumer: was offered something and did not take it
    uint64_t shown[MAX_FIELDS] = {};
    uint64_t first_transfer = 0, last_transfer = 0;

    bool work_left() const { return stream.into && next < rows.size(); }
};

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

std::vector<uint64_t> read_rows(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) fail("cannot read " + path);
    std::fseek(file, 0, SEEK_END);
    std::vector<uint64_t> rows(std::ftell(file) / sizeof(uint64_t));
    std::rewind(file);
    if (std::fread(rows.data(), sizeof(uint64_t), rows.size(), file) != rows.size()) fail("cannot read " + path);
    std::fclose(file);
    return rows;
}

void write_rows(const std::string& path, const std::vector<uint64_t>& rows) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(rows.data(), sizeof(uint64_t), rows.size(), file) != rows.size() || std::fclose(file))
        fail("cannot write " + path);
}

class Bench {
public:
    Bench(double stall, uint64_t seed, uint64_t watchdog) : seed(seed), watchdog(watchdog) {
        unwilling = static_cast<uint64_t>(stall * 9007199254740992.0);  // of 2**53
        context.randReset(2);
        context.randSeed(static_cast<int>(seed % 0x7fffffff) + 1);
        top = std::make_unique<Vtop>(&context);
    }

    void run(const std::string& folder, uint64_t limit) {
        ends.clear();
        for (const Stream& stream : STREAMS) {
            ends.push_back({stream, Random{seed * 1000 + ends.size()}, {}});
            if (stream.into) ends.back().rows = read_rows(folder + "/" + stream.name + ".in");
        }
        reset();
        play(limit);
        for (const End& end : ends) {
            if (!end.stream.into) write_rows(folder + "/" + end.stream.name + ".out", end.rows);
            std::printf("%s %" PRIu64 " %" PRIu64 " ", end.stream.name, end.first_transfer, end.last_transfer);
        }
        std::printf("\n");
    }

private:
    // All streams look busy during reset; the design must not care.
    void reset() {
        for (const End& end : ends) {
            if (end.stream.into) end.stream.offer(*top, true, NOISE);
            else end.stream.accept(*top, true);
        }
        top->rst = 1;
        tick();
        top->rst = 0;
    }

    void play(uint64_t limit) {
        uint64_t last_transfer = 0;
        int quiet = 0;
        for (cycle = 1; cycle <= limit && quiet < QUIET; ++cycle) {
            bool anything = false;
            for (End& end : ends) decide(end);
            top->clk = 0;
            top->eval();
            for (End& end : ends) anything |= look(end);
            top->clk = 1;
            top->eval();
            for (const End& end : ends) last_transfer = std::max(last_transfer, end.last_transfer);
            quiet = anything ? 0 : quiet + 1;
            if (anything && cycle - last_transfer > watchdog) give_up();
        }
    }

    bool willing(End& end) { return (end.random.next() >> 11) >= unwilling; }

    void decide(End& end) {
        if (!end.stream.into) {
            end.stream.accept(*top, willing(end));
            return;
        }
        // The first stream is `load`, and no block may begin before the first table does.
        const bool begun = &end == &ends[0] || ends[0].offering || ends[0].next || ends[0].rows.empty();
        if (!end.offering) end.offering = begun && end.work_left() && willing(end);
        end.stream.offer(*top, end.offering, end.offering ? end.rows.data() + end.next : NOISE);
    }

    // Whether anything is going on at this end, or could be.
    bool look(End& end) {
        uint64_t row[MAX_FIELDS] = {};
        bool valid, ready;
        end.stream.look(*top, valid, ready, row);
        if (valid && ready) {
            if (!end.first_transfer) end.first_transfer = cycle;
            end.last_transfer = cycle;
        }
        if (end.stream.into) {
            if (valid && ready) {
                end.next += end.stream.fields;
                end.offering = false;
            }
            return valid || end.work_left();
        }
        const size_t size = end.stream.fields * sizeof(uint64_t);
        if (end.offering && (!valid || std::memcmp(row, end.shown, size)))
            fail(std::string(end.stream.name) + ": an offer changed before it was taken, in cycle "
                 + std::to_string(cycle));
        std::memcpy(end.shown, row, size);
        end.offering = valid && !ready;
        if (valid && ready) end.rows.insert(end.rows.end(), row, row + end.stream.fields);
        return valid;
    }

    [[noreturn]] void give_up() {
        std::string where;
        for (const End& end : ends)
            where += std::string(where.empty() ? "" : ", ") + end.stream.name + " "
                + std::to_string((end.stream.into ? end.next : end.rows.size()) / end.stream.fields);
        fail("stuck at cycle " + std::to_string(cycle) + "; transfers so far: " + where);
    }

    void tick() {
        for (int level : {0, 1}) {
            top->clk = level;
            top->eval();
        }
    }

    VerilatedContext context;
    std::unique_ptr<Vtop> top;
    std::vector<End> ends;
    uint64_t seed, watchdog, unwilling, cycle = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) fail("usage: harness STALL SEED WATCHDOG FOLDER[:CYCLES]...");
    Bench bench(std::atof(argv[1]), std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
    for (int i = 4; i < argc; ++i) {
        std::string folder = argv[i];
        uint64_t limit = UINT64_MAX;
        const size_t colon = folder.rfind(':');
        if (colon != std::string::npos) {
            limit = std::strtoull(folder.c_str() + colon + 1, nullptr, 10);
            folder.resize(colon);
        }
        bench.run(folder, limit);
    }
    return 0;
}
