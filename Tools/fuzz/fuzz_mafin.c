// Calls the functions of mafin.h with arbitrary bytes: texts that are no UTF-8, offsets out of order, NULLs, counts that no memory holds,
// wrong dimensions, files that were changed. No call may crash, read or write beyond what it was given, or return an undocumented status.
//
// Every buffer ends at a page that may not be touched, so that an access beyond its end ends the process at once, also in code that no
// sanitizer has instrumented. `Scripts/fuzz-c.sh` builds it with libFuzzer, and without, for valgrind.
//
// MAFIN_TOY_FOLDER holds ART and INDEX, as the tests of MafinC write them.
#include "mafin.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

// MARK: The bytes that decide

typedef struct {
    const uint8_t *bytes;
    size_t left;
} input;

static uint8_t byte(input *in) {
    if (in->left == 0) return 0;
    in->left--;
    return *in->bytes++;
}

static uint64_t number(input *in) {
    // Mostly small, sometimes at an edge of what an integer holds.
    static const uint64_t edges[] = {UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX / 4, UINT64_MAX / 8 + 1, UINT32_MAX, 1ull << 40};
    uint8_t kind = byte(in);
    if (kind >= 250) return edges[kind % 7];
    return kind % 40;
}

static bool rarely(input *in) { return byte(in) >= 240; }

// MARK: Buffers that end at a guard

enum { MOST_BUFFERS = 32 };
static struct {
    void *start;
    size_t length;
} buffers[MOST_BUFFERS];
static int buffer_count;

static void *guarded(const void *content, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page + page;
    uint8_t *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(start != MAP_FAILED && buffer_count < MOST_BUFFERS);
    CHECK(mprotect(start + room - page, page, PROT_NONE) == 0);
    buffers[buffer_count].start = start;
    buffers[buffer_count++].length = room;
    // Aligned for what it holds, so up to 7 bytes before the guard are free if the size is odd. Texts are of bytes and end right at it.
    uint8_t *result = start + room - page - size;
    if (content) memcpy(result, content, size);
    return result;
}

static void release(void) {
    while (buffer_count > 0) {
        buffer_count--;
        munmap(buffers[buffer_count].start, buffers[buffer_count].length);
    }
}

// MARK: Arguments

static const mafin_texts *texts(input *in, mafin_texts *list, bool as_ids) {
    if (rarely(in)) return NULL;
    uint64_t count = byte(in) % 6, offsets[8], length = 0;
    char bytes[256];
    for (uint64_t text = 0; text < count; text++) {
        offsets[text] = length;
        // The toy's vocabulary, or any bytes.
        if (byte(in) < 235) {
            length += (uint64_t)snprintf(bytes + length, sizeof bytes - length, as_ids ? "d%d" : "w%d w%d", byte(in) % 60, byte(in) % 60);
        } else {
            for (uint8_t left = byte(in) % 16; left > 0 && length < 250; left--) bytes[length++] = (char)byte(in);
        }
        if (length > 230) length = 230;
    }
    offsets[count] = length;
    list->utf8 = guarded(bytes, length);
    list->byte_count = length;
    list->count = count;
    // Only mistakes that the library can notice: it cannot know how long the caller's memory is.
    if (rarely(in)) offsets[byte(in) % (count + 1)] = number(in);
    if (rarely(in)) list->utf8 = NULL;
    if (rarely(in)) list->byte_count = number(in) % (length + 1);
    list->offsets = rarely(in) ? NULL : guarded(offsets, (count + 1) * sizeof *offsets);
    if (list->offsets == NULL || rarely(in)) {
        // A huge count is noticed before the offsets are read, or at the first that is out of order. Only with offsets of NULL is it safe.
        if (list->offsets == NULL) list->count = number(in);
    }
    return list;
}

static const mafin_vectors *vectors(input *in, mafin_vectors *given, uint64_t rows, uint64_t columns) {
    if (byte(in) < 30) return NULL;
    static float values[8 * 1024];
    if (rows > 8) rows = 8;
    if (rarely(in) || columns > 1024) columns = number(in) % 64;
    uint32_t state = byte(in) + 1u;
    for (uint64_t place = 0; place < rows * columns; place++) {
        state = state * 1664525u + 1013904223u;
        values[place] = (float)(int8_t)(state >> 24) / 8;
    }
    if (rarely(in)) memset(values, 0, columns * sizeof *values);
    if (rarely(in)) values[0] = byte(in) < 128 ? NAN : INFINITY;
    given->values = rarely(in) ? NULL : guarded(values, rows * columns * sizeof *values);
    given->rows = rows;
    given->columns = columns;
    if (given->values == NULL && rarely(in)) given->rows = number(in);
    return given;
}

static int32_t stop(void *context, uint64_t done, uint64_t total) {
    CHECK(done <= total);
    // Options that end after `progress` have none.
    return context && *(uint8_t *)context >= 200;
}

static const mafin_options *options(input *in, mafin_options *given, uint8_t *context, uint64_t sources) {
    memset(given, 0, sizeof *given);
    if (byte(in) < 100) return NULL;
    given->struct_size = rarely(in) ? number(in) : sizeof *given;
    // Only as much as is there may be named.
    if (given->struct_size > sizeof *given && given->struct_size <= 4096) given->struct_size = sizeof *given;
    static const uint64_t flags[] = {0, 0, 0, MAFIN_UNNORMALIZED, MAFIN_OFFLINE, MAFIN_WITHOUT_BLACK_BOX};
    given->flags = rarely(in) ? number(in) : flags[byte(in) % 6];
    *context = byte(in);
    if (byte(in) < 60) {
        given->progress = stop;
        given->context = context;
    }
    if (byte(in) < 40) {
        char prefix[8] = {0};
        for (int place = 0; place < 7; place++) prefix[place] = (char)byte(in);
        given->prefix = guarded(prefix, sizeof prefix);
    }
    if (byte(in) < 60) {
        float weights[16];
        for (uint64_t place = 0; place < sources && place < 16; place++) weights[place] = (float)(byte(in) % 5) - (byte(in) > 252 ? 3 : 0);
        if (rarely(in)) weights[0] = NAN;
        given->weights = guarded(weights, sources * sizeof *weights);
    }
    return given;
}

static void *room(input *in, uint64_t elements, size_t size) {
    if (rarely(in) || elements > 1 << 16) return NULL;
    return guarded(NULL, elements * size);
}

static void judge(mafin_status status, const mafin_error *error) {
    CHECK(status >= MAFIN_OK && status <= MAFIN_OTHER);
    CHECK(strcmp(mafin_status_name(status), "unknown status") != 0);
    if (status == MAFIN_OK) return;
    CHECK(error->status == status);
    size_t length = strnlen(error->message, MAFIN_MESSAGE_SIZE);
    CHECK(length > 0 && length < MAFIN_MESSAGE_SIZE);
}

// MARK: The calls

static mafin_model *artefact, *encoder;
static mafin_index *opened;
static char toy[2048];
/* Whether the files of the index at hand were changed. */
static bool is_damaged;

static void set_up(void) {
    if (artefact) return;
    const char *folder = getenv("MAFIN_TOY_FOLDER");
    CHECK(folder && strlen(folder) < 1024);
    strcpy(toy, folder);
    CHECK(mafin_abi_version() == MAFIN_ABI_VERSION);
    char path[2100];
    mafin_error error;
    CHECK(mafin_set_threads(2, NULL) == MAFIN_OK);
    snprintf(path, sizeof path, "%s/ART", toy);
    CHECK(mafin_open(path, NULL, &artefact, &error) == MAFIN_OK);
    snprintf(path, sizeof path, "%s/ART/document-encoder", toy);
    CHECK(mafin_open(path, NULL, &encoder, &error) == MAFIN_OK);
    snprintf(path, sizeof path, "%s/INDEX", toy);
    CHECK(mafin_index_open(artefact, path, &opened, &error) == MAFIN_OK);
}

static void read_warnings(const mafin_model *model, uint64_t number) {
    uint64_t count = mafin_warning_count(model);
    for (uint64_t place = 0; place < count; place++) CHECK(strlen(mafin_warning(model, place)) > 0);
    // Another thread may have added some meanwhile; here there is none.
    CHECK((mafin_warning(model, number) != NULL) == (number < count));
}

static void encode(input *in, mafin_model *model) {
    read_warnings(rarely(in) ? NULL : model, rarely(in) ? number(in) : byte(in) % 4);
    mafin_error error;
    mafin_texts list, ids;
    mafin_vectors box;
    mafin_options given;
    uint8_t context;
    uint64_t sources = mafin_source_count(model), local = mafin_dimension(model, MAFIN_LOCAL), joined = mafin_dimension(model, MAFIN_JOINED);
    const mafin_texts *texts_given = texts(in, &list, false);
    uint64_t count = texts_given && list.count < 8 ? list.count : 0;
    mafin_role role = rarely(in) ? (mafin_role)number(in) : byte(in) % 2;
    const mafin_options *how = options(in, &given, &context, sources);
    uint64_t wrong = rarely(in) ? number(in) % (count * joined + 1) : UINT64_MAX;
    if (byte(in) < 128) {
        uint64_t capacity = wrong < count * local ? wrong : count * local;
        float *output = room(in, capacity, sizeof *output);
        mafin_status status = mafin_encode(rarely(in) ? NULL : model, role, texts_given, how, output, capacity, &error);
        judge(status, &error);
        if (status == MAFIN_OK && output)
            for (uint64_t place = 0; place < capacity; place++) CHECK(isfinite(output[place]));
    } else {
        uint64_t capacity = wrong < count * joined ? wrong : count * joined;
        float *output = room(in, capacity, sizeof *output);
        const mafin_texts *known = byte(in) < 128 ? NULL : texts(in, &ids, true);
        const mafin_vectors *of_box = vectors(in, &box, count, mafin_dimension(model, MAFIN_BLACK_BOX));
        judge(mafin_encode_joined(model, role, texts_given, known, of_box, how, output, capacity, &error), &error);
    }
    uint64_t *counts = room(in, count, sizeof *counts);
    judge(mafin_count_tokens(model, role, texts_given, counts, count, &error), &error);
}

static void search(input *in, mafin_model *model, mafin_index *index) {
    mafin_error error;
    mafin_texts list;
    mafin_vectors box;
    mafin_options given;
    uint8_t context;
    uint64_t sources = mafin_source_count(model), size = mafin_index_count(index);
    const mafin_texts *queries = texts(in, &list, false);
    uint64_t count = queries && list.count < 8 ? list.count : 0;
    const mafin_options *how = options(in, &given, &context, sources);
    const mafin_vectors *of_box = vectors(in, &box, count, mafin_dimension(model, MAFIN_BLACK_BOX));
    if (byte(in) < 128) {
        uint64_t wanted = number(in), places = wanted > 64 ? 0 : count * wanted;
        uint64_t *rows = room(in, places, sizeof *rows), *found = byte(in) < 128 ? NULL : room(in, count, sizeof *found);
        float *scores = room(in, places, sizeof *scores), *parts = byte(in) < 128 ? NULL : room(in, places * sources, sizeof *parts);
        // With texts the sizes of the buffers are a promise of the caller, so a count beyond them comes with none.
        if (wanted > 64) rows = NULL;
        mafin_status status = mafin_search(index, queries, of_box, wanted, how, rows, scores, parts, found, &error);
        judge(status, &error);
        if (status == MAFIN_OK)
            for (uint64_t place = 0; place < places; place++) CHECK(rows[place] < size || rows[place] == UINT64_MAX);
    } else {
        uint64_t some[8], row_count = byte(in) % 8;
        for (uint64_t place = 0; place < row_count; place++) some[place] = rarely(in) ? number(in) : byte(in) % (size + 1);
        const uint64_t *rows = byte(in) < 60 ? NULL : guarded(some, row_count * sizeof *some);
        if (rows == NULL) row_count = rarely(in) ? number(in) : size;
        uint64_t places = row_count > 64 ? 0 : count * row_count;
        float *scores = row_count > 64 ? NULL : room(in, places, sizeof *scores);
        float *parts = byte(in) < 128 || row_count > 64 ? NULL : room(in, places * sources, sizeof *parts);
        judge(mafin_score(index, queries, of_box, rows, row_count, how, scores, parts, &error), &error);
    }
    mafin_document document = {0};
    mafin_status status = mafin_index_document(index, number(in), rarely(in) ? NULL : &document, &error);
    judge(status, &error);
    if (status == MAFIN_OK) {
        uint64_t row;
        CHECK(strlen(document.id) <= document.id_length && document.text[document.text_length] == 0);
        status = mafin_index_row(index, document.id, document.id_length, &row, &error);
        judge(status, &error);
        // Of changed files an identifier may be another than that of the look-up.
        CHECK(status == MAFIN_OK || is_damaged);
    }
    mafin_document_free(&document);
    char name[8];
    for (int place = 0; place < 8; place++) name[place] = (char)byte(in);
    uint64_t length = byte(in) % 9, row;
    judge(mafin_index_row(index, guarded(name + 8 - length, length), length, &row, &error), &error);
}

static void make_index(input *in, mafin_model *model) {
    mafin_error error;
    mafin_texts list, ids;
    mafin_vectors box;
    mafin_options given;
    uint8_t context;
    const mafin_texts *documents = texts(in, &list, false);
    const mafin_texts *names = byte(in) < 128 ? NULL : texts(in, &ids, true);
    const mafin_vectors *of_box = vectors(in, &box, documents ? list.count : 0, mafin_dimension(model, MAFIN_BLACK_BOX));
    const mafin_options *how = options(in, &given, &context, mafin_source_count(model));
    mafin_index *index = NULL;
    mafin_status status = mafin_index_make(model, documents, names, of_box, how, &index, &error);
    judge(status, &error);
    if (status == MAFIN_OK) search(in, model, index);
    mafin_index_close(index);
}

// A copy of the toy with one file changed must be refused or work; it must not crash.
static void open_damaged(input *in) {
    static const char *const files[] = {
        "ART/manifest.json", "ART/document-encoder/config.json", "ART/document-encoder/tokenizer_config.json", "ART/document-encoder/vocab.txt",
        "ART/document-encoder/model.safetensors", "ART/lexical/statistics.json", "INDEX/index.json", "INDEX/local.npy", "INDEX/corpus.offsets",
        "INDEX/corpus.lookup", "INDEX/corpus.jsonl", "INDEX/local.bytes"};
    char from[2200], to[2200], path[2200];
    snprintf(from, sizeof from, "%s/%s", toy, files[byte(in) % (sizeof files / sizeof *files)]);
    snprintf(to, sizeof to, "%s.kept", from);
    FILE *file = fopen(from, "rb");
    if (!file) return;
    static uint8_t content[1 << 20];
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    // Lengths are checked first, so the length mostly stays.
    for (int changes = 1 + byte(in) % 4; changes > 0 && size > 0; changes--) {
        size_t place = ((size_t)byte(in) << 16 | (size_t)byte(in) << 8 | byte(in)) % size;
        if (byte(in) < 128 && size > 600) place %= 600;
        content[place] = byte(in);
    }
    if (rarely(in)) size = size * byte(in) / 256;
    CHECK(rename(from, to) == 0 && (file = fopen(from, "wb")) != NULL);
    CHECK(fwrite(content, 1, size, file) == size && fclose(file) == 0);
    mafin_error error;
    mafin_model *model = NULL;
    mafin_index *index = NULL;
    is_damaged = true;
    snprintf(path, sizeof path, "%s/ART", toy);
    mafin_status status = mafin_open(path, NULL, &model, &error);
    judge(status, &error);
    if (status == MAFIN_OK) {
        snprintf(path, sizeof path, "%s/INDEX", toy);
        status = mafin_index_open(model, path, &index, &error);
        judge(status, &error);
        if (status == MAFIN_OK) search(in, model, index);
        encode(in, model);
    }
    mafin_index_close(index);
    mafin_close(model);
    is_damaged = false;
    CHECK(rename(to, from) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    set_up();
    input in = {data, size};
    mafin_model *model = byte(&in) < 180 ? artefact : encoder;
    uint8_t what = byte(&in);
    if (what < 90) encode(&in, model);
    else if (what < 170) search(&in, artefact, opened);
    else if (what < 230 || !getenv("MAFIN_FUZZ_FILES")) make_index(&in, model);
    else open_damaged(&in);
    release();
    return 0;
}

#ifndef WITH_LIBFUZZER
// Without libFuzzer: random bytes. fuzz_mafin RUNS [SEED]
int main(int count, char **arguments) {
    long runs = count > 1 ? atol(arguments[1]) : 1000;
    uint64_t state = count > 2 ? (uint64_t)atoll(arguments[2]) : 1;
    uint8_t data[512];
    for (long run = 0; run < runs; run++) {
        for (size_t place = 0; place < sizeof data; place++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            data[place] = (uint8_t)(state >> 56);
        }
        LLVMFuzzerTestOneInput(data, sizeof data);
    }
    mafin_counters counters = {.struct_size = sizeof counters};
    CHECK(mafin_read_counters(artefact, &counters, NULL) == MAFIN_OK);
    printf("%ld runs: %llu queries and %llu documents encoded, %llu searches, %llu refusals\n", runs,
        (unsigned long long)counters.queries_encoded, (unsigned long long)counters.documents_encoded, (unsigned long long)counters.searches,
        (unsigned long long)counters.errors);
    mafin_index_close(opened);
    mafin_close(artefact);
    mafin_close(encoder);
    return 0;
}
#endif
