// PNG to RGB with libpng. Greyscale and palettes become RGB, 16 bits become their high byte, and alpha is dropped, as Pillow's convert("RGB")
// does. (The colour of a transparent pixel stays what the file says.)
#include "CMafinImages.h"
#include "reason.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

typedef struct {
    const uint8_t *bytes;
    size_t count, at;
    char *reason;
} png_source;

static void read_bytes(png_structp png, png_bytep output, size_t count) {
    png_source *source = png_get_io_ptr(png);
    if (count > source->count - source->at) { png_error(png, "the file is truncated"); }
    memcpy(output, source->bytes + source->at, count);
    source->at += count;
}

static _Noreturn void on_error(png_structp png, png_const_charp message) {
    png_source *source = png_get_error_ptr(png);
    mafin_image_fail(source->reason, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

int32_t mafin_image_decode_png(
    const uint8_t *bytes, size_t count, const mafin_image_header *header, uint8_t *pixels,
    char reason[MAFIN_IMAGE_REASON]) {
    png_source source = {bytes, count, 0, reason};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
    if (png == NULL) { return mafin_image_fail(reason, "no memory to decode it"); }
    // Set before setjmp and not changed after it, so that it holds its value after an error.
    png_infop info = png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        return mafin_image_fail(reason, "no memory to decode it");
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return 0;
    }
    png_set_user_limits(png, (png_uint_32)header->width, (png_uint_32)header->height);
    // Chunks beside the pixels (texts, profiles) are not used, so they may not take memory.
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 1 << 20);
#ifdef MAFIN_FUZZING
    // Mutated bytes would otherwise end at the first checksum.
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
#endif
    png_set_read_fn(png, &source, read_bytes);
    png_read_info(png, info);
    if (png_get_image_width(png, info) != (png_uint_32)header->width
        || png_get_image_height(png, info) != (png_uint_32)header->height) {
        png_error(png, "it names two sizes");
    }
    int depth = png_get_bit_depth(png, info), colour = png_get_color_type(png, info);
    if (depth == 16) { png_set_strip_16(png); }
    if (colour == PNG_COLOR_TYPE_PALETTE) { png_set_palette_to_rgb(png); }
    if (!(colour & PNG_COLOR_MASK_COLOR)) {
        if (depth < 8) { png_set_expand_gray_1_2_4_to_8(png); }
        png_set_gray_to_rgb(png);
    }
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row = (size_t)header->width * 3;
    if (png_get_rowbytes(png, info) != row) { png_error(png, "its pixels are of an unknown kind"); }
    for (int pass = 0; pass < passes; pass++) {
        for (int32_t y = 0; y < header->height; y++) { png_read_row(png, pixels + (size_t)y * row, NULL); }
    }
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
}
