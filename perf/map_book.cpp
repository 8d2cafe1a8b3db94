// The floor for matching: a textbook book, std::map of price levels holding std::list queues, with
// an id index. No client ids, fees, reservations, positions: only the data structure.
//
//   map_book match RESTING LEVELS COUNT     ns for each one-lot taker against a deep side
//   map_book events RESTING LEVELS COUNT    the same, requests read from and two 128-byte records a
//                                           taker written to memory, as the engine has to
//   map_book sweep MAKERS COUNT             ns for each fill of takers that eat MAKERS one-lot makers
//   map_book gap LEVELS GAP                 ns to clear a level and find the next, GAP ticks away
//   map_book mixed COUNT                    ns for each operation of the mixed flow
//   map_book mixed-events COUNT             the same with requests read and records written
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

struct Order { uint64_t id; int64_t qty; int64_t px; int side; };
struct Record { uint64_t words[16]; };
using Level = std::list<Order>;

// A ring of records that nobody reads; off for the bare figures.
struct Events {
    static constexpr uint64_t DEPTH = 4096;
    std::vector<Record> ring;
    uint64_t written = 0;
    void write(uint64_t type, uint64_t id, uint64_t other, int64_t px, int64_t qty) {
        if (ring.empty()) return;
        Record &record = ring[written++ % DEPTH];
        record = Record{};
        record.words[0] = type;
        record.words[4] = id;
        record.words[5] = other;
        record.words[6] = (uint64_t)px;
        record.words[7] = (uint64_t)qty;
    }
};

struct Book {
    std::map<int64_t, Level> side[2];
    std::unordered_map<uint64_t, Level::iterator> index;
    Events events;
    uint64_t fills = 0;

    bool crosses(int taker, int64_t level, int64_t px) const { return taker == 0 ? level <= px : level >= px; }
    void add(uint64_t id, int s, int64_t px, int64_t qty, bool rests) {
        auto &other = side[1 - s];
        events.write(1, id, 0, px, qty);
        while (qty > 0 && !other.empty()) {
            auto best = s == 0 ? other.begin() : std::prev(other.end());
            if (!crosses(s, best->first, px)) break;
            Level &queue = best->second;
            while (qty > 0 && !queue.empty()) {
                Order &maker = queue.front();
                int64_t traded = qty < maker.qty ? qty : maker.qty;
                maker.qty -= traded;
                qty -= traded;
                fills++;
                events.write(2, id, maker.id, maker.px, traded);
                if (maker.qty == 0) { index.erase(maker.id); queue.pop_front(); }
            }
            if (queue.empty()) other.erase(best);
        }
        if (qty > 0 && rests) {
            Level &queue = side[s][px];
            queue.push_back({id, qty, px, s});
            index[id] = std::prev(queue.end());
        }
    }
    void cancel(uint64_t id) {
        auto found = index.find(id);
        events.write(3, id, 0, 0, 0);
        if (found == index.end()) return;
        Level::iterator order = found->second;
        auto &levels = side[order->side];
        auto level = levels.find(order->px);
        level->second.erase(order);
        if (level->second.empty()) levels.erase(level);
        index.erase(found);
    }
};

static uint64_t seed = 88172645463325252ull;
static uint64_t next_random() { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed; }
static std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
static double since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double, std::nano>(now() - began).count();
}

static int match(Book &book, int64_t resting, int64_t levels, int64_t count, bool with_events) {
    uint64_t id = 1;
    for (int64_t i = 0; i < resting; i++) {
        book.add(id++, 1, 500001 + i % levels, 10, true);
        book.add(id++, 0, 500000 - i % levels, 10, true);
    }
    std::vector<Record> requests(with_events ? count : 0);
    for (int64_t i = 0; i < (int64_t)requests.size(); i++) requests[i].words[4] = id + i;
    if (with_events) book.events.ring.resize(Events::DEPTH);
    auto began = now();
    for (int64_t i = 0; i < count; i++)
        book.add(with_events ? requests[i].words[4] : id++, i & 1, i & 1 ? 1 : 1000000, 1, false);
    printf("%.2f %llu\n", since(began) / count, (unsigned long long)book.fills);
    return 0;
}

static int sweep(Book &book, int64_t makers, int64_t count) {
    uint64_t id = 1;
    for (int64_t i = 0; i < makers * count; i++) book.add(id++, 1, 500001 + i % 1000, 1, true);
    auto began = now();
    for (int64_t i = 0; i < count; i++) book.add(id++, 0, 1000000, makers, false);
    printf("%.2f %llu\n", since(began) / (makers * count), (unsigned long long)book.fills);
    return 0;
}

static int gap(Book &book, int64_t levels, int64_t width) {
    uint64_t id = 1;
    for (int64_t i = 0; i < levels; i++) book.add(id++, 1, 500001 + i * width, 1, true);
    auto began = now();
    for (int64_t i = 0; i < levels; i++) book.add(id++, 0, 1ll << 40, 1, false);
    printf("%.2f %llu\n", since(began) / levels, (unsigned long long)book.fills);
    return 0;
}

static int mixed(Book &book, int64_t count, bool with_events) {
    uint64_t id = 1;
    std::vector<Record> ops(count);
    for (auto &op : ops) {
        op = Record{};
        if (id > 1 && next_random() % 100 < 40) {
            op.words[0] = 1;
            op.words[4] = 1 + next_random() % (id - 1);
        } else {
            op.words[4] = id++;
            op.words[8] = next_random() & 1;
            op.words[6] = 500000 + next_random() % 41 - 20;
            op.words[7] = 1 + next_random() % 20;
        }
    }
    if (with_events) book.events.ring.resize(Events::DEPTH);
    auto began = now();
    for (const Record &op : ops) {
        if (op.words[0]) book.cancel(op.words[4]);
        else book.add(op.words[4], (int)op.words[8], (int64_t)op.words[6], (int64_t)op.words[7], true);
    }
    printf("%.2f %llu\n", since(began) / count, (unsigned long long)book.fills);
    return 0;
}

int main(int argc, char **argv) {
    Book book;
    book.index.reserve(1 << 21);
    std::string what = argc > 1 ? argv[1] : "";
    auto number = [&](int at) { return atoll(argv[at]); };
    if (argc == 5 && what == "match") return match(book, number(2), number(3), number(4), false);
    if (argc == 5 && what == "events") return match(book, number(2), number(3), number(4), true);
    if (argc == 4 && what == "sweep") return sweep(book, number(2), number(3));
    if (argc == 4 && what == "gap") return gap(book, number(2), number(3));
    if (argc == 3 && what == "mixed") return mixed(book, number(2), false);
    if (argc == 3 && what == "mixed-events") return mixed(book, number(2), true);
    return 2;
}
