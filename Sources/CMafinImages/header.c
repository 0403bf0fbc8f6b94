// The size and the orientation of an image, read from its bytes without a library, so that both are known before anything is allocated.
#include "CMafinImages.h"
#include "reason.h"

#include <string.h>

// What the first bytes of a file start with.
static const uint8_t png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

int32_t mafin_image_format(const uint8_t *bytes, size_t count) {
    if (count >= sizeof png_signature && memcmp(bytes, png_signature, sizeof png_signature) == 0) {
        return MAFIN_IMAGE_PNG;
    }
    if (count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) { return MAFIN_IMAGE_JPEG; }
    return MAFIN_IMAGE_UNKNOWN;
}

static uint32_t big16(const uint8_t *bytes) { return (uint32_t)bytes[0] << 8 | bytes[1]; }

static uint32_t big32(const uint8_t *bytes) { return big16(bytes) << 16 | big16(bytes + 2); }

static uint32_t little16(const uint8_t *bytes) { return (uint32_t)bytes[1] << 8 | bytes[0]; }

static uint32_t little32(const uint8_t *bytes) { return little16(bytes + 2) << 16 | little16(bytes); }

// The orientation in a block of EXIF, which is a TIFF header and its first directory. 1 if the block says none or is damaged: a picture with
// a damaged block is shown as it is stored, by every viewer.
static int32_t exif_orientation(const uint8_t *tiff, size_t count) {
    if (count < 8) { return 1; }
    uint32_t (*read16)(const uint8_t *), (*read32)(const uint8_t *);
    if (tiff[0] == 'I' && tiff[1] == 'I') {
        read16 = little16;
        read32 = little32;
    } else if (tiff[0] == 'M' && tiff[1] == 'M') {
        read16 = big16;
        read32 = big32;
    } else {
        return 1;
    }
    if (read16(tiff + 2) != 42) { return 1; }
    size_t directory = read32(tiff + 4);
    if (directory > count - 2) { return 1; }
    size_t entries = read16(tiff + directory);
    const size_t entry_size = 12;
    for (size_t i = 0; i < entries; i++) {
        size_t start = directory + 2 + i * entry_size;
        if (start + entry_size > count) { return 1; }
        const uint8_t *entry = tiff + start;
        const uint32_t orientation_tag = 0x0112, type_short = 3, type_long = 4;
        if (read16(entry) != orientation_tag) { continue; }
        uint32_t type = read16(entry + 2);
        if (read32(entry + 4) != 1) { return 1; }
        uint32_t value = type == type_short ? read16(entry + 8) : type == type_long ? read32(entry + 8) : 1;
        return value >= 1 && value <= 8 ? (int32_t)value : 1;
    }
    return 1;
}

static int32_t png_header(
    const uint8_t *bytes, size_t count, mafin_image_header *header, char reason[MAFIN_IMAGE_REASON]) {
    const size_t chunk = 8, signature = sizeof png_signature;
    if (count < signature + chunk + 13) { return mafin_image_fail(reason, "the file is truncated in its header"); }
    if (memcmp(bytes + signature + 4, "IHDR", 4) != 0 || big32(bytes + signature) != 13) {
        return mafin_image_fail(reason, "the first chunk of a PNG must be IHDR");
    }
    uint32_t width = big32(bytes + signature + chunk), height = big32(bytes + signature + chunk + 4);
    if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
        return mafin_image_fail(reason, "a size of %u × %u pixels is not possible", width, height);
    }
    *header = (mafin_image_header){MAFIN_IMAGE_PNG, (int32_t)width, (int32_t)height, 1};
    // The chunk eXIf may come before or after the pixels.
    size_t at = signature;
    while (at + chunk <= count) {
        size_t length = big32(bytes + at);
        if (length > count - at - chunk) { break; }
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0) {
            header->orientation = exif_orientation(bytes + at + chunk, length);
            break;
        }
        if (memcmp(bytes + at + 4, "IEND", 4) == 0) { break; }
        const size_t checksum = 4;
        if (count - at - chunk - length < checksum) { break; }
        at += chunk + length + checksum;
    }
    return 1;
}

static int32_t jpeg_header(
    const uint8_t *bytes, size_t count, mafin_image_header *header, char reason[MAFIN_IMAGE_REASON]) {
    int32_t orientation = 1, has_exif = 0;
    size_t at = 2;
    while (1) {
        // Bytes before a marker, and repeated 0xFF, are skipped, as libjpeg skips them.
        while (at < count && bytes[at] != 0xFF) { at++; }
        while (at < count && bytes[at] == 0xFF) { at++; }
        if (at >= count) { return mafin_image_fail(reason, "the file is truncated in its header"); }
        uint8_t marker = bytes[at++];
        // 0xFF00 is data; RSTn, SOI and TEM stand alone.
        if (marker == 0 || (marker >= 0xD0 && marker <= 0xD8) || marker == 0x01) { continue; }
        if (marker == 0xD9 || marker == 0xDA) {
            return mafin_image_fail(reason, "there are no pixels: the size (SOF) is missing");
        }
        if (count - at < 2) { return mafin_image_fail(reason, "the file is truncated in its header"); }
        size_t length = big16(bytes + at);
        if (length < 2) { return mafin_image_fail(reason, "a segment of %zu bytes is not possible", length); }
        if (length > count - at) { return mafin_image_fail(reason, "the file is truncated in its header"); }
        const uint8_t *body = bytes + at + 2;
        size_t size = length - 2;
        if (marker == 0xE1 && !has_exif && size >= 6 && memcmp(body, "Exif\0\0", 6) == 0) {
            has_exif = 1;
            orientation = exif_orientation(body + 6, size - 6);
        }
        // SOF0 to SOF15, of which three numbers are other segments (DHT, JPG, DAC).
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) {
            if (size < 6) { return mafin_image_fail(reason, "the size (SOF) is truncated"); }
            uint32_t height = big16(body + 1), width = big16(body + 3);
            if (width == 0 || height == 0) {
                return mafin_image_fail(reason, "a size of %u × %u pixels is not possible", width, height);
            }
            *header = (mafin_image_header){MAFIN_IMAGE_JPEG, (int32_t)width, (int32_t)height, orientation};
            return 1;
        }
        at += length;
    }
}

int32_t mafin_image_read_header(
    const uint8_t *bytes, size_t count, mafin_image_header *header, char reason[MAFIN_IMAGE_REASON]) {
    switch (mafin_image_format(bytes, count)) {
        case MAFIN_IMAGE_PNG: return png_header(bytes, count, header, reason);
        case MAFIN_IMAGE_JPEG: return jpeg_header(bytes, count, header, reason);
        default: return mafin_image_fail(reason, "neither PNG nor JPEG");
    }
}
