// The floor for matching: a textbook book, std::map of price levels holding std::list queues, with
// an id index. No client ids, fees, reservations, log records: only the data structure.
//
//   map_book match RESTING LEVELS COUNT     ns for each one-lot taker against a deep side
//   map_book mixed COUNT                    ns for each operation of the mixed flow
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <unordered_map>
#include <vector>

struct Order { uint64_t id; int64_t qty; int64_t px; int side; };
using Level = std::list<Order>;
struct Book {
    std::map<int64_t, Level> side[2];
    std::unordered_map<uint64_t, Level::iterator> index;
    uint64_t fills = 0;

    bool crosses(int taker, int64_t level, int64_t px) const { return taker == 0 ? level <= px : level >= px; }
    void add(uint64_t id, int s, int64_t px, int64_t qty, bool rests) {
        auto &other = side[1 - s];
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
static double since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count();
}

int main(int argc, char **argv) {
    Book book;
    book.index.reserve(1 << 21);
    if (argc == 5 && !strcmp(argv[1], "match")) {
        int64_t resting = atoll(argv[2]), levels = atoll(argv[3]), count = atoll(argv[4]);
        uint64_t id = 1;
        for (int64_t i = 0; i < resting; i++) {
            book.add(id++, 1, 500001 + i % levels, 10, true);
            book.add(id++, 0, 500000 - i % levels, 10, true);
        }
        auto began = std::chrono::steady_clock::now();
        for (int64_t i = 0; i < count; i++) book.add(id++, i & 1, i & 1 ? 1 : 1000000, 1, false);
        printf("%.2f %llu\n", since(began) / count, (unsigned long long)book.fills);
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "mixed")) {
        int64_t count = atoll(argv[2]);
        uint64_t id = 1;
        struct Op { bool cancel; uint64_t id; int side; int64_t px, qty; };
        std::vector<Op> ops;
        ops.reserve(count);
        for (int64_t i = 0; i < count; i++) {
            if (id > 1 && next_random() % 100 < 40) ops.push_back({true, 1 + next_random() % (id - 1), 0, 0, 0});
            else { ops.push_back({false, id, (int)(next_random() & 1), 500000 + (int64_t)(next_random() % 41) - 20, 1 + (int64_t)(next_random() % 20)}); id++; }
        }
        auto began = std::chrono::steady_clock::now();
        for (const Op &op : ops) op.cancel ? book.cancel(op.id) : book.add(op.id, op.side, op.px, op.qty, true);
        printf("%.2f %llu\n", since(began) / count, (unsigned long long)book.fills);
        return 0;
    }
    return 2;
}
