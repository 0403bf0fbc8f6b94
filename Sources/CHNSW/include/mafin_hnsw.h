// A graph of near rows, for searches that do not look at every row: "Efficient and robust approximate nearest neighbor search using
// Hierarchical Navigable Small World graphs", Malkov and Yashunin 2018. The graph is built and searched by the library hnswlib.
//
// The graph holds numbers of rows and no vectors. Distances are computed from rows in bytes, with a scale for each row
// (mafin_approximate), which the caller keeps. A row may have several parts, each with a weight:
//
//     nearness(a, b) = Σ over parts p of weight[p] · scale[p][a] · scale[p][b] · ⟨codes[p][a], codes[p][b]⟩
//
// No exception leaves these functions. A file is checked before anything of it is used.
#ifndef CHNSW_H
#define CHNSW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// One part of all rows. The memory must outlive the graph.
typedef struct {
    // Row r begins at r · columns.
    const int8_t *codes;
    // One a row, finite.
    const float *scales;
    size_t columns;
    // Finite, at least 0.
    float weight;
} mafin_graph_part;

// Results of functions.
enum {
    MAFIN_GRAPH_OK = 0,
    MAFIN_GRAPH_NO_MEMORY = 1,
    // An argument makes no sense, or the library reports an error.
    MAFIN_GRAPH_FAILED = 2,
    // The bytes are no such graph, or not one of these rows.
    MAFIN_GRAPH_MALFORMED = 3,
};

// Room for a reason with its zero byte.
enum { MAFIN_GRAPH_REASON = 200 };

// Limits: of links of a row, of the columns of a part (so that a product of bytes fits into 32 bits), and of levels.
enum { MAFIN_GRAPH_LINKS = 128, MAFIN_GRAPH_COLUMNS = 131000, MAFIN_GRAPH_LEVELS = 15 };

// The first bytes of a file; then comes what the caller binds it to.
enum { MAFIN_GRAPH_BINDING = 32, MAFIN_GRAPH_HEAD = 96 };

typedef struct mafin_graph mafin_graph;

// An empty graph for `rows` rows. `links` of a row on upper levels, twice as many on the lowest; 2 to MAFIN_GRAPH_LINKS. `breadth`: rows
// that are looked at before a row is linked.
int32_t mafin_graph_new(size_t rows, const mafin_graph_part *parts, size_t part_count, size_t links, size_t breadth,
                        mafin_graph **graph, char reason[MAFIN_GRAPH_REASON]);

// Adds one row, which was not added before. Several threads may add rows at a time. If one thread adds all rows in ascending order, the
// graph depends on nothing but the rows and the numbers above.
int32_t mafin_graph_add(mafin_graph *graph, size_t row, char reason[MAFIN_GRAPH_REASON]);

// Writes up to `breadth` rows that are near to a query, in no particular order, and their number. The query has a row of bytes and a scale
// for each part; the scales hold the weights. All rows must have been added. Several threads may search at a time.
int32_t mafin_graph_search(const mafin_graph *graph, const int8_t *const *codes, const float *scales, size_t breadth,
                           uint32_t *rows, size_t *found, char reason[MAFIN_GRAPH_REASON]);

// Bytes of a file of this graph, which is complete.
size_t mafin_graph_file_size(const mafin_graph *graph);

// Writes the file, for little-endian machines. `binding` is kept in its head.
void mafin_graph_write(const mafin_graph *graph, const uint8_t binding[MAFIN_GRAPH_BINDING], uint8_t *bytes);

// Reads a file of a graph of `rows` rows, which has to have this binding. All of it is checked and copied.
int32_t mafin_graph_read(const uint8_t *bytes, size_t count, const uint8_t binding[MAFIN_GRAPH_BINDING], size_t rows,
                         const mafin_graph_part *parts, size_t part_count, mafin_graph **graph,
                         char reason[MAFIN_GRAPH_REASON]);

// Bytes of memory that the graph takes.
size_t mafin_graph_memory(const mafin_graph *graph);

// Frees the graph. NULL is allowed.
void mafin_graph_free(mafin_graph *graph);

#ifdef __cplusplus
}
#endif

#endif
