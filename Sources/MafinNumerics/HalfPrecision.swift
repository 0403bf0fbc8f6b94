import CMafinKernels

/// Conversions between floats and IEEE 754 half-precision bits. (`Float16` itself is not available on Intel Macs.)
public enum Float16Bits {
    /// The half-precision bits nearest to each value, ties to even. Values beyond ±65,519 become infinite, and NaN
    /// stays NaN.
    public static func bits(_ values: [Float]) -> [UInt16] {
        [UInt16](unsafeUninitializedCapacity: values.count) { bits, initialized in
            if let out = bits.baseAddress { _ = mafin_to_half(values.count, values, out) }
            initialized = values.count
        }
    }

    /// The values of half-precision bits at any address, two bytes each.
    public static func floats(_ bits: UnsafeRawBufferPointer) -> [Float] {
        [Float](unsafeUninitializedCapacity: bits.count / 2) { values, initialized in
            if let from = bits.baseAddress, let out = values.baseAddress { mafin_from_half(bits.count / 2, from, out) }
            initialized = bits.count / 2
        }
    }
}

/// The value of bfloat16 bits: the upper half of a `Float`.
public enum BFloat16Bits {
    /// The value of bfloat16 bits.
    public static func float(_ bits: UInt16) -> Float {
        Float(bitPattern: UInt32(bits) << 16)
    }
}
