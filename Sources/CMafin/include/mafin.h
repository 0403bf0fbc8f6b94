/*
 * mafin.h: the C interface of mafin.
 *
 * It opens an artefact that `mafin train`, `compare` or `ship` wrote, or the folder of a released encoder; encodes texts into a buffer of
 * the caller; gives scores of queries and documents with each source's part; and searches an index that `mafin index` wrote.
 *
 * RULES FOR ALL FUNCTIONS
 *
 * Network      Nothing here uses the network. What an artefact needs of its black box (the embedding API) is given by the caller as
 *              vectors, or left out where MAFIN_OFFLINE allows it. Nothing is left out silently.
 * Threads      Every function may be called from any thread at any time, also for the same handle. A call takes all cores
 *              (mafin_set_threads). Calls that need the same encoder take turns, piece by piece, so that a single query does not wait for a
 *              thousand documents. A handle may be closed while another call uses it: what it holds is freed when that call ends. It must
 *              not be given to a call that begins after it was closed.
 * Forking      A process that has called one of these functions and forks must call no function here in the child before it calls `exec`.
 * Memory       The caller owns every buffer that it passes, and may free it once the call has returned. What the library allocates is freed
 *              by the function that is named beside it.
 * Errors       A function that can fail returns a `mafin_status`. It is MAFIN_OK, which is 0, or says what kind of error it was; then
 *              `error`, if it is not NULL, holds the status and one sentence. Outputs are undefined after an error. There is no global or
 *              per-thread error.
 * Texts        UTF-8 bytes one after another, and where each begins (`mafin_texts`). A text may be empty and may hold zero bytes. Bytes
 *              that are no UTF-8 are an error that names the text.
 * Numbers      32-bit floats in rows: element j of row i is at [i * columns + j]. Vectors that are given must be finite and not all zeros.
 *              They need not have unit length.
 * Versions     Within one MAFIN_ABI_VERSION functions, status codes and flags are only added, and structs grow only at their end. A struct
 *              of options begins with `struct_size`: set it to sizeof the struct, and everything that you do not need to 0.
 */

#ifndef MAFIN_H
#define MAFIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- Versions -------------------------------------------------------------------------------------------------------------------------- */

/* The version of this interface. It changes only if a program that was compiled with an older header would no longer work. */
#define MAFIN_ABI_VERSION 1

/* MAFIN_ABI_VERSION of the library. A program that finds another number than that of its header must not call anything else. */
uint32_t mafin_abi_version(void);

/* The version of mafin, such as "0.1.0". Not to be freed. */
const char *mafin_version(void);

/* -- Errors ---------------------------------------------------------------------------------------------------------------------------- */

/* What a function returns. */
typedef int32_t mafin_status;

enum {
    /* Done. */
    MAFIN_OK = 0,
    /*
     * A mistake of the caller: NULL where a value is needed, offsets out of order, bytes that are no UTF-8, a dimension that does not fit.
     */
    MAFIN_INVALID_ARGUMENT = 1,
    /* A file, a folder or a document is not there. */
    MAFIN_NOT_FOUND = 2,
    /* A file is damaged, of an unknown format, or does not belong to the others. */
    MAFIN_BAD_FILE = 3,
    /* The black box's vectors are needed and were not given. */
    MAFIN_NEEDS_BLACK_BOX = 4,
    /* This artefact or encoder cannot do that: it has no local encoder, no stand-in, no vectors. */
    MAFIN_UNSUPPORTED = 5,
    /* A vector is all zeros or not finite, so it has no direction. */
    MAFIN_BAD_VECTOR = 6,
    /* The callback asked to end. */
    MAFIN_CANCELLED = 7,
    /* The buffer for the result holds too few elements. */
    MAFIN_BUFFER_TOO_SMALL = 8,
    /* Anything else. */
    MAFIN_OTHER = 9
};

/* Room for the message of an error, with the zero byte at its end. A longer message is cut. */
#define MAFIN_MESSAGE_SIZE 1020

/* Filled by a function that fails, and left alone by one that succeeds. */
typedef struct mafin_error {
    mafin_status status;
    /* One sentence in UTF-8 that ends with a zero byte. It names the file or the text, what was expected and what was found. */
    char message[MAFIN_MESSAGE_SIZE];
} mafin_error;

/* The name of a status, such as "invalid argument". Not to be freed. */
const char *mafin_status_name(mafin_status status);

/* -- Threads --------------------------------------------------------------------------------------------------------------------------- */

/* Sets the number of threads of all work in this process; 0: as many as there are processors. At most 1024. */
mafin_status mafin_set_threads(uint32_t threads, mafin_error *error);

/* The number of threads. */
uint32_t mafin_threads(void);

/* -- Texts, vectors, options ----------------------------------------------------------------------------------------------------------- */

/* A list of texts. */
typedef struct mafin_texts {
    /* The bytes of all texts. May be NULL if byte_count is 0. */
    const char *utf8;
    /* Number of bytes of `utf8`. */
    uint64_t byte_count;
    /* Text i has the bytes offsets[i] ..< offsets[i + 1], so there are count + 1 offsets, ascending, none above byte_count. */
    const uint64_t *offsets;
    /* Number of texts. */
    uint64_t count;
} mafin_texts;

/* Vectors that are given. */
typedef struct mafin_vectors {
    /* rows * columns numbers. */
    const float *values;
    uint64_t rows;
    uint64_t columns;
} mafin_vectors;

/* The side of a text. It decides the prefix, the encoder if there are two, and the weights in a joined vector. */
typedef int32_t mafin_role;

enum {
    MAFIN_QUERY = 0,
    MAFIN_DOCUMENT = 1
};

/*
 * Called on the thread of the call, after each piece of the work: `done` of `total` texts are done. A value other than 0 ends the call with
 * MAFIN_CANCELLED; a piece is at most 256 texts or 64 queries of a search. It must not unwind (no exception, no longjmp). It may call any
 * function here.
 */
typedef int32_t (*mafin_progress)(void *context, uint64_t done, uint64_t total);

/* Flags of `mafin_options`. */
enum {
    /* mafin_encode: do not scale the rows to unit length. */
    MAFIN_UNNORMALIZED = 1u << 0,
    /*
     * Queries: the black box is not asked. The artefact's stand-in estimates its vectors, with the artefact's own weights for that. An
     * artefact without a stand-in is refused with MAFIN_UNSUPPORTED.
     */
    MAFIN_OFFLINE = 1u << 1,
    /*
     * Queries: the sources that need the black box's vector of the query take no part, and the others rank with their weights. It is
     * MAFIN_NEEDS_BLACK_BOX if none is left.
     */
    MAFIN_WITHOUT_BLACK_BOX = 1u << 2
};

/* How a call is made. NULL instead of the struct: all standard values. */
typedef struct mafin_options {
    /* sizeof(mafin_options). */
    uint64_t struct_size;
    /* A sum of flags. An unknown one is an error. */
    uint64_t flags;
    /* Told of the progress, and asked whether to go on; NULL: nobody. */
    mafin_progress progress;
    /* Passed to `progress`. */
    void *context;
    /* mafin_encode: text before each text in place of that of the role, ending with a zero byte ("" for none); NULL: that of the role. */
    const char *prefix;
    /*
     * mafin_score, mafin_search: mafin_source_count numbers that replace the weights, in the order of the sources; NULL: the artefact's
     * own. Each is finite and not below 0, one is above 0.
     */
    const float *weights;
} mafin_options;

/* -- Models ---------------------------------------------------------------------------------------------------------------------------- */

/* An artefact, or a released encoder alone (which is then its one source, `local`). */
typedef struct mafin_model mafin_model;

/* How a model is opened. NULL instead of the struct: all standard values. */
typedef struct mafin_open_options {
    /* sizeof(mafin_open_options). */
    uint64_t struct_size;
    /* 1: read every file of an artefact and compare its SHA-256 (about a second per gigabyte); 0: compare lengths alone. */
    uint32_t verify_content;
    /* A released encoder: texts are cut to this many tokens; 0: the checkpoint's own limit, at most 1024. An artefact knows its own. */
    uint32_t maximum_tokens;
    /*
     * Folders that hold released encoders which an artefact names without a copy of its own, as the variable MAFIN_MODELS has them:
     * separated by ':', ending with a zero byte. They come before the model hub's cache on this machine. NULL: that cache and MAFIN_MODELS
     * alone.
     */
    const char *model_folders;
    /*
     * The numbers in which encoders multiply: "float32", "bf16" or "int8", ending with a zero byte. NULL: what the artefact says, but float32
     * in place of bf16 on a processor without instructions for it; for a released encoder float32. An index of an artefact is opened only
     * for queries in the precision of its documents, or in one of which the artefact says that the mix is harmless.
     */
    const char *precision;
} mafin_open_options;

/*
 * Opens an artefact, or the folder of a released encoder (config.json, model.safetensors, the tokenizer's files).
 *   path     of the folder, UTF-8, ending with a zero byte; or the name of an encoder that is on this machine ("sentence-transformers/…")
 *   model    receives the handle; to be closed with mafin_close
 * MAFIN_INVALID_ARGUMENT also if the variable MAFIN_INSTRUCTION_SET names a set that does not exist or that the processor lacks.
 */
mafin_status mafin_open(const char *path, const mafin_open_options *options, mafin_model **model, mafin_error *error);

/* Closes a model. NULL is ignored. An index of the model stays usable. */
void mafin_close(mafin_model *model);

/* Which vectors are meant. */
typedef int32_t mafin_vector_kind;

enum {
    /* Of the local encoder: mafin_encode. */
    MAFIN_LOCAL = 0,
    /* Of the black box: what mafin_encode_joined, mafin_score and mafin_search take. */
    MAFIN_BLACK_BOX = 1,
    /* Of all dense sources side by side: mafin_encode_joined. */
    MAFIN_JOINED = 2
};

/* Columns of vectors of a kind; 0 if the model has none. */
uint64_t mafin_dimension(const mafin_model *model, mafin_vector_kind kind);

/*
 * What the model is, as JSON: `library`, `kind` ("artefact" or "encoder"), `path`; `dimensions` with `local`, `blackBox`, `joined`;
 * `prefixes`, `maximumTokens` and `precision` of the encoders; `sources`, each with `name`, `kind`, `face`, `weight`, `offlineWeight` (if there
 * is a stand-in), `dimension` (if it has vectors), `reads` of `query` and `document` ("black-box", "local", "text", "identifier",
 * "estimate");
 * `standIn`, whether MAFIN_OFFLINE is possible; and, for an artefact, `manifest`, the content of its manifest.json.
 *   json     receives UTF-8 that ends with a zero byte. It belongs to the model and is valid until the model is closed.
 */
mafin_status mafin_describe(const mafin_model *model, const char **json, mafin_error *error);

/* Number of sources whose weighted scores are added; at least 1. */
uint64_t mafin_source_count(const mafin_model *model);

/*
 * The name of a source, such as "black-box", "local" or "bm25"; NULL if there is none of that number. It is valid until the model is
 * closed.
 */
const char *mafin_source_name(const mafin_model *model, uint64_t source);

/* The weight of a source in a ranking; with MAFIN_OFFLINE as `flags` that of a ranking with the stand-in. 0 if there is none. */
float mafin_source_weight(const mafin_model *model, uint64_t source, uint64_t flags);

/* -- Warnings -------------------------------------------------------------------------------------------------------------------------- */

/*
 * Number of warnings about a model: what may spoil its results though no call fails. First comes what was found when it was opened: that no
 * gain over the black box was shown for the artefact, or that the precision that was asked for was not found to rank like float32. Then come
 * kernels that computed wrong numbers on this processor, in this process, and were replaced by others. Kernels are checked when a model is
 * opened whose encoders compute in bf16 or int8. A later call may add warnings; those that there are keep their numbers.
 */
uint64_t mafin_warning_count(const mafin_model *model);

/*
 * A warning, one sentence in UTF-8 that ends with a zero byte; NULL if there is none of that number. It is valid until the model is closed.
 */
const char *mafin_warning(const mafin_model *model, uint64_t number);

/* -- Encoding -------------------------------------------------------------------------------------------------------------------------- */

/*
 * The local encoder's vectors, of unit length unless MAFIN_UNNORMALIZED is set.
 *   output      receives texts->count rows of mafin_dimension(model, MAFIN_LOCAL) numbers
 *   capacity    numbers that `output` has room for
 * MAFIN_UNSUPPORTED if no source is a local encoder. A text that gives a vector of zeros is MAFIN_BAD_VECTOR unless MAFIN_UNNORMALIZED is
 * set.
 */
mafin_status mafin_encode(
    const mafin_model *model, mafin_role role, const mafin_texts *texts, const mafin_options *options, float *output, uint64_t capacity,
    mafin_error *error);

/*
 * Joined vectors: those of all dense sources side by side, as `mafin embed` writes them. The inner product of a query's and a document's is
 * the part of their score that dense sources have.
 *   ids         identifiers of documents, which moved documents are known by; NULL: none is known. Ignored for queries.
 *   black_box   the black box's vectors of the texts, texts->count rows of mafin_dimension(model, MAFIN_BLACK_BOX) numbers. NULL if no
 *               dense source needs them, or for queries with MAFIN_OFFLINE; otherwise NULL is MAFIN_NEEDS_BLACK_BOX.
 *   output      receives texts->count rows of mafin_dimension(model, MAFIN_JOINED) numbers
 *   capacity    numbers that `output` has room for
 */
mafin_status mafin_encode_joined(
    const mafin_model *model, mafin_role role, const mafin_texts *texts, const mafin_texts *ids, const mafin_vectors *black_box,
    const mafin_options *options, float *output, uint64_t capacity, mafin_error *error);

/*
 * Number of tokens of each text, with the role's prefix and the special tokens, before it is cut.
 *   counts      receives texts->count numbers
 *   capacity    numbers that `counts` has room for
 */
mafin_status mafin_count_tokens(
    const mafin_model *model, mafin_role role, const mafin_texts *texts, uint64_t *counts, uint64_t capacity, mafin_error *error);

/* -- Indexes and scores ---------------------------------------------------------------------------------------------------------------- */

/* Documents that are ready to be ranked by a model. */
typedef struct mafin_index mafin_index;

/*
 * Opens an index that `mafin index` wrote, for the model that made it or one with the same document vectors. The files are mapped, and must
 * not be overwritten in place.
 *   index       receives the handle; to be closed with mafin_index_close. It keeps what it needs of the model.
 */
mafin_status mafin_index_open(const mafin_model *model, const char *path, mafin_index **index, mafin_error *error);

/*
 * Makes an index in memory.
 *   texts       of the documents. A title comes before the text, with a space between them.
 *   ids         of the documents, each once; NULL: "0", "1", …
 *   black_box   the black box's vectors of the documents. NULL if no source needs them, or with MAFIN_WITHOUT_BLACK_BOX: then the sources
 *               that need them cannot rank. Otherwise NULL is MAFIN_NEEDS_BLACK_BOX.
 *   index       receives the handle; to be closed with mafin_index_close. It keeps what it needs of the model.
 */
mafin_status mafin_index_make(
    const mafin_model *model, const mafin_texts *texts, const mafin_texts *ids, const mafin_vectors *black_box,
    const mafin_options *options,
    mafin_index **index, mafin_error *error);

/* Closes an index. NULL is ignored. */
void mafin_index_close(mafin_index *index);

/* Number of documents. */
uint64_t mafin_index_count(const mafin_index *index);

/*
 * The best documents of each query, best first, equal scores in the order of the documents. The score is the weighted sum of all sources'.
 * If no dense source has a weight, documents that every source scores 0 are not ranked.
 *   black_box   the black box's vectors of the queries. NULL if no source with a weight needs them, or with MAFIN_OFFLINE or
 *               MAFIN_WITHOUT_BLACK_BOX; otherwise NULL is MAFIN_NEEDS_BLACK_BOX.
 *   count       results wanted for each query, at least 1
 *   rows        receives queries->count * count numbers: the rows of the documents in the index. Where there is none: UINT64_MAX.
 *   scores      receives as many scores; 0 where there is no document
 *   parts       receives queries->count * count * mafin_source_count numbers: the weighted score of each source; NULL: not wanted. The part
 *               of a source that takes no part in the ranking is NaN.
 *   found       receives queries->count numbers of results; NULL: not wanted
 */
mafin_status mafin_search(
    const mafin_index *index, const mafin_texts *queries, const mafin_vectors *black_box, uint64_t count, const mafin_options *options,
    uint64_t *rows, float *scores, float *parts, uint64_t *found, mafin_error *error);

/*
 * The scores of each query with some documents of an index. They are those that mafin_search ranks by, but for rounding.
 *   black_box   as for mafin_search
 *   rows        row_count rows of the index; NULL: all documents, and row_count is mafin_index_count
 *   scores      receives queries->count * row_count scores
 *   parts       receives queries->count * row_count * mafin_source_count weighted scores, as for mafin_search; NULL: not wanted
 */
mafin_status mafin_score(
    const mafin_index *index, const mafin_texts *queries, const mafin_vectors *black_box, const uint64_t *rows, uint64_t row_count,
    const mafin_options *options, float *scores, float *parts, mafin_error *error);

/* A document of an index. All bytes are UTF-8, and a zero byte follows each field. */
typedef struct mafin_document {
    const char *id;
    uint64_t id_length;
    /* Empty if it has none. */
    const char *title;
    uint64_t title_length;
    const char *text;
    uint64_t text_length;
} mafin_document;

/* The document of a row. `document` is to be emptied with mafin_document_free. MAFIN_NOT_FOUND if there is no such row. */
mafin_status mafin_index_document(const mafin_index *index, uint64_t row, mafin_document *document, mafin_error *error);

/* Frees the fields of a document and sets them to NULL and 0. NULL is ignored. */
void mafin_document_free(mafin_document *document);

/* The row of the document with an identifier of `length` bytes. MAFIN_NOT_FOUND if the index does not hold it. */
mafin_status mafin_index_row(const mafin_index *index, const char *id, uint64_t length, uint64_t *row, mafin_error *error);

/* -- Counters -------------------------------------------------------------------------------------------------------------------------- */

/* What was done since a model was opened, its indexes included. Work that was cancelled counts as far as it was done. */
typedef struct mafin_counters {
    /* sizeof(mafin_counters), set by the caller. Only that many bytes are written. A field that the library does not know is 0. */
    uint64_t struct_size;
    /* Texts that an encoder of the model encoded. */
    uint64_t queries_encoded;
    uint64_t documents_encoded;
    /* Tokens of these texts, as far as they were not cut. */
    uint64_t tokens;
    /* Texts of these that had the largest number of tokens: those that were cut, and those that just fit. */
    uint64_t texts_at_limit;
    /* Seconds in which an encoder was at work. */
    double encoding_seconds;
    /* Queries that mafin_search and mafin_score answered, and the seconds that it took without encoding. */
    uint64_t searches;
    double search_seconds;
    /* Calls that ended with an error, cancelled ones included. */
    uint64_t errors;
} mafin_counters;

/* Copies the counters of a model. */
mafin_status mafin_read_counters(const mafin_model *model, mafin_counters *counters, mafin_error *error);

#ifdef __cplusplus
}
#endif

#endif /* MAFIN_H */
