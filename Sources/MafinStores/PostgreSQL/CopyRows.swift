import MafinNumerics
import MafinPipeline

/// Rows in the binary form of PostgreSQL's `COPY`: big-endian, each field after its length.
struct CopyRows {
    private(set) var bytes: [UInt8] = Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0] + [UInt8](repeating: 0, count: 8)

    /// Begins a row.
    mutating func begin(fields: Int) { append(Int16(fields)) }

    /// The end of all rows.
    mutating func end() { append(Int16(-1)) }

    /// A text.
    mutating func text(_ text: String) {
        append(Int32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// pgvector's `vector`: the number of elements, an unused number, floats.
    mutating func vector(_ values: ArraySlice<Float>) {
        append(Int32(4 + 4 * values.count))
        append(Int16(truncatingIfNeeded: values.count))
        append(Int16(0))
        for value in values { append(value.bitPattern) }
    }

    /// pgvector's `halfvec`: the number of elements, an unused number, halves.
    mutating func halfVector(_ values: ArraySlice<Float>) {
        append(Int32(4 + 2 * values.count))
        append(Int16(truncatingIfNeeded: values.count))
        append(Int16(0))
        for bits in Float16Bits.bits(Array(values)) { append(bits) }
    }

    /// pgvector's `sparsevec`: the dimension, the number of terms, an unused number, places from 0, floats.
    mutating func sparseVector(_ terms: [SparseTerm], dimension: Int) {
        append(Int32(12 + 8 * terms.count))
        append(Int32(dimension))
        append(Int32(terms.count))
        append(Int32(0))
        for term in terms { append(Int32(term.index)) }
        for term in terms { append(term.weight.bitPattern) }
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
