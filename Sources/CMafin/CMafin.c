// The layout of the structs is part of the interface: programs in other languages write these offsets down. A change that moves a field
// fails to compile here.
#include "mafin.h"

#include <stddef.h>

#define HAS_OFFSET(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field " has moved")

_Static_assert(sizeof(void *) == 8, "the interface is for 64-bit machines");
_Static_assert(sizeof(mafin_error) == 1024, "mafin_error has another size");
HAS_OFFSET(mafin_error, message, 4);
_Static_assert(sizeof(mafin_texts) == 32, "mafin_texts has another size");
HAS_OFFSET(mafin_texts, byte_count, 8);
HAS_OFFSET(mafin_texts, offsets, 16);
HAS_OFFSET(mafin_texts, count, 24);
_Static_assert(sizeof(mafin_vectors) == 24, "mafin_vectors has another size");
HAS_OFFSET(mafin_options, flags, 8);
HAS_OFFSET(mafin_options, progress, 16);
HAS_OFFSET(mafin_options, context, 24);
HAS_OFFSET(mafin_options, prefix, 32);
HAS_OFFSET(mafin_options, weights, 40);
HAS_OFFSET(mafin_open_options, verify_content, 8);
HAS_OFFSET(mafin_open_options, maximum_tokens, 12);
HAS_OFFSET(mafin_open_options, model_folders, 16);
HAS_OFFSET(mafin_open_options, precision, 24);
_Static_assert(sizeof(mafin_document) == 48, "mafin_document has another size");
HAS_OFFSET(mafin_counters, tokens, 24);
HAS_OFFSET(mafin_counters, encoding_seconds, 40);
HAS_OFFSET(mafin_counters, searches, 48);
HAS_OFFSET(mafin_counters, errors, 64);

const char *mafin_status_name(mafin_status status) {
    switch (status) {
    case MAFIN_OK: return "done";
    case MAFIN_INVALID_ARGUMENT: return "invalid argument";
    case MAFIN_NOT_FOUND: return "not found";
    case MAFIN_BAD_FILE: return "bad file";
    case MAFIN_NEEDS_BLACK_BOX: return "needs the black box's vectors";
    case MAFIN_UNSUPPORTED: return "unsupported";
    case MAFIN_BAD_VECTOR: return "bad vector";
    case MAFIN_CANCELLED: return "cancelled";
    case MAFIN_BUFFER_TOO_SMALL: return "buffer too small";
    case MAFIN_OTHER: return "other error";
    default: return "unknown status";
    }
}
