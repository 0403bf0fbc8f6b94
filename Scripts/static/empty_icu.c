// ICU's data (names of months, rules of sorting, names in the DNS, … of 700 locales) is 34 MB, a third of the static program and half of the
// library. mafin formats no dates by a locale, sorts by no locale's rules and converts no charsets, so both get this list without entries instead.
// Properties and normal forms of characters are code and need no data. What is lost: an address whose host name is not in ASCII is refused
// and must be written in its ASCII form (xn--…). `Scripts/test-c.sh` and `Scripts/test-wheel.sh` test what was linked so.
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
