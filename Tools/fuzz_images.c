// Feeds mutated PNG and JPEG files to the decoders of Sources/CMafinImages and watches for wrong reads and writes, leaks and hangs. libFuzzer
// mutates; AddressSanitizer and UndefinedBehaviorSanitizer watch. Checksums of PNG are ignored in this build, as mutants would end at them.
//
//     clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DMAFIN_FUZZING -ISources/CMafinImages/include
//         Sources/CMafinImages/*.c Tools/fuzz_images.c -lpng -ljpeg -lm -o .cache/fuzz-images
//     mkdir -p .cache/fuzz-images-corpus
//     .cache/fuzz-images -runs=1000000 -max_len=4096 -timeout=10 .cache/fuzz-images-corpus Tests/MafinImagesTests/Goldens/files
//
// It ends with "Done 1000000 runs", or with a report and the file that caused it.
#include "CMafinImages.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    mafin_image_header header;
    char reason[MAFIN_IMAGE_REASON] = {0};
    if (!mafin_image_read_header(bytes, count, &header, reason)) {
        if (reason[0] == 0 || memchr(reason, 0, sizeof reason) == NULL) { abort(); }
        return 0;
    }
    if (header.width < 1 || header.height < 1 || header.orientation < 1 || header.orientation > 8) { abort(); }
    size_t width = (size_t)header.width, height = (size_t)header.height;
    // The limit of the caller, small so that a run is fast.
    const size_t limit = 1 << 13;
    if (width * height > limit) { return 0; }
    // Exactly as large as needed, so that the sanitizer sees the first byte beyond.
    uint8_t *pixels = malloc(3 * width * height), *turned = malloc(3 * width * height);
    int32_t done = mafin_image_decode(bytes, count, &header, pixels, reason);
    if (!done && (reason[0] == 0 || memchr(reason, 0, sizeof reason) == NULL)) { abort(); }
    if (done) {
        mafin_image_orient(pixels, width, height, header.orientation, turned);
        size_t to_width = 1 + bytes[count - 1] % 40, to_height = 1 + bytes[count / 2] % 40;
        mafin_image_window window = {to_width / 3, to_height / 3, to_width - to_width / 3, to_height - to_height / 3};
        uint8_t *resized = malloc(3 * window.width * window.height);
        if (!mafin_image_resample(pixels, width, height, 3, bytes[count / 3] % 4, to_width, to_height, &window, resized)) { abort(); }
        free(resized);
    }
    free(pixels);
    free(turned);
    return 0;
}
