// ICU's data (names of months, rules of sorting, … of 700 locales) is 34 MB, half of the static library. The library formats no dates, sorts by
// no locale's rules and converts no charsets, so it gets this list without entries instead. Properties and normal forms of characters are
// code of ICU and of Swift, and need no data. Checked by `Scripts/test-c.sh`, which runs the interface's tests against the static library.
//
// The layout is that of ICU's `DataHeader`, followed by an empty table of contents ("ToCP").
#include <stdint.h>

struct header {
    uint16_t header_size;
    uint8_t magic1, magic2;
    uint16_t info_size, reserved_word;
    uint8_t is_big_endian, charset_family, size_of_uchar, reserved_byte;
    uint8_t data_format[4], format_version[4], data_version[4];
    uint8_t padding[8];
    uint32_t count, reserved;
};

// The name has ICU's version in it; `link_static.py` reads it from the archive.
__attribute__((aligned(16))) const struct header ICU_DATA = {
    32, 0xda, 0x27, 20, 0, 0, 0, 2, 0, {'T', 'o', 'C', 'P'}, {1, 0, 0, 0}, {0, 0, 0, 0}, {0}, 0, 0};
