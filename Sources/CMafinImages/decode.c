// Chooses the decoder, and turns pixels as EXIF says.
#include "CMafinImages.h"
#include "reason.h"

#include <string.h>

int32_t mafin_image_decode(
    const uint8_t *bytes, size_t count, const mafin_image_header *header, uint8_t *pixels,
    char reason[MAFIN_IMAGE_REASON]) {
    switch (header->format) {
        case MAFIN_IMAGE_PNG: return mafin_image_decode_png(bytes, count, header, pixels, reason);
        case MAFIN_IMAGE_JPEG: return mafin_image_decode_jpeg(bytes, count, header, pixels, reason);
        default: return mafin_image_fail(reason, "neither PNG nor JPEG");
    }
}

void mafin_image_orient(
    const uint8_t *pixels, size_t width, size_t height, int32_t orientation, uint8_t *output) {
    // Bits of `orientation - 1`: rows and columns are swapped (5 to 8), and the picture is then mirrored along x or y.
    static const struct { int transpose, mirror_x, mirror_y; } turns[9] = {
        {0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1},
    };
    int32_t turn = orientation >= 1 && orientation <= 8 ? orientation : 1;
    size_t columns = turns[turn].transpose ? height : width, rows = turns[turn].transpose ? width : height;
    for (size_t y = 0; y < rows; y++) {
        size_t v = turns[turn].mirror_y ? rows - 1 - y : y;
        for (size_t x = 0; x < columns; x++) {
            size_t u = turns[turn].mirror_x ? columns - 1 - x : x;
            size_t from = turns[turn].transpose ? u * width + v : v * width + u;
            memcpy(output + 3 * (y * columns + x), pixels + 3 * from, 3);
        }
    }
}
