// Prints the vector of each line of standard input, as an encoder or the local encoder of an artefact makes it.
//
//   cc -I Sources/CMafin/include Samples/C/encode.c -L .build/static -lMafinC -o encode
//   echo "a text" | ./encode .cache/models/all-MiniLM-L6-v2 document
#include <mafin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    if (count != 3 || (strcmp(arguments[2], "query") && strcmp(arguments[2], "document"))) {
        fprintf(stderr, "usage: encode MODEL query|document < LINES\n");
        return 64;
    }
    mafin_role role = strcmp(arguments[2], "query") == 0 ? MAFIN_QUERY : MAFIN_DOCUMENT;
    mafin_error error;
    mafin_model *model;
    if (mafin_open(arguments[1], NULL, &model, &error)) {
        fprintf(stderr, "error: %s\n", error.message);
        return 1;
    }
    uint64_t dimension = mafin_dimension(model, MAFIN_LOCAL);
    float *vector = malloc(dimension * sizeof *vector);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) >= 0) {
        if (length > 0 && line[length - 1] == '\n') length--;
        const uint64_t offsets[] = {0, (uint64_t)length};
        const mafin_texts texts = {line, (uint64_t)length, offsets, 1};
        if (mafin_encode(model, role, &texts, NULL, vector, dimension, &error)) {
            fprintf(stderr, "error: %s\n", error.message);
            return 1;
        }
        for (uint64_t column = 0; column < dimension; column++) printf(column ? " %.9g" : "%.9g", vector[column]);
        printf("\n");
    }
    free(line);
    free(vector);
    mafin_close(model);
    return 0;
}
