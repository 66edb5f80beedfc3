// Drives one Verilated top: every stream has an end here, which stalls at random.
//
//   harness SEED WATCHDOG FOLDER[:CYCLES]... +PLUSARG...
//
// For every FOLDER in turn: reset, then offer the transfers in FOLDER/<stream>.in on the input streams and write what
// the output streams give to FOLDER/<stream>.out, until nothing is left to happen (or CYCLES have passed). A transfer
// is a row of integers, one for each field of the stream's payload. In all files an integer has 64 bits, little-endian.
//
// FOLDER/<stream>.wait says what some rows of an input wait for: rows of three integers, ordered by the first. Row i is
// not offered before the stream with the given number has had so many transfers.
//
// FOLDER/stalls has a floating-point number for every stream: the probability that its end is not willing in a cycle.
// A producer that has offered something goes on offering it until it is taken; a consumer makes up its mind every
// cycle. Registers start with random values.
//
// FOLDER/<stream>.times: the cycle, counted from 1 after reset, of every transfer. Exit code 1 and a line on stderr:
// the design broke the stream law, WATCHDOG cycles went by without a transfer though there was work, or 100 times as
// many with outputs but no input: more than any block needs.
//
// Arguments that begin with + are for the design: $test$plusargs, $value$plusargs.

#include <algorithm>
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
    uint64_t unwilling;           // probability, of 2**53
    std::vector<uint64_t> rows;   // to offer, or taken
    std::vector<uint64_t> waits;  // what rows wait for: row, stream, transfers
    size_t next = 0;              // integer of `rows` to offer next
    size_t next_wait = 0;         // integer of `waits` that is up next
    bool offering = false;        // producer: has made an offer; consumer: was offered something and did not take it
    uint64_t shown[MAX_FIELDS] = {};
    std::vector<uint64_t> times;  // cycles of the transfers

    bool work_left() const { return stream.into && next < rows.size(); }
    uint64_t last_transfer() const { return times.empty() ? 0 : times.back(); }
};

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

template <typename T = uint64_t>
std::vector<T> read_rows(const std::string& path) {
    static_assert(sizeof(T) == sizeof(uint64_t));
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) fail("cannot read " + path);
    std::fseek(file, 0, SEEK_END);
    std::vector<T> rows(std::ftell(file) / sizeof(T));
    std::rewind(file);
    if (std::fread(rows.data(), sizeof(T), rows.size(), file) != rows.size()) fail("cannot read " + path);
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
    Bench(uint64_t seed, uint64_t watchdog, int argc, char** argv) : seed(seed), watchdog(watchdog) {
        context.randReset(2);
        context.randSeed(static_cast<int>(seed % 0x7fffffff) + 1);
        context.commandArgs(argc, argv);
        top = std::make_unique<Vtop>(&context);
    }

    ~Bench() { top->final(); }

    void run(const std::string& folder, uint64_t limit) {
        const std::vector<double> stalls = read_rows<double>(folder + "/stalls");
        ends.clear();
        for (const Stream& stream : STREAMS) {
            const auto unwilling = static_cast<uint64_t>(stalls.at(ends.size()) * 9007199254740992.0);
            ends.push_back({stream, Random{seed * 1000 + ends.size()}, unwilling});
            if (!stream.into) continue;
            ends.back().rows = read_rows(folder + "/" + stream.name + ".in");
            ends.back().waits = read_rows(folder + "/" + stream.name + ".wait");
        }
        reset();
        play(limit);
        for (const End& end : ends) {
            if (!end.stream.into) write_rows(folder + "/" + end.stream.name + ".out", end.rows);
            write_rows(folder + "/" + end.stream.name + ".times", end.times);
        }
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
        uint64_t last_transfer = 0, last_input = 0;
        int quiet = 0;
        for (cycle = 1; cycle <= limit && quiet < QUIET; ++cycle) {
            bool anything = false;
            for (End& end : ends) decide(end);
            top->clk = 0;
            top->eval();
            for (End& end : ends) anything |= look(end);
            top->clk = 1;
            top->eval();
            for (const End& end : ends) {
                last_transfer = std::max(last_transfer, end.last_transfer());
                if (end.stream.into) last_input = std::max(last_input, end.last_transfer());
            }
            quiet = anything ? 0 : quiet + 1;
            if (anything && cycle - last_transfer > watchdog) give_up("stuck");
            if (anything && cycle - last_input > 100 * watchdog) give_up("no end to the outputs");
        }
    }

    bool willing(End& end) { return (end.random.next() >> 11) >= end.unwilling; }

    // Whether nothing keeps the next row of a producer back.
    bool free(End& end) {
        while (end.next_wait < end.waits.size() && end.waits[end.next_wait] * end.stream.fields <= end.next) {
            if (ends[end.waits[end.next_wait + 1]].times.size() < end.waits[end.next_wait + 2]) return false;
            end.next_wait += 3;
        }
        return true;
    }

    void decide(End& end) {
        if (!end.stream.into) {
            end.stream.accept(*top, willing(end));
            return;
        }
        if (!end.offering) end.offering = end.work_left() && willing(end) && free(end);
        end.stream.offer(*top, end.offering, end.offering ? end.rows.data() + end.next : NOISE);
    }

    // Whether anything is going on at this end, or could be.
    bool look(End& end) {
        uint64_t row[MAX_FIELDS] = {};
        bool valid, ready;
        end.stream.look(*top, valid, ready, row);
        if (valid && ready) end.times.push_back(cycle);
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

    [[noreturn]] void give_up(const std::string& what) {
        std::string where;
        for (const End& end : ends)
            where += std::string(where.empty() ? "" : ", ") + end.stream.name + " "
                + std::to_string((end.stream.into ? end.next : end.rows.size()) / end.stream.fields);
        fail(what + " at cycle " + std::to_string(cycle) + "; transfers so far: " + where);
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
    uint64_t seed, watchdog, cycle = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) fail("usage: harness SEED WATCHDOG FOLDER[:CYCLES]...");
    Bench bench(std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10), argc, argv);
    for (int i = 3; i < argc; ++i) {
        std::string folder = argv[i];
        if (folder[0] == '+') continue;
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
