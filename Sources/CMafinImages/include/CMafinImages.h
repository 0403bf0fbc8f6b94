// PNG and JPEG to pixels, and resampling of pixels. Every function is safe on any bytes: the libraries' errors come back as text, and no
// memory of theirs outlives a call. Nothing is kept between calls, so that calls may run on all threads.
#ifndef CMAFINIMAGES_H
#define CMAFINIMAGES_H

#include <stddef.h>
#include <stdint.h>

enum { MAFIN_IMAGE_UNKNOWN = 0, MAFIN_IMAGE_PNG = 1, MAFIN_IMAGE_JPEG = 2 };

// What is known of an image before a pixel is decoded.
typedef struct {
    // MAFIN_IMAGE_PNG or MAFIN_IMAGE_JPEG.
    int32_t format;
    // As stored, before the orientation is applied; both at least 1.
    int32_t width, height;
    // The orientation of EXIF, 1 to 8. 1 if the file says none.
    int32_t orientation;
} mafin_image_header;

// Room for a reason with its zero byte.
enum { MAFIN_IMAGE_REASON = 240 };

// The format by the first bytes.
int32_t mafin_image_format(const uint8_t *bytes, size_t count);

// Reads size and orientation. It allocates nothing and decodes nothing.
// Returns 1; or 0 with the reason, in words.
int32_t mafin_image_read_header(
    const uint8_t *bytes, size_t count, mafin_image_header *header, char reason[MAFIN_IMAGE_REASON]);

// Decodes to RGB, rows top-down, `3 * width * height` bytes, without the orientation.
// `header` is what mafin_image_read_header found in the same bytes. If the decoder finds another size, that is an error.
// Returns 1; or 0 with the reason, in words. Then `pixels` holds anything.
int32_t mafin_image_decode(
    const uint8_t *bytes, size_t count, const mafin_image_header *header, uint8_t *pixels,
    char reason[MAFIN_IMAGE_REASON]);

// Turns RGB pixels as an EXIF orientation says. `output` has the same number of bytes; orientations 5 to 8 swap width and height.
void mafin_image_orient(const uint8_t *pixels, size_t width, size_t height, int32_t orientation, uint8_t *output);

// Filters of mafin_image_resample. The numbers are Pillow's.
enum { MAFIN_FILTER_NEAREST = 0, MAFIN_FILTER_LANCZOS = 1, MAFIN_FILTER_BILINEAR = 2, MAFIN_FILTER_BICUBIC = 3 };

// A rectangle of the resampled image: columns `left ..< left + width`, rows `top ..< top + height`.
typedef struct {
    size_t left, top, width, height;
} mafin_image_window;

// Resamples an image of `channels` (1 or 3) bytes a pixel to `to_width` × `to_height`, and writes the pixels of `window` alone.
// Antialiased as Pillow's `resize`, with the same results: filters that widen with the reduction, weights in fixed point, columns first,
// rounded to bytes between the passes.
// Returns 1; 0 if there is no memory.
int32_t mafin_image_resample(
    const uint8_t *pixels, size_t width, size_t height, size_t channels, int32_t filter, size_t to_width,
    size_t to_height, const mafin_image_window *window, uint8_t *output);

// Writes RGB pixels, interleaved, as a PNG into `capacity` bytes. Twice the bytes of the pixels and 4096 are enough.
// Returns the number of bytes; 0 if they do not fit or there is no memory.
size_t mafin_image_write_png(
    const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t *output, size_t capacity);

// RGB pixels, interleaved, to three planes of float: plane[c][i] = table[c * 256 + pixel].
void mafin_image_planes(const uint8_t *pixels, size_t count, const float *table, float *planes);

#endif
