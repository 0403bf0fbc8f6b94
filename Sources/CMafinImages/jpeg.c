// JPEG to RGB with libjpeg-turbo: baseline and progressive, greyscale, YCbCr, RGB, CMYK and YCCK.
#include "CMafinImages.h"
#include "reason.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf jump;
    char *reason;
} jpeg_failure;

static _Noreturn void on_error(j_common_ptr info) {
    jpeg_failure *failure = (jpeg_failure *)info->err;
    char message[JMSG_LENGTH_MAX];
    failure->base.format_message(info, message);
    mafin_image_fail(failure->reason, "%s", message);
    longjmp(failure->jump, 1);
}

static _Noreturn void stop(j_common_ptr info, const char *words) {
    jpeg_failure *failure = (jpeg_failure *)info->err;
    mafin_image_fail(failure->reason, "%s", words);
    longjmp(failure->jump, 1);
}

// Warnings are about damaged pixels, which are decoded as well as possible, as in every viewer.
static void on_message(j_common_ptr info, int level) {
    (void)info;
    (void)level;
}

static void no_start(j_decompress_ptr info) { (void)info; }

// The whole file is in memory, so that a request for more bytes is one beyond its end. (libjpeg's own source would invent an end, and the
// rest of the picture would be grey.)
static boolean no_more(j_decompress_ptr info) { stop((j_common_ptr)info, "the file is truncated"); }

static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) { return; }
    if ((size_t)count > info->src->bytes_in_buffer) { stop((j_common_ptr)info, "the file is truncated"); }
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

// Every scan walks over all pixels, however few bytes it has, so thousands of them in a small file would take minutes. Progressive pictures
// have about ten.
static void on_progress(j_common_ptr info) {
    const uint64_t most_scans = 500, common_scans = 32, most_work = (uint64_t)1 << 30;
    if (!info->is_decompressor) { return; }
    j_decompress_ptr image = (j_decompress_ptr)info;
    uint64_t scans = image->input_scan_number > 0 ? (uint64_t)image->input_scan_number : 0;
    if (scans > most_scans) { stop(info, "it has more than 500 scans"); }
    if (scans > common_scans && scans * image->image_width * image->image_height > most_work) {
        stop(info, "it has too many scans for its size");
    }
}

// a · b / 255, rounded.
static inline unsigned scaled(unsigned a, unsigned b) { return (a * b + 127) / 255; }

// One row of CMYK, stored inverted as Adobe does and Pillow assumes.
static void cmyk_row(const uint8_t *cmyk, size_t width, uint8_t *rgb) {
    for (size_t x = 0; x < width; x++) {
        unsigned light = cmyk[4 * x + 3];
        for (size_t c = 0; c < 3; c++) { rgb[3 * x + c] = (uint8_t)(light - scaled(255u - cmyk[4 * x + c], light)); }
    }
}

int32_t mafin_image_decode_jpeg(
    const uint8_t *bytes, size_t count, const mafin_image_header *header, uint8_t *pixels,
    char reason[MAFIN_IMAGE_REASON]) {
    struct jpeg_decompress_struct info;
    jpeg_failure failure;
    info.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = on_error;
    failure.base.emit_message = on_message;
    failure.reason = reason;
    // `info` is only read through its address after an error, so that no register can hold an old value.
    memset(&info.mem, 0, sizeof info.mem);
    if (setjmp(failure.jump)) {
        jpeg_destroy_decompress(&info);
        return 0;
    }
    jpeg_create_decompress(&info);
    struct jpeg_source_mgr source = {
        .next_input_byte = bytes, .bytes_in_buffer = count, .init_source = no_start, .fill_input_buffer = no_more,
        .skip_input_data = skip, .resync_to_restart = jpeg_resync_to_restart, .term_source = no_start};
    info.src = &source;
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    info.progress = &progress;
    jpeg_read_header(&info, TRUE);
    if (info.image_width != (JDIMENSION)header->width || info.image_height != (JDIMENSION)header->height) {
        stop((j_common_ptr)&info, "it names two sizes");
    }
    int has_black = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    if (!has_black && info.num_components != 1 && info.num_components != 3) {
        mafin_image_fail(reason, "%d colours a pixel; expected 1, 3 or 4", info.num_components);
        longjmp(failure.jump, 1);
    }
    info.out_color_space = has_black ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info);
    size_t width = (size_t)header->width;
    if (info.output_width != (JDIMENSION)header->width || info.output_height != (JDIMENSION)header->height
        || info.output_components != (has_black ? 4 : 3)) {
        stop((j_common_ptr)&info, "its pixels are of an unknown kind");
    }
    JSAMPARRAY row = has_black
        ? info.mem->alloc_sarray((j_common_ptr)&info, JPOOL_IMAGE, info.output_width * 4, 1) : NULL;
    while (info.output_scanline < info.output_height) {
        uint8_t *target = pixels + (size_t)info.output_scanline * width * 3;
        JSAMPROW place = has_black ? row[0] : target;
        if (jpeg_read_scanlines(&info, &place, 1) != 1) { stop((j_common_ptr)&info, "the file is truncated"); }
        if (has_black) { cmyk_row(place, width, target); }
    }
    jpeg_destroy_decompress(&info);
    return 1;
}
