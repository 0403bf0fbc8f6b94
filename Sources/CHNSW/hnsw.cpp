// The graph of mafin_hnsw.h over the library hnswlib.
//
// hnswlib copies what it is given for each row and hands it to the distance function. It is given the number of the row, so that the
// vectors are neither copied nor written a second time.

#include "mafin_hnsw.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include <hnswlib/hnswlib.h>

#include "mafin_kernels.h"

namespace {

// The number that marks a query, which is no row.
constexpr uint32_t query_mark = UINT32_MAX;

struct query_type {
    uint32_t mark;
    const int8_t *const *codes;
    const float *scales;
};

uint32_t number(const void *data) {
    uint32_t value;
    std::memcpy(&value, data, sizeof value);
    return value;
}

// hnswlib's view of the rows.
class space_type final : public hnswlib::SpaceInterface<float> {
   public:
    explicit space_type(const mafin_graph_part *parts, size_t count) : parts_(parts, parts + count) {}
    size_t get_data_size() override { return sizeof(uint32_t); }
    hnswlib::DISTFUNC<float> get_dist_func() override { return &distance; }
    void *get_dist_func_param() override { return &parts_; }

   private:
    std::vector<mafin_graph_part> parts_;

    // Parts are added in their order, and products of bytes are exact, so that the sum does not depend on the instruction set.
    static float distance(const void *one, const void *other, const void *parameter) {
#pragma clang fp contract(off)
        const auto &parts = *static_cast<const std::vector<mafin_graph_part> *>(parameter);
        if (number(other) == query_mark) std::swap(one, other);
        const size_t row = number(other);
        float sum = 0;
        if (number(one) == query_mark) {
            const auto *query = static_cast<const query_type *>(one);
            for (size_t p = 0; p < parts.size(); p++) {
                const auto &part = parts[p];
                const int32_t product = mafin_dot_int8(static_cast<ptrdiff_t>(part.columns), query->codes[p],
                                                       part.codes + row * part.columns);
                sum -= query->scales[p] * part.scales[row] * static_cast<float>(product);
            }
            return sum;
        }
        const size_t first = number(one);
        for (const auto &part : parts) {
            const int32_t product = mafin_dot_int8(static_cast<ptrdiff_t>(part.columns), part.codes + first * part.columns,
                                                   part.codes + row * part.columns);
            sum -= part.weight * part.scales[first] * part.scales[row] * static_cast<float>(product);
        }
        return sum;
    }
};

using index_type = hnswlib::HierarchicalNSW<float>;

// What the head of a file holds, from byte 0; MAFIN_GRAPH_BINDING bytes of the binding follow, and zeros up to MAFIN_GRAPH_HEAD.
struct head_type {
    char magic[8];
    uint32_t version, links, breadth, levels;
    uint64_t rows, lists;  // `lists`: on all levels above the lowest
    uint32_t entry, zero;
};
constexpr char magic[8] = {'M', 'A', 'F', 'I', 'N', 'G', 'R', 'A'};
constexpr uint32_t version = 1;
static_assert(sizeof(head_type) == 48 && sizeof(head_type) + MAFIN_GRAPH_BINDING <= MAFIN_GRAPH_HEAD, "head of another size");

// The level of a row: as likely as in the paper, and the same in every build, by whatever thread it is added.
int level_of(size_t row, size_t links) {
    uint64_t x = (static_cast<uint64_t>(row) + 1) * 0x9E3779B97F4A7C15u;  // splitmix64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    // Level l or higher has the probability links^-l. Without logarithms, which libraries round differently.
    int level = 0;
    const double share = static_cast<double>(x >> 11) * 0x1p-53;
    for (double bound = 1.0 / static_cast<double>(links); level < MAFIN_GRAPH_LEVELS && share < bound; level++)
        bound /= static_cast<double>(links);
    return level;
}

void say(char *reason, const char *text) { std::snprintf(reason, MAFIN_GRAPH_REASON, "%s", text); }

// Calls `body`, and turns exceptions into results.
template <typename Body>
int32_t guarded(char *reason, Body &&body) {
    reason[0] = 0;
    try {
        return body();
    } catch (const std::bad_alloc &) {
        say(reason, "there is not enough memory");
        return MAFIN_GRAPH_NO_MEMORY;
    } catch (const std::exception &error) {
        // hnswlib has no type of its own for a lack of memory.
        say(reason, error.what());
        return std::strstr(error.what(), "Not enough memory") ? MAFIN_GRAPH_NO_MEMORY : MAFIN_GRAPH_FAILED;
    } catch (...) {
        say(reason, "an unknown error of the library");
        return MAFIN_GRAPH_FAILED;
    }
}

bool is_usable(size_t rows, const mafin_graph_part *parts, size_t part_count, size_t links, size_t breadth) {
    if (rows < 1 || rows >= query_mark || part_count < 1 || links < 2 || links > MAFIN_GRAPH_LINKS || breadth < 1 ||
        breadth > UINT32_MAX)
        return false;
    for (size_t p = 0; p < part_count; p++) {
        const auto &part = parts[p];
        if (!part.codes || !part.scales || part.columns < 1 || part.columns > MAFIN_GRAPH_COLUMNS ||
            !(part.weight >= 0) || std::isinf(part.weight))
            return false;
    }
    return true;
}

}  // namespace

struct mafin_graph {
    space_type space;
    index_type index;
    size_t rows;

    mafin_graph(size_t count, const mafin_graph_part *parts, size_t part_count, size_t links, size_t breadth)
        : space(parts, part_count), index(&space, count, links, breadth), rows(count) {
        // The library then draws level 0, and takes the level that it is given instead.
        index.mult_ = 0;
    }

    // Elements of the library are in the order in which threads added them.
    size_t row_of(uint32_t element) const { return index.getExternalLabel(element); }
};

int32_t mafin_graph_new(size_t rows, const mafin_graph_part *parts, size_t part_count, size_t links, size_t breadth,
                        mafin_graph **graph, char reason[MAFIN_GRAPH_REASON]) {
    *graph = nullptr;
    return guarded(reason, [&] {
        if (!is_usable(rows, parts, part_count, links, breadth)) {
            say(reason, "a graph of such rows or such numbers cannot be built");
            return MAFIN_GRAPH_FAILED;
        }
        *graph = new mafin_graph(rows, parts, part_count, links, breadth);
        return MAFIN_GRAPH_OK;
    });
}

int32_t mafin_graph_add(mafin_graph *graph, size_t row, char reason[MAFIN_GRAPH_REASON]) {
    return guarded(reason, [&] {
        if (row >= graph->rows) {
            say(reason, "a row outside of the rows of the graph");
            return MAFIN_GRAPH_FAILED;
        }
        const auto data = static_cast<uint32_t>(row);
        graph->index.addPoint(&data, row, level_of(row, graph->index.M_));
        return MAFIN_GRAPH_OK;
    });
}

int32_t mafin_graph_search(const mafin_graph *graph, const int8_t *const *codes, const float *scales, size_t breadth,
                           uint32_t *rows, size_t *found, char reason[MAFIN_GRAPH_REASON]) {
    *found = 0;
    return guarded(reason, [&] {
        const query_type query{query_mark, codes, scales};
        auto near = graph->index.searchKnn(&query, std::min(breadth, graph->rows));
        for (; !near.empty() && *found < breadth; near.pop()) rows[(*found)++] = static_cast<uint32_t>(near.top().second);
        return MAFIN_GRAPH_OK;
    });
}

// MARK: Files
//
// After the head, in the order of rows, with numbers of rows in 4 bytes:
//   levels   a byte a row, zeros up to a multiple of 4
//   lowest   for each row: the number of its links, and room for 2 · links
//   upper    for each row, for each of its levels from 1: the number of its links, and room for `links`
// Room that is not used is 0.

namespace {

struct layout_type {
    size_t rows, links, lists;

    size_t levels_at() const { return MAFIN_GRAPH_HEAD; }
    size_t lowest_at() const { return levels_at() + (rows + 3) / 4 * 4; }
    size_t lowest_size() const { return (1 + 2 * links) * 4; }
    size_t upper_at() const { return lowest_at() + rows * lowest_size(); }
    size_t upper_size() const { return (1 + links) * 4; }
    size_t size() const { return upper_at() + lists * upper_size(); }
};

layout_type layout_of(const mafin_graph *graph) {
    size_t lists = 0;
    for (size_t element = 0; element < graph->rows; element++) lists += static_cast<size_t>(graph->index.element_levels_[element]);
    return {graph->rows, graph->index.M_, lists};
}

uint32_t *list_of(const index_type &index, uint32_t element, int level) {
    return level == 0 ? index.get_linklist0(element) : index.get_linklist(element, level);
}

}  // namespace

size_t mafin_graph_file_size(const mafin_graph *graph) { return layout_of(graph).size(); }

void mafin_graph_write(const mafin_graph *graph, const uint8_t binding[MAFIN_GRAPH_BINDING], uint8_t *bytes) {
    const auto &index = graph->index;
    const auto layout = layout_of(graph);
    std::memset(bytes, 0, layout.lowest_at());
    head_type head{};
    std::memcpy(head.magic, magic, sizeof magic);
    head.version = version;
    head.links = static_cast<uint32_t>(index.M_);
    head.breadth = static_cast<uint32_t>(index.ef_construction_);
    head.levels = static_cast<uint32_t>(index.maxlevel_);
    head.rows = layout.rows;
    head.lists = layout.lists;
    head.entry = static_cast<uint32_t>(graph->row_of(index.enterpoint_node_));
    std::memcpy(bytes, &head, sizeof head);
    std::memcpy(bytes + sizeof head, binding, MAFIN_GRAPH_BINDING);

    std::vector<uint32_t> elements(layout.rows);
    for (uint32_t element = 0; element < layout.rows; element++) elements[graph->row_of(element)] = element;
    auto write = [&](uint32_t element, int level, size_t room, uint8_t *out) {
        const uint32_t *list = list_of(index, element, level);
        const uint32_t count = index.getListCount(const_cast<uint32_t *>(list));
        std::memset(out, 0, room);
        std::memcpy(out, &count, 4);
        for (uint32_t place = 0; place < count; place++) {
            const auto row = static_cast<uint32_t>(graph->row_of(list[1 + place]));
            std::memcpy(out + 4 * (1 + place), &row, 4);
        }
    };
    uint8_t *upper = bytes + layout.upper_at();
    for (size_t row = 0; row < layout.rows; row++) {
        const uint32_t element = elements[row];
        const int levels = index.element_levels_[element];
        bytes[layout.levels_at() + row] = static_cast<uint8_t>(levels);
        write(element, 0, layout.lowest_size(), bytes + layout.lowest_at() + row * layout.lowest_size());
        for (int level = 1; level <= levels; level++, upper += layout.upper_size()) write(element, level, layout.upper_size(), upper);
    }
}

int32_t mafin_graph_read(const uint8_t *bytes, size_t count, const uint8_t binding[MAFIN_GRAPH_BINDING], size_t rows,
                         const mafin_graph_part *parts, size_t part_count, mafin_graph **graph,
                         char reason[MAFIN_GRAPH_REASON]) {
    *graph = nullptr;
    return guarded(reason, [&] {
        auto refuse = [&](const char *text, unsigned long long one = 0, unsigned long long other = 0) {
            std::snprintf(reason, MAFIN_GRAPH_REASON, text, one, other);
            return MAFIN_GRAPH_MALFORMED;
        };
        head_type head;
        if (count < MAFIN_GRAPH_HEAD) return refuse("%llu bytes", count);
        std::memcpy(&head, bytes, sizeof head);
        if (std::memcmp(head.magic, magic, sizeof magic) != 0) return refuse("another file");
        if (head.version != version) return refuse("version %llu, not %llu", head.version, version);
        if (head.rows != rows) return refuse("a graph of %llu rows, not %llu", head.rows, rows);
        if (std::memcmp(bytes + sizeof head, binding, MAFIN_GRAPH_BINDING) != 0)
            return refuse("a graph of other vectors or of other weights");
        if (!is_usable(rows, parts, part_count, head.links, head.breadth) || head.levels > MAFIN_GRAPH_LEVELS)
            return refuse("impossible numbers in its head");
        // Before a product of them is formed.
        if (head.lists > rows * MAFIN_GRAPH_LEVELS) return refuse("%llu lists", head.lists);
        const layout_type layout{rows, head.links, static_cast<size_t>(head.lists)};
        if (layout.size() != count) return refuse("%llu bytes, not %llu", count, layout.size());

        // A copy, so that what is checked is what is used.
        const std::vector<uint8_t> levels(bytes + layout.levels_at(), bytes + layout.levels_at() + rows);
        uint64_t lists = 0;
        uint32_t highest = 0;
        for (size_t row = 0; row < rows; row++) {
            lists += levels[row];
            if (levels[row] > highest) highest = levels[row];
        }
        if (lists != head.lists || highest != head.levels || head.entry >= rows || levels[head.entry] != highest)
            return refuse("levels of rows that do not fit its head");

        auto made = std::make_unique<mafin_graph>(rows, parts, part_count, head.links, head.breadth);
        auto &index = made->index;
        auto read = [&](const uint8_t *from, size_t row, int level, size_t room, uint32_t *list) {
            std::memcpy(list, from, 4 * (1 + room));
            if (list[0] > room) return false;
            for (uint32_t place = 1; place <= list[0]; place++) {
                // A link leads to a row that is on this level too.
                if (list[place] >= rows || list[place] == row || levels[list[place]] < level) return false;
            }
            return true;
        };
        const uint8_t *upper = bytes + layout.upper_at();
        for (size_t row = 0; row < rows; row++) {
            const auto element = static_cast<uint32_t>(row);
            index.element_levels_[row] = 0;
            // From here on the library frees the lists of this row.
            index.cur_element_count = row + 1;
            std::memset(index.data_level0_memory_ + row * index.size_data_per_element_, 0, index.size_data_per_element_);
            std::memcpy(index.getDataByInternalId(element), &element, sizeof element);
            index.setExternalLabel(element, row);
            if (!read(bytes + layout.lowest_at() + row * layout.lowest_size(), row, 0, 2 * layout.links, index.get_linklist0(element)))
                return refuse("a link of row %llu that leads nowhere", row);
            if (levels[row] == 0) continue;
            index.linkLists_[row] = static_cast<char *>(std::malloc(index.size_links_per_element_ * levels[row] + 1));
            if (!index.linkLists_[row]) throw std::bad_alloc();
            index.element_levels_[row] = levels[row];
            for (int level = 1; level <= levels[row]; level++, upper += layout.upper_size()) {
                if (!read(upper, row, level, layout.links, index.get_linklist(element, level)))
                    return refuse("a link of row %llu on an upper level that leads nowhere", row);
            }
        }
        index.maxlevel_ = static_cast<int>(head.levels);
        index.enterpoint_node_ = head.entry;
        *graph = made.release();
        return MAFIN_GRAPH_OK;
    });
}

size_t mafin_graph_memory(const mafin_graph *graph) {
    const auto layout = layout_of(graph);
    return layout.rows * (graph->index.size_data_per_element_ + sizeof(std::mutex) + sizeof(int) + sizeof(void *)) +
           layout.lists * layout.upper_size();
}

void mafin_graph_free(mafin_graph *graph) { delete graph; }
