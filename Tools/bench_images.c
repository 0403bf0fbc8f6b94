// Decodes and resizes a file again and again, as Sources/MafinImages does, and prints images a second. `bench-images.py` builds and runs it.
#include "CMafinImages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 4) { return 2; }
    FILE *file = fopen(arguments[1], "rb");
    if (file == NULL) { return 2; }
    static uint8_t bytes[1 << 24];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    // Shorter edge and crop.
    size_t edge = (size_t)atoi(arguments[2]), crop = (size_t)atoi(arguments[3]);
    float *table = calloc(3 * 256, sizeof *table), *planes = malloc(3 * crop * crop * sizeof *planes);
    for (size_t i = 0; i < 3 * 256; i++) { table[i] = ((float)(i % 256) / 255 - 0.45f) / 0.22f; }
    char reason[MAFIN_IMAGE_REASON];
    double decoding = 0, rest = 0, start = now();
    size_t done = 0;
    while (decoding + rest < 2 || done < 20) {
        mafin_image_header header;
        if (!mafin_image_read_header(bytes, size, &header, reason)) { return 1; }
        size_t width = (size_t)header.width, height = (size_t)header.height;
        uint8_t *pixels = calloc(3 * width, height);
        if (!mafin_image_decode(bytes, size, &header, pixels, reason)) { return 1; }
        double decoded = now();
        size_t to_width = width < height ? edge : edge * width / height, to_height = width < height ? edge * height / width : edge;
        mafin_image_window window = {(to_width - crop) / 2, (to_height - crop) / 2, crop, crop};
        uint8_t *resized = malloc(3 * crop * crop);
        mafin_image_resample(pixels, width, height, 3, MAFIN_FILTER_BICUBIC, to_width, to_height, &window, resized);
        mafin_image_planes(resized, crop * crop, table, planes);
        free(resized);
        free(pixels);
        double end = now();
        decoding += decoded - start;
        rest += end - decoded;
        start = end;
        done++;
    }
    printf("%f %f\n", decoding / (double)done, rest / (double)done);
    return 0;
}
