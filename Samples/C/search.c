// Searches an index of `mafin index` from C. The artefact's stand-in answers if there is one, so no embedding API is asked; otherwise the
// sources that do not need the API rank.
//
//   cc -I Sources/CMafin/include Samples/C/search.c -L .build/static -lMafinC -o search
//   ./search ARTEFACT INDEX "who brings the soup report"
#include <mafin.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WANTED = 5, MOST_SOURCES = 32 };

static int fail(const mafin_error *error) {
    fprintf(stderr, "error (%s): %s\n", mafin_status_name(error->status), error->message);
    return 1;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: search ARTEFACT INDEX QUERY\n");
        return 64;
    }
    if (mafin_abi_version() != MAFIN_ABI_VERSION) {
        fprintf(stderr, "error: the library is of another version than the header\n");
        return 1;
    }
    mafin_error error;
    mafin_model *model;
    mafin_index *index;
    if (mafin_open(arguments[1], NULL, &model, &error)) return fail(&error);
    for (uint64_t number = 0; number < mafin_warning_count(model); number++) fprintf(stderr, "warning: %s\n", mafin_warning(model, number));
    if (mafin_index_open(model, arguments[2], &index, &error)) return fail(&error);

    const char *query = arguments[3];
    const uint64_t offsets[] = {0, strlen(query)};
    const mafin_texts queries = {query, strlen(query), offsets, 1};
    uint64_t sources = mafin_source_count(model), rows[WANTED], found;
    float scores[WANTED], parts[WANTED * MOST_SOURCES];
    if (sources > MOST_SOURCES) return 1;

    mafin_options options = {.struct_size = sizeof options, .flags = MAFIN_OFFLINE};
    mafin_status status = mafin_search(index, &queries, NULL, WANTED, &options, rows, scores, parts, &found, &error);
    if (status == MAFIN_UNSUPPORTED) {
        options.flags = MAFIN_WITHOUT_BLACK_BOX;
        status = mafin_search(index, &queries, NULL, WANTED, &options, rows, scores, parts, &found, &error);
    }
    if (status) return fail(&error);

    for (uint64_t place = 0; place < found; place++) {
        mafin_document document;
        if (mafin_index_document(index, rows[place], &document, &error)) return fail(&error);
        printf("%d. %.4f %s  %s\n   %.100s\n  ", (int)place + 1, scores[place], document.id, document.title, document.text);
        for (uint64_t source = 0; source < sources; source++) {
            float part = parts[place * sources + source];
            if (!isnan(part)) printf(" %s %.4f", mafin_source_name(model, source), part);
        }
        printf("\n");
        mafin_document_free(&document);
    }
    mafin_index_close(index);
    mafin_close(model);
    return 0;
}
