// Reasons of failures, in words.
#ifndef MAFIN_IMAGE_REASON_H
#define MAFIN_IMAGE_REASON_H

#include "CMafinImages.h"

#include <stdarg.h>
#include <stdio.h>

// Writes a reason and returns 0, the result of a function that failed.
__attribute__((format(printf, 2, 3))) static inline int32_t mafin_image_fail(
    char reason[MAFIN_IMAGE_REASON], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, MAFIN_IMAGE_REASON, format, arguments);
    va_end(arguments);
    return 0;
}

int32_t mafin_image_decode_png(
    const uint8_t *bytes, size_t count, const mafin_image_header *header, uint8_t *pixels,
    char reason[MAFIN_IMAGE_REASON]);

int32_t mafin_image_decode_jpeg(
    const uint8_t *bytes, size_t count, const mafin_image_header *header, uint8_t *pixels,
    char reason[MAFIN_IMAGE_REASON]);

#endif
