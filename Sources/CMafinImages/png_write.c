// RGB to PNG with libpng's simplified interface.
#include "CMafinImages.h"

#include <png.h>
#include <string.h>

size_t mafin_image_write_png(
    const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t *output, size_t capacity) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t count = capacity;
    int written = png_image_write_to_memory(&image, output, &count, 0, pixels, 0, NULL);
    png_image_free(&image);
    return written ? (size_t)count : 0;
}
